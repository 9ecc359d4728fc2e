"""Which finished items go to reviewers: those on which people differ."""

from collections import defaultdict

from sqlalchemy import Connection

from groundtune.feedback.agreement.likeness import likeness_of
from groundtune.feedback.annotating import AnnotationState, replay
from groundtune.store.annotations import conflicts, events, items
from groundtune.store.annotations.records import AnnotationItem, Event, Skip, Submit

REVIEWERS = ("reviewer", "owner")


def note_results(
    connection: Connection,
    item: AnnotationItem,
    person: str,
    *,
    below: float,
    settling: bool = False,
) -> None:
    """Note whether people differ on an item that a person has just finished or skipped.

    Their results are a conflict where they are less alike than `below`. A reviewer who finishes an
    item on which two others differ settles it, as does one who says so; but not while another one
    has it in the queue, nor over one who settled it while the reviewer was at work: then it is one
    more result. Items whose results are known are no matter for reviewers.
    """
    if item.known is not None:
        return
    others = conflicts.done_by_others(connection, item.key, person)
    was_settled = conflicts.is_settled(connection, item.key)
    if not others and was_settled is None:
        return
    is_third = was_settled is not None and (others >= 2 or was_settled)
    if settling or (
        is_third
        and items.roles_of(connection)[person] in REVIEWERS
        and _may_settle(connection, item.key, person)
    ):
        conflicts.settle(connection, item.key, person)
        return
    states = list(done_states(connection, item.key).values())
    likeness = likeness_of(item, states)
    if len(states) > 1 and likeness < below:
        conflicts.put_conflict(connection, item.key, likeness)
    else:
        conflicts.drop_conflict(connection, item.key)


def _may_settle(connection: Connection, item: str, reviewer: str) -> bool:
    holder = conflicts.holder_of(connection, reviewer, item)
    if holder != "settled":
        return holder != "another"
    settler = conflicts.settled_by(connection, [item])[item]
    stored = events.events_of(connection, item=item)
    settled_seq = max((each.seq for each in stored if each.person == settler), default=0)
    reviewer_events = [each for each in stored if each.person == reviewer]
    ends = [
        place
        for place, each in enumerate(reviewer_events)
        if isinstance(each.event.body, Submit | Skip)
    ]
    first = ends[-2] + 1 if len(ends) > 1 else 0  # after what the reviewer had finished before
    return reviewer_events[first].seq > settled_seq


def done_states(connection: Connection, item: str) -> dict[str, AnnotationState]:
    """Return the finished results on an item, by person, in the order of their first events."""
    by_person: dict[str, list[Event]] = defaultdict(list)
    for stored in events.events_of(connection, item=item):
        by_person[stored.person].append(stored.event)
    states = {person: replay(person_events) for person, person_events in by_person.items()}
    return {person: state for person, state in states.items() if state.progress == "done"}
