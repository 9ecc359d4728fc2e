"""Comparisons by a simulated person: which answers, once each, by one person per folder."""

import json
from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.pipeline.models.prompt_sources import load
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Producer
from groundtune.world.captions import CLEAN, MACHINE, caption
from groundtune.world.scenes import find
from reward_folder import fill_compared

MODEL = Producer(kind="model", name="m")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Four prompts of the world with a true caption, two machine-written ones, and a copy."""
    import numpy as np

    made = RunFolder(tmp_path / "answers")
    source = load("world")
    prompts = source.prompts(made.images, 4, SilentProgress(), part="learning", seed=0)
    answers: list[Answer] = []
    for number, prompt in enumerate(prompts):
        scene, draw = find(prompt.source.row), np.random.default_rng(number)
        texts = [caption(scene, draw, habits) for habits in (CLEAN, MACHINE, MACHINE)]
        answers += [
            Answer(key=f"a{number}-{n}", prompt=prompt.key, text=text, producer=MODEL, index=n)
            for n, text in enumerate([*texts, texts[0]])
        ]
    made.prompts.append(prompts)
    made.answers.append(answers)
    return made


def label(folder: RunFolder, *words: str) -> int:
    return run(["label", "--answers", str(folder.path), "--by", "comparisons", *words])


def test_every_two_different_answers_are_compared_once(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
):
    assert label(folder, "--json") == EXIT_DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["comparisons"], found["compared_now"], found["same_text"]) == (20, 20, 4)
    rows = folder.comparisons.read()
    assert {row.by.name for row in rows} == {"world-comparer"}
    true = {f"a{n}-{copy}" for n in range(4) for copy in (0, 3)}
    for row in rows:
        if row.first in true and row.second not in true:
            assert row.hallucinates_more != "first"
    assert label(folder, "--json") == EXIT_DONE
    assert json.loads(capsys.readouterr().out)["compared_now"] == 0


def test_some_comparisons_per_prompt_are_drawn_by_seed(folder: RunFolder):
    assert label(folder, "per_prompt=2", "--seed", "3") == EXIT_DONE
    rows = folder.comparisons.read()
    assert len(rows) == 8
    assert len({row.prompt for row in rows}) == 4


def test_an_error_rate_turns_verdicts(folder: RunFolder, tmp_path: Path):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    assert label(folder, "--out", str(right)) == EXIT_DONE
    assert label(folder, "--out", str(wrong), "--error-rate", "1") == EXIT_DONE
    turned = {"first": "second", "second": "first", "tie": "tie"}
    verdicts = {(r.first, r.second): r.better for r in RunFolder(right).comparisons.read()}
    for row in RunFolder(wrong).comparisons.read():
        assert row.better == turned[verdicts[row.first, row.second]]


def test_another_persons_comparisons_are_not_mixed(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
):
    assert label(folder) == EXIT_DONE
    assert label(folder, "--error-rate", "0.3") == EXIT_INPUT
    assert "already has comparisons by others (world-comparer)" in capsys.readouterr().err


def test_prompts_that_nobody_knows_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other = fill_compared(tmp_path / "other", prompts=2)
    assert label(other, "--out", str(tmp_path / "out")) == EXIT_INPUT
    assert "No simulated person can compare" in capsys.readouterr().err
