"""AMBER's metrics, from sums of columns, with or without the official script's arithmetic.

Columns of the descriptions: nouns, wrong_nouns, objects, covered, additions, added, described,
faultless. Columns of the questions, each "KIND:NAME" for the kinds in `KINDS`:

    num       questions            correct        right answers
    no_num    those with truth no  no_score       of these, answered "No"
    said_no   answers "No"         said_no_score  of these, with truth no

"official" is 1 in every score of mode official; it selects the official arithmetic.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from groundtune.bench.metric import Floats, Metric, ratio, unparsed_metric

ATTRIBUTES = ("state", "number", "action")
KINDS = ("existence", *ATTRIBUTES, "relation")
START = 0.001
"""What each official denominator begins at."""

Sums = Mapping[str, Floats]


class AmberRates(NamedTuple):
    """Rates of the questions, in points; "No" is the positive class."""

    accuracy: Floats
    precision: Floats
    recall: Floats
    f1: Floats


def rates(sums: Sums) -> AmberRates:
    """The rates of all questions that the sums have.

    The official script adds a start for each kind of attribute, and divides the F1 of existence
    by a sum with .001 in it, all others by one with .0001.
    """
    kinds = [kind for kind in KINDS if np.any(sums[f"{kind}:num"] > 0)]
    several = len(kinds) if kinds and set(kinds) <= set(ATTRIBUTES) else 1
    start, small = START * several, START if kinds == ["existence"] else START / 10

    def total(name: str) -> Floats:
        return np.sum([sums[f"{kind}:{name}"] for kind in KINDS], axis=0)

    pairs = (("correct", "num"), ("said_no_score", "said_no"), ("no_score", "no_num"))
    exact = [100 * ratio(total(part), total(whole)) for part, whole in pairs]
    official_rates = [_round(total(part) / (start + total(whole)) * 100) for part, whole in pairs]
    has_questions = total("num") > 0
    values = [
        np.where(has_questions, np.where(_official(sums), r, e), np.nan)
        for r, e in zip(official_rates, exact, strict=True)
    ]
    precision, recall = values[1] / 100, values[2] / 100
    official_f1 = _round(2 * precision * recall / (precision + recall + small) * 100)
    exact_f1 = 100 * ratio(2 * precision * recall, precision + recall)
    return AmberRates(*values, f1=np.where(_official(sums), official_f1, exact_f1))


def chair(sums: Sums) -> Floats:
    """Nouns that are not the image's, as a share of all nouns."""
    return _described_share(sums, sums["wrong_nouns"], sums["nouns"])


def cover(sums: Sums) -> Floats:
    """Objects of the images that are named."""
    return _described_share(sums, sums["covered"], sums["objects"])


def cog(sums: Sums) -> Floats:
    """Likely additions that are named."""
    return _described_share(sums, sums["added"], sums["additions"])


def hal(sums: Sums) -> Floats:
    """Descriptions with a noun that is not the image's."""
    descriptions, faultless = sums["described"], sums["faultless"]
    official = _round(100 - faultless / (START + descriptions) * 100)
    exact = 100 - 100 * ratio(faultless, descriptions)
    return np.where(_official(sums), _if_described(sums, official), exact)


def amber_score(sums: Sums) -> Floats:
    """The mean of 100 - chair and f1, as the paper defines it."""
    return (100 - chair(sums) + rates(sums).f1) / 2


def _described_share(sums: Sums, part: Floats, whole: Floats) -> Floats:
    official = _round(part / (START + whole) * 100)
    return np.where(_official(sums), _if_described(sums, official), 100 * ratio(part, whole))


def _if_described(sums: Sums, values: Floats) -> Floats:
    return np.where(sums["described"] > 0, values, np.nan)


def _official(sums: Sums) -> npt.NDArray[np.bool_]:
    return sums["official"] > 0


def _round(values: Floats) -> Floats:
    """Round to one decimal like Python, which sometimes differs from numpy."""
    return np.array([round(float(value), 1) for value in np.atleast_1d(values)]).reshape(
        np.shape(values)
    )


def _points(
    name: str, label: str, formula: Callable[[Sums], Floats], *, lower: bool = False, why: str = ""
) -> Metric:
    return Metric(
        name=name,
        label=label,
        formula=formula,
        better="lower" if lower else "higher",
        unit="points",
        scale=1,
        range=(0, 100),
        explanation=why,
    )


METRICS: tuple[Metric, ...] = (
    _points(
        "amber_score", "AMBER score", amber_score, why="(100 - chair + f1) / 2; only in the paper."
    ),
    _points("chair", "Nouns that are not the image's", chair, lower=True),
    _points("cover", "Objects of the image that are named", cover).model_copy(
        update={"role": "cost"}
    ),
    _points("hal", "Descriptions with a noun that is not the image's", hal, lower=True),
    _points("cog", "Likely additions that are named", cog, lower=True),
    _points("accuracy", "Right answers", lambda sums: rates(sums).accuracy),
    _points("precision", "Precision of No", lambda sums: rates(sums).precision),
    _points("recall", "Recall of No", lambda sums: rates(sums).recall),
    _points("f1", "F1 of No", lambda sums: rates(sums).f1),
    Metric(
        name="words",
        label="Words per description",
        numerator={"words": 1},
        denominator={"described": 1},
        role="cost",
        unit="words",
        scale=1,
        range=(0, None),
    ),
    unparsed_metric(),
)
