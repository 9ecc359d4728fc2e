"""Labelers that are no vision-language models: annotations and an object detector."""

import json
from pathlib import Path

import pytest
import torch

from groundtune.bench.world.images import find_scene
from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.feedback.conquer import question_prompt
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.interchange.annotations import Region, read_annotations, region_texts
from groundtune.pipeline.feedback.annotation_labeler import (
    AnnotationLabeler,
    images_of,
    read_answers,
)
from groundtune.pipeline.feedback.detector import Detections, open_detector
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Reply
from groundtune.records import Producer, Prompt
from groundtune.world.catalogue import CATEGORIES
from hub_models import NEW, hub_of
from written_world import written

BY = Producer(kind="rule", name="annotations")


def annotated(folder: RunFolder, path: Path) -> Path:
    """The scenes of a folder's prompts in COCO's layout."""
    names = {name: i for i, name in enumerate(CATEGORIES)}
    images: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for prompt in folder.prompts.read():
        scene = find_scene(prompt.source.row)
        number = int(prompt.source.row.rpartition("/")[2])
        images.append({"id": number, "width": 96, "height": 96})
        boxes += [
            {"image_id": number, "category_id": names[thing.category]}
            | {"bbox": [box.x, box.y, box.side, box.side]}
            for thing in scene.things
            for box in thing.boxes
        ]
    categories = [{"id": i, "name": name} for name, i in names.items()]
    told = {"images": images, "categories": categories, "annotations": boxes}
    path.write_text(json.dumps(told))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return written(tmp_path_factory.mktemp("world"), 12)


def test_annotations_by_rules_agree_with_the_truth_on_objects_and_numbers(
    folder: RunFolder, tmp_path: Path
):
    path = annotated(folder, tmp_path / "instances.json")
    told = read_annotations(path)
    prompts = folder.prompts.read()
    labeler = AnnotationLabeler(
        images_of(told, prompts, folder.images, str(path)), frozenset(told.classes), BY
    )
    for prompt in prompts:
        scene = find_scene(prompt.source.row)
        for name in ("cup", "person", "dog", "boat"):
            thing = scene.thing(name)
            asked = question_prompt(prompt, f"Is there a {name} in the image?")
            reply = labeler.yes_no([asked])[0]
            assert (reply.p_yes, reply.p_no) == ((1, 0) if thing else (0, 1))
    colour = labeler.yes_no([question_prompt(prompts[0], "Is the wall white?")])[0]
    assert not colour.is_answer()


