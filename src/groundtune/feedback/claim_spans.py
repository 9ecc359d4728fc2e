"""Spans of an answer's checked claims: the rejected claims, and the claims it adds.

For losses with segment weights: a labeler's verdicts take the place of the human corrections of
RLHF-V (Yu et al. 2024, arXiv 2312.00849).
"""

from collections.abc import Sequence
from itertools import groupby

from groundtune.feedback.claims import with_verdict
from groundtune.records import Claim, Span, SpanKind


def rejected_spans(
    claims: Sequence[Claim], by: str, *, resting: bool = False, sure: float = 0.5
) -> tuple[Span, ...]:
    """Return the spans of an answer's rejected claims, in order, overlapping ones joined.

    Their replacements are unknown. A joined span keeps its parts' kind if they agree, else "other".
    `resting` as in `with_verdict`; `sure` as in `is_sure`.
    """
    spans: list[Span] = []
    wrong = [c for c in with_verdict(claims, resting=resting) if c.status == "rejected"]
    for claim in sorted(wrong, key=lambda claim: (claim.start, claim.end)):
        if claim.start == claim.end or not is_sure(claim, sure):
            continue
        if spans and claim.start < spans[-1].end:
            last = spans.pop()
            kind = last.kind if last.kind == claim.kind else "other"
            end = max(last.end, claim.end)
            spans.append(last.model_copy(update={"end": end, "kind": kind}))
        else:
            spans.append(Span(start=claim.start, end=claim.end, kind=claim.kind, by=by))
    return tuple(spans)


def gained_spans(
    claims: Sequence[Claim], others: Sequence[Claim], text: str, by: str, *, sure: float = 0.5
) -> tuple[Span, ...]:
    """Return the spans by which an answer is better: supported claims that the other lacks.

    `claims` are of the answer with this `text`, `others` of the other one. A repeated claim counts
    only the first time. Characters of a claim that isn't surely supported are left out: "three" of
    "three cups" where there are two cups.
    """
    questions = {claim.question for claim in others if claim.status == "supported"}
    kinds: list[SpanKind | None] = [None] * len(text)
    for claim in with_verdict(claims):
        if claim.status == "supported" and is_sure(claim, sure) and claim.question not in questions:
            questions.add(claim.question)
            for place in range(claim.start, claim.end):
                kinds[place] = claim.kind if kinds[place] in (None, claim.kind) else "other"
    for claim in claims:
        if claim.status == "rejected" or (claim.status == "supported" and not is_sure(claim, sure)):
            kinds[claim.start : claim.end] = [None] * (claim.end - claim.start)

    def kind_at(place: int) -> SpanKind | None:
        return kinds[place]

    spans: list[Span] = []
    for kind, places in groupby(range(len(text)), key=kind_at):
        visible = [place for place in places if not text[place].isspace()]
        if kind and visible:
            spans.append(Span(start=visible[0], end=visible[-1] + 1, kind=kind, by=by))
    return tuple(spans)


def is_sure(claim: Claim, sure: float) -> bool:
    """Return whether the verdict has at least the share `sure` of p(yes) + p(no).

    A verdict without probabilities is sure.
    """
    if claim.p_yes is None or claim.p_no is None:
        return True
    p_verdict = claim.p_yes if claim.status == "supported" else claim.p_no
    return p_verdict >= sure * (claim.p_yes + claim.p_no)
