"""The anchor on captions of another data set: one per pair in each step, whatever the batches."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from groundtune.engine.engines import engine_of
from groundtune.engine.separate import separate
from groundtune.errors import UserError
from groundtune.methods.ha_dpo import HADPO
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.overlap import training_images
from groundtune.pipeline.train.data import read_pairs
from groundtune.pipeline.train.engine import engine_for
from groundtune.pipeline.train.plan import plan_training
from groundtune.pipeline.train.run import encode, encode_captions, train
from groundtune.pipeline.train.settings import TrainSettings
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Producer
from groundtune.train.captions import Captions
from groundtune.train.log import read_log
from groundtune.train.rows import TrainingPairs
from groundtune.vlm.load import Vlm, load
from training_folder import COLOURS, ask, fill_folder, image_bytes

QUIET = SilentProgress()


def captions(path: Path, number: int) -> RunFolder:
    """Captions of images of their own, each with a text of another length."""
    folder = RunFolder(path)
    images = [folder.images.add(image_bytes(COLOURS[i % 5], 24 + i)) for i in range(number)]
    prompts = [ask(f"caption{i}", "Describe it.", [image]) for i, image in enumerate(images)]
    folder.prompts.append(prompts)
    by = Producer(kind="dataset", name="tests")
    folder.answers.append(
        [
            Answer(key=f"a{p.key}", prompt=p.key, text="A table" + " and a cup" * i, producer=by)
            for i, p in enumerate(prompts)
        ]
    )
    return folder


def settings(model: Path, pairs: Path, **changes: object) -> TrainSettings:
    given = {
        "model": str(model),
        "pairs": pairs,
        "method": {"type": "ha_dpo", "gamma": 0.5},
        "tune": {"type": "full", "parts": ["language_model"]},
        "optim": {"lr": 1e-3},
        "batch_size": 3,
        "dtype": "float32",
        "epochs": 1,
    }
    return TrainSettings.model_validate({**given, **changes})


def ready(vlm: Vlm, chosen: TrainSettings) -> TrainingPairs:
    data, engine = read_pairs(chosen), engine_for(chosen, vlm)
    found = encode_captions(chosen, vlm, data, engine, QUIET)
    pairs = encode(chosen, vlm, data, engine, QUIET, found)
    return TrainingPairs(encoded=pairs, references=None, captions=found)


def losses(log: Path) -> list[tuple[float, float]]:
    return [(line["loss"], line["term_anchor"]) for line in read_log(log / "log.jsonl")]


def test_the_anchor_is_the_mean_likelihood_of_the_caption_next_to_the_pair(
    tiny_llava: Path, tmp_path: Path
) -> None:
    vlm = load(str(tiny_llava), dtype="float32", device="cpu")
    chosen = settings(
        tiny_llava, fill_folder(tmp_path / "p", 4).path, anchor=captions(tmp_path / "c", 3).path
    )
    pairs = ready(vlm, chosen).at_step(4, [2, 0, 3])
    assert pairs.captions is not None
    order = [pairs.captions.pair(index).pair.key for index in (2, 0, 3)]
    rows = [pairs.row([index]) for index in (0, 2, 3)]
    assert all(len(row.rows) == 2 for row in rows)
    with torch.no_grad():
        logp = engine_of(vlm)(vlm, [each for row in rows for each in row.rows])
        collated = pairs.collate(rows, logp)
        assert collated.anchor is not None
        for place, index in enumerate((0, 2, 3)):
            [[alone]] = separate(vlm, [pairs.captions.row(index)])
            expected = -0.5 * float(alone.double().mean())
            with_anchor = HADPO(gamma=0.5).terms(collated)["anchor"]
            assert float(with_anchor[place]) == pytest.approx(expected, rel=1e-5)
        without = HADPO(gamma=0.5).terms(replace(collated, anchor=None))["anchor"]
        assert not torch.allclose(without, HADPO(gamma=0.5).terms(collated)["anchor"])
    again = pairs.at_step(4, [2, 0, 3])
    assert again.captions is not None
    assert [again.captions.pair(index).pair.key for index in (2, 0, 3)] == order


def test_every_caption_comes_as_often_as_the_others(tiny_llava: Path, tmp_path: Path) -> None:
    vlm = load(str(tiny_llava), dtype="float32", device="cpu")
    chosen = settings(
        tiny_llava, fill_folder(tmp_path / "p", 4).path, anchor=captions(tmp_path / "c", 5).path
    )
    found = ready(vlm, chosen).captions
    assert isinstance(found, Captions)
    steps = [found.at_step(first, range(4)) for first in range(0, 40, 4)]
    seen = [step.pair(index).pair.key for step in steps for index in range(4)]
    assert set(Counter(seen).values()) == {8}
    assert seen[:5] != seen[5:10]  # another order in each pass
    assert sorted(seen[:5]) == sorted(seen[5:10])
    assert found.most_tokens == max(found.tokens(index) for index in range(5))


def test_the_steps_are_the_same_in_other_micro_batches_and_after_a_stop(
    tiny_llava: Path, tmp_path: Path
) -> None:
    pairs, anchor = fill_folder(tmp_path / "p", 8).path, captions(tmp_path / "c", 3).path
    chosen = settings(tiny_llava, pairs, anchor=anchor, save_every=1, keep=9)
    train(chosen, tmp_path / "a", QUIET)
    whole = losses(tmp_path / "a")
    assert len(whole) == 3
    train(settings(tiny_llava, pairs, anchor=anchor, micro_batch=1), tmp_path / "b", QUIET)
    for one, other in zip(whole, losses(tmp_path / "b"), strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    shutil.copytree(tmp_path / "a", tmp_path / "c2")
    for step in ("2", "3"):
        shutil.rmtree(tmp_path / "c2" / "checkpoints" / f"step-00000{step}")
    train(chosen, tmp_path / "c2", QUIET)
    for one, other in zip(whole, losses(tmp_path / "c2"), strict=True):
        assert one == pytest.approx(other, rel=1e-6)


def test_without_captions_the_anchor_is_on_the_chosen_answers_and_with_gamma_0_refused(
    tiny_llava: Path, tmp_path: Path
) -> None:
    pairs, anchor = fill_folder(tmp_path / "p", 3).path, captions(tmp_path / "c", 3).path
    train(settings(tiny_llava, pairs), tmp_path / "own", QUIET)
    train(settings(tiny_llava, pairs, anchor=anchor), tmp_path / "other", QUIET)
    [(_, own)], [(_, other)] = losses(tmp_path / "own"), losses(tmp_path / "other")
    assert own != pytest.approx(other, rel=1e-3)
    with pytest.raises(ValidationError, match="the method has no anchor"):
        settings(tiny_llava, pairs, anchor=anchor, method={"type": "ha_dpo", "gamma": 0})
    with pytest.raises(ValidationError, match="the method has no anchor"):
        settings(tiny_llava, pairs, anchor=anchor, method={"type": "dpo"})


def test_changed_captions_are_refused_when_a_run_resumes(tiny_llava: Path, tmp_path: Path) -> None:
    pairs, anchor = fill_folder(tmp_path / "p", 6).path, captions(tmp_path / "c", 3).path
    train(settings(tiny_llava, pairs, anchor=anchor), tmp_path / "out", QUIET)
    with pytest.raises(UserError, match="anchor"):
        train(
            settings(tiny_llava, pairs, anchor=captions(tmp_path / "d", 4).path),
            tmp_path / "out",
            QUIET,
        )


def test_captions_are_planned_checked_and_count_as_training_images(
    tiny_llava: Path, tmp_path: Path
) -> None:
    pairs, folder = fill_folder(tmp_path / "p", 6).path, captions(tmp_path / "c", 4)
    chosen = settings(tiny_llava, pairs, anchor=folder.path)
    plan, without = plan_training(chosen, QUIET), plan_training(settings(tiny_llava, pairs), QUIET)
    assert (plan.captions, without.captions) == (4, 0)
    limit = ready(load(str(tiny_llava)), chosen).encoded.row_tokens([0])
    with pytest.raises(UserError, match="in one forward pass"):
        train(
            settings(tiny_llava, pairs, anchor=folder.path, micro_tokens=limit),
            tmp_path / "o",
            QUIET,
        )
    with pytest.raises(UserError, match="evaluation images"):
        read_pairs(settings(tiny_llava, pairs, anchor=folder.path, evaluations=[folder.path]))
    with pytest.raises(UserError, match="no answers to learn"):
        read_pairs(settings(tiny_llava, pairs, anchor=tmp_path / "nothing"))
    train(chosen, tmp_path / "out", QUIET)
    used = {
        sha for each in training_images([str(tmp_path / "out" / "model")]) for sha in each.hashes
    }
    assert used >= {image for prompt in folder.prompts.read() for image in prompt.images}
