"""Which answers people are asked about first: those of a run, by the doubts of its labeler."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.feedback.asking_order import (
    NO_DOUBT,
    AskingOrder,
    Doubt,
    DoubtOrder,
    doubt_of,
    drawn_priorities,
    sizes_of,
)
from groundtune.pipeline.runs.folder import RunFolder, prompt_of, read_some
from groundtune.records import Answer, Claim, Prompt

log = logging.getLogger(__name__)


class ReviewUnit(NamedTuple):
    """What a person judges at once."""

    answers: Sequence[str]
    """Keys of its answers: one, or two that are compared."""
    group: str
    """What it has in common with others: its images, or its prompt where it has none."""

    @classmethod
    def of(cls, prompt: Prompt, answers: Sequence[Answer]) -> "ReviewUnit":
        """Answers to one prompt."""
        keys = [answer.key for answer in answers]
        return cls(keys, " ".join(prompt.images) or prompt.key)


def priorities_of(source: RunFolder, order: AskingOrder, seed: int) -> dict[str, float]:
    """Return the priority of each answer of a run, by key; empty where the order is "added".

    Higher is asked earlier.

    Raises:
        UserError: the run has no answers, or not their prompts, or the order is by doubt and no
            claim has probabilities.
    """
    if order == "added":
        return {}
    answers = read_some(source.answers)
    if order == "random":
        return drawn_priorities(dict.fromkeys((answer.key for answer in answers), 1.0), seed)
    prompts = source.prompts_by_key()
    units = {answer.key: ReviewUnit.of(prompt_of(answer, prompts), [answer]) for answer in answers}
    return drawn_priorities(sizes_by_doubt(units, source, order), seed)


def sizes_by_doubt(
    units: Mapping[str, ReviewUnit], source: RunFolder, order: DoubtOrder
) -> dict[str, float]:
    """Return the size by which each of `units` is drawn, above 0 (`feedback/asking_order.py`).

    Raises:
        UserError: no claim of the run has the labeler's probabilities.
    """
    of_answer = _doubts(source, [key for each in units.values() for key in each.answers], order)
    doubts: dict[str, Doubt] = {}
    for key, each in units.items():
        unit_doubts = [of_answer[answer] for answer in each.answers]
        worst = max(unit_doubts, key=lambda doubt: doubt.amount)
        doubts[key] = Doubt(sum(doubt.amount for doubt in unit_doubts), worst.claim)
    return sizes_of(doubts, {key: each.group for key, each in units.items()})


def _doubts(source: RunFolder, answers: Sequence[str], order: DoubtOrder) -> dict[str, Doubt]:
    claims: dict[str, list[Claim]] = defaultdict(list)
    for claim in source.claims.read():
        claims[claim.answer].append(claim)
    doubts = {key: doubt_of(claims.get(key, ()), order) for key in answers}
    if answers and all(doubt == NO_DOUBT for doubt in doubts.values()):
        raise UserError(
            "The order is by a labeler's doubt, and no claim has its probabilities.",
            str(source.path),
            f"Check the claims first: groundtune label --answers {source.path} --by claims "
            "--labeler MODEL, or use order=random.",
        )
    without = sum(doubt == NO_DOUBT for doubt in doubts.values())
    if without:
        log.warning(
            "%d of %d answers have no claim with a labeler's probabilities: they are asked last",
            without,
            len(doubts),
        )
    return doubts
