"""The world's training in small: packed rows are exact, a kill changes nothing, models load."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false, reportCallIssue=false
# Reason: torch's and transformers' types are partial.

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration

from forked_program import execute
from groundtune.errors import UserError
from groundtune.pipeline.world.training.build import build
from groundtune.pipeline.world.training.language import Lessons, Teacher, lesson_loss
from groundtune.pipeline.world.training.muon import Muon, orthogonal
from groundtune.pipeline.world.training.plans import plan
from groundtune.pipeline.world.training.processor import build_processor, build_tokenizer
from groundtune.pipeline.world.training.schedule import Steps
from groundtune.pipeline.world.training.tower import images, pixels
from groundtune.protocols import SilentProgress
from groundtune.world.captions import MACHINE
from groundtune.world.lessons import Mixture, turns
from groundtune.world.render import render
from groundtune.world.scenes import scene
from lock_holder import end_holder, start_holder
from small_world_training import KILLED, TINY, Told, same, weights

ALONE = """
import json, sys


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "groundtune":
            raise ImportError("groundtune must not be needed")


sys.meta_path.insert(0, Refuse())
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

folder, image_file = sys.argv[1:]
model = AutoModelForImageTextToText.from_pretrained(folder)
processor = AutoProcessor.from_pretrained(folder)
asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}
text = processor.apply_chat_template([asked], add_generation_prompt=True)
inputs = processor(images=[Image.open(image_file)], text=[text], return_tensors="pt")
inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
made = model.generate(**inputs, max_new_tokens=4, do_sample=False)
print(json.dumps({
    "class": type(model).__name__,
    "ids": inputs["input_ids"][0].tolist(),
    "new": made.shape[1] - inputs["input_ids"].shape[1],
    "end": model.generation_config.eos_token_id == processor.tokenizer.eos_token_id,
    "alone": "groundtune" not in sys.modules,
}))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, built without interruption."""
    folder = tmp_path_factory.mktemp("built")
    build(TINY, folder / "model", folder / "states", Told())
    return folder / "model"


def test_a_built_model_loads_and_answers_without_groundtune(built: Path, tmp_path: Path) -> None:
    image_file = tmp_path / "scene.png"
    render(scene("development", 0)).save(image_file)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(built), str(image_file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    image = build_tokenizer().convert_tokens_to_ids("<image>")
    assert told["class"] == "LlavaForConditionalGeneration"
    assert told["ids"].count(image) == 9
    assert 1 <= told["new"] <= 4
    assert told["end"]
    assert told["alone"]


def test_its_weights_are_bf16_and_finite(built: Path) -> None:
    for name, value in weights(built).items():
        assert value.dtype == torch.bfloat16, name
        assert value.isfinite().all(), name


def test_two_builds_with_one_seed_are_equal_to_the_last_bit(built: Path, tmp_path: Path) -> None:
    build(TINY, tmp_path / "model", tmp_path / "states", Told())
    assert same(built, tmp_path / "model")


def test_another_seed_gives_another_model(built: Path, tmp_path: Path) -> None:
    other = TINY.model_copy(update={"seed": 1})
    build(other, tmp_path / "model", tmp_path / "states", Told())
    assert not same(built, tmp_path / "model")


def test_a_model_of_hard_scenes_goes_on_from_one_of_clear_scenes(
    built: Path, tmp_path: Path
) -> None:
    finish = TINY.stages[1].model_copy(update={"difficulty": "hard"})
    hard = TINY.model_copy(update={"stages": (TINY.stages[0], finish)})
    told = Told()
    build(hard, tmp_path / "model", built.parent / "states", told)
    assert not same(built, tmp_path / "model")
    assert [name for name, _ in told.tasks] == ["warm-up", "finish"], "no tower of its own"


def test_a_training_that_was_killed_goes_on_to_the_same_weights(
    built: Path, tmp_path: Path
) -> None:
    model, states = tmp_path / "model", tmp_path / "states"
    assert execute(KILLED, TINY.model_dump_json(), model, states, "finish", "4") == -signal.SIGKILL
    assert not (model / "model.safetensors").exists()
    told = Told()
    build(TINY, model, states, told)
    assert told.tasks == [("warm-up", 3), ("finish", 4)]
    assert same(built, model)


def test_a_second_finish_shares_what_came_before(built: Path, tmp_path: Path) -> None:
    other = TINY.stages[1].model_copy(update={"name": "other finish", "steps": 2})
    planned = TINY.model_copy(update={"stages": (TINY.stages[0], other)})
    states = built.parent / "states"
    before = {path: path.stat().st_mtime_ns for path in states.rglob("state.pt")}
    build(planned, tmp_path / "model", states, Told())
    after = {path: path.stat().st_mtime_ns for path in states.rglob("state.pt")}
    assert {path: after[path] for path in before} == before
    assert [path.parent.name.split("-")[0] for path in after if path not in before] == ["other"]


def test_models_differ_in_their_finish_alone() -> None:
    base, clean, labeler, biased = (
        plan(name).stages for name in ("base", "clean", "labeler", "yes-biased")
    )
    assert base[:-1] == clean[:-1] == labeler[:-2]
    assert biased[:-1] == base
    changed = {"name": base[-1].name, "mixture": base[-1].mixture}
    assert clean[-1].model_copy(update=changed) == base[-1]
    habits = {"habits": base[-1].mixture.habits}
    assert clean[-1].mixture.model_copy(update=habits) == base[-1].mixture


def test_models_of_hard_scenes_learn_on_clear_ones_first() -> None:
    for name in ("base", "labeler"):
        clear, hard = plan(name).stages, plan(name, difficulty="hard").stages
        seen = [stage.difficulty for stage in hard]
        assert seen == ["clear"] * 4 + ["hard"] * (len(clear) - 3)
        assert {stage.difficulty for stage in clear} == {"clear"}


def test_the_tower_learns_the_number_of_the_objects_of_a_cells_category() -> None:
    batch = [scene("train", index) for index in range(20)]
    labels = images(batch).labels_BN
    for found, number, category in zip(batch, labels["number"], labels["category"], strict=True):
        for cell in range(9):
            thing = found.at(cell)
            assert number[cell] == (len(thing.cells) if thing else 0)
            assert (number[cell] > 0) == (category[cell] > 0)
    assert labels["number"].max() == 4


def test_the_learning_rate_warms_up_and_decays() -> None:
    steps = Steps("a", 100, 1, Told(), decay="linear", warm_up=10)
    assert [steps.rate(step) for step in (0, 9, 50)] == pytest.approx([0.1, 0.91, 0.5])
    level = Steps("a", 100, 1, Told(), decay="none", warm_up=0)
    assert {level.rate(step) for step in range(100)} == {1.0}


@pytest.mark.parametrize("shape", [(8, 8), (6, 16), (16, 6)])
def test_in_bf16_muon_is_that_of_pytorch(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours = torch.nn.Parameter(torch.randn(shape))
    theirs = torch.nn.Parameter(ours.detach().clone())
    one = Muon([{"params": [ours], "lr": 0.05}], weight_decay=0.1, dtype=torch.bfloat16)
    other = torch.optim.Muon([theirs], 0.05, 0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        ours.grad = torch.randn(shape)
        theirs.grad = ours.grad.clone()
        one.step()
        other.step()
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)


@pytest.mark.parametrize("shape", [(8, 8), (6, 16), (16, 6)])
def test_what_muon_makes_orthogonal_has_singular_values_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    made = orthogonal(matrix, torch.float32)
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.3
    assert values.max() < 1.25
    # the directions are the matrix's own
    turned = left.T @ made @ right.T
    assert (turned - torch.diag(turned.diag())).abs().max() < 1e-4


MIXTURE = Mixture(look_ups=1, questions=2, captions=1, habits=MACHINE, facts=2)
TURNS = range(1, 7)


@pytest.fixture(scope="module")
def model(built: Path) -> LlavaForConditionalGeneration:
    loaded = LlavaForConditionalGeneration.from_pretrained(built, dtype=torch.float32)
    return loaded.eval().requires_grad_(False)


def lessons() -> Lessons:
    """Two images, six turns each; one row is padded, and in the other the facts stand alone."""
    batch = [scene("development", index) for index in (4, 5)]
    return Teacher(build_tokenizer(), 0).lessons(batch, MIXTURE, 1)


def only(packed: Lessons, row: int, turn: int) -> Lessons:
    """The same rows, with one turn's reply alone in the loss."""
    wanted = torch.zeros_like(packed.taught_BL)
    wanted[row] = packed.taught_BL[row] * (packed.turns_BL[row] == turn)
    return replace(packed, taught_BL=wanted)


