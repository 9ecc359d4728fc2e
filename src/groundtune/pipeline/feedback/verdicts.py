"""How many claims have a verdict, why the others have none, and when a labeler stopped answering.

A claim without a verdict was not checked, and nothing downstream may speak as if it had been.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from groundtune.errors import UserError
from groundtune.feedback.claims import by_answer, is_unanswered
from groundtune.pipeline.models.prompt_sources import named_in
from groundtune.records import Claim, Record

PARTS = 10
"""Parts of a labeler's work, in the order in which it was asked."""
HIGH = 0.1
"""Share of answers that could not be checked from which on a result begins with that."""
UNANSWERED = "questions to which the labeler said neither yes nor no"
EMPTY = "answers that state nothing"


class AskedPart(Record):
    """A part of the claims that a labeler was asked about, in the order of asking."""

    asked: int
    answered: int
    """Number of claims to which it said yes or no."""


class ClaimSummary(Record):
    """What became of the claims of the whole folder, now or before."""

    answers: int
    empty: int
    """Answers that state nothing."""
    unparsed_answers: int
    """Answers with a claim that could not be read: they make no pairs."""
    unanswered: int
    """Claims to which the labeler said neither yes nor no: their answers make no pairs."""
    claims: int
    checked_now: int
    questions_now: int
    """Different questions that were asked for that."""
    unasked: int = 0
    """Claims without a question: nothing was asked about them."""
    asked_parts: tuple[AskedPart, ...] = ()
    """The claims that were asked about in up to ten parts, in the order of asking: shows a labeler
    that stops answering yes or no half-way."""
    statuses: dict[str, int]
    """Claims by status, the most frequent first."""
    kinds: dict[str, dict[str, int]]
    """The same by kind."""
    answered: float | None
    """Mean p(yes) + p(no) of the claims that were asked about and have these: near 1 where the
    labeler answers yes or no."""


def summary_of(
    claims: Sequence[Claim], *, checked_now: int = 0, questions_now: int = 0
) -> ClaimSummary:
    """Counts of a folder's claims."""
    claims_with_text = [claim for claim in claims if claim.status != "empty"]
    groups = by_answer(claims)
    unread = {claim.answer for claim in claims if claim.status == "unparsed"}
    kinds = {
        kind: _counts(claim.status for claim in claims_with_text if claim.kind == kind)
        for kind in _counts(claim.kind for claim in claims_with_text)
    }
    mass = [
        c.p_yes + c.p_no for c in claims_with_text if c.p_yes is not None and c.p_no is not None
    ]
    return ClaimSummary(
        answers=len(groups),
        empty=len(claims) - len(claims_with_text),
        unparsed_answers=len(unread),
        unanswered=sum(is_unanswered(claim) for claim in claims),
        claims=len(claims_with_text),
        checked_now=checked_now,
        questions_now=questions_now,
        statuses=_counts(claim.status for claim in claims_with_text),
        kinds=kinds,
        answered=round(sum(mass) / len(mass), 4) if mass else None,
        unasked=sum(claim.status == "unchecked" and not claim.question for claim in claims),
        asked_parts=asked_parts(claims_with_text),
    )


def verdict_count(summary: ClaimSummary) -> int:
    """Return how many claims have a verdict."""
    return summary.statuses.get("supported", 0) + summary.statuses.get("rejected", 0)


def asked_parts(claims: Sequence[Claim]) -> tuple[AskedPart, ...]:
    """Return up to `PARTS` equal parts of the claims that a labeler was asked about."""
    questions = [c for c in claims if c.question and c.status not in ("unparsed", "empty")]
    claims_with_text = [not is_unanswered(claim) for claim in questions]
    number = min(PARTS, len(claims_with_text))
    bounds = (
        [len(claims_with_text) * part // number for part in range(number + 1)] if number else []
    )
    parts = [claims_with_text[a:b] for a, b in pairwise(bounds)]
    return tuple(AskedPart(asked=len(part), answered=sum(part)) for part in parts)


def causes(summary: ClaimSummary) -> dict[str, int]:
    """Return how many claims (or answers that state nothing) have no verdict, by why; most first.

    What has no question was never to be asked: a divider leaves opinions out, for example.
    """
    counts = {
        "claims that could not be read": summary.statuses.get("unparsed", 0),
        UNANSWERED: summary.unanswered,
        "claims without a question": summary.unasked,
        EMPTY: summary.empty,
    }
    return {why: n for why, n in sorted(counts.items(), key=lambda each: -each[1]) if n}


def checked_text(summary: ClaimSummary) -> str:
    """Return how many claims have a verdict and why the others have none, as a list of counts."""
    counts = {"claims with a verdict": f"{verdict_count(summary):,} of {summary.claims:,}"}
    counts |= {why: f"{n:,}" for why, n in causes(summary).items()}
    return _listed(counts | _over_time(summary))


def _listed(counts: Mapping[str, object]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in counts.items())


def _over_time(summary: ClaimSummary) -> dict[str, str]:
    """Return the answered share by part of the work, where some question has no answer."""
    parts = summary.asked_parts
    if all(part.asked == part.answered for part in parts):
        return {}
    rates = ", ".join(f"{part.answered / part.asked:.0%}" for part in parts)
    return {"answered yes or no, first to last part of the questions": rates}


def require_verdicts(
    summary: ClaimSummary, labeler: str, divider: str, where: Path, *, silence: bool = False
) -> None:
    """Refuse to go on where no claim has a verdict.

    `labeler` and `divider` are as the settings name them. With `silence`, answers that all state
    nothing are a result: a model may say nothing.

    Raises:
        UserError: no claim was checked; the error says why, and what to change.
    """
    if verdict_count(summary) or (silence and not summary.claims):
        return
    reasons = causes(summary)
    raise UserError(
        f"No claim of the answers was checked ({_listed(reasons | _over_time(summary))}).",
        str(where),
        _fix(next(iter(reasons), EMPTY), labeler, divider),
    )


def _fix(cause: str, labeler: str, divider: str) -> str:
    if cause == UNANSWERED:
        return (
            f"Choose another labeler than {labeler} and another --out DIR; or set asking.suffix "
            "to the words with which it was taught to answer yes or no."
        )
    if cause == EMPTY:
        return "Look at the answers; ask the model otherwise, or raise its max_new_tokens."
    source = named_in(labeler)
    rules = "" if source is None or divider in source.dividers else next(iter(source.dividers), "")
    example = f"divider={rules} for answers as {source.name}'s, " if source and rules else ""
    return (
        f"The divider {divider!r} makes no claims that can be asked about. Set another: {example}"
        "divider=MODEL for a model that follows instructions; and another --out DIR."
    )


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
