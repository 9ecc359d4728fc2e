"""The tower of a labeler of hard scenes: put in, read cell by cell, and the same after a kill."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false, reportCallIssue=false
# Reason: torch's and transformers' types are partial.

import signal
from pathlib import Path

import pytest
import torch
from transformers import AutoProcessor, LlavaForConditionalGeneration

from forked_program import execute
from groundtune.pipeline.world.training import states as saved
from groundtune.pipeline.world.training.build import build
from groundtune.pipeline.world.training.plans import plan
from groundtune.pipeline.world.training.processor import build_tokenizer
from groundtune.pipeline.world.training.tower import features
from groundtune.world.render import render
from groundtune.world.scenes import scene
from small_world_training import KILLED, SEEING, Told, same, weights


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with a fine tower, built without interruption."""
    folder = tmp_path_factory.mktemp("seeing")
    told = Told()
    build(SEEING, folder / "model", folder / "states", told)
    assert told.tasks[2:] == [("fine vision tower", 5), ("finish", 4)]
    return folder / "model"


def test_a_model_with_a_fine_tower_goes_on_from_what_the_language_model_knows(seeing: Path) -> None:
    before, after = plan("labeler"), plan("labeler", difficulty="hard")
    towers = [stage.fine_tower is not None for stage in after.stages]
    assert towers == [False] * 4 + [True] + [False] * 2
    assert not any(stage.fine_tower for stage in before.stages)
    assert not any(stage.fine_tower for stage in plan("base", difficulty="hard").stages)
    state = next(seeing.parent.joinpath("states").glob("warm-up-*")) / "state.pt"
    known = torch.load(state, weights_only=True)["model"]
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    now = weights(seeing)["language_model.model.layers.0.mlp.up_proj.weight"].float()
    changed = (now - known[name]).norm() / known[name].norm()
    assert 0 < changed < 0.1, "four steps away, not drawn anew"


def test_each_cell_of_a_fine_tower_is_one_token_of_the_model(seeing: Path) -> None:
    processor = AutoProcessor.from_pretrained(seeing)
    model = LlavaForConditionalGeneration.from_pretrained(seeing, dtype=torch.float32).eval()
    text = "<|user|><image>What is it?<|assistant|>"
    inputs = processor(images=[render(scene("development", 0))], text=[text], return_tensors="pt")
    image = build_tokenizer().convert_tokens_to_ids("<image>")
    assert inputs["input_ids"][0].tolist().count(image) == 9
    pixel_values = inputs["pixel_values"]
    read = torch.stack(
        list(model.model.get_image_features(pixel_values, return_dict=True).pooler_output)
    )
    cells = features(model.model.vision_tower, pixel_values)
    assert cells.shape == (1, 9, 96)
    torch.testing.assert_close(read, model.model.multi_modal_projector(cells))


@pytest.mark.parametrize("killed", [("fine vision tower", "4"), ("finish", "4")])
def test_a_model_with_a_fine_tower_that_was_killed_goes_on_to_the_same_weights(
    seeing: Path, tmp_path: Path, killed: tuple[str, str]
) -> None:
    model, states = tmp_path / "model", tmp_path / "states"
    assert execute(KILLED, SEEING.model_dump_json(), model, states, *killed) == -signal.SIGKILL
    build(SEEING, model, states, Told())
    assert same(seeing, model)


def test_a_training_that_stops_after_each_state_goes_on_to_the_same_weights(
    seeing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "SAVE_EVERY", 2)
    model, states = tmp_path / "model", tmp_path / "states"
    stopped = 0
    while build(SEEING, model, states, Told(), stop=lambda: True) is None:
        assert not model.exists()
        stopped += 1
    # after two of three steps of the first stage, two and four of five of the fine tower, and two
    # of four of the finish
    assert stopped == 4
    assert same(seeing, model)
