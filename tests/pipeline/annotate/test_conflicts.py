"""Items on which people differ: which ones, who settles them, and what becomes of that."""

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from annotation_items import TEXT, answer_of, event, marked, prompt_of, submit
from groundtune.feedback.agreement.likeness import likeness
from groundtune.feedback.annotating import AnnotationState, replay
from groundtune.pipeline.annotate.project import PersonItem, Project, open_project
from groundtune.pipeline.annotate.quality.live import LiveQuality
from groundtune.pipeline.annotate.rates import one_each
from groundtune.pipeline.annotate.results import (
    ProjectPairSettings,
    finished_work,
    project_pairs,
)
from groundtune.pipeline.annotate.settling import (
    Conflict,
    ConflictTaken,
    conflict_of,
    next_conflict,
    open_conflict,
    take_side,
)
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Message, Prompt, TextPart
from groundtune.store.annotations import conflicts, items
from groundtune.store.annotations.records import (
    AnnotationItem,
    Choose,
    KnownResult,
    SetNote,
    SetVerdict,
    Task,
)
from groundtune.store.annotations.tables import CONFLICTS

ANNOTATORS = ("ada", "ben", "cleo")


def text_only(name: str) -> Prompt:
    """A prompt without an image, which pairs would need."""
    messages = (Message(role="user", content=(TextPart(text=f"Describe {name}."),)),)
    return prompt_of(name).model_copy(update={"messages": messages})


def item_of(name: str, **fields: Any) -> AnnotationItem:
    prompt = text_only(name)
    return AnnotationItem(key=name, prompt=prompt, answers=(answer_of(prompt),), **fields)


def project_of(path: Path, *names: str, task: Task = "correct", **settings: Any) -> Project:
    project = open_project(path, settings)
    made = [item_of(name, task=task) for name in names or ("one",)]
    with project.database.writing() as connection:
        items.add_items(connection, made, people_per_item=2)
    for person in ANNOTATORS:
        project.join(person, person.title(), "annotator")
    project.join("rita", "Rita", "reviewer")
    return project


def does(project: Project, person: str, *bodies: Any, key: str = "one") -> None:
    made = project.record(person, [*(event(key, body) for body in bodies), submit(key)])
    assert made.refused == ()


def state_of(*bodies: Any) -> AnnotationState:
    return replay([*(event("one", body) for body in bodies), submit("one")])


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([], [], 1.0),
        ([marked("dog", "fox")], [], 0.0),
        ([marked("dog", "fox")], [marked("A dog", "A fox")], 1.0),
        ([marked("dog", "fox")], [marked("dog", "cat")], 0.0),
        ([marked("dog")], [marked("dog")], 1.0),
        ([marked("dog")], [marked("dog", "cat")], 0.0),
        # "dog" alike (3 of 3 and 3), "red" to "blue" or "green": 2 x 3 / (6 + 6).
        (
            [marked("dog", "fox"), marked("red", "blue")],
            [marked("dog", "Fox"), marked("red", "green")],
            0.5,
        ),
        ([SetVerdict(verdict="unsure")], [], 0.0),
        ([SetVerdict(verdict="unsure")], [SetVerdict(verdict="unsure")], 1.0),
    ],
)
def test_how_alike_two_corrections_are(ours: list[Any], theirs: list[Any], expected: float):
    found = likeness(item_of("one"), state_of(*ours), state_of(*theirs))
    assert found == pytest.approx(expected)


def test_people_who_differ_are_a_conflict_until_they_agree(tmp_path: Path):
    project = project_of(tmp_path / "farm", "one", "two")
    does(project, "ada", marked("dog", "fox"))
    assert next_conflict(project, "rita") is None
    does(project, "ben", marked("dog", "cat"))
    does(project, "ada", key="two")
    does(project, "ben", key="two")
    found = next_conflict(project, "rita")
    assert found is not None
    assert found.item.key == "one"
    assert sorted(str(side.state.spans[0].replacement) for side in found.sides) == ["cat", "fox"]
    does(project, "ben", marked("dog", "fox", id="span-0002"))
    assert next_conflict(project, "rita") is None


def test_the_setting_says_how_much_they_may_differ(tmp_path: Path):
    for below, expected in ((0.0, False), (0.5, False), (0.51, True), (1.0, True)):
        project = project_of(tmp_path / f"farm{below}", conflict_below=below)
        does(project, "ada", marked("dog", "fox"), marked("red", "blue"))
        does(project, "ben", marked("dog", "fox"), marked("red", "green"))
        assert (next_conflict(project, "rita") is not None) == expected


def test_known_results_are_no_conflict(tmp_path: Path):
    project = open_project(tmp_path / "farm")
    with project.database.writing() as connection:
        items.add_items(connection, [item_of("one", known=KnownResult())])
    for person in ANNOTATORS:
        project.join(person, person.title(), "annotator")
    does(project, "ada", marked("dog", "fox"))
    does(project, "ben", marked("dog", "cat"))
    assert next_conflict(project, "ada") is None


