"""What a model answers by facts, by the image and by both, and what a probe reads off it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from groundtune.cli import app
from groundtune.pipeline.world import facts as facts_module
from groundtune.pipeline.world.facts import (
    SHOWN,
    FactAnswers,
    FactStudy,
    another,
    facts_shown,
    questions,
    study,
)
from groundtune.pipeline.world.probe import probe
from groundtune.protocols import SilentProgress, YesNoReply
from groundtune.records import Prompt
from groundtune.world.questions import facts
from groundtune.world.read import read
from groundtune.world.scenes import scenes


class Reader:
    """Says yes where the facts name what is asked about; without facts, nothing."""

    def __init__(self, *, blind_answer: YesNoReply) -> None:
        self.blind_answer = blind_answer

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        return [self._answer(prompt) for prompt in prompts]

    def _answer(self, prompt: Prompt) -> YesNoReply:
        text = "".join(part.text for part in prompt.messages[0].content if part.type == "text")
        if not text.startswith("Facts:\n"):
            return self.blind_answer
        told, _, asked = text.rpartition("\n")
        named = {mention.category for mention in read(asked).mentions}
        yes = named <= {mention.category for mention in read(told).mentions}
        return YesNoReply(float(yes), float(not yes))


def answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Reader
) -> dict[str, FactAnswers]:
    def opened(*_: object) -> Reader:
        return reader

    monkeypatch.setattr(facts_module, "open_generator", opened)
    rows = study(FactStudy(model="reader", scenes=30), tmp_path, SilentProgress())
    return {row.shown: row for row in rows}


def test_who_reads_facts_is_right_by_them_and_misled_by_another_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = answers(tmp_path, monkeypatch, Reader(blind_answer=YesNoReply(1.0, 0.0)))
    assert tuple(rows) == SHOWN
    assert rows["facts"].objects == rows["both"].objects
    assert rows["facts"].objects.value == 1.0
    assert rows["facts"].objects.low < 1.0  # 30 scenes leave room for a miss
    assert rows["another scene's facts"].objects.value < 0.75
    # a model that always says yes is right of every object that is there
    assert rows["image"].yes == 1.0
    assert 0.45 < rows["image"].objects.value < 0.55
    assert {row.scenes for row in rows.values()} == {30}


def test_a_word_that_is_neither_yes_nor_no_is_wrong_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = answers(tmp_path, monkeypatch, Reader(blind_answer=YesNoReply(0.3, 0.1)))
    assert rows["image"].unanswered == rows["image"].questions > 150
    assert rows["image"].right.value == 0.0
    assert rows["facts"].unanswered == 0


def test_questions_are_about_present_and_absent_objects_and_one_attribute() -> None:
    drawn = list(scenes("development", 30))
    asked = questions(drawn, 0)
    for each in asked:
        about = each.question.about
        if each.question.kind == "existence":
            assert each.says_yes == (about in each.scene.categories)
        else:
            assert each.question.kind == "attribute"
            assert about in each.scene.categories
        assert re.search(r"\? Answer yes or no\.$", each.question.text)
    objects = [each.says_yes for each in asked if each.question.kind == "existence"]
    assert np.mean(objects) == pytest.approx(0.5, abs=0.02)
    assert len(asked) - len(objects) == 30


def test_every_fact_of_a_scene_is_told_and_anothers_are_of_another_scene() -> None:
    drawn = list(scenes("development", 5))
    told = facts_shown(drawn, 0)
    for scene in drawn:
        lines = [line.removeprefix("- ") for line in told[scene.key].splitlines()[1:]]
        assert sorted(lines) == sorted(facts(scene))
    others = another(told)
    assert sorted(others.values()) == sorted(told.values())
    assert all(others[key] != told[key] for key in told)


def made(number: int, signal: float) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[str]]:
    """Features of which one tells the answer, as strongly as `signal`; six questions a scene."""
    rng = np.random.default_rng(1)
    truth = rng.random(number) < 0.5
    features = rng.normal(size=(number, 40))
    features[:, 7] += signal * np.where(truth, 1, -1)
    return features, truth, [str(i // 6) for i in range(number)]


def test_a_probe_finds_what_is_linear_and_nothing_where_nothing_is() -> None:
    strong = probe(*made(1200, 3.0), folds=5)
    assert np.mean(strong) > 0.99
    # two normals one standard deviation from the middle: 84.1% is the most that is possible
    weak = probe(*made(3000, 1.0), folds=5)
    assert np.mean(weak) == pytest.approx(0.841, abs=0.025)
    nothing = probe(*made(3000, 0.0), folds=5)
    assert np.mean(nothing) == pytest.approx(0.5, abs=0.035)
    shuffled = probe(*made(1200, 3.0), folds=5, shuffled=True)
    assert 0.3 < np.mean(shuffled) < 0.7


def test_a_probe_is_never_tested_on_a_scene_that_it_learnt_from() -> None:
    # features that name the scene, whose answers are all alike: only a leak could tell them
    rng = np.random.default_rng(2)
    groups = [str(i // 10) for i in range(400)]
    truth = np.repeat(rng.random(40) < 0.5, 10)
    features = np.repeat(rng.normal(size=(40, 200)), 10, axis=0)
    assert np.mean(probe(features, truth, groups, folds=5)) < 0.75
    leaking = probe(features, truth, [str(i) for i in range(400)], folds=5)
    assert np.mean(leaking) > 0.95


def test_the_commands_measure_the_shipped_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "facts")
    assert app.run(["world", "facts", "world:base", "--scenes", "4", "--out", out, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["shown"] for row in told["answers"]] == list(SHOWN)
    assert told["answers"][1]["objects"][0] > 0.9
    kept = json.loads((tmp_path / "facts" / "facts.json").read_text(encoding="utf-8"))
    assert kept["answers"] == told["answers"]
    out = str(tmp_path / "probe")
    assert app.run(["world", "probe", "world:base", "--scenes", "10", "--out", out]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^4 +\d+\.\d% \(", shown, re.MULTILINE)
    assert re.search(r"^own answers right +(9\d\.\d|100\.0)% \(", shown, re.MULTILINE)


def test_an_endpoint_has_no_states_to_probe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = "openai:a@http://127.0.0.1:9/v1"
    assert app.run(["world", "probe", model, "--out", str(tmp_path / "p")]) == 2
    assert "An endpoint doesn't give its hidden states." in capsys.readouterr().err
