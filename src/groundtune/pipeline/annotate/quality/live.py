"""A project's quality as of its newest event.

Each look reads what is new, and computes anew what that changed, for a bounded time: a page that
looks every few seconds gets an answer at once, and catches up.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import get_args

from sqlalchemy import Connection

from groundtune.feedback.agreement.alpha import added
from groundtune.feedback.annotating import AnnotationState
from groundtune.pipeline.annotate.project import Project
from groundtune.pipeline.annotate.quality.estimates import Columns, figures
from groundtune.pipeline.annotate.quality.item_sums import item_sums
from groundtune.pipeline.annotate.quality.summary import (
    AGREEMENT,
    GOLD,
    SUGGESTIONS,
    ClaimCheckCounts,
    Everybody,
    PersonQuality,
    TaskQuality,
    effort,
)
from groundtune.pipeline.annotate.quality.table import SumRows
from groundtune.pipeline.annotate.quality.wrong import wrong_answers
from groundtune.pipeline.annotate.results import all_work
from groundtune.records import Record
from groundtune.store.annotations import events, items
from groundtune.store.annotations.conflicts import ConflictCounts, conflict_counts
from groundtune.store.annotations.progress import TaskProgress, drawn_turns, progress_of
from groundtune.store.annotations.records import AnnotationItem, Task
from groundtune.store.annotations.same_claims import (
    ReplacementCheck,
    claim_check,
    judged_by,
    number_judged,
)

_AT_ONCE = 20
"""Items whose work is read at a time."""
_TASKS: tuple[Task, ...] = get_args(Task)


class Quality(Record):
    """A project's quality."""

    unread: int
    """Items and people that this look had no time for: look again."""
    currency: str
    tasks: tuple[TaskQuality, ...]


class _Rows:
    """The sums of a task's items, and the figures that were computed of them."""

    def __init__(self) -> None:
        self.agreement = SumRows()
        self.items = SumRows()
        """Summed over the people of each item."""
        self.people: dict[str, SumRows] = {}
        self.people_of: dict[str, tuple[str, ...]] = {}
        """By item."""
        self.qualities: dict[str, PersonQuality] = {}
        self.changed: dict[str, None] = {}
        """People whose figures are to be computed anew."""
        self.quality: TaskQuality | None = None
        """Without the people; None if it is to be computed anew."""

    def put(
        self,
        item: AnnotationItem,
        states: Mapping[str, AnnotationState],
        *,
        blind: bool,
        judged: Mapping[str, bool | None] | None,
    ) -> None:
        """Take an item's work; what was known of it before goes."""
        sums = item_sums(item, states, blind=blind, judged=judged)
        for person in {*self.people_of.pop(item.key, ()), *sums.people}:
            rows = self.people.setdefault(person, SumRows())
            rows.put(item.key, sums.people.get(person, {}))
            self.changed[person] = None
        self.people_of[item.key] = tuple(sums.people)
        self.agreement.put(item.key, sums.agreement)
        self.items.put(item.key, added(list(sums.people.values())))
        self.quality = None


