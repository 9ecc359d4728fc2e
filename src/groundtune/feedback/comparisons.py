"""Comparisons: the better of two answers is chosen over the other.

LLaVA-RLHF (Sun et al. 2023, arXiv 2309.14525) asks annotators for honesty first, then for
helpfulness; their answer to the last question is the preference.
"""

from groundtune.feedback.corrections import NoPair, why_no_pair
from groundtune.feedback.pairs import pair_from_texts
from groundtune.records import Comparison, Pair, Source
from groundtune.store.keys import key_of


def pair_from_comparison(
    comparison: Comparison, first: str, second: str, source: Source
) -> Pair | NoPair:
    """Return the better text as chosen, the other as rejected; or why there is no pair.

    The spans are the words in which the texts differ. The annotator's marks stay in the comparison.
    """
    if comparison.better in ("tie", "unsure"):
        return "tie" if comparison.better == "tie" else "unsure"
    is_first = comparison.better == "first"
    chosen, rejected = (first, second) if is_first else (second, first)
    keys = (comparison.first, comparison.second)
    why_not = why_no_pair(chosen, rejected)
    if why_not is not None:
        return why_not
    pair = pair_from_texts(
        comparison.prompt,
        chosen,
        rejected,
        key=key_of("pair", "comparison", comparison.key),
        source=source,
        parents=(comparison.key, *(keys if is_first else keys[::-1])),
    )
    return pair.model_copy(update={"origin": "comparison"})
