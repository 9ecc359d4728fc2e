"""A splitter of one's own: lessons of recorded claims, training on them, agreement afterwards."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.feedback.claims import by_answer, claims_of
from groundtune.feedback.lessons import Agreement, reply_of
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.pipeline.feedback.splitter import (
    HELD_OUT,
    LessonSettings,
    SplitterSettings,
    make_lessons,
    score_splitter,
    summary_of,
)
from groundtune.pipeline.recipes.registry import find
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.world.prompts import feedback_prompts
from groundtune.records import Answer, Producer, Prompt
from groundtune.world.captions import caption
from groundtune.world.claims import WorldDivider
from groundtune.world.scenes import scenes

QUIET = SilentProgress()
BY = Producer(kind="model", name="somebody")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two answers about each of six scenes, divided by the world's rules."""
    folder = RunFolder(tmp_path_factory.mktemp("recorded"))
    prompts = feedback_prompts(folder.images, 6, 0, QUIET)
    about = list(scenes("train", 6, start=5_000_000))
    answers = [
        Answer(
            key=f"a{number}{turn}",
            prompt=prompt.key,
            text=caption(about[number], np.random.default_rng([number, turn])),
            producer=BY,
        )
        for number, prompt in enumerate(prompts)
        for turn in range(2)
    ]
    divider = WorldDivider(setting=True)
    found = divider.divide([], answers)
    folder.prompts.append(prompts)
    folder.answers.append(answers)
    rows = [claims_of(a, s, divider.producer()) for a, s in zip(answers, found, strict=True)]
    folder.division.append([claim for own in rows for claim in own])
    return folder.path


@pytest.fixture(scope="module")
def lessons(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lessons")
    command = ["splitter", "lessons", "--claims", str(recorded), "--out", str(out)]
    assert run([*command, "held_out=0.34"]) == EXIT_DONE
    return out


def replies_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Each held-out answer's text and its recorded reply."""
    kept = RunFolder(folder / HELD_OUT)
    claims = by_answer(kept.division.read())
    for answer in kept.answers.read():
        reply = reply_of(answer.text, claims[answer.key])
        assert reply is not None
        yield answer.text, reply


def test_lessons_and_held_out_answers_share_no_image(recorded: Path, lessons: Path):
    folder, kept = RunFolder(lessons), RunFolder(lessons / HELD_OUT)
    held = {answer.key for answer in kept.answers.read()}
    taught = {key for pair in folder.pairs.read() for key in pair.parents}
    assert (len(taught), len(held)) == (8, 4)
    assert {key[1] for key in taught}.isdisjoint({key[1] for key in held})
    assert {answer.key for answer in RunFolder(recorded).answers.read()} == taught | held
    assert all(not prompt.images for prompt in folder.prompts.read())
    assert all(kept.images.open(image) for p in kept.prompts.read() for image in p.images)


def test_the_same_lessons_are_made_once_and_others_are_refused(recorded: Path, lessons: Path):
    settings = LessonSettings(held_out=0.34)
    before = RunFolder(lessons).pairs.read()
    counts = make_lessons(recorded, lessons, settings, QUIET)
    assert (counts.answers, counts.lessons, counts.held_out, counts.left_out) == (12, 8, 4, 0)
    assert RunFolder(lessons).pairs.read() == before
    with pytest.raises(UserError, match="lessons from other settings"):
        make_lessons(recorded, lessons, settings.model_copy(update={"seed": 5}), QUIET)


def test_whoever_gives_the_recorded_replies_agrees_wholly(lessons: Path, tmp_path: Path):
    replies = dict(replies_of(lessons))

    def reply(prompt: Prompt, seed: int) -> str:
        return replies[prompt.question.rpartition("Answer: ")[2]]

    generator, settings = ScriptedGenerator(reply), SplitterSettings(model="m")
    scored = score_splitter(generator, lessons, tmp_path, settings, QUIET)
    assert (scored.answers, scored.images) == (4, 2)
    assert scored.agreement.value == scored.recall.value == scored.questions.value == 1
    assert scored.unread.value == 0
    again = ScriptedGenerator(lambda prompt, seed: pytest.fail("asked again"))
    assert score_splitter(again, lessons, tmp_path, settings, QUIET) == scored
    other = ScriptedGenerator(reply, name="other")
    with pytest.raises(UserError, match="answers by a different divider"):
        score_splitter(other, lessons, tmp_path, settings, QUIET)


def test_rates_are_sums_over_all_answers():
    each = [Agreement(3, 4, 5, 2, 1, 0), Agreement(1, 4, 1, 1, 1, 0), Agreement(0, 2, 0, 0, 0, 1)]
    scored = summary_of(each, [("x",), ("x",), ("y",)])
    assert scored.agreement.value == 0.5  # 2 * 4 / (10 + 6)
    assert scored.recall.value == 0.4
    assert scored.precision.value == pytest.approx(4 / 6, abs=1e-4)
    assert scored.questions.value == 0.75
    assert scored.places.value == 0.5
    assert scored.unread.value == pytest.approx(1 / 3, abs=1e-4)
    assert scored.agreement.low == 0
    assert scored.agreement.high == pytest.approx(8 / 14, abs=1e-4)


def test_a_model_is_trained_on_lessons_and_divides(
    tiny_llava: Path, lessons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    small = ["epochs=20", "max_steps=2", "batch_size=4", f"model={tiny_llava}"]
    train = [
        "train",
        str(find("world-splitter")),
        "--pairs",
        str(lessons),
        "--out",
        str(tmp_path / "s"),
    ]
    assert run([*train, *small, "--json"]) == EXIT_DONE
    model = str(tmp_path / "s/model")
    log = [json.loads(line) for line in (tmp_path / "s/log.jsonl").read_text().splitlines()]
    assert log[1]["loss"] < log[0]["loss"]
    assert log[0]["loss"] == pytest.approx(log[0]["term_likelihood"])
    capsys.readouterr()
    score = ["splitter", "score", model, "--lessons", str(lessons), "max_new_tokens=8", "--json"]
    assert run([*score, "--out", str(tmp_path / "score")]) == EXIT_DONE
    told = json.loads(capsys.readouterr().out)
    kept = json.loads((tmp_path / "score/score.json").read_text())
    assert kept == {name: told[name] for name in kept}
    assert (told["answers"], told["unread"][0]) == (4, 1)
    words = shlex.split(told["next"])
    assert words[words.index("--divider") + 1] == model


def test_a_folder_without_a_division_is_an_input_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = RunFolder(tmp_path)
    prompts = feedback_prompts(folder.images, 1, 0, QUIET)
    folder.prompts.append(prompts)
    folder.answers.append([Answer(key="a", prompt=prompts[0].key, text="A dog.", producer=BY)])
    command = ["splitter", "lessons", "--claims", str(tmp_path), "--out", str(tmp_path / "out")]
    assert run(command) == EXIT_INPUT
    assert "groundtune label --by claims" in capsys.readouterr().err
