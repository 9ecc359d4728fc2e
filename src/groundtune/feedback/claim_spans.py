"""Which characters of an answer were judged: spans of its rejected claims, and of its gains.

For losses with segment weights, so that a labeler's verdicts stand where RLHF-V (Yu et al. 2024,
arXiv 2312.00849) has what people corrected.
"""

from collections.abc import Sequence
from itertools import groupby

from groundtune.feedback.claims import counted
from groundtune.records import Claim, Span, SpanKind


def rejected_spans(
    claims: Sequence[Claim], by: str, *, resting: bool = False, sure: float = 0.5
) -> tuple[Span, ...]:
    """The characters of an answer's rejected claims, in order, overlapping ones joined.

    What would replace them isn't known. A joined span keeps the kind on which its parts agree.
    `resting` as in `counted`; `sure` as in `is_sure`.
    """
    spans: list[Span] = []
    wrong = [c for c in counted(claims, resting=resting) if c.status == "rejected"]
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
    """The characters by which an answer is better: supported claims that the other doesn't make.

    `claims` are of the answer with this `text`, `others` of the other one. Only what an answer says
    for the first time is gained. Characters in which a claim lies that isn't surely supported are
    left out: "three" of "three cups" where the cups are there and are two.
    """
    known = {claim.question for claim in others if claim.status == "supported"}
    kinds: list[SpanKind | None] = [None] * len(text)
    for claim in counted(claims):
        if claim.status == "supported" and is_sure(claim, sure) and claim.question not in known:
            known.add(claim.question)
            for place in range(claim.start, claim.end):
                kinds[place] = claim.kind if kinds[place] in (None, claim.kind) else "other"
    for claim in claims:
        if claim.status == "rejected" or (claim.status == "supported" and not is_sure(claim, sure)):
            kinds[claim.start : claim.end] = [None] * (claim.end - claim.start)

    def kind_at(place: int) -> SpanKind | None:
        return kinds[place]

    spans: list[Span] = []
    for kind, places in groupby(range(len(text)), key=kind_at):
        own = [place for place in places if not text[place].isspace()]
        if kind and own:
            spans.append(Span(start=own[0], end=own[-1] + 1, kind=kind, by=by))
    return tuple(spans)


def is_sure(claim: Claim, sure: float) -> bool:
    """Whether the verdict has at least the share `sure` of p(yes) + p(no).

    A verdict without probabilities is sure.
    """
    if claim.p_yes is None or claim.p_no is None:
        return True
    agreed = claim.p_yes if claim.status == "supported" else claim.p_no
    return agreed >= sure * (claim.p_yes + claim.p_no)
