"""Items and people: adding them, finding them, and how far each item is."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    String,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)

from groundtune.records import Record
from groundtune.store.annotations.records import AnnotationItem, Task
from groundtune.store.annotations.tables import ASSIGNMENTS, ITEMS, PEOPLE, SETTINGS
from groundtune.store.json_writing import json_of
from groundtune.store.keys import seed_of

Role = Literal["annotator", "reviewer", "owner"]
State = Literal["new", "held", "done", "skipped"]
_AT_ONCE = 500
_ALL_FOR_GOLD = 10**6
"""People who may judge an item whose result is known: everybody."""
_CONTENT = select(ITEMS.c.content).where(ITEMS.c.key == bindparam("which"))
_KEYS = bindparam("keys", type_=String, expanding=True)
_CONTENTS = select(ITEMS.c.content).where(ITEMS.c.key.in_(_KEYS)).order_by(ITEMS.c.place)


class ItemTurn(NamedTuple):
    """When an item is asked, and of how many people."""

    priority: float | None = None
    """Higher is asked earlier; None is after all that have one, in the order of adding."""
    size: float = 1.0
    """What the priority is drawn by, for weights (`feedback/asking_order.py`)."""
    people: int = 1


NO_TURNS: Mapping[str, ItemTurn] = MappingProxyType({})


class ItemLine(Record):
    """An item in a list, with its state for one person."""

    place: int
    """Its number in the list, from 1."""
    key: str
    task: Task
    opening: str
    """The beginning of its first answer."""
    state: State


class ItemCounts(Record):
    """How many items there are, and how many a person has finished or skipped."""

    items: int
    done: int
    skipped: int


def add_items(
    connection: Connection,
    items: Sequence[AnnotationItem],
    *,
    people_per_item: int = 1,
    turns: Mapping[str, ItemTurn] = NO_TURNS,
) -> int:
    """Add the items that aren't there yet, and return how many.

    `turns` are by key; others are asked of `people_per_item` in the order of adding. An item whose
    result is known is for everybody.
    """
    stored = {str(row[0]) for row in connection.execute(select(ITEMS.c.key))}
    fresh = {item.key: item for item in items if item.key not in stored}
    last = connection.execute(select(func.coalesce(func.max(ITEMS.c.place), 0))).scalar_one()
    usual = ItemTurn(people=people_per_item)
    of_item = [(item, turns.get(item.key, usual)) for item in fresh.values()]
    rows = [
        {
            "key": item.key,
            "task": item.task,
            "content": json_of(item),
            "search": _search_text(item),
            "priority": -float(last + number) if turn.priority is None else turn.priority,
            "size": turn.size,
            **_places(item, turn.people),
        }
        for number, (item, turn) in enumerate(of_item, 1)
    ]
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(insert(ITEMS), rows[start : start + _AT_ONCE])
    return len(rows)


def set_known(connection: Connection, items: Sequence[AnnotationItem], *, seed: int = 0) -> int:
    """Add items whose results are known, and return how many of them were taken.

    One that is there already becomes such an item unless somebody has had it. In lists, a new one
    follows an item that `seed` draws: at the end of all it would show.
    """
    started = {str(row[0]) for row in connection.execute(select(ASSIGNMENTS.c.item).distinct())}
    there = {str(row[0]) for row in connection.execute(select(ITEMS.c.key))}
    changed = [item for item in items if item.key in there - started]
    for item in changed:
        values = {"content": json_of(item), **_places(item, _ALL_FOR_GOLD)}
        connection.execute(update(ITEMS).where(ITEMS.c.key == item.key).values(values))
    return len(changed) + add_items(connection, items, turns=_mixed(connection, items, seed))


def item_of(connection: Connection, key: str) -> AnnotationItem | None:
    """The item with a key."""
    content = connection.execute(_CONTENT, {"which": key}).scalar()
    return None if content is None else AnnotationItem.model_validate_json(content)


def items_of(connection: Connection, keys: Iterable[str]) -> list[AnnotationItem]:
    """The items with these keys, in the order in which they were added."""
    rows = connection.execute(_CONTENTS, {"keys": list(keys)})
    return [AnnotationItem.model_validate_json(row[0]) for row in rows]


def all_items(connection: Connection) -> list[AnnotationItem]:
    """Every item, in the order in which they were added."""
    rows = connection.execute(select(ITEMS.c.content).order_by(ITEMS.c.place))
    return [AnnotationItem.model_validate_json(row[0]) for row in rows]


def list_items(
    connection: Connection,
    person: str,
    *,
    words: str = "",
    state: State | Literal[""] = "",
    task: Task | Literal[""] = "",
    only_open: bool = False,
    offset: int = 0,
    limit: int = 50,
) -> tuple[list[ItemLine], int]:
    """A page of items whose texts contain all the words, and how many there are in all.

    With `only_open`, those on which others have all places are left out.
    """
    # Known results mixed in are unseen: those that the person didn't get aren't listed.
    query = select(ITEMS.c.place, func.count().over()).where(_is_seen(person))
    for word in words.lower().split():
        query = query.where(ITEMS.c.search.contains(word, autoescape=True))
    if task:
        query = query.where(ITEMS.c.task == task)
    if only_open:
        query = query.where((ITEMS.c.free > 0) | _own_state(person).is_not(None))
    if state:
        query = query.where(_state_of(person) == state)
    # In the order in which they are asked; the place of an answer would tell whose it is.
    page = query.order_by(ITEMS.c.priority.desc(), ITEMS.c.place).offset(offset).limit(limit)
    rows_of_page = connection.execute(page).all()
    if rows_of_page:
        total = int(rows_of_page[0][1])
    else:  # none match, or none of them is so far down
        first = connection.execute(query.limit(1)).first() if offset else None
        total = int(first[1]) if first else 0
    places = [int(row[0]) for row in rows_of_page]
    # Contents are read of a page's items only, not of all that are sorted.
    own_state = _state_of(person).label("state")
    contents = select(ITEMS.c.place, ITEMS.c.key, ITEMS.c.task, ITEMS.c.content, own_state)
    rows = connection.execute(contents.where(ITEMS.c.place.in_(places))).mappings()
    by_place = {int(row["place"]): row for row in rows}
    lines = [
        ItemLine(
            place=number,
            key=by_place[place]["key"],
            task=by_place[place]["task"],
            opening=_opening(by_place[place]["content"]),
            state=by_place[place]["state"],
        )
        for number, place in enumerate(places, offset + 1)
    ]
    return lines, total


def number_of_items(connection: Connection) -> int:
    """How many items there are, those with known results too."""
    return connection.execute(select(func.count()).select_from(ITEMS)).scalar_one()


def counts_of(connection: Connection, person: str) -> dict[Task, ItemCounts]:
    """How far a person is with each task."""
    number = func.count()
    of_all = select(ITEMS.c.task, number).where(ITEMS.c.gold == 0).group_by(ITEMS.c.task)
    by_state = (
        select(ITEMS.c.task, ITEMS.c.gold, ASSIGNMENTS.c.state, number)
        .join(ITEMS, ITEMS.c.key == ASSIGNMENTS.c.item)
        .where(ASSIGNMENTS.c.person == person)
        .group_by(ITEMS.c.task, ITEMS.c.gold, ASSIGNMENTS.c.state)
    )
    counts: Counter[tuple[str, str]] = Counter()
    for task, items in connection.execute(of_all):
        counts[task, "items"] += items
    for task, gold, state, items in connection.execute(by_state):
        counts[task, state] += items
        counts[task, "items"] += gold * items  # of known results, those that the person has
    return {
        task: ItemCounts(
            items=counts[task, "items"], done=counts[task, "done"], skipped=counts[task, "skipped"]
        )
        for task in get_args(Task)
    }


def add_person(connection: Connection, person: str, name: str, role: Role) -> None:
    """Add a person, unless they are there."""
    there = select(PEOPLE.c.id).where(PEOPLE.c.id == person)
    if connection.execute(there).first() is None:
        row = {"id": person, "name": name, "role": role, "created": time.time()}
        connection.execute(insert(PEOPLE), [row])


def names_of(connection: Connection) -> dict[str, str]:
    """Everybody's name, by id."""
    return {
        str(key): str(name) for key, name in connection.execute(select(PEOPLE.c.id, PEOPLE.c.name))
    }


