"""What is in the database after the storm, against what the clients did."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from sqlalchemy import select

from groundtune.pipeline.annotate.project import open_project
from groundtune.store.annotations.tables import ASSIGNMENTS, EVENTS, ITEMS

ENDINGS = {"submit": "done", "skip": "skipped"}


def faults(where: Path | str, told: dict[str, Any]) -> dict[str, int]:
    """Numbers of faults by kind; all 0 if nothing was lost, doubled or given to two people."""
    project = open_project(where)
    try:
        with project.database.reading() as connection:
            rows = connection.execute(select(EVENTS).order_by(EVENTS.c.seq)).mappings().all()
            items = connection.execute(select(ITEMS)).mappings().all()
            held = connection.execute(select(ASSIGNMENTS)).mappings().all()
    finally:
        project.close()
    stored = [(str(row["person"]), str(row["item"]), str(row["id"])) for row in rows]
    return {**_events(stored, told), **_leases(items, held, told)}


def _events(stored: list[tuple[str, str, str]], told: dict[str, Any]) -> dict[str, int]:
    made = [
        (name, each["item"], each["id"]) for name, own in told["events"].items() for each in own
    ]
    refused = {line.partition(":")[0] for line in told["refused"]}
    ids = Counter(key for _, _, key in stored)
    wanted = {each for each in made if each[2] not in refused}
    return {
        "lost": len(wanted - set(stored)),
        "acknowledged and lost": len(set(told["acknowledged"]) - ids.keys()),
        "stored twice": sum(number - 1 for number in ids.values()),
        "never made": len(set(stored) - set(made)),
        "in another order": sum(
            _by_work(made, refused)[work] != own for work, own in _by_work(stored, set()).items()
        ),
        "refused": len(refused),
        "unsent": told["unsent"],
    }


def _by_work(
    events: list[tuple[str, str, str]], without: set[str]
) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for person, item, key in events:
        if key not in without:
            found[person, item].append(key)
    return found


def _leases(items: Any, held: Any, told: dict[str, Any]) -> dict[str, int]:
    used = Counter(row["item"] for row in held if row["state"] != "skipped")
    states = {(row["person"], row["item"]): row["state"] for row in held}
    skipped = {item for (_, item), state in states.items() if state == "skipped"}
    ends: dict[tuple[str, str], str] = {}
    for name, own in told["events"].items():
        for event in own:
            ends[name, event["item"]] = ENDINGS.get(event["body"]["type"], "held")
    shared = [item for item, people in told["given"].items() if len(set(people)) > 1]
    return {
        "places miscounted": sum(row["free"] != row["wanted"] - used[row["key"]] for row in items),
        "taken by too many": sum(used[row["key"]] > row["wanted"] for row in items),
        "given to two people": len(set(shared) - skipped),
        "wrong state": sum(states.get(work) != state for work, state in ends.items()),
    }