class LiveQuality:
    """A project's quality. Several threads may look; one at a time does."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = Lock()
        self._arrivals = events.Arrivals()
        self._unread: dict[str, None] = {}
        self._rows: dict[Task, _Rows] = {task: _Rows() for task in _TASKS}
        self._progress: dict[Task, TaskProgress] = {}
        self._conflicts: dict[Task, ConflictCounts] = {}
        self._items = -1
        self._check: ReplacementCheck | None = None
        self._judged: dict[str, bool | None] = {}
        """What the project's claim check judged."""

    def now(self, seconds: float | None = None) -> Quality:
        """Return the quality; `seconds` is how long it may take about, None for what it takes."""
        with self._lock:
            end = float("inf") if seconds is None else time.monotonic() + seconds
            self._look()
            while self._unread and time.monotonic() < end:
                self._read(list(self._unread)[:_AT_ONCE])
            tasks = tuple(self._task(task, end) for task in _TASKS if task in self._progress)
            waiting = len(self._unread) + sum(len(rows.changed) for rows in self._rows.values())
            currency = self._project.settings.currency
            return Quality(unread=waiting, currency=currency, tasks=tasks)

    def _look(self) -> None:
        with self._project.database.reading() as connection:
            changed, anew = self._arrivals.look(connection)
            number = items.number_of_items(connection)
            if changed or anew or number != self._items:
                self._progress, self._items = progress_of(connection), number
                self._conflicts = conflict_counts(connection)
                for rows in self._rows.values():
                    rows.quality = None
            again = self._look_at_check(connection)
        if anew:
            self._rows = {task: _Rows() for task in _TASKS}
        self._unread.update(dict.fromkeys([*changed, *again]))

    def _look_at_check(self, connection: Connection) -> list[str]:
        """Read what the claim check judged meanwhile; return the items that two people judged."""
        check = claim_check(connection)
        number = 0 if check is None else number_judged(connection, check.by)
        if check == self._check and number == len(self._judged):
            return []
        self._check, self._judged = check, judged_by(connection, check.by) if check else {}
        return [key for rows in self._rows.values() for key in rows.agreement.keys]

    def _read(self, keys: Sequence[str]) -> None:
        work = all_work(self._project, keys)
        states: dict[str, dict[str, AnnotationState]] = defaultdict(dict)
        for (key, person), state in work.states.items():
            if work.settled.get(key) != person:  # who settles has seen the others' results
                states[key][person] = state
        judged, blind = self._judged if self._check else None, self._project.settings.blind
        for key, item in work.items.items():
            self._rows[item.task].put(item, states[key], blind=blind, judged=judged)
        for key in keys:
            del self._unread[key]

    def _task(self, task: Task, end: float) -> TaskQuality:
        rows = self._rows[task]
        if rows.quality is None:
            rows.quality = self._without_people(task, rows)
        if rows.changed:
            self._update_people(rows, end)
        active = [person for person in rows.qualities.values() if person.done]
        people = sorted(active, key=lambda each: (-each.done, each.name))
        return rows.quality.model_copy(update={"people": tuple(people)})

    def _without_people(self, task: Task, rows: _Rows) -> TaskQuality:
        with self._project.database.reading() as connection:
            turns = drawn_turns(connection, task)
        summed = rows.items.columns()
        return TaskQuality(
            task=task,
            **self._progress[task]._asdict(),
            **self._conflicts.get(task, ConflictCounts())._asdict(),
            agreement=figures(AGREEMENT, rows.agreement.columns()),
            known=figures(GOLD, summed),
            suggestions=figures(SUGGESTIONS, summed),
            effort=effort(summed, self._project.settings.hourly_rate),
            wrong=wrong_answers(rows.items, turns),
            claim_check=self._claim_check(rows.agreement.columns()),
        )

    def _claim_check(self, agreement: Columns) -> ClaimCheckCounts | None:
        if self._check is None:
            return None
        unjudged, unclear = (
            int(agreement[name].sum()) if name in agreement else 0
            for name in ("unjudged claims", "unclear claims")
        )
        names = {"labeler": self._check.labeler, "divider": self._check.divider}
        return ClaimCheckCounts(**names, unjudged=unjudged, unclear=unclear)

    def _update_people(self, rows: _Rows, end: float) -> None:
        with self._project.database.reading() as connection:
            names = items.names_of(connection)
        kinds = [kind.name for kind in self._project.settings.kinds]
        everybody = Everybody(rows.items.columns(), len(rows.people), kinds)
        for person in list(rows.changed):
            columns = rows.people[person].columns()
            rows.qualities.pop(person, None)
            if len(rows.people[person]):
                name = names.get(person, person)
                rows.qualities[person] = everybody.person(person, name, columns)
            del rows.changed[person]
            if time.monotonic() > end:
                return
