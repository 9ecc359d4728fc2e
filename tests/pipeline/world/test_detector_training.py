"""The world's object detector: what it learns, a stop that changes nothing, how well it sees."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
import safetensors.torch
import torch
from transformers import AutoImageProcessor

from groundtune.bench.world.images import find_scene
from groundtune.cli.app import run
from groundtune.feedback.conquer import question_prompt
from groundtune.pipeline.feedback.detector import open_detector
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.world.training import states
from groundtune.pipeline.world.training.detector import DetectorPlan, build_detector, targets
from groundtune.pipeline.world.training.tower import pixels
from groundtune.protocols import SilentProgress
from groundtune.world.catalogue import CATEGORIES
from groundtune.world.render import render
from groundtune.world.scenes import Box, Scene, Thing, scene
from written_world import written

TINY = DetectorPlan(steps=4, batch=2, width=32, layers=1)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return cast("Any", safetensors.torch).load_file(folder / "model.safetensors")


def test_each_cell_has_its_class_and_the_middle_and_size_of_its_box():
    thing = Thing(
        category="cup",
        colour="",
        cells=(1, 8),
        boxes=(Box(x=36, y=0, side=24), Box(x=66, y=66, side=30)),
        usual=True,
    )
    drawn = Scene(key="train/0", context="kitchen", background="white", things=(thing,), seed=0)
    found = targets([drawn])
    cup, nothing = list(CATEGORIES).index("cup"), len(CATEGORIES)
    cells = torch.tensor([[nothing, cup, *[nothing] * 6, cup]])
    assert torch.equal(found.class_BN, cells)
    boxes = torch.zeros(9, 4)
    boxes[1] = torch.tensor([0.5, 0.125, 0.25, 0.25])
    boxes[8] = torch.tensor([81, 81, 30, 30]) / 96
    torch.testing.assert_close(found.box_BN4[0], boxes)


def test_a_training_that_stops_after_each_state_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(states, "SAVE_EVERY", 2)
    progress = SilentProgress()
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    build_detector(TINY, whole, tmp_path / "states-1", progress)
    stopped = build_detector(TINY, parts, tmp_path / "states-2", progress, stop=lambda: True)
    assert stopped is None
    assert not (parts / "model.safetensors").exists()
    assert build_detector(TINY, parts, tmp_path / "states-2", progress) == parts
    one, two = (weights(folder) for folder in (whole, parts))
    assert all(torch.equal(one[name], two[name]) for name in one)
    processor = cast("Any", AutoImageProcessor).from_pretrained(whole)
    seen = processor(images=render(scene("development", 0)), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(seen[0], pixels(scene("development", 0)), atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return written(tmp_path_factory.mktemp("world"), 40)


def test_the_shipped_detector_finds_what_is_there_and_little_else(folder: RunFolder):
    labeler = open_detector("world:detector", folder.images, "cpu")
    right = wrong = missed = 0
    for prompt in folder.prompts.read():
        there = find_scene(prompt.source.row).categories
        asked = [question_prompt(prompt, f"Is there a {name} in the image?") for name in CATEGORIES]
        replies = zip(CATEGORIES, labeler.yes_no(asked), strict=True)
        found = {name for name, reply in replies if reply.is_answer() and reply.p_yes > 0.5}
        right, wrong = right + len(found & there), wrong + len(found - there)
        missed += len(there - found)
    assert right / (right + wrong) > 0.97
    assert right / (right + missed) > 0.97
    assert labeler.producer().name == "world:detector"


def test_the_detector_is_the_second_verifier_of_rewrite(
    folder: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    line = ["rewrite", str(folder.path), "--labeler", "world:truth", "rewrites=1", "--json"]
    line += ["--second", "detector:world:detector", "--out", str(tmp_path / "out")]
    assert run(line) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["corrected"] > 0
    assert found["claims"]["wrong"] > 0
    assert found["claims"]["unsure"] > 0  # colours and places are no matter of classes
