"""The order in which people are asked about answers: random, or by a labeler's doubt.

The order by doubt is drawn, not sorted: each has a size, and its priority is the size
over a uniform draw (priority sampling, Duffield, Lund and Thorup 2007, "Priority sampling for
estimation of arbitrary subset sums", J. ACM 54). Whatever the number of answers that were asked so
far, each stands for a known number of answers, so that rates over them stay unbiased.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from groundtune.records import Claim
from groundtune.store.keys import seed_of

AskingOrder = Literal["added", "random", "uncertain", "suspected"]
"""As added, at random, first where a labeler is unsure, or first where it thinks most is wrong."""
DoubtOrder = Literal["uncertain", "suspected"]
_FLOOR = 0.1
"""The smallest size, as a share of the mean: an answer without doubt is asked too, if rarely."""
_POWER = 2
"""Sizes are doubts to this power: 1 asks answers in proportion to their doubt."""


class Doubt(NamedTuple):
    """A labeler's doubt about an answer's claims."""

    amount: float
    """Summed over the claims: the entropy of each verdict, in bits, where the order is
    "uncertain"; its probability that the claim is wrong where it is "suspected"."""
    claim: str
    """The claim that is doubted most, in small letters; "" where there is none."""


NO_DOUBT = Doubt(0.0, "")


def doubt_of(claims: Iterable[Claim], order: DoubtOrder) -> Doubt:
    """Return the doubt about an answer; claims without probabilities don't count."""
    amounts = [
        (_bits(p) if order == "uncertain" else p, claim.text.lower())
        for claim in claims
        if (p := _p_wrong(claim)) >= 0
    ]
    return Doubt(sum(amount for amount, _ in amounts), max(amounts)[1]) if amounts else NO_DOUBT


def sizes_of(doubts: Mapping[str, Doubt], group_of: Mapping[str, str]) -> dict[str, float]:
    """Return the size by which each answer is drawn, above 0; both mappings are by answer.

    To have the first ones diverse, an answer's doubt is divided by its rank among the answers of
    its group (those about one image), and by its rank among those of the same most doubtful claim.
    """
    order = sorted(doubts, key=lambda key: (-doubts[key].amount, key))
    by_group: dict[str, int] = defaultdict(int)
    by_claim: dict[str, int] = defaultdict(int)
    raw: dict[str, float] = {}
    for key in order:
        doubt = doubts[key]
        by_group[group_of[key]] += 1
        by_claim[doubt.claim] += 1
        ranks = by_group[group_of[key]] * by_claim[doubt.claim]
        raw[key] = (doubt.amount / math.sqrt(ranks)) ** _POWER
    floor = _FLOOR * sum(raw.values()) / max(1, len(raw)) or 1.0
    return {key: size + floor for key, size in raw.items()}


def drawn_priorities(sizes: Mapping[str, float], seed: int) -> dict[str, float]:
    """Return each answer's priority: the size over a uniform draw. Higher is asked earlier."""
    return {key: size / _uniform(seed, key) for key, size in sizes.items()}


def weights_of(sizes: Sequence[float], highest_left: float | None) -> list[float]:
    """Return how many answers each answer that was asked stands for, at least 1.

    `sizes` are their sizes; `highest_left` is the highest priority of those that weren't asked,
    None where all were.
    """
    if highest_left is None:
        return [1.0] * len(sizes)
    return [max(1.0, highest_left / size) for size in sizes]


def _uniform(seed: int, key: str) -> float:
    """In (0, 1]."""
    return 1.0 - random.Random(seed_of(seed, "order", key)).random()


def _p_wrong(claim: Claim) -> float:
    """The labeler's probability that the claim is wrong; -1 if it gave none."""
    if claim.status not in ("supported", "rejected") or claim.p_yes is None or claim.p_no is None:
        return -1
    mass = claim.p_yes + claim.p_no
    return claim.p_no / mass if mass > 0 else -1


def _bits(p: float) -> float:
    return -sum(share * math.log2(share) for share in (p, 1 - p) if share > 0)
