"""No log-probability of a token depends on later tokens; a model where one does is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

import tiny_families
import tiny_parts
import tiny_processors
from groundtune.cli.progress import SilentProgress
from groundtune.engine.causality import needs_check, refuse_lookahead
from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.errors import UserError
from groundtune.generate.decode import decode
from groundtune.generate.hf import HfGenerator
from groundtune.generate.own_reward import OwnReward
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.train.plan import plan_training
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.records import Sampling
from groundtune.train.log import read_log
from groundtune.train.tune import Lora
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.load import Vlm, load
from tiny_families import ALONE, PACKED, Built, answer, built, paligemma, plain
from tiny_llava import build_tiny_llava
from tiny_processors import saved
from training_folder import ask, fill_folder


def saved_unlisted(folder: Path, *, causal: bool) -> str:
    """VipLLaVA, which is in transformers and not in our table; its text model may look ahead."""
    build_tiny_llava(folder)
    old = hf.AutoConfig.from_pretrained(folder)
    config = hf.VipLlavaConfig(
        text_config=old.text_config.to_dict() | {"is_causal": causal},
        vision_config=old.vision_config.to_dict(),
        image_token_id=old.image_token_id,
        vision_feature_layers=[-1, -2],
    )
    torch.manual_seed(0)
    model = hf.VipLlavaForConditionalGeneration(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder)
    return str(folder)


def settings_of(model: str, pairs: RunFolder) -> TrainSettings:
    return TrainSettings(
        model=model, pairs=pairs.path, tune=Lora(r=2), epochs=1, batch_size=3, dtype="float32"
    )


@pytest.mark.parametrize("build", [*PACKED, *ALONE], ids=lambda build: build.__name__)
def test_no_listed_family_looks_ahead(build: Callable[[], Built]):
    vlm, rows = built(build)
    vlm.processor.tokenizer.added_tokens_decoder = {}
    vlm.processor.tokenizer.unk_token_id = None
    assert all([refuse_lookahead(vlm, row) for row in rows])


def test_answers_of_paligemma_see_only_earlier_tokens():
    vlm, rows = built(paligemma)
    for row in rows:
        same, other = answer(30, 31, 32, 33, 2), answer(30, 31, 50, 51, 2)
        with torch.no_grad():
            one, two = separate(vlm, [PromptRow(row.prompt, (same, other))])[0]
            assert float((one[:2] - two[:2]).abs().max()) < 1e-5
            # the prompt's own tokens do see later ones: its last token changes the first answer's
            assert float((one - plain(vlm, row, same.ids)).abs().max()) < 1e-5
    # with the prefix's mark on an answer too, as a field that is taken by its shape would have it
    vlm, rows = built(paligemma)
    ids, start = torch.tensor([[*rows[0].prompt.ids, *same.ids]]), len(rows[0].prompt.ids)
    changed = torch.tensor([[*rows[0].prompt.ids, *other.ids]])
    with torch.no_grad():
        logits = [
            vlm.model(
                input_ids=each,
                attention_mask=torch.ones_like(each),
                token_type_ids=torch.zeros_like(each),
                **rows[0].prompt.features,
            )
            .logits[0, start - 1]
            .log_softmax(-1)
            for each in (ids, changed)
        ]
    assert float((logits[0] - logits[1]).abs().max()) > 0.01


def logp_of_each(
    vlm: Vlm, row: PromptRow, before: tuple[int, ...], tokens: list[int]
) -> torch.Tensor:
    """Log-probability of each of these tokens after an answer's first ones, each in its own row."""
    number = len(tokens)
    ids_BT = torch.tensor([[*row.prompt.ids, *before, token] for token in tokens])
    padding = (0, len(before) + 1)
    inputs = {
        name: torch.nn.functional.pad(mark, padding, value=1).expand(number, -1)
        for name, mark in row.prompt.marks.items()
    }
    inputs |= {
        name: value.repeat(number, *[1] * (value.ndim - 1))
        for name, value in row.prompt.features.items()
    }
    mask_BT = torch.ones_like(ids_BT)
    with torch.no_grad():
        logits = vlm.model(input_ids=ids_BT, attention_mask=mask_BT, use_cache=False, **inputs)
    return logits.logits[:, -2].log_softmax(-1)[torch.arange(number), torch.tensor(tokens)]


