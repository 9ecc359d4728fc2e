"""Evaluation images in training data are counted, named and refused, whatever their format."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from align_runs import finished
from groundtune.bench.world.images import split_scenes
from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.pipeline.align.prompts import hold_out
from groundtune.pipeline.align.settings import AlignSettings, Round
from groundtune.pipeline.align.side_by_side import compare_runs
from groundtune.pipeline.align.steps import sample_round
from groundtune.pipeline.models.prompt_sources import Part, PromptSource
from groundtune.pipeline.models.settings import LabelledModel
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.overlap import training_images
from groundtune.pipeline.train.data import read_pairs
from groundtune.pipeline.train.run import TrainSettings
from groundtune.pipeline.world.source import WORLD
from groundtune.pipeline.world.steps import EvaluateStep, WorldEvaluation, evaluate
from groundtune.protocols import Progress, SilentProgress
from groundtune.records import Prompt
from groundtune.store.images import ImageStore
from groundtune.store.likeness import common_images, look_of, looks_of
from groundtune.store.run_json import write_run
from groundtune.world.render import render
from groundtune.world.scenes import scenes


def noise(seed: int) -> Image.Image:
    """An image with structure, different for each seed."""
    values = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((120, 120), Image.Resampling.BICUBIC)


def saved(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def imported(folder: Path, *images: Image.Image) -> Path:
    """A folder with a pair about each image."""
    rows: list[str] = []
    for number, image in enumerate(images):
        name = saved(image, folder / "in" / f"{number}.png").name
        said = {"prompt": f"What is {number}?", "chosen": "A cup.", "rejected": "A red cat."}
        rows.append(json.dumps({"images": [name], **said}) + "\n")
    (folder / "in" / "rows.jsonl").write_text("".join(rows))
    command = ["import", "trl", str(folder / "in" / "rows.jsonl")]
    assert run([*command, "--out", str(folder / "run")]) == 0
    return folder / "run"


def settings(pairs: Path, **changes: object) -> TrainSettings:
    return TrainSettings.model_validate({"model": "world:base", "pairs": pairs, **changes})


def trained(out: Path, model: str, pairs: Path) -> Path:
    """The folder of a model as training leaves it, without weights."""
    (out / "model").mkdir(parents=True)
    write_run(out, {"model": model, "pairs": str(pairs)}, {}, {}, [])
    return out / "model"


def variants(image: Image.Image) -> dict[str, Image.Image]:
    """The image as other files have it."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=30)
    return {
        "JPEG": Image.open(stream).convert("RGB"),
        "smaller": image.resize((image.width // 4, image.height // 4), Image.Resampling.BICUBIC),
        "square": image.resize((336, 336)),
        "grey": image.convert("L").convert("RGB"),
    }


def test_photographs_are_found_in_other_formats_and_sizes_and_are_like_no_other(
    test_data: Path,
) -> None:
    files = [each for each in sorted(test_data.rglob("*")) if each.suffix in (".jpg", ".png")]
    photos = {str(path): Image.open(path).convert("RGB") for path in files}
    looks = {name: look_of(photo) for name, photo in photos.items()}
    assert len(looks) > 50
    for name, photo in photos.items():
        others = {kind: look_of(image) for kind, image in variants(photo).items()}
        assert {each.first for each in common_images(looks, others)} == {name}
        assert len(common_images(looks, others)) == len(others)
        without = {key: look for key, look in looks.items() if key != name}
        assert not common_images(without, {name: looks[name]})


def test_scenes_of_different_splits_do_not_look_alike() -> None:
    looks = {
        split: {
            f"{split} {i}": look_of(render(scene)) for i, scene in enumerate(scenes(split, 400))
        }
        for split in ("train", "development")
    }
    assert not common_images(looks["train"], looks["development"])


def test_images_without_contrast_count_by_their_bytes_alone() -> None:
    looks = {colour: look_of(Image.new("RGB", (20, 16), colour)) for colour in ("red", "blue")}
    assert not common_images({"red": looks["red"]}, {"blue": looks["blue"]})
    [common] = common_images(looks, {"red": looks["red"]})
    assert (common.first, common.second) == ("red", "red")


def test_looks_are_computed_once(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    sha256 = store.add(saved(noise(1), tmp_path / "in.png"))
    first = looks_of(store, [sha256])
    os.remove(store.path(sha256))
    assert looks_of(store, [sha256]) == first


def test_training_on_images_of_an_evaluation_is_refused_unless_allowed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evaluated = imported(tmp_path / "bench", noise(1), noise(2), noise(3))
    smaller = noise(2).resize((60, 60), Image.Resampling.BICUBIC)
    pairs = imported(tmp_path / "pairs", noise(1), smaller, noise(4))
    read_pairs(settings(pairs))  # no evaluation is known
    with pytest.raises(UserError) as error:
        read_pairs(settings(pairs, evaluations=[evaluated]))
    says = "2 of 3 evaluation images are in the training data (1 equal, 1 look alike)"
    assert says in error.value.what
    assert "allow_evaluation_images=true" in error.value.fix
    allowed = settings(pairs, evaluations=[evaluated], allow_evaluation_images=True)
    assert len(read_pairs(allowed).pairs) == 3
    assert says in caplog.text
    with pytest.raises(UserError, match="no prompts of an evaluation"):
        read_pairs(settings(pairs, evaluations=[tmp_path]))


def test_evaluations_in_the_folder_of_the_pairs_count_without_a_setting(tmp_path: Path) -> None:
    pairs = imported(tmp_path / "pairs", noise(1), noise(2))
    imported(tmp_path / "bench", noise(2)).rename(tmp_path / "moved")
    (pairs / "evaluation").mkdir()
    (tmp_path / "moved").rename(pairs / "evaluation" / "model")
    with pytest.raises(UserError, match="1 of 1 evaluation images"):
        read_pairs(settings(pairs))


def test_the_images_of_a_models_training_are_found_through_its_bases(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (imported(tmp_path / str(i), noise(i)) for i in (1, 2))
    base = tmp_path / "base"
    trained(base, "somebody/model", first)
    trained(tmp_path / "tuned", str(base / "model"), second)
    found = training_images([str(tmp_path / "tuned" / "model")])
    hashes = {sha256 for each in found for sha256 in each.hashes}
    wanted = {
        sha for folder in (first, second) for sha in RunFolder(folder).prompts.read()[0].images
    }
    assert hashes == wanted
    checkpoint = tmp_path / "tuned" / "checkpoints" / "step-000100"
    checkpoint.mkdir(parents=True)
    assert len(training_images([str(checkpoint)])) == 2
    (first / "pairs").rename(first / "gone")
    training_images([str(base / "model")])
    assert "holds no pairs any more" in caplog.text


def test_align_refuses_to_learn_from_what_it_reports_on(tmp_path: Path) -> None:
    for i in range(12):
        saved(noise(i % 6), tmp_path / "images" / f"{i}.{'png' if i < 6 else 'jpg'}")
    given = {"model": "world:base", "images": str(tmp_path / "images"), "ask": "What?"}
    given |= {"choose": {"prompts": 3}, "reported": 3}
    asked = AlignSettings.model_validate(given)
    with pytest.raises(UserError, match="of 6 evaluation images are in the training data"):
        hold_out(tmp_path / "out", asked, SilentProgress())
    allowed = asked.model_copy(update={"allow_evaluation_images": True})
    hold_out(tmp_path / "other", allowed, SilentProgress())
    assert RunFolder(tmp_path / "other" / "learning").prompts.read()


def test_the_images_of_a_round_are_those_of_its_pairs_and_of_the_rounds_before(
    tmp_path: Path,
) -> None:
    out = tmp_path / "align"
    for number in (1, 2, 10):
        pairs = imported(tmp_path / f"in-{number}", noise(number))
        out.mkdir(exist_ok=True)
        pairs.rename(out / f"round-{number}")
        (out / f"round-{number}" / "model").mkdir()
    base = trained(tmp_path / "base", "world:base", imported(tmp_path / "first", noise(20)))
    write_run(out, {"model": str(base)}, {}, {}, [])
    for number, expected in ((1, 2), (2, 3), (10, 4)):
        assert len(training_images([str(out / f"round-{number}" / "model")])) == expected


def test_align_refuses_to_report_on_what_its_model_was_trained_on(tmp_path: Path) -> None:
    for number in range(12):
        saved(noise(number), tmp_path / "images" / f"{number}.png")
    seen = imported(tmp_path / "pairs", *(noise(number) for number in range(12)))
    model = trained(tmp_path / "tuned", "world:base", seen)
    given = {"images": str(tmp_path / "images"), "ask": "What?", "reported": 3}
    given |= {"model": str(model), "choose": {"prompts": 2}}
    asked = AlignSettings.model_validate(given)
    with pytest.raises(UserError, match="5 of 5 evaluation images are in the training data"):
        hold_out(tmp_path / "out", asked, SilentProgress())


def test_a_benchmark_on_images_of_the_models_training_is_refused_unless_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen, other = split_scenes("development", 2)
    shown = [render(seen).resize((200, 200)), *(render(scene) for scene in scenes("train", 3))]
    model = trained(tmp_path / "tuned", "world:base", imported(tmp_path / "pairs", *shown))
    command = ["bench", "run", str(model), "world-captions", "--n", "2"]
    assert run([*command, "--out", str(tmp_path / "a")]) == 2
    says = capsys.readouterr().err
    assert "1 of 4 evaluation images are in the training data (0 equal, 1 look alike)" in says
    assert "--allow-training-images" in says
    assert other.seed != seen.seed
    assert run([*command, "--allow-training-images", "--out", str(tmp_path / "b")]) != 0
    assert "1 of 4 evaluation images" not in capsys.readouterr().err  # it has no weights


def leaky(
    images: ImageStore, count: int, progress: Progress, *, part: Part, seed: int
) -> list[Prompt]:
    """A source's prompts that are the same for every part."""
    del part, seed
    return WORLD.prompts(images, count, progress, part="learning", seed=0)


def test_a_prompt_source_that_shows_a_round_what_is_held_back_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = PromptSource(name="leaky", dataset="leaky", prompts=leaky)
    monkeypatch.setattr("groundtune.pipeline.models.prompt_sources.named_in", lambda _: source)
    given = {"model": "world:base", "prompts": "leaky:4", "choose": {"prompts": 2}, "reported": 3}
    asked = AlignSettings.model_validate(given)
    hold_out(tmp_path, asked, SilentProgress())
    first = Round(run=asked, number=1, model="world:base")
    with pytest.raises(UserError, match="2 of 2 evaluation images are in the training data"):
        sample_round(tmp_path, first, SilentProgress())


def aligned(out: Path, shown: Path, learnt: Path, **settings: object) -> Path:
    """A folder of a run of one round about the images of `shown`, learnt from those of `learnt`."""
    finished(out, (0.8, 0.5), **settings)
    (out / "round-1" / "model").mkdir(parents=True)
    for source, target in ((learnt, out / "round-1"), (shown, out / "evaluation" / "round-1")):
        for part in ("pairs", "prompts", "images"):
            shutil.copytree(source / part, target / part)
    return out


def test_rounds_that_report_on_what_they_learnt_from_are_refused_or_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = imported(tmp_path / "shown", noise(1), noise(2))
    clean = aligned(tmp_path / "clean", shown, imported(tmp_path / "other", noise(3)))
    text = "of the 2 images that this page reports on are in the training data"
    assert not any(text in note.text for note in compare_runs([clean]).page.subject.notes)
    seen = imported(tmp_path / "seen", noise(2).resize((50, 50)), noise(4))
    leaks = aligned(tmp_path / "leaks", shown, seen)
    capsys.readouterr()
    assert run(["rounds", str(leaks), "--out", str(tmp_path / "page")]) == 2
    says = capsys.readouterr().err
    assert "1 of 2 evaluation images are in the training data (0 equal, 1 look alike)" in says
    assert "--allow-evaluation-images" in says
    command = ["rounds", str(leaks), "--allow-evaluation-images", "--out", str(tmp_path / "page")]
    assert run(command) == 0
    assert f"1 {text}" in (tmp_path / "page" / "report.html").read_text()
    allowed = aligned(tmp_path / "allowed", shown, seen, allow_evaluation_images=True)
    assert f"1 {text}" in compare_runs([allowed]).page.subject.notes[-1].text


def test_a_world_model_is_not_measured_on_scenes_that_it_learnt_from(tmp_path: Path) -> None:
    [scene] = split_scenes("development", 1)
    pairs = imported(tmp_path / "pairs", render(scene))
    model = trained(tmp_path / "tuned", "world:base", pairs)
    step = EvaluateStep(
        model=LabelledModel(model=str(model), label="tuned"),
        out="evaluation/tuned",
        evaluation=WorldEvaluation(captions=1, questions=1),
    )
    with pytest.raises(UserError, match="evaluation images are in the training data"):
        evaluate(tmp_path / "run", step, SilentProgress())