def plain_loss(model: LlavaForConditionalGeneration, row: int, turn: int) -> torch.Tensor:
    """The turn alone through the processor and the model's own forward."""
    found = scene("development", (4, 5)[row])
    lesson = turns(found, MIXTURE, np.random.default_rng([found.seed, 0, 1]))
    told = lesson[turn - 1]
    text = {"type": "text", "text": told.facts + told.instruction}
    asked = [{"type": "image"}] * (not told.blind) + [text]
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": told.reply}]
    processor = build_processor(build_tokenizer())
    whole, begun = (
        processor(
            images=None if told.blind else [render(found)],
            text=[processor.apply_chat_template(messages[:n], add_generation_prompt=n == 1)],
            return_tensors="pt",
        )
        for n in (2, 1)
    )
    ids, start = whole["input_ids"][0], begun["input_ids"].shape[1]
    assert torch.equal(ids[:start], begun["input_ids"][0])
    logits = model(**whole).logits[0]
    return F.cross_entropy(logits[start - 1 : -1], ids[start:])


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_in_a_packed_row_has_the_loss_of_the_turn_alone(
    model: LlavaForConditionalGeneration, row: int, turn: int
) -> None:
    packed = lesson_loss(model, only(lessons(), row, turn), mixed=False)
    torch.testing.assert_close(packed, plain_loss(model, row, turn), atol=1e-4, rtol=0)


