"""A threshold with a guarantee: of the claims kept, few are wrong, as often as it says."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.pipeline.check.marked_claims import (
    CLAIMS_TO_MARK,
    KEPT,
    ClaimMarks,
    read_claim_marks,
    refuse_few_marks,
)
from groundtune.pipeline.check.risk import MarkedClaim, calibrate, needed_marks
from groundtune.pipeline.check.to_mark import TO_MARK
from groundtune.records import Claim
from written_world import written

DRAWS = 400


def failures(chance: str, marked: int, seed: int = 3) -> tuple[float, float]:
    """How often more than 5% of the kept claims are wrong, and the mean share that is kept.

    1,000 claims of 100 answers, alike within an answer; `chance` says how a doubt relates to truth.
    """
    rng = np.random.default_rng(seed)
    failed, kept_share = 0, 0.0
    for _ in range(DRAWS):
        harder = np.repeat(rng.beta(1, 2, 100), 10)
        doubt = np.clip(harder * rng.random(1000) + 0.05 * rng.random(1000), 0, 1)
        truth = {"honest": doubt, "over": doubt**0.5, "blind": np.full(1000, 0.2)}[chance]
        wrong = rng.random(1000) < truth
        drawn = rng.permutation(1000)[:marked]
        marks = [MarkedClaim(float(doubt[i]), bool(wrong[i])) for i in drawn]
        found = calibrate(doubt.tolist(), marks, 0.05)
        if found.threshold is not None:
            kept = doubt <= found.threshold
            assert found.kept == kept.sum()
            failed += bool(wrong[kept].mean() > 0.05)
            kept_share += found.share
    return failed / DRAWS, kept_share / DRAWS


@pytest.mark.parametrize("chance", ["honest", "over", "blind"])
@pytest.mark.parametrize("marked", [100, 300])
def test_more_than_the_risk_is_wrong_in_at_most_a_tenth_of_the_draws(chance: str, marked: int):
    failed, _ = failures(chance, marked)
    allowed = float(stats.binom(DRAWS, 0.1).ppf(0.99)) / DRAWS  # chance of this many simulations
    assert failed <= allowed


def test_more_marks_keep_more_claims():
    assert failures("honest", 100)[1] < failures("honest", 300)[1]


def test_a_labeler_without_errors_keeps_all_that_it_supports():
    doubts = [0.0] * 80 + [1.0] * 20
    marks = [MarkedClaim(0.0, False)] * 60 + [MarkedClaim(1.0, True)] * 15
    found = calibrate(doubts, marks, 0.05)
    assert (found.threshold, found.kept, found.share) == (0.0, 80, 0.8)
    assert (found.marked_kept, found.wrong_kept, found.wrong_marked) == (60, 0, 15)
    assert found.bound == pytest.approx(1 - 0.1 ** (1 / 60))


def test_too_few_marks_keep_nothing():
    assert needed_marks(0.05, 0.9) == 45
    assert needed_marks(0.05, 0.9, wrong=1) == 77
    found = calibrate([0.0] * 100, [MarkedClaim(0.0, False)] * 44, 0.05)
    assert (found.threshold, found.kept, found.bound) == (None, 0, None)
    assert calibrate([0.0] * 100, [MarkedClaim(0.0, False)] * 45, 0.05).kept == 100
    assert calibrate([], [], 0.05).share == 0


def test_on_the_world_claims_are_drawn_marked_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source, out = written(tmp_path / "in", 20), tmp_path / "out"
    line = ["check", str(source.path), "--labeler", "world:truth", "--risk", "0.05"]
    line += ["--out", str(out), "--json"]
    assert run([*line, "mark_claims=120"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["risk"] is None
    assert "--claim-marks" in first["next"]
    rows = [json.loads(text) for text in (out / CLAIMS_TO_MARK).read_text().splitlines()]
    assert len(rows) == 120
    assert all((out / file).is_file() for row in rows for file in row["files"])
    assert not any("doubt" in row for row in rows)
    verdicts = {c["key"]: c["status"] for c in _claims(out)}
    marks = tmp_path / "marks.jsonl"
    told = [{**row, "true": verdicts[row["claim"]] == "supported"} for row in rows]
    marks.write_text("".join(json.dumps(row) + "\n" for row in told))
    assert run([*line, "mark_claims=120", "--claim-marks", str(marks)]) == 0
    found = json.loads(capsys.readouterr().out)["risk"]
    kept = [json.loads(text) for text in (out / KEPT).read_text().splitlines()]
    assert found["threshold"] == 0
    assert found["kept"] == sum(row["kept"] for row in kept)
    assert {row["kept"] for row in kept if verdicts[row["claim"]] == "supported"} == {True}
    assert "can be kept" in (out / "report.html").read_text()


def _claims(out: Path) -> list[dict[str, str]]:
    from groundtune.pipeline.runs.folder import RunFolder

    return [claim.model_dump() for claim in RunFolder(out).claims.read()]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"claim": "nobody", "true": True}, "has no verdict"),
        ({"claim": "FIRST", "true": "yes"}, '"true" is'),
        ({"claim": "LAST", "true": True}, "was not drawn"),
        ({"claim": "FIRST", "true": None}, "0 marked claims are too few"),
    ],
)
def test_marks_that_cannot_be_used_are_named(
    row: dict[str, object], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source, out = written(tmp_path / "in", 3), tmp_path / "out"
    line = ["check", str(source.path), "--labeler", "world:truth", "--risk", "0.05"]
    line += ["mark_claims=2", "--out", str(out)]
    assert run(line) == 0
    drawn = [json.loads(text)["claim"] for text in (out / CLAIMS_TO_MARK).read_text().splitlines()]
    other = next(c["key"] for c in _claims(out) if c["key"] not in drawn and c["p_yes"])
    marks = tmp_path / "marks.jsonl"
    name = str(row["claim"]).replace("FIRST", drawn[0]).replace("LAST", other)
    marks.write_text(json.dumps({**row, "claim": name}) + "\n")
    capsys.readouterr()
    assert run([*line, "--claim-marks", str(marks)]) == 2
    error = capsys.readouterr().err
    assert what in error
    assert [text.split(":")[0] for text in error.splitlines()[-3:]] == ["error", "where", "fix"]


def drawn_file(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_claims_that_were_passed_over_count_as_wrong(tmp_path: Path):
    claims = [
        Claim(
            key=str(i),
            answer="a",
            start=0,
            end=1,
            text="x",
            status="supported",
            p_yes=0.9,
            p_no=0.1,
        )
        for i in range(6)
    ]
    drawn = drawn_file(
        tmp_path / "drawn.jsonl", [{"claim": str(i), "true": None} for i in range(5)]
    )
    values = [True, None, False, None, None]
    rows = [{"claim": str(i), "true": value} for i, value in enumerate(values)]
    found = read_claim_marks(drawn_file(tmp_path / "marks.jsonl", rows), drawn, claims)
    assert [mark.wrong for mark in found.marks] == [False, True, True]
    assert found.skipped == 1
    # rows without a mark may be missing, and in another order
    rows = [rows[2], rows[0]]
    assert read_claim_marks(drawn_file(tmp_path / "few.jsonl", rows), drawn, claims).skipped == 1


def test_too_few_marks_are_refused_with_the_number_that_is_needed(tmp_path: Path):
    right = MarkedClaim(0.0, wrong=False)
    refuse_few_marks(ClaimMarks([right] * 45, 0), 0.05, 0.9, tmp_path)
    with pytest.raises(UserError, match=r"44 marked claims .* needs 45") as error:
        refuse_few_marks(ClaimMarks([right] * 44, 0), 0.05, 0.9, tmp_path)
    assert "at least 1 more" in error.value.fix


def test_more_claims_to_mark_are_added_to_those_that_are_marked(tmp_path: Path):
    source, out = written(tmp_path / "in", 6), tmp_path / "out"
    line = ["check", str(source.path), "--labeler", "world:truth", "--risk", "0.05"]
    line += ["mark=2", "--out", str(out)]
    assert run([*line, "mark_claims=5"]) == 0
    file = out / CLAIMS_TO_MARK
    marked = file.read_text().replace("null", "true").rstrip("\n")
    file.write_text(marked)
    assert run([*line, "mark_claims=9", "mark=4"]) == 0
    lines = file.read_text().splitlines()
    assert "\n".join(lines[:5]) == marked
    assert len(lines) == 9
    assert len({json.loads(text)["claim"] for text in lines}) == 9
    assert all((out / name).is_file() for text in lines for name in json.loads(text)["files"])
    assert len((out / TO_MARK).read_text().splitlines()) == 4
    assert run([*line, "mark_claims=3"]) == 0
    assert file.read_text().splitlines() == lines


def test_marks_of_claims_without_a_risk_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source = written(tmp_path / "in", 2)
    line = ["check", str(source.path), "--labeler", "world:truth", "--out", str(tmp_path / "out")]
    assert run([*line, "--claim-marks", "nowhere.jsonl"]) == 2
    assert "--risk" in capsys.readouterr().err
