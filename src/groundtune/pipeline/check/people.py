"""What people's marks on a few answers add to a labeler's verdicts on many.

The prediction-powered interval (Angelopoulos, Bates, Fannjiang, Jordan, Zrnic 2023, arXiv
2301.09633, algorithm 1): with verdicts f of N answers that nobody marked, and verdicts f and marks
Y of n more that were drawn at random,

    theta = mean_N f + mean_n (Y - f)
    Var theta = Var f / N + Var (Y - f) / n

It covers the share of wrong answers however bad the labeler is; a bad one only makes it wide.

Departures. Answers about one image aren't independent, so the variance is that of images' sums
of influence, C / (C - 1) * sum_c u_c^2 for C images, where an unmarked answer adds
(f - mean f) / N to its image's u and a marked one (Y - f - mean (Y - f)) / n. With one answer an
image that is nearly the formula above. The quantile is Student's at the marked images less one,
where the paper has the normal one: few are marked. Where the labeler agrees with all marks, the
second term would be 0; it may still be wrong about up to 1 - 0.025^(1/n) of the answers, by which
the interval is widened.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from groundtune.errors import UserError
from groundtune.records import Answer, Record, Score
from groundtune.store.rows import json_rows

LEAST = 5
"""Marked images below which no interval is given."""


class PersonVerdict(NamedTuple):
    """A labeler's verdict on an answer, and a person's if there is one."""

    image: str
    rejected: bool
    """Whether the labeler rejects a claim of it."""
    wrong: bool | None = None
    """Whether a person finds something wrong in it."""


class Interval95(NamedTuple):
    """A share and its 95% interval."""

    value: float
    low: float
    high: float


class LabelerError(Record):
    """The labeler against people's marks."""

    marked: int
    wrong: int
    """Answers in which a person finds something wrong."""
    caught: int
    """Of these, answers of which the labeler rejects a claim."""
    accused: int
    """Answers with nothing wrong of which the labeler rejects a claim."""
    agreement: Interval95
    """Share of the marked answers on which both say the same (Clopper and Pearson 1934)."""


class CorrectedRate(Record):
    """The share of wrong answers, by marks and verdicts together."""

    share: Interval95
    """Prediction-powered."""
    by_marks: Interval95
    """Of the marked answers alone: what the marks would give without a labeler."""
    by_labeler: float
    """Of all answers, as the labeler says."""
    marked: int
    unmarked: int
    error: LabelerError


def corrected(verdicts: Sequence[PersonVerdict]) -> CorrectedRate | None:
    """The share of wrong answers with its interval; None with fewer than `LEAST` marked images.

    The marked answers must have been drawn at random (`write_to_mark` does).
    """
    with_marks = [each for each in verdicts if each.wrong is not None]
    if len({each.image for each in with_marks}) < LEAST:
        return None
    return CorrectedRate(
        share=prediction_powered(verdicts),
        by_marks=prediction_powered([each._replace(rejected=False) for each in with_marks]),
        by_labeler=sum(each.rejected for each in verdicts) / len(verdicts),
        marked=len(with_marks),
        unmarked=len(verdicts) - len(with_marks),
        error=labeler_error(with_marks),
    )


def prediction_powered(verdicts: Sequence[PersonVerdict]) -> Interval95:
    """The estimate and interval of this file's head; without unmarked answers, the marks' own."""
    many = [each for each in verdicts if each.wrong is None]
    few = [each for each in verdicts if each.wrong is not None]
    gaps = [float(bool(each.wrong)) - float(each.rejected and bool(many)) for each in few]
    mean_f = sum(each.rejected for each in many) / len(many) if many else 0.0
    mean_gap = sum(gaps) / len(gaps)
    influence: dict[str, float] = {}
    for each in many:
        step = (each.rejected - mean_f) / len(many)
        influence[each.image] = influence.get(each.image, 0.0) + step
    for each, gap in zip(few, gaps, strict=True):
        influence[each.image] = influence.get(each.image, 0.0) + (gap - mean_gap) / len(few)
    images = len(influence)
    variance = images / max(1, images - 1) * sum(u * u for u in influence.values())
    half = _student(len({each.image for each in few}) - 1) * math.sqrt(variance)
    if len(set(gaps)) == 1:
        half += 1 - 0.025 ** (1 / len(few))
    value = mean_f + mean_gap
    return Interval95(min(1.0, max(0.0, value)), max(0.0, value - half), min(1.0, value + half))


def labeler_error(verdicts: Sequence[PersonVerdict]) -> LabelerError:
    """How the labeler's verdicts and the marks of these answers agree."""
    same = sum(each.rejected == each.wrong for each in verdicts)
    return LabelerError(
        marked=len(verdicts),
        wrong=sum(bool(each.wrong) for each in verdicts),
        caught=sum(each.rejected and bool(each.wrong) for each in verdicts),
        accused=sum(each.rejected and not each.wrong for each in verdicts),
        agreement=_clopper_pearson(same, len(verdicts)),
    )


def read_marks(path: Path, answers: Sequence[Answer]) -> dict[str, bool]:
    """Whether something is wrong, by the answer's key; rows whose "wrong" is null are left out.

    Raises:
        UserError: the file can't be read, a row names no answer of these, names one twice, or says
            something else than true or false.
    """
    keys = {answer.key for answer in answers}
    marks: dict[str, bool] = {}
    for row in json_rows(path):
        where, fields = row.where, row.fields
        key, wrong = fields.get("answer"), fields.get("wrong")
        if not isinstance(key, str) or key not in keys or key in marks:
            what = "is marked twice" if key in marks else "is not among those that are checked"
            raise UserError(
                f"The answer {key!r} {what}.", where, "Mark rows of to-mark.jsonl, each once."
            )
        if wrong is None:
            continue
        if not isinstance(wrong, bool):
            raise UserError(
                f'"wrong" is {json.dumps(wrong)[:40]}.', where, "Write true, false, or null."
            )
        marks[key] = wrong
    return marks


def verdicts_of(scores: Mapping[str, Score], marks: Mapping[str, bool]) -> list[PersonVerdict]:
    """Verdicts and marks of the answers (by key) whose claims could be read."""
    return [
        PersonVerdict(score.image, score.values["rejected"] > 0, marks.get(key))
        for key, score in scores.items()
        if score.status == "scored"
    ]


def _student(freedom: int) -> float:
    """The 97.5% quantile of Student's t."""
    from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

    return float(cast(Any, stats).t.ppf(0.975, max(1, freedom)))


def _clopper_pearson(right: int, number: int) -> Interval95:
    from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

    beta = cast(Any, stats).beta.ppf
    low = float(beta(0.025, right, number - right + 1)) if right else 0.0
    high = float(beta(0.975, right + 1, number - right)) if right < number else 1.0
    return Interval95(right / number, low, high)
