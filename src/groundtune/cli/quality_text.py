"""The figures of an annotation project as tables of text."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundtune.pipeline.annotate.quality.estimates import QualityFigure
    from groundtune.pipeline.annotate.quality.live import Quality
    from groundtune.pipeline.annotate.quality.summary import PersonQuality, TaskQuality

_NAMES = {
    "places": "agreement on what is marked (alpha)",
    "marks": "the same, and its kind (alpha)",
    "kinds": "kinds of marks that overlap (alpha)",
    "sentences": "whether a sentence is wrong (alpha)",
    "wrong": "whether the answer is wrong (alpha)",
    "f1": "marked characters, mean F1",
    "characters": "marked characters, F1 of all",
    "same_text": "equal replacements: same text",
    "same_claims": "equal replacements by claims",
    "better": "agreement on the better answer (alpha)",
    "more": "which one hallucinates more (alpha)",
    "same_better": "equal choices",
    "thumb": "agreement on good and bad (alpha)",
    "same_thumb": "equal thumbs",
    "gold_right": "known results: right",
    "gold_found": "known errors found",
    "gold_hits": "marks on a known error",
    "gold_recall": "known characters marked",
    "gold_precision": "marked characters known",
    "gold_f1": "known characters, F1",
    "planted": "planted suggestions accepted",
    "suggestions": "suggestions accepted",
    "seconds": "active seconds per item",
    "cost": "cost per item",
    "wrong_answers": "answers with something wrong",
    "f1_others": "marked characters against others, mean F1",
    "precision_others": "own marks that others have",
    "recall_others": "others' marks that they have",
    "wrong_share": "answers called wrong",
    "unsure_share": "can't tell",
    "marks_per_item": "marks per answer",
    "length": "length of the corrected text",
    "first_side": "chose the first answer",
    "longer": "chose the longer answer",
    "good": "thumbs up",
}
_SHOWN_OF_PEOPLE = {
    "gold_right": "known right",
    "f1_others": "F1 to others",
    "planted": "planted accepted",
    "seconds": "per item",
}


def tables_of(quality: "Quality") -> Iterator[list[list[str]]]:
    """Yield the tables, each with its header."""
    for task in quality.tasks:
        yield _figures(task, quality.currency)
        if task.people:
            yield _people(task.people)


def _figures(task: "TaskQuality", currency: str) -> list[list[str]]:
    task_figures = [*task.agreement, *task.known, *task.suggestions, *task.effort]
    task_figures += [task.wrong] if task.wrong else []
    rows = [[_NAMES[each.name], *_cells(each, currency)] for each in task_figures]
    progress = [
        [name, str(number), "", ""]
        for name, number in (
            ("items", task.items),
            ("finished by all that are wanted", task.finished),
            ("finished by two people or more", task.overlapping),
            ("items with known results", task.gold),
            ("conflicts to settle", task.conflicts),
            *_claim_check(task),
        )
    ]
    return [[task.task, "value", "95% CI", "items"], *progress, *rows]


def compares_only_texts(task: "TaskQuality") -> bool:
    """Whether replacements were compared, and by their texts alone."""
    return task.claim_check is None and any(each.name == "same_text" for each in task.agreement)


def _claim_check(task: "TaskQuality") -> list[tuple[str, int]]:
    """What isn't in the share of replacements that claim the same."""
    check = task.claim_check
    if check is None:
        return []
    return [
        ("replacements that wait for the claim check", check.unjudged),
        ("replacements that it can't judge", check.unclear),
    ]


def _people(people: "Sequence[PersonQuality]") -> list[list[str]]:
    head = ["person", "items", *_SHOWN_OF_PEOPLE.values(), "unlike the others"]
    rows: list[list[str]] = []
    for each in people:
        by_name = {figure.name: figure for figure in each.figures}
        cells = [_cells(by_name[name])[0] if name in by_name else "-" for name in _SHOWN_OF_PEOPLE]
        apart = [_name(habit.figure.name) for habit in each.habits if habit.apart]
        rows.append([each.name, str(each.done), *cells, ", ".join(apart) or "-"])
    return [head, *rows]


def _name(name: str) -> str:
    return _NAMES.get(name) or name.removeprefix("kind = ")


def _cells(figure: "QualityFigure", currency: str = "") -> list[str]:
    def text(value: float) -> str:
        if figure.unit == "share":
            return f"{100 * value:.1f}%"
        if figure.unit == "seconds":
            return f"{value:.1f} s"
        return f"{value:.2f}{f' {currency}' if figure.unit == 'money' and currency else ''}"

    low, high = figure.low, figure.high
    between = "-" if low is None or high is None else f"{text(low)} to {text(high)}"
    return [text(figure.value), between, str(figure.n)]
