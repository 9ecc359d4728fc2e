"""How alike two people's results on an item are: which ones a reviewer has to look at."""

from collections.abc import Sequence
from itertools import combinations

from groundtune.feedback.agreement.marks import extent, matched, rewritten
from groundtune.feedback.agreement.results import overlap, say_the_same
from groundtune.feedback.annotating import AnnotationState, spans_of
from groundtune.feedback.spans import apply
from groundtune.records import Span
from groundtune.store.annotations.records import AnnotationItem


def likeness_of(item: AnnotationItem, states: Sequence[AnnotationState]) -> float:
    """Return how alike results are, 0 to 1: the mean over pairs of people; 1 for fewer than two."""
    pairs = [likeness(item, *pair) for pair in combinations(states, 2)]
    return sum(pairs) / len(pairs) if pairs else 1.0


def likeness(item: AnnotationItem, first: AnnotationState, second: AnnotationState) -> float:
    """Return how alike two people's results are, 0 to 1.

    Comparisons are alike where the better answer is the same, thumbs where both go one way.
    Otherwise it is the share of the marked characters (F1) that both mark and for which both write
    the same; kinds don't count. It is 1 where nobody marks anything, or the corrected texts are
    equal, and 0 where only one person can't tell.
    """
    if item.task == "compare":
        return float(first.better == second.better)
    if item.task == "thumb":
        return float(first.good == second.good)
    unsure = [state.verdict == "unsure" for state in (first, second)]
    if any(unsure):
        return float(all(unsure))
    text = item.answers[0].text
    ours, theirs = (spans_of(state, 0, "") for state in (first, second))
    corrected = [_corrected(text, spans) for spans in (ours, theirs)]
    if None not in corrected and say_the_same(str(corrected[0]), str(corrected[1])):
        return 1.0
    common = overlap(len(text), ours, theirs)
    total = common.first + common.second
    return 2 * _equal(text, ours, theirs) / total if total else 1.0


def _corrected(text: str, spans: Sequence[Span]) -> str | None:
    """The corrected text; None where something is only marked."""
    return None if any(span.replacement is None for span in spans) else apply(text, spans)


def _equal(text: str, ours: Sequence[Span], theirs: Sequence[Span]) -> int:
    """Characters that both mark, and for which both write the same or nothing."""
    number = 0
    for pair in matched(len(text), ours, theirs):
        texts = rewritten(text, pair, ours, theirs)
        if texts is None:
            same = all(span.replacement is None for span in pair)
        else:
            same = say_the_same(*texts)
        if same:
            (start, end), (other, last) = (extent(len(text), span) for span in pair)
            number += min(end, last) - max(start, other)
    return number