def test_two_reviewers_never_get_the_same_conflict(tmp_path: Path):
    project = project_of(tmp_path / "farm", "one", "two")
    project.join("rob", "Rob", "reviewer")
    for key in ("one", "two"):
        does(project, "ada", marked("dog", "fox"), key=key)
        does(project, "ben", key=key)
    first, second = next_conflict(project, "rita"), next_conflict(project, "rob")
    assert first is not None
    assert second is not None
    assert first.item.key != second.item.key
    assert next_conflict(project, "rita") == first
    # What a reviewer passes over is free for the others again.
    assert next_conflict(project, "rita", besides=(first.item.key,)) is None
    take_side(project, "rob", second, second.sides[0].key)
    taken = next_conflict(project, "rob")
    assert taken is not None
    assert taken.item.key == first.item.key


def test_the_side_that_a_reviewer_takes_is_what_pairs_are_made_of(tmp_path: Path):
    project = project_of(tmp_path / "farm", "one", "two")
    does(project, "ada", marked("dog", "fox"), SetNote(note="sure"))
    does(project, "ben", marked("dog", "cat"), marked("red", "blue"))
    does(project, "ada", marked("red", "green"), key="two")
    does(project, "ben", marked("red", "green"), key="two")
    found = next_conflict(project, "rita")
    assert found is not None
    bens = next(side for side in found.sides if side.person == "ben")
    assert take_side(project, "rita", found, bens.key).refused == ()
    assert next_conflict(project, "rita") is None
    for people in ("each", "majority", "reviewer"):
        out = tmp_path / people
        settings = ProjectPairSettings(people=people)
        project_pairs(project, out, settings, SilentProgress())
        chosen = {pair.chosen for pair in RunFolder(out).pairs.read() if "green" not in pair.chosen}
        assert chosen == {"A cat and two cats sit on a blue sofa."}
    # Seen again, it can be settled the other way.
    again = conflict_of(project, "rita", "one")
    assert again is not None
    assert again.settled
    assert again.own is not None
    adas = next(side for side in again.sides if side.person == "ada")
    take_side(project, "rita", again, adas.key)
    project_pairs(project, tmp_path / "again", ProjectPairSettings(), SilentProgress())
    chosen = {pair.chosen for pair in RunFolder(tmp_path / "again").pairs.read()}
    assert "A fox and two cats sit on a red sofa." in chosen
    assert not any("blue" in text for text in chosen)


def test_a_reviewer_s_own_correction_settles_too(tmp_path: Path):
    project = project_of(tmp_path / "farm")
    does(project, "ada", marked("dog", "fox"))
    does(project, "ben")
    does(project, "rita", marked("dog", "wolf"))
    assert next_conflict(project, "rita") is None
    project_pairs(project, tmp_path / "out", ProjectPairSettings(), SilentProgress())
    (pair,) = RunFolder(tmp_path / "out").pairs.read()
    assert "wolf" in pair.chosen


def test_a_reviewer_who_is_one_of_two_is_a_side(tmp_path: Path):
    project = project_of(tmp_path / "farm")
    does(project, "rita", marked("dog", "fox"))
    does(project, "ben")
    found = next_conflict(project, "rita")
    assert found is not None
    assert {side.person for side in found.sides} == {"rita", "ben"}
    own = next(side for side in found.sides if side.person == "rita")
    take_side(project, "rita", found, own.key)
    assert next_conflict(project, "rita") is None
    project_pairs(project, tmp_path / "out", ProjectPairSettings(), SilentProgress())
    (pair,) = RunFolder(tmp_path / "out").pairs.read()
    assert "fox" in pair.chosen


def test_who_settles_has_seen_the_others_and_is_no_part_of_agreement(tmp_path: Path):
    project = project_of(tmp_path / "farm")
    does(project, "ada", marked("dog", "fox"))
    does(project, "ben")
    live = LiveQuality(project)
    (before,) = live.now().tasks
    found = next_conflict(project, "rita")
    assert found is not None
    take_side(project, "rita", found, found.sides[0].key)
    (after,) = live.now().tasks
    assert (before.conflicts, after.conflicts, after.settled) == (1, 0, 1)
    assert after.agreement == before.agreement
    assert {each.person for each in after.people} == {"ada", "ben"}