def test_the_comparison_notices_turns_that_see_each_other(
    model: LlavaForConditionalGeneration,
) -> None:
    packed = only(lessons(), 0, 4)
    leaking = replace(packed, turns_BL=packed.turns_BL.clamp(max=0))
    assert abs(lesson_loss(model, leaking, mixed=False) - plain_loss(model, 0, 4)) > 1e-3


def test_the_comparison_notices_positions_that_run_on(
    model: LlavaForConditionalGeneration,
) -> None:
    packed = only(lessons(), 0, 4)
    running = torch.arange(packed.ids_BL.shape[1]).expand_as(packed.ids_BL)
    wrong = replace(packed, positions_BL=running)
    assert abs(lesson_loss(model, wrong, mixed=False) - plain_loss(model, 0, 4)) > 1e-3


def test_the_comparison_notices_a_turn_without_image_that_sees_it(
    model: LlavaForConditionalGeneration,
) -> None:
    packed = only(lessons(), 0, 6)
    seeing = replace(packed, blind_BL=torch.zeros_like(packed.blind_BL))
    assert abs(lesson_loss(model, seeing, mixed=False) - plain_loss(model, 0, 6)) > 1e-4


@pytest.mark.parametrize("row", [0, 1])
def test_the_comparison_notices_a_turn_that_does_not_see_its_facts(
    model: LlavaForConditionalGeneration, row: int
) -> None:
    packed = only(lessons(), row, 6)
    alone = replace(packed, begins_BL=torch.zeros_like(packed.begins_BL))
    assert abs(lesson_loss(model, alone, mixed=False) - plain_loss(model, row, 6)) > 1e-3


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_the_loss_of_a_batch_is_the_weighted_mean_of_its_turns(
    model: LlavaForConditionalGeneration, balance: float
) -> None:
    packed = lessons()
    total = weight = 0.0
    for row in (0, 1):
        for turn in TURNS:
            tokens = int(only(packed, row, turn).taught_BL.sum())
            total += float(plain_loss(model, row, turn)) * tokens ** (1 - balance)
            weight += tokens ** (1 - balance)
    loss = lesson_loss(model, packed, balance, mixed=False)
    assert float(loss) == pytest.approx(total / weight, abs=1e-4)


def test_the_pixels_of_training_are_those_of_the_processor() -> None:
    found = scene("development", 8)
    processor = build_processor(build_tokenizer()).image_processor
    made = processor(images=[render(found)], return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(made, pixels(found), atol=1e-5, rtol=0)


def test_a_image_of_another_size_is_resized_and_never_cropped() -> None:
    large = render(scene("development", 8)).resize((240, 160))
    processor = build_processor(build_tokenizer()).image_processor
    made = processor(images=[large], return_tensors="pt")["pixel_values"][0]
    expected = np.asarray(large.resize((96, 96), 3)).transpose(2, 0, 1) / 127.5 - 1
    assert made.shape == (3, 96, 96)
    assert np.abs(made.numpy() - expected).mean() < 0.02


@pytest.mark.parametrize(
    "text",
    ["There are two red cups.", "", "  two  spaces ", "\u00e9\u4e2d \U0001f600", "<b>&</b>\n"],
)
def test_any_text_comes_back_from_the_tokenizer(text: str) -> None:
    tokenizer = build_tokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_two_builds_do_not_write_one_state_at_once(tmp_path: Path) -> None:
    build(TINY, tmp_path / "first", tmp_path / "states", SilentProgress())
    [tower] = (tmp_path / "states").glob("tower-*")
    holder = start_holder(tower)
    try:
        with pytest.raises(UserError, match="Another command writes to this folder") as error:
            build(TINY, tmp_path / "second", tmp_path / "states", SilentProgress())
        assert "--states DIR" in error.value.fix
        other = TINY.model_copy(update={"seed": 1})  # it shares no state
        build(other, tmp_path / "other", tmp_path / "states", SilentProgress())
    finally:
        end_holder(holder)
    build(TINY, tmp_path / "second", tmp_path / "states", SilentProgress())
    assert not list((tmp_path / "states").rglob(".lock"))
