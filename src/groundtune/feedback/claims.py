"""Claims: an answer's atomic statements with the labeler's verdicts, and the answer's score.

RLAIF-V (Yu et al. 2024, arXiv 2405.17220, 3.2): an answer is divided into statements, each becomes
a yes/no question, a labeler answers it from the image, and the answer's score is the number of
statements that it rejects. `conquer` and `claim_pairs` follow the published code.

Keys allow a stage to resume. A divided answer has a row per statement, or one row of status
"empty", so the first row's key shows whether the answer was divided. A checked claim's key is the
hash of the divided claim's key and the labeler, so it is known before the labeler runs.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from groundtune.protocols import Statement
from groundtune.records import Answer, Claim, Producer, SpanKind
from groundtune.store.keys import key_of

Scoring = Literal["count", "rate", "expected"]
"""count: rejected claims, as published. rate: the share of the checked claims that is rejected.
expected: rejected claims as expected from the labeler's probabilities, so that claims about which
the labeler is unsure count little."""


class ClaimTally(NamedTuple):
    """Counts of the claims of one answer."""

    checked: int
    rejected: int
    unparsed: int
    unanswered: int
    """Claims whose question the labeler answered with neither yes nor no."""


def division_key(answer: str, divider: Producer, index: int = 0) -> str:
    """Return the key of statement `index` of an answer (its key) by a divider."""
    return key_of("division", answer, divider, index)


def verdict_key(divided: str, labeler: Producer) -> str:
    """Return the key that a divided claim (its key) has after the labeler's verdict."""
    return key_of("claim", divided, labeler)


def claims_of(answer: Answer, statements: Sequence[Statement], divider: Producer) -> list[Claim]:
    """Return the statements of an answer as rows; an answer without any has one "empty" row.

    Raises:
        ValueError: a statement leaves the answer's text or rests on a missing one.
    """
    if not statements:
        return [_row(answer, Statement(0, 0, "", status="empty"), divider, 0, "")]
    rows: list[Claim] = []
    for index, statement in enumerate(statements):
        if not 0 <= statement.start <= statement.end <= len(answer.text):
            raise ValueError(f"{statement} leaves the text of answer {answer.key}")
        if statement.rests_on is not None and not 0 <= statement.rests_on < len(statements):
            raise ValueError(f"{statement} rests on a statement that answer {answer.key} lacks")
        under = statement.rests_on
        below = "" if under is None else division_key(answer.key, divider, under)
        rows.append(_row(answer, statement, divider, index, below))
    return rows


def by_answer(claims: Iterable[Claim]) -> dict[str, list[Claim]]:
    """Group claims by their answer's key, in their order."""
    groups: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        groups[claim.answer].append(claim)
    return dict(groups)


def with_verdict(claims: Sequence[Claim], *, resting: bool = False) -> list[Claim]:
    """Return the claims of one answer that its score counts: those with a verdict.

    Without `resting`, a claim is left out if the claim that it rests on is rejected: who invents
    two red cups is wrong once. The published method has no such relation and counts all.
    """
    rejected = {claim.key for claim in claims if claim.status == "rejected"}
    verdicts = [claim for claim in claims if claim.status in ("supported", "rejected")]
    return [claim for claim in verdicts if resting or claim.rests_on not in rejected]


def facts_of(claims: Sequence[Claim], kinds: Sequence[SpanKind] = ()) -> dict[str, Claim]:
    """Return the supported claims by their questions, each by its first mention."""
    facts: dict[str, Claim] = {}
    for claim in claims:
        if claim.status == "supported" and (not kinds or claim.kind in kinds):
            facts.setdefault(fact_of(claim), claim)
    return facts


def fact_of(claim: Claim) -> str:
    """Return what two claims about one image must share to be one fact."""
    return (claim.question or claim.text).lower()


def tally(claims: Sequence[Claim], *, resting: bool = False) -> ClaimTally:
    """Count one answer's checked, rejected and unparsed claims; `resting` as in `with_verdict`."""
    verdicts = with_verdict(claims, resting=resting)
    return ClaimTally(
        checked=len(verdicts),
        rejected=sum(claim.status == "rejected" for claim in verdicts),
        unparsed=sum(claim.status == "unparsed" for claim in claims),
        unanswered=sum(is_unanswered(claim) for claim in claims),
    )


def claim_reward(counts: ClaimTally) -> float:
    """Return a reward of checked claims: fewer rejected ones win, then more supported ones."""
    return -counts.rejected + 1e-3 * (counts.checked - counts.rejected)


def is_unanswered(claim: Claim) -> bool:
    """Return whether the labeler was asked about a claim and gave no verdict.

    A claim without a question is unchecked, too, but no labeler was asked about it.
    """
    return claim.status == "unchecked" and bool(claim.question)


def score(claims: Sequence[Claim], scoring: Scoring = "count", *, resting: bool = False) -> float:
    """Return minus the number (or share, or expected number) of rejected claims: higher is better.

    Raises:
        ValueError: the answer has no checked claim; `why_unscored` says why.
    """
    counts = tally(claims, resting=resting)
    if not counts.checked:
        raise ValueError("an answer without a checked claim has no score")
    if scoring == "expected":
        return -_expected(claims, resting=resting)
    return -float(counts.rejected) / (counts.checked if scoring == "rate" else 1)


def _expected(claims: Sequence[Claim], *, resting: bool) -> float:
    """Sum of p(no) / (p(yes) + p(no)) of the claims with a verdict.

    Without `resting`, each claim is weighted by the probability that the claim that it rests on is
    true.
    """
    wrong = {
        claim.key: claim.p_no / max(claim.p_yes + claim.p_no, 1e-12)
        for claim in claims
        if claim.status != "unchecked" and claim.p_yes is not None and claim.p_no is not None
    }
    if resting:
        return sum(wrong.values())
    return sum(
        wrong[claim.key] * (1 - wrong.get(claim.rests_on, 0.0))
        for claim in claims
        if claim.key in wrong
    )


NOT_READ = (
    "answers that were not divided",
    "answers with a claim that could not be read",
    "answers with a claim to which the labeler said neither yes nor no",
)
"""The reasons of `why_unscored` for which an answer was not checked."""


def why_unscored(claims: Sequence[Claim]) -> str:
    """Return why an answer can't be compared; "" if it can.

    It can if it has a checked claim, and all questions have a verdict. An answer without claims has
    no errors, and must not be chosen for that.
    """
    if not claims:
        return NOT_READ[0]
    counts = tally(claims)
    if counts.unparsed:
        return NOT_READ[1]
    if counts.unanswered:
        return NOT_READ[2]
    return "" if counts.checked else "answers of which no claim was asked about"


def _row(
    answer: Answer, statement: Statement, divider: Producer, index: int, rests_on: str
) -> Claim:
    return Claim(
        key=division_key(answer.key, divider, index),
        answer=answer.key,
        start=statement.start,
        end=statement.end,
        text=statement.text,
        question=statement.question,
        status=statement.status,
        kind=statement.kind,
        rests_on=rests_on,
    )