def test_the_chain_runs_with_annotations_next_to_the_truth(
    folder: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = annotated(folder, tmp_path / "instances.json")
    line = ["rewrite", str(folder.path), "--labeler", "world:truth", "rewrites=1", "--json"]
    assert run([*line, "--second", f"annotations:{path}", "--out", str(tmp_path / "out")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["corrected"] > 0
    assert found["claims"]["unsure"] > 0  # colours: no annotation of an object tells


def test_annotations_of_other_images_are_three_lines(
    folder: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = {
        "images": [{"id": 999999, "width": 9, "height": 9}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(other))
    line = [
        "label",
        "--answers",
        str(folder.path),
        "--by",
        "claims",
        "--out",
        str(tmp_path / "out"),
    ]
    assert run([*line, "--labeler", f"annotations:{path}"]) == 2
    lines = capsys.readouterr().err.splitlines()[-3:]
    assert "annotations are of other images" in lines[0]
    assert str(path) in lines[1]


def resized(path: Path, out: Path, numbers: slice, size: tuple[int, int]) -> Path:
    """The annotations with another size of some images."""
    told = json.loads(path.read_text())
    for image in told["images"][numbers]:
        image["width"], image["height"] = size
    out.write_text(json.dumps(told))
    return out


def test_images_that_have_only_their_number_in_common_are_three_lines(
    folder: RunFolder, tmp_path: Path
):
    path = annotated(folder, tmp_path / "instances.json")
    other = resized(path, tmp_path / "other.json", slice(0, 3), (640, 480))
    with pytest.raises(UserError, match="3 of 12 have other proportions") as error:
        images_of(read_annotations(other), folder.prompts.read(), folder.images, str(other))
    assert "96 x 96 pixels, its annotations 640 x 480" in error.value.where
    smaller = resized(path, tmp_path / "smaller.json", slice(0, 12), (481, 480))
    found = images_of(read_annotations(smaller), folder.prompts.read(), folder.images, "")
    assert len(found) == 12


def test_images_without_annotations_or_of_other_proportions_are_counted(
    folder: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = annotated(folder, tmp_path / "instances.json")
    told = json.loads(path.read_text())
    gone = told["images"].pop(0)["id"]
    told["annotations"] = [each for each in told["annotations"] if each["image_id"] != gone]
    path.write_text(json.dumps(told))
    other = resized(path, tmp_path / "other.json", slice(0, 1), (640, 480))
    found = images_of(read_annotations(other), folder.prompts.read(), folder.images, "here")
    assert len(found) == 10
    assert "here: 1 of 12 images have no annotations and 1 have other proportions" in caplog.text


def asked_of(folder: RunFolder, number: int) -> list[Prompt]:
    prompt = folder.prompts.read()[0]
    return [question_prompt(prompt, f"Is there a thing {i} in the image?") for i in range(number)]


def test_a_model_reads_annotations_and_answers_by_number(folder: RunFolder, tmp_path: Path):
    path = annotated(folder, tmp_path / "instances.json")
    seen: list[str] = []

    def reply(prompt: Prompt, seed: int) -> str:
        seen.append(prompt.question)
        return "1. yes\n2) No, it is not.\n3. unsure\n5. yes"

    told = images_of(read_annotations(path), folder.prompts.read(), folder.images, str(path))
    labeler = AnnotationLabeler(told, frozenset(), BY, ScriptedGenerator(reply))
    replies = labeler.yes_no(asked_of(folder, 5))
    assert [r.p_yes > r.p_no if r.is_answer() else None for r in replies] == [
        True,
        False,
        None,
        None,
        True,
    ]
    assert len(seen) == 1
    assert "]: " in seen[0]
    assert len(labeler.yes_no(asked_of(folder, 45))) == 45
    assert len(seen) == 4
    assert labeler.producer().prompt_hash


@pytest.mark.parametrize("text", ["", "Yes to all.", "1. yes\n1. no", "one: yes"])
def test_a_reply_that_cannot_be_read_answers_nothing(text: str):
    assert not read_answers(Reply(text, 5, finished=True), 1)[0].is_answer()


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny YOLOS with random weights."""
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

    torch.manual_seed(0)
    config = YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[32, 32],
        patch_size=8,
        num_detection_tokens=4,
        id2label={0: "cup", 1: "person"},
        label2id={"cup": 0, "person": 1},
    )
    path = tmp_path_factory.mktemp("detector")
    YolosForObjectDetection(config).save_pretrained(path)
    YolosImageProcessor(size={"height": 32, "width": 32}).save_pretrained(path)
    return path


def test_a_detector_answers_questions_about_its_classes(folder: RunFolder, detector: Path):
    labeler = open_detector(str(detector), folder.images, "cpu")
    prompt = folder.prompts.read()[0]

    def detect(*found: tuple[float, str, int]) -> None:
        regions = tuple((score, Region(name, left, 0, 50, 25)) for score, name, left in found)
        detections = Detections((100, 50), regions)
        labeler._detections_of[prompt.images[0]] = detections  # pyright: ignore[reportPrivateUsage]  # no training here

    detect((0.8, "cup", 10), (0.9, "cup", 20), (0.1, "person", 30), (0.6, "cup", 40))
    texts = list(region_texts(labeler.detected(prompt.images[0])))
    assert texts == ["[0.20, 0.00, 0.50, 0.50]: cup", "[0.10, 0.00, 0.50, 0.50]: cup"]

    def answer(question: str) -> bool | None:
        reply = labeler.yes_no([question_prompt(prompt, question)])[0]
        return reply.p_yes > reply.p_no if reply.is_answer() else None

    assert answer("Is there a cup in the image?") is True
    assert answer("Are there exactly two cups?") is True
    assert answer("Are there exactly three cups?") is False
    assert answer("Is there a person in the image?") is False
    assert answer("Is the person red?") is False
    assert answer("Is the cup red?") is None
    assert answer("Is there a dog in the image?") is None
    detect((0.5, "cup", 10))
    assert answer("Is there a cup in the image?") is None


def test_a_random_detector_runs_and_its_scores_are_probabilities(folder: RunFolder, detector: Path):
    labeler = open_detector(str(detector), folder.images, "cpu")
    prompt = folder.prompts.read()[0]
    reply = labeler.yes_no([question_prompt(prompt, "Is there a cup in the image?")])[0]
    assert reply.are_probabilities() or reply.p_yes != reply.p_yes
    assert str(detector) in labeler.producer().name


def test_a_model_that_detects_nothing_is_refused(
    tmp_path: Path, tiny_llava: Path, folder: RunFolder
):
    with pytest.raises(UserError, match="can't be loaded"):
        open_detector(str(tiny_llava), folder.images, "cpu")
    with pytest.raises(UserError):
        open_detector(str(tmp_path / "nothing"), folder.images, "cpu")


def test_a_detector_on_the_hub_is_named_with_its_commit(
    folder: RunFolder, detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = hub_of(monkeypatch, tmp_path / "hub", detector, detector)
    by = open_detector(name, folder.images, "cpu").producer()
    assert by.revision.startswith(NEW)


def test_a_check_asks_the_detector_next_to_the_labeler(
    folder: RunFolder, detector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    line = ["check", str(folder.path), "--labeler", "world:truth", "--out", str(tmp_path / "out")]
    assert run([*line, "--detector", str(detector), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    found = shown["second"]
    decided = shown["claims"]["statuses"]["supported"] + shown["claims"]["statuses"]["rejected"]
    both = found["both_support"] + found["both_reject"] + found["disagree"]
    assert found["undecided"] + both == decided
    assert f"--detector {detector}" in shown["next"]
    assert "has a verdict on" in (tmp_path / "out" / "report.html").read_text()
