"""When each item of a project is asked, and of how many people."""

import random
from collections.abc import Sequence

from groundtune.feedback.asking_order import DoubtOrder, drawn_priorities
from groundtune.pipeline.annotate.settings import ProjectSettings
from groundtune.pipeline.feedback.doubts import ReviewUnit, sizes_by_doubt
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.store.annotations.items import ItemTurn
from groundtune.store.annotations.records import AnnotationItem, Task
from groundtune.store.keys import seed_of


def turns_of(
    items: Sequence[AnnotationItem], source: RunFolder, task: Task, settings: ProjectSettings
) -> dict[str, ItemTurn]:
    """Return each item's turn, by key: its priority by the project's order, its people by overlap.

    Raises:
        UserError: the order is by a labeler's doubt, and the run has no claims with probabilities.
    """
    sizes: dict[str, float] = {}
    priorities: dict[str, float] = {}
    if settings.order in ("uncertain", "suspected") and task != "evaluate":
        sizes = _by_doubt(items, source, settings.order)
        priorities = drawn_priorities(sizes, settings.seed)
    elif settings.order == "random" or task == "evaluate":
        # Answers to evaluate are mixed: neither their order nor what is left tells the model.
        sizes = {item.key: 1.0 for item in items}
        priorities = drawn_priorities(sizes, settings.seed)
    return {
        item.key: ItemTurn(
            priority=priorities.get(item.key),
            size=sizes.get(item.key, 1.0),
            people=settings.people_per_item + _is_for_one_more(item, settings),
        )
        for item in items
    }


def _by_doubt(
    items: Sequence[AnnotationItem], source: RunFolder, order: DoubtOrder
) -> dict[str, float]:
    units = {item.key: ReviewUnit.of(item.prompt, item.answers) for item in items}
    return sizes_by_doubt(units, source, order)


def _is_for_one_more(item: AnnotationItem, settings: ProjectSettings) -> int:
    chance = random.Random(seed_of(settings.seed, "overlap", item.key)).random()
    return int(chance < settings.overlap)
