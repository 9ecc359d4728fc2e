"""When each item of a project is asked, and of how many people."""

import random
from collections import defaultdict
from collections.abc import Sequence

from groundtune.errors import UserError
from groundtune.feedback.asking_order import (
    NO_DOUBT,
    Doubt,
    doubt_of,
    drawn_priorities,
    sizes_of,
)
from groundtune.pipeline.annotate.settings import ProjectSettings
from groundtune.pipeline.folder import RunFolder
from groundtune.records import Claim
from groundtune.store.annotations.items import Turn
from groundtune.store.annotations.records import Item, Task
from groundtune.store.keys import seed_of


def turns_of(
    items: Sequence[Item], source: RunFolder, task: Task, settings: ProjectSettings
) -> dict[str, Turn]:
    """Return each item's turn, by key: its priority by the project's order, its people by overlap.

    Raises:
        UserError: the order is by a labeler's doubt, and the run has no claims with probabilities.
    """
    sizes: dict[str, float] = {}
    priorities: dict[str, float] = {}
    if settings.order == "uncertain" and task != "evaluate":
        sizes = _by_doubt(items, source)
        priorities = drawn_priorities(sizes, settings.seed)
    elif settings.order == "random" or task == "evaluate":
        # Answers to evaluate are mixed: neither their order nor what is left tells the model.
        sizes = {item.key: 1.0 for item in items}
        priorities = drawn_priorities(sizes, settings.seed)
    return {
        item.key: Turn(
            priority=priorities.get(item.key),
            size=sizes.get(item.key, 1.0),
            wanted=settings.people_per_item + _is_for_one_more(item, settings),
        )
        for item in items
    }


def doubts_of(answers: Sequence[str], source: RunFolder) -> dict[str, Doubt]:
    """Return a labeler's doubt about each answer, by key.

    Raises:
        UserError: no claim of the run has the labeler's probabilities.
    """
    claims: dict[str, list[Claim]] = defaultdict(list)
    for claim in source.claims.read():
        claims[claim.answer].append(claim)
    found = {key: doubt_of(claims.get(key, ())) for key in answers}
    if answers and all(doubt == NO_DOUBT for doubt in found.values()):
        raise UserError(
            "The order is by a labeler's doubt, and no claim has its probabilities.",
            str(source.path),
            f"Check the claims first: groundtune label --answers {source.path} --by claims "
            "--labeler MODEL, or use order=random.",
        )
    return found


def _by_doubt(items: Sequence[Item], source: RunFolder) -> dict[str, float]:
    answers = [answer.key for item in items for answer in item.answers]
    of_answer = doubts_of(answers, source)
    doubts: dict[str, Doubt] = {}
    groups: dict[str, str] = {}
    for item in items:
        own = [of_answer[answer.key] for answer in item.answers]
        worst = max(own, key=lambda doubt: doubt.bits)
        doubts[item.key] = Doubt(sum(doubt.bits for doubt in own), worst.claim)
        groups[item.key] = " ".join(item.prompt.images) or item.prompt.key
    return sizes_of(doubts, groups)


def _is_for_one_more(item: Item, settings: ProjectSettings) -> int:
    drawn = random.Random(seed_of(settings.seed, "overlap", item.key)).random()
    return int(drawn < settings.overlap)