def test_paligemmas_generated_answers_are_the_likeliest_of_their_log_probabilities():
    vlm, rows = built(paligemma)
    vlm.model.generation_config.eos_token_id = 2
    vlm.processor.tokenizer.eos_token_id = 2
    prompts = [row.prompt for row in rows]
    greedy = decode(vlm, prompts, [0, 1], [0, 0], Sampling(temperature=0, max_new_tokens=5))
    vocabulary = [token for token in range(120) if token != tiny_parts.IMAGE]
    for row, ids in zip(rows, greedy, strict=True):
        assert tiny_parts.IMAGE not in ids
        for length, token in enumerate(ids):
            before = tuple(ids[:length])
            logp = logp_of_each(vlm, row, before, vocabulary)
            for each in (0, len(vocabulary) - 1):  # a batch is what its rows are alone
                alone = plain(vlm, row, (*before, vocabulary[each]))[-1]
                torch.testing.assert_close(logp[each], alone)
            assert vocabulary[int(logp.argmax())] == token


def test_a_processors_labels_are_no_mark_and_training_of_paligemma_agrees_with_plain_passes(
    tmp_path: Path,
):
    model, pairs = (
        saved(tiny_processors.paligemma, tmp_path / "model"),
        fill_folder(tmp_path / "pairs", 6),
    )
    settings = settings_of(model, pairs)
    assert plan_training(settings, SilentProgress()).engine == "separate"
    vlm = load(model)
    first = pairs.prompts.read()[1]
    encoded = encode_prompt(vlm, first, pairs.images)
    assert set(encoded.marks) == {"token_type_ids"}
    assert set(encoded.features) == {"pixel_values"}
    # the line break that the processor adds is before the answer
    text = vlm.processor.tokenizer.decode(encoded.ids)
    assert text.endswith("Look.\n")
    whole = vlm.processor.tokenizer(text + "There is.", add_special_tokens=False)["input_ids"]
    assert (*encoded.ids, *encode_answer(vlm, "There is.").ids[:-1]) == tuple(whole)
    train(settings, tmp_path / "out", SilentProgress())
    logged = read_log(tmp_path / "out/log.jsonl")[0]
    assert logged["margin"] == pytest.approx(0, abs=1e-6)
    sums = []
    for pair in pairs.pairs.read():
        prompt = encode_prompt(vlm, pairs.prompts_by_key()[pair.prompt], pairs.images)
        row = PromptRow(prompt, (encode_answer(vlm, pair.chosen),))
        with torch.no_grad():
            sums.append(float(plain(vlm, row, row.answers[0].ids).sum()))
    steps = [line["logp_chosen"] for line in read_log(tmp_path / "out/log.jsonl")]
    assert min(sums) <= steps[0] <= max(sums)


def test_an_unlisted_family_is_trained_if_it_is_causal_and_refused_if_it_looks_ahead(
    tmp_path: Path,
):
    pairs = fill_folder(tmp_path / "pairs", 3)
    causal = saved_unlisted(tmp_path / "causal", causal=True)
    assert needs_check(load(causal))
    train(settings_of(causal, pairs), tmp_path / "out", SilentProgress())
    ahead = saved_unlisted(tmp_path / "ahead", causal=False)
    with pytest.raises(UserError, match="depend on later tokens") as refused:
        train(settings_of(ahead, pairs), tmp_path / "other", SilentProgress())
    assert "vipllava" in refused.value.where
    assert not (tmp_path / "other/model").exists()
    prompts = pairs.prompts_by_key()
    some = pairs.pairs.read()[0]
    reward = OwnReward(load(ahead), load(ahead), pairs.images)
    with pytest.raises(UserError, match="depend on later tokens"):
        reward.reward([prompts[some.prompt]], [some.chosen])


