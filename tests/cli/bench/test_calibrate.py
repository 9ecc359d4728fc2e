"""`groundtune bench calibrate`: two judges' folders, held against each other."""

import json
from pathlib import Path

import pytest

from groundtune.bench.run.run import store_scores
from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.records import Score


def judged(folder: Path, grades: list[int | None], model: str = "m", answer: str = "a dog") -> Path:
    """A folder with these grades of MMHal-Bench; None is a reply that couldn't be read."""
    store_scores(
        [
            Score(
                key=f"{model} {i}",
                benchmark="mmhal:strict",
                item=f"{i}",
                image=f"{i}",
                model=model,
                answer=answer,
                values={"grade": float(grade)} if grade is not None else {},
                status="scored" if grade is not None else "unparsed",
            )
            for i, grade in enumerate(grades)
        ],
        folder,
    )
    return folder


def test_grades_of_two_judges_are_compared_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = judged(tmp_path / "mine", [3, 4, 5, None])
    other = judged(tmp_path / "other", [3, 2, 5, 1], model="the same, called otherwise")
    assert run(["bench", "calibrate", str(mine), str(other)]) == EXIT_DONE
    told = capsys.readouterr().out
    assert "mmhal:strict of m, grade: 3 answers with both verdicts, 1 without" in told
    assert "0.67" in told
    assert run(["bench", "calibrate", str(mine), str(other), "--json"]) == EXIT_DONE
    (found,) = json.loads(capsys.readouterr().out)["calibrations"]
    assert found["calibration"]["bias"]["value"] == pytest.approx(2 / 3)
    (kept,) = (mine / "calibration").iterdir()
    assert json.loads(kept.read_text()) == found


def test_with_several_models_each_is_held_against_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = judged(tmp_path / "mine", [3, 4])
    both = judged(judged(tmp_path / "both", [3, 4]), [0, 0], model="n")
    assert run(["bench", "calibrate", str(both), str(mine), "--json"]) == EXIT_DONE
    (found,) = json.loads(capsys.readouterr().out)["calibrations"]
    assert found["model"] == "m"
    assert found["calibration"]["agreement"]["value"] == 1


@pytest.mark.parametrize(
    ("grades", "answer", "options", "says"),
    [
        ([3, 4], "a cat", [], "different answers"),
        ([None, None], "a dog", [], "No item has a verdict from both"),
        ([3, 4], "a dog", ["--column", "points"], "No score has a value 'points'"),
    ],
)
def test_what_cant_be_compared_is_the_users_error(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    grades: list[int | None],
    answer: str,
    options: list[str],
    says: str,
) -> None:
    mine = judged(tmp_path / "mine", [3, 4])
    other = judged(tmp_path / "other", grades, answer=answer)
    assert run(["bench", "calibrate", str(mine), str(other), *options]) == EXIT_INPUT
    assert says in capsys.readouterr().err
    assert not (mine / "calibration").exists()


def test_folders_without_a_common_benchmark_are_the_users_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = judged(judged(tmp_path / "mine", [3]), [3], model="n")
    other = judged(tmp_path / "other", [3], model="o")
    assert run(["bench", "calibrate", str(mine), str(other)]) == EXIT_INPUT
    assert "no model's benchmark in common" in capsys.readouterr().err
