"""A model's maximum of tokens, and weights that are rounded as they are loaded."""

import json
from pathlib import Path

import pytest

from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.generate.hf import HfGenerator
from groundtune.records import Sampling
from groundtune.train.data import DataRules, encode_pairs
from groundtune.vlm.encode import encode_prompt
from groundtune.vlm.load import load
from tiny_llava import build_tiny_llava
from training_folder import ask, fill_folder


def with_maximum(folder: Path, tokens: int) -> str:
    config = json.loads((build_tiny_llava(folder) / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = tokens
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_a_prompt_over_the_models_maximum_is_named(tmp_path: Path):
    pairs = fill_folder(tmp_path / "pairs", 2)
    prompt = pairs.prompts.read()[1]
    count = len(encode_prompt(load(with_maximum(tmp_path / "a", 500)), prompt, pairs.images).ids)
    encode_prompt(load(with_maximum(tmp_path / "b", count)), prompt, pairs.images)
    with pytest.raises(UserError, match=f"has {count} tokens, over the model's maximum") as seen:
        encode_prompt(load(with_maximum(tmp_path / "c", count - 1)), prompt, pairs.images)
    assert seen.value.where == f"prompt {prompt.key}"


def test_a_pair_over_the_models_maximum_is_named_or_skipped(tmp_path: Path):
    folder = fill_folder(tmp_path / "pairs", 6)
    pairs, prompts = folder.pairs.read(), folder.prompts_by_key()
    whole = encode_pairs(
        load(with_maximum(tmp_path / "a", 500)),
        pairs,
        prompts,
        folder.images,
        DataRules(),
        SilentProgress(),
    )
    lengths = [whole.tokens(index) for index in range(6)]
    vlm = load(with_maximum(tmp_path / "b", sorted(lengths)[2]))
    with pytest.raises(UserError, match="over the model's maximum"):
        encode_pairs(vlm, pairs, prompts, folder.images, DataRules(), SilentProgress())
    rules = DataRules(skip_bad=True)
    some = encode_pairs(vlm, pairs, prompts, folder.images, rules, SilentProgress())
    assert len(some) == sum(length <= sorted(lengths)[2] for length in lengths)
    assert all("max_position_embeddings" in drop.why for drop in some.dropped)


def test_an_answer_ends_at_the_models_maximum_and_counts_as_unfinished(tmp_path: Path):
    pairs = fill_folder(tmp_path / "pairs", 2)
    prompts = [pairs.prompts.read()[1], ask("short", "Look.", [])]
    vlm = load(with_maximum(tmp_path / "a", 500))
    sampling = Sampling(temperature=0, max_new_tokens=8)
    free = HfGenerator(vlm, pairs.images).generate(prompts, sampling, [0, 0])
    assert [reply.tokens for reply in free] == [8, 8]
    length = len(encode_prompt(vlm, prompts[0], pairs.images).ids)
    vlm.model.config.text_config.max_position_embeddings = length + 2
    held = HfGenerator(vlm, pairs.images).generate(prompts, sampling, [0, 0])
    assert [reply.tokens for reply in held] == [3, 8]  # the last token is not run
    assert not held[0].finished


def test_weights_that_are_rounded_are_announced(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = str(build_tiny_llava(tmp_path))
    load(folder, dtype="float32")
    load(folder, dtype="checkpoint")
    assert not caplog.records
    load(folder, dtype="bfloat16")
    [record] = caplog.records
    assert "are float32 and are rounded to bfloat16" in record.getMessage()
    load(folder, dtype="bfloat16").model.save_pretrained(tmp_path)
    caplog.clear()
    load(folder, dtype="bfloat16")
    assert not caplog.records
