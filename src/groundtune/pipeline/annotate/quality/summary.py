"""The figures of a task and of its people, from sums per item and person."""

from collections.abc import Iterable
from math import isnan, sqrt

import numpy as np

from groundtune.pipeline.annotate.quality.estimates import (
    Columns,
    FigureValue,
    QualityFigure,
    alpha_formula,
    estimate,
    figure,
    figures,
    is_apart,
    share,
)
from groundtune.pipeline.annotate.quality.item_sums import KIND
from groundtune.records import Record
from groundtune.store.annotations.records import Task

AGREEMENT = (
    alpha_formula("places"),
    alpha_formula("marks"),
    alpha_formula("kinds"),
    alpha_formula("sentences"),
    alpha_formula("wrong"),
    share("f1", "f1", "of f1"),
    share("characters", "both", "either"),
    share("same_text", "same text", "of text"),
    share("same_claims", "same claims", "of claims"),
    alpha_formula("better"),
    alpha_formula("more"),
    share("same_better", "same better", "of better"),
    alpha_formula("thumb"),
    share("same_thumb", "same thumb", "of thumb"),
)
"""The first one that there is, is the agreement of a task: what `--min-agreement` is about."""
GOLD = (
    share("gold_right", "gold right", "gold"),
    share("gold_found", "found", "known errors"),
    share("gold_hits", "gold hits", "gold marks"),
    share("gold_recall", "gold both", "gold known"),
    share("gold_precision", "gold both", "gold own"),
    share("gold_f1", "gold both", "gold either", scale=2),
)
SUGGESTIONS = (
    share("planted", "planted accepted", "planted"),
    share("suggestions", "suggestions accepted", "suggested"),
)
SECONDS = share("seconds", "seconds", "done", "seconds")
AGAINST_OTHERS = (
    share("f1_others", "f1", "of f1"),
    share("precision_others", "both", "own"),
    share("recall_others", "both", "others"),
)
HABITS = (
    share("wrong_share", "wrong", "judged"),
    share("unsure_share", "unsure", "judged"),
    share("marks_per_item", "marks", "judged", "number"),
    share("length", "words after", "words before", "number"),
    share("first_side", "first", "sided"),
    share("longer", "longer", "unequal"),
    share("good", "good", "thumbs"),
)


class Habit(Record):
    """What a person tends to, against all others."""

    figure: QualityFigure
    others: float | None
    """The same of all others; 0.5 for the side, which is drawn."""
    apart: bool
    """Whether the two differ at 5%, corrected for the number of people and habits (Bonferroni)."""


class PersonQuality(Record):
    """How one person works."""

    person: str
    name: str
    done: int
    figures: tuple[QualityFigure, ...]
    habits: tuple[Habit, ...]


class ClaimCheckCounts(Record):
    """Who judges which replacements claim the same, and what couldn't be counted."""

    labeler: str
    divider: str
    unjudged: int
    """Replacements that wait for the check."""
    unclear: int
    """Replacements without claims, or with claims that have no verdict."""


class TaskQuality(Record):
    """How good the work on one task is."""

    task: Task
    items: int
    """All items, those with known results left out."""
    finished: int
    """Those that as many people judged as are wanted."""
    begun: int
    """Those that somebody judged."""
    overlapping: int
    """Those that two people or more judged."""
    gold: int
    """Items whose results are known."""
    agreement: tuple[QualityFigure, ...]
    known: tuple[QualityFigure, ...]
    suggestions: tuple[QualityFigure, ...]
    effort: tuple[QualityFigure, ...]
    wrong: QualityFigure | None
    """Share of answers with something wrong, as people see it, of all that were added."""
    people: tuple[PersonQuality, ...] = ()
    conflicts: int = 0
    """Items on which people differ, and no reviewer has decided yet."""
    settled: int = 0
    claim_check: ClaimCheckCounts | None = None
    """None if no labeler was asked: then only equal texts are equal replacements."""


def effort(rows: Columns, hourly_rate: float) -> tuple[QualityFigure, ...]:
    """Return active seconds per finished item and person, and what they cost."""
    cost = share("cost", "seconds", "done", "money", scale=hourly_rate / 3600)
    return figures((SECONDS, cost) if hourly_rate else (SECONDS,), rows)


class Everybody:
    """The habits of all people on a task together, to compare each with the others.

    `items` are the sums of all people, each row an item; `people` is their number.
    """

    def __init__(self, items: Columns, people: int, kinds: Iterable[str]) -> None:
        shares = (share(f"{KIND}{kind}", f"{KIND}{kind}", "marks") for kind in kinds)
        self._habits = [(habit, estimate(habit, items)) for habit in (*HABITS, *shares)]
        self._total = {name: column.sum() for name, column in items.items()}
        self._tests = people * len(self._habits)

    def person(self, person: str, name: str, rows: Columns) -> PersonQuality:
        """Return a person's figures and habits; `rows` are their rows, each an item."""
        return PersonQuality(
            person=person,
            name=name,
            done=int(rows["done"].sum()),
            figures=figures((*AGAINST_OTHERS, *GOLD, *SUGGESTIONS, SECONDS), rows),
            habits=self._habits_of(rows),
        )

    def _habits_of(self, rows: Columns) -> tuple[Habit, ...]:
        rest = {
            name: np.array([total - (rows[name].sum() if name in rows else 0.0)])
            for name, total in self._total.items()
        }
        habits: list[Habit] = []
        for formula, everybody in self._habits:
            own_value = estimate(formula, rows)
            if not own_value.n:
                continue
            others = _EVEN
            if formula.name != "first_side":
                value = float(formula.value(rest)[0])
                others = _others(value, everybody, self._total["done"], rest["done"][0])
            apart = is_apart(own_value, others, formula.unit, tests=self._tests)
            reference = None if isnan(others.value) else others.value
            habits.append(Habit(figure=figure(formula, own_value), others=reference, apart=apart))
        return tuple(habits)


_EVEN = FigureValue(value=0.5, n=1_000_000)


def _others(value: float, everybody: FigureValue, judged: float, by_others: float) -> FigureValue:
    """The figure of the others; its error is everybody's, of fewer judgements."""
    if by_others < 1:
        return FigureValue(value=value)
    error = everybody.error * sqrt(judged / by_others)
    return FigureValue(value=value, n=int(by_others), error=error)
