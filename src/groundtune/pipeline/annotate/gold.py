"""Items whose right results are known, mixed unseen into people's work to measure it."""

from collections.abc import Iterator
from pathlib import Path

from groundtune.errors import UserError
from groundtune.pipeline.annotate.items import items_from_run
from groundtune.pipeline.annotate.settings import ProjectSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Comparison
from groundtune.store.annotations.records import AnnotationItem, KnownResult, Task

_SWAPPED = {"first": "second", "second": "first"}


def gold_from_run(source: Path, task: Task, settings: ProjectSettings) -> list[AnnotationItem]:
    """Return an item for each answer that the run has a correction of, with it as what is right.

    For the task "compare" it is the run's comparisons. The items look like all others.

    Raises:
        UserError: the run has no answers, or no corrections or comparisons; or the task has none.
    """
    if task == "thumb":
        raise UserError(
            "Answers with a known thumb can't be mixed in.",
            "--gold and --task thumb",
            "Leave --gold out, or measure people by corrections or comparisons.",
        )
    folder = RunFolder(source)
    run_items = items_from_run(source, task, settings)
    gold_items = (
        _compared(folder, run_items) if task == "compare" else _corrected(folder, run_items)
    )
    gold = list(gold_items)
    if not gold:
        kind = "comparisons" if task == "compare" else "corrections"
        raise UserError(
            f"The run has no {kind} to use as known results.",
            str(source),
            f"Use a folder with answers and their right {kind}.",
        )
    return gold


def _corrected(folder: RunFolder, items: list[AnnotationItem]) -> Iterator[AnnotationItem]:
    corrections = {row.answer: row for row in folder.corrections.read()}
    for item in items:
        right = corrections.get(item.answers[0].key)
        if right is not None and right.verdict != "unsure":
            spans = right.marks or right.spans
            yield item.model_copy(update={"known": KnownResult(spans=spans)})


def _compared(folder: RunFolder, items: list[AnnotationItem]) -> Iterator[AnnotationItem]:
    rows: dict[frozenset[str], Comparison] = {
        frozenset((row.first, row.second)): row for row in folder.comparisons.read()
    }
    for item in items:
        first, second = (answer.key for answer in item.answers)
        right = rows.get(frozenset((first, second)))
        if right is None:
            continue
        sides = (right.better, right.hallucinates_more)
        if right.first != first:  # the item has them the other way round
            sides = tuple(_SWAPPED.get(side or "", side) for side in sides)
        result = KnownResult.model_validate({"better": sides[0], "hallucinates_more": sides[1]})
        yield item.model_copy(update={"known": result})