def test_comparisons_are_settled_like_corrections(tmp_path: Path):
    prompt = text_only("p")
    two = (answer_of(prompt, "A dog."), answer_of(prompt, "A cat."))
    project = open_project(tmp_path / "farm")
    with project.database.writing() as connection:
        made = AnnotationItem(key="one", task="compare", prompt=prompt, answers=two)
        items.add_items(connection, [made], people_per_item=2)
    for person in ("ada", "ben"):
        project.join(person, person.title(), "annotator")
    project.join("rita", "Rita", "owner")
    does(project, "ada", Choose(question="better", side="first"))
    does(project, "ben", Choose(question="better", side="second"))
    assert {pair.chosen for pair in pairs(project, tmp_path / "before")} == {"A dog.", "A cat."}
    found = next_conflict(project, "rita")
    assert found is not None
    bens = next(side for side in found.sides if side.person == "ben")
    take_side(project, "rita", found, bens.key)
    assert [pair.chosen for pair in pairs(project, tmp_path / "after")] == ["A cat."]


def pairs(project: Project, out: Path) -> list[Any]:
    project_pairs(project, out, ProjectPairSettings(), SilentProgress())
    return RunFolder(out).pairs.read()


def test_the_evaluation_that_settles_is_the_one_that_counts(tmp_path: Path):
    project = project_of(tmp_path / "farm", task="evaluate")
    project.join("rob", "Rob", "reviewer")
    does(project, "ada", marked("dog"))
    does(project, "rob")
    found = next_conflict(project, "rita")
    assert found is not None
    adas = next(side for side in found.sides if side.person == "ada")
    take_side(project, "rita", found, adas.key)
    (counted,) = one_each(finished_work(project))
    assert counted.by.name == "rita"
    assert [span.start for span in counted.wrong] == [TEXT.index("dog")]


def test_a_side_that_is_gone_is_refused(tmp_path: Path):
    project = project_of(tmp_path / "farm")
    does(project, "ada", marked("dog", "fox"))
    does(project, "ben")
    found = next_conflict(project, "rita")
    assert found is not None
    with pytest.raises(KeyError):
        take_side(project, "rita", found, "nobody")
    project.record("ben", [event("one", SetNote(note="open again"))])
    assert next_conflict(project, "rita") is None  # one result is left


def differing(path: Path) -> tuple[Project, Conflict]:
    """A conflict that Rita has in the queue; Rob is a reviewer too."""
    project = project_of(path)
    project.join("rob", "Rob", "reviewer")
    does(project, "ada", marked("dog", "fox"))
    does(project, "ben", marked("dog", "cat"))
    found = next_conflict(project, "rita")
    assert found is not None
    return project, found


def settler(project: Project) -> str | None:
    with project.database.reading() as connection:
        return conflicts.settled_by(connection).get("one")


def side_of(conflict: Conflict, person: str) -> str:
    return next(side.key for side in conflict.sides if side.person == person)


def test_a_conflict_that_another_reviewer_has_is_not_settled(tmp_path: Path):
    project, found = differing(tmp_path / "farm")
    shown = open_conflict(project, "rob", "one")
    assert shown is not None
    assert shown.holder == "another"
    with pytest.raises(ConflictTaken, match="another"):
        take_side(project, "rob", shown, side_of(shown, "ben"))
    assert project.work("rob", "one") == PersonItem(item=found.item, events=())  # nothing is left
    does(project, "rob", marked("dog", "wolf"))  # in the usual way: one more result
    assert settler(project) is None
    again = next_conflict(project, "rita")
    assert again is not None
    assert {side.person for side in again.sides} == {"ada", "ben", "rob"}
    take_side(project, "rita", again, side_of(again, "ada"))
    assert settler(project) == "rita"


def test_a_conflict_that_was_settled_meanwhile_is_not_settled_again(tmp_path: Path):
    project, found = differing(tmp_path / "farm")
    before = conflict_of(project, "rob", "one")
    assert before is not None
    take_side(project, "rita", found, side_of(found, "ada"))
    with pytest.raises(ConflictTaken, match="settled"):
        take_side(project, "rob", before, side_of(before, "ben"))
    assert settler(project) == "rita"
    take_side(project, "rob", before, side_of(before, "ben"), overrule=True)
    assert settler(project) == "rob"


def test_a_correction_that_began_before_another_settled_is_one_more_result(tmp_path: Path):
    project, found = differing(tmp_path / "farm")
    project.record("rob", [event("one", marked("dog", "wolf"))])
    take_side(project, "rita", found, side_of(found, "ada"))
    project.record("rob", [submit("one")])
    assert settler(project) == "rita"
    project.record("rob", [event("one", SetNote(note="seen again")), submit("one")])
    assert settler(project) == "rob"  # begun with Rita's decision there: meant


def test_who_is_at_work_on_a_conflict_keeps_it(tmp_path: Path):
    project, _ = differing(tmp_path / "farm")
    with project.database.writing() as connection:
        nearly_over = update(CONFLICTS).values(until=time.time() + 1)
        connection.execute(nearly_over)
    project.record("rita", [event("one", marked("dog", "wolf"))])
    with project.database.reading() as connection:
        (until,) = connection.execute(select(CONFLICTS.c.until)).scalars()
    assert until > time.time() + 60
