"""Which claims may be kept so that few of them are wrong: a threshold with a guarantee.

Learn then test (Angelopoulos, Bates, Candes, Jordan and Lei 2021, arXiv 2110.01052), with the
binomial tail bound and fixed-sequence testing. A person marks claims that were drawn at random from
all of the check's. A claim is kept where the labeler's doubt, p(no) / (p(yes) + p(no)), is at most
a threshold. Thresholds are tested from the strictest on: with n marked claims kept, k of them
wrong,

    p = P(Binomial(n, risk) <= k)

is the p-value of "more than `risk` of the kept claims are wrong". The first p above 1 - confidence
ends the tests; the last threshold before it holds, with that confidence, for whatever labeler.

The claims drawn are a random part of these claims, so dependence between claims of one answer does
no harm: drawn without replacement, k varies less than the binomial.

Departures: the grid are the quantiles of all claims' doubts, in steps of 1%, and the tests begin
where enough marked claims are kept that one may be wrong (77 at 5% and 90%), or if there are fewer,
that none may be (45). Both depend on the doubts alone, never on the marks.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from groundtune.records import Claim, Record

STEPS = 100
"""Thresholds that are tested at the most."""


class MarkedClaim(NamedTuple):
    """A labeler's doubt about a claim, and a person's mark."""

    doubt: float
    wrong: bool


class RiskResult(Record):
    """Which claims may be kept."""

    risk: float
    confidence: float
    threshold: float | None
    """The largest doubt of a claim that is kept; None where no threshold can be given."""
    kept: int
    """Claims with at most that doubt, of all with a verdict."""
    claims: int
    marked: int
    marked_kept: int
    wrong_kept: int
    """Of the marked claims that are kept."""
    bound: float | None
    """Upper limit of the share of wrong claims among the kept, at the same confidence (Clopper and
    Pearson 1934)."""
    wrong_marked: int
    """Of all marked claims: what keeping all would mean."""
    needed: int
    """Marked claims below which no threshold can be given: even with none wrong."""
    skipped: int = 0
    """Of the marked: claims above the last marked one that have no mark, which count as wrong."""

    @property
    def share(self) -> float:
        """The share of the claims that is kept."""
        return self.kept / self.claims if self.claims else 0.0


def doubt_of(claim: Claim) -> float | None:
    """p(no) / (p(yes) + p(no)); None for a claim without a verdict."""
    if claim.status not in ("supported", "rejected") or claim.p_yes is None or claim.p_no is None:
        return None
    mass = claim.p_yes + claim.p_no
    return claim.p_no / mass if mass > 0 else None


def needed_marks(risk: float, confidence: float, wrong: int = 0) -> int:
    """The fewest marked claims that pass the test with `wrong` of them wrong."""
    number = wrong + 1
    while _p_value(wrong, number, risk) > 1 - confidence:
        number += 1
    return number


def calibrate(
    doubts: Sequence[float], marks: Sequence[MarkedClaim], risk: float, confidence: float = 0.9
) -> RiskResult:
    """The largest threshold that passes, by the marks of claims drawn at random from `doubts`.

    `doubts` are of all claims with a verdict, the marked ones included.
    """
    least = needed_marks(risk, confidence)
    start = needed_marks(risk, confidence, wrong=1)
    start = start if len(marks) >= start else least
    best: float | None = None
    for threshold in _grid(doubts):
        below = [mark for mark in marks if mark.doubt <= threshold]
        if len(below) < start:
            continue
        if _p_value(sum(mark.wrong for mark in below), len(below), risk) > 1 - confidence:
            break
        best = threshold
    below = [mark for mark in marks if best is not None and mark.doubt <= best]
    wrong = sum(mark.wrong for mark in below)
    return RiskResult(
        risk=risk,
        confidence=confidence,
        threshold=best,
        kept=sum(doubt <= best for doubt in doubts) if best is not None else 0,
        claims=len(doubts),
        marked=len(marks),
        marked_kept=len(below),
        wrong_kept=wrong,
        bound=_upper(wrong, len(below), confidence) if below else None,
        wrong_marked=sum(mark.wrong for mark in marks),
        needed=least,
    )


def _grid(doubts: Sequence[float]) -> list[float]:
    """Different quantiles of the doubts, ascending."""
    ordered = sorted(doubts)
    places = (math.ceil(len(ordered) * step / STEPS) - 1 for step in range(1, STEPS + 1))
    return list(dict.fromkeys(ordered[max(0, place)] for place in places)) if ordered else []


def _p_value(wrong: int, number: int, risk: float) -> float:
    """P(Binomial(number, risk) <= wrong)."""
    terms = (
        math.comb(number, k) * risk**k * (1 - risk) ** (number - k)
        for k in range(min(wrong, number) + 1)
    )
    return math.fsum(terms)


def _upper(wrong: int, number: int, confidence: float) -> float:
    from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

    if wrong >= number:
        return 1.0
    return float(cast(Any, stats).beta.ppf(confidence, wrong + 1, number - wrong))
