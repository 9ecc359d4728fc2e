"""The over-correction curve: where to stop, and what it is drawn from."""

import json
from pathlib import Path

import pytest

from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.pipeline.compare.overcorrection import (
    CurveModel,
    OvercorrectionSettings,
    read_runs,
    where_to_stop,
)
from groundtune.records import Estimate

LIMITS = OvercorrectionSettings(most_lost=0.05)


def point(pairs: float, error: float, change: float) -> CurveModel:
    rows = [
        Estimate(model=f"m{pairs:g}", benchmark="b", metric=name, value=value, low=0, high=1, n=9)
        for name, value in (("error", error), ("coverage", 0.9 + change))
    ]
    return CurveModel(
        model=f"m{pairs:g}",
        pairs=pairs,
        error=rows[0],
        coverage=rows[1],
        coverage_change=change,
        allowed=-change <= LIMITS.most_lost,
    )


def stop(*points: CurveModel) -> float:
    return where_to_stop("b", points, LIMITS).pairs


def test_the_curve_stops_before_too_much_is_lost():
    assert stop(point(0, 0.8, 0), point(80, 0.5, -0.03), point(160, 0.2, -0.2)) == 80


def test_what_comes_after_the_first_loss_does_not_count():
    lost = point(80, 0.5, -0.2)
    assert stop(point(0, 0.8, 0), lost, point(160, 0.1, 0.0)) == 0


def test_of_the_allowed_models_the_one_with_the_fewest_errors_stays():
    assert stop(point(0, 0.8, 0), point(80, 0.4, 0.0), point(160, 0.5, 0.0)) == 80
    assert stop(point(0, 0.8, 0), point(80, 0.4, 0.0), point(160, 0.4, 0.0)) == 80


def test_the_reason_names_what_would_be_lost():
    found = where_to_stop("b", [point(0, 0.8, 0), point(80, 0.2, -0.2)], LIMITS)
    assert "at 80 pairs 0.200 is lost" in found.why


@pytest.mark.parametrize("words", [[], ["0=a"], ["a", "b"], ["x=a", "1=b"], ["0=", "1=b"]])
def test_words_without_numbers_or_models_are_three_lines(words: list[str]):
    with pytest.raises(UserError):
        read_runs(words)


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    questions = tmp_path / "questions.json"
    rows = [
        {"question_id": i, "image": f"{i}", "text": f"{i}?", "label": "yes" if i % 2 else "no"}
        for i in range(8)
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, replies in (("base", ["Yes"] * 8), ("some", ["No", "Yes"] * 4), ("all", ["No"] * 8)):
        answers = tmp_path / f"{name}.jsonl"
        answers.write_text(
            "".join(json.dumps({"question": "", "answer": r}) + "\n" for r in replies)
        )
        line = ["bench", "score", "pope", str(answers), "--data", str(questions), "--label", name]
        assert run([*line, "--out", str(tmp_path / name)]) == 0
    return [f"{n}={tmp_path / name}" for n, name in ((0, "base"), (80, "some"), (160, "all"))]


def test_the_command_draws_the_curve_of_scored_models(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    capsys.readouterr()
    line = ["overcorrection", *runs, "--error", "yes_ratio", "--coverage", "recall"]
    assert run([*line, "--out", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [p["allowed"] for p in found["points"]] == [True, True, False]
    assert (found["pairs"], found["stop"]) == (80, "some")
    assert "Stop at 80 pairs" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "what"), [({"0=": "9=", "80=": "3="}, "numbers of pairs"), ({}, "No benchmark")]
)
def test_numbers_that_do_not_grow_and_unknown_metrics_are_refused(
    change: dict[str, str],
    what: str,
    runs: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    for old, new in change.items():
        runs = [word.replace(old, new, 1) if word.startswith(old) else word for word in runs]
    assert run(["overcorrection", *runs, "--error", "nothing", "--out", str(tmp_path / "o")]) == 2
    assert what in capsys.readouterr().err