def roles_of(connection: Connection) -> dict[str, str]:
    """Everybody's role, by id."""
    rows = connection.execute(select(PEOPLE.c.id, PEOPLE.c.role))
    return {str(key): str(role) for key, role in rows}


def read_setting(connection: Connection, name: str) -> str | None:
    """A setting's JSON; None where it was never written."""
    return connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.name == name)).scalar()


def write_setting(connection: Connection, name: str, value: str) -> None:
    """Write a setting's JSON."""
    connection.execute(SETTINGS.delete().where(SETTINGS.c.name == name))
    connection.execute(insert(SETTINGS), [{"name": name, "value": value}])


def _places(item: AnnotationItem, people_per_item: int) -> dict[str, int]:
    gold = item.known is not None
    people = _ALL_FOR_GOLD if gold else people_per_item
    return {"free": people, "wanted": people, "gold": int(gold)}


def _mixed(
    connection: Connection, gold_items: Sequence[AnnotationItem], seed: int
) -> dict[str, ItemTurn]:
    """Turns next to those of items that are there, of the same task."""
    turns: dict[str, ItemTurn] = {}
    for task in dict.fromkeys(item.task for item in gold_items):
        query = select(ITEMS.c.priority).where(ITEMS.c.task == task, ITEMS.c.gold == 0)
        others = [float(row[0]) for row in connection.execute(query.order_by(ITEMS.c.place))]
        keys = [item.key for item in gold_items if item.task == task]
        for key in keys if others else ():
            turns[key] = ItemTurn(others[seed_of(seed, "known", key) % len(others)])
    return turns


def _is_seen(person: str) -> ColumnElement[bool]:
    return (ITEMS.c.gold == 0) | _own_state(person).is_not(None)


def _search_text(item: AnnotationItem) -> str:
    texts = [item.prompt.question, *(answer.text for answer in item.answers)]
    return "\n".join(texts).lower()


def _opening(content: str) -> str:
    text = AnnotationItem.model_validate_json(content).answers[0].text
    return text[:160]


def _state_of(person: str) -> ColumnElement[str]:
    """How far a person is with an item of the outer query."""
    return func.coalesce(_own_state(person), literal("new"))


def _own_state(person: str) -> ScalarSelect[str]:
    query = select(ASSIGNMENTS.c.state).where(ASSIGNMENTS.c.item == ITEMS.c.key)
    return query.where(ASSIGNMENTS.c.person == person).correlate(ITEMS).scalar_subquery()