def test_probabilities_of_yes_and_no_of_a_model_that_looks_ahead_are_those_of_each_prompt_alone(
    tmp_path: Path,
):
    vlm, pairs = load(saved_unlisted(tmp_path / "ahead", causal=False)), fill_folder(tmp_path, 1)
    image = pairs.prompts.read()[0].images[0]
    texts = ("Is there a dog?", "Is there a cat here?")
    prompts = [ask(text, text, [image]) for text in texts]
    model = HfGenerator(vlm, pairs.images)
    together = model.yes_no(prompts)
    alone = [model.yes_no([prompt])[0] for prompt in prompts]
    for one, other in zip(together, alone, strict=True):
        assert one.p_yes == pytest.approx(other.p_yes, rel=1e-4)
        assert one.p_no == pytest.approx(other.p_no, rel=1e-4)


def test_a_forward_that_takes_no_answer_is_refused_without_a_traceback():
    vlm, rows = built(tiny_families.llava)
    vlm.processor.tokenizer.added_tokens_decoder = {}
    vlm.processor.tokenizer.unk_token_id = None

    def wants_a_decoder(*_: Any) -> None:
        raise ValueError("You have to specify decoder_input_ids")

    vlm.model.model.register_forward_pre_hook(wants_a_decoder)
    with pytest.raises(UserError, match="can't score an answer after its prompt: ValueError You"):
        refuse_lookahead(vlm, rows[0])


def test_log_probabilities_that_are_not_numbers_are_no_proof_of_causality():
    vlm, rows = built(tiny_families.llava)
    vlm.processor.tokenizer.added_tokens_decoder = {}
    vlm.processor.tokenizer.unk_token_id = None
    vlm.model.get_output_embeddings().weight.data.fill_(float("nan"))
    with pytest.raises(UserError, match="nan"):
        refuse_lookahead(vlm, rows[0])


def test_a_prompt_without_the_image_that_paligemma_needs_is_named(tmp_path: Path):
    vlm, pairs = (
        load(saved(tiny_processors.paligemma, tmp_path / "model")),
        fill_folder(tmp_path / "pairs", 1),
    )
    with pytest.raises(UserError, match="processor refuses the prompt") as refused:
        encode_prompt(vlm, ask("bare", "Hello.", []), pairs.images)
    assert refused.value.where == "prompt bare"


class WithField:
    """A processor that returns one more field per token."""

    def __init__(self, processor: Any, name: str) -> None:
        self.processor, self.name = processor, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.processor, name)

    def apply_chat_template(self, *args: Any, **options: Any) -> Any:
        encoded = self.processor.apply_chat_template(*args, **options)
        if options.get("tokenize"):
            encoded[self.name] = torch.ones_like(encoded["input_ids"])
        return encoded


def with_field(vlm: Vlm, name: str) -> Vlm:
    return replace(vlm, processor=WithField(vlm.processor, name))


def test_fields_of_a_processor_are_known_by_their_names(tmp_path: Path):
    pairs = fill_folder(tmp_path / "pairs", 1)
    [prompt] = pairs.prompts.read()
    unlisted = load(saved_unlisted(tmp_path / "model", causal=True))
    labels = encode_prompt(with_field(unlisted, "labels"), prompt, pairs.images)
    assert (set(labels.marks), set(labels.features)) == (set(), {"pixel_values"})
    marks = encode_prompt(with_field(unlisted, "token_type_ids"), prompt, pairs.images)
    assert set(marks.marks) == {"token_type_ids"}
    # as many tokens as the prompt by chance: an instruction for the image encoder
    former = encode_prompt(with_field(unlisted, "qformer_input_ids"), prompt, pairs.images)
    assert set(former.features) == {"pixel_values", "qformer_input_ids"}
    with pytest.raises(UserError, match="returns visual_flags, which seems to have a value per"):
        encode_prompt(with_field(unlisted, "visual_flags"), prompt, pairs.images)
