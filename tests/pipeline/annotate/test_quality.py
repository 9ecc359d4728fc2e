"""A project's quality: what people did, and the figures that follow, by hand."""

from pathlib import Path
from typing import Any

import pytest

from annotation_items import TEXT, answer_of, event, marked, prompt_of, run_of, submit
from groundtune.cli.app import run
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.annotate.quality.live import LiveQuality, Quality
from groundtune.pipeline.annotate.quality.summary import PersonQuality, TaskQuality
from groundtune.records import Span
from groundtune.store.annotations import items
from groundtune.store.annotations.records import (
    AnnotationItem,
    Choose,
    Decide,
    KnownResult,
    SetThumb,
    SetVerdict,
)
from groundtune.store.json_writing import json_of

PEOPLE = ("ada", "ben", "cleo")
DOG = Span(start=2, end=5, replacement="fox")


def project_of(path: Path, found: list[AnnotationItem], **settings: Any) -> Project:
    project = open_project(path, settings)
    with project.database.writing() as connection:
        items.add_items(connection, found, people_per_item=2)
    for person in PEOPLE:
        project.join(person, person.title(), "annotator")
    return project


def item(name: str, **fields: Any) -> AnnotationItem:
    prompt = prompt_of(name)
    return AnnotationItem(key=name, prompt=prompt, answers=(answer_of(prompt),), **fields)


def does(project: Project, person: str, key: str, *bodies: Any, seconds: float = 2.5) -> None:
    done = submit(key).model_copy(update={"active_s": seconds})
    made = project.record(person, [*(event(key, body) for body in bodies), done])
    assert made.refused == ()


def only(quality: Quality) -> TaskQuality:
    (task,) = quality.tasks
    return task


def figures(of: TaskQuality | PersonQuality) -> dict[str, tuple[float, int]]:
    groups = (
        [*of.agreement, *of.known, *of.suggestions, *of.effort]
        if isinstance(of, TaskQuality)
        else of.figures
    )
    return {each.name: (round(each.value, 4), each.n) for each in groups}


def test_agreement_of_two_people_by_hand(tmp_path: Path):
    project = project_of(tmp_path / "farm", [item("one"), item("two"), item("three"), item("four")])
    does(project, "ada", "one", marked("dog", "fox"))
    does(project, "ben", "one", marked("A dog", "the fox"))
    does(project, "ada", "two")
    does(project, "cleo", "two")
    does(project, "ada", "three", marked("red", "blue", kind="attribute"))
    does(project, "ben", "three")
    does(project, "ada", "four")
    found = only(LiveQuality(project).now())
    assert (found.items, found.finished, found.begun, found.overlapping) == (4, 3, 4, 3)
    own = figures(found)
    # 2 x 3 / (3 + 5) characters, both nothing, and one of them alone.
    assert own["f1"] == (round((0.75 + 1 + 0) / 3, 4), 3)
    assert own["characters"] == (round(6 / 11, 4), 2)
    assert own["same_text"] == (0.0, 1)  # "A fox" and "the fox"
    assert own["kinds"] == (1.0, 1)


def test_replacements_that_read_the_same_are_equal(tmp_path: Path):
    project = project_of(tmp_path / "farm", [item("one")])
    does(project, "ada", "one", marked("dog", "fox"))
    does(project, "ben", "one", marked("A dog", "a  Fox"))
    assert figures(only(LiveQuality(project).now()))["same_text"] == (1.0, 1)


def test_known_results_measure_each_person_and_are_no_agreement(tmp_path: Path):
    known = KnownResult(spans=(DOG,))
    gold = [item("one", known=known), item("two", known=KnownResult()), item("three", known=known)]
    project = project_of(tmp_path / "farm", [*gold, item("four")])
    does(project, "ada", "one", marked("dog", "fox"))
    does(project, "ada", "two")
    does(project, "ada", "three", marked("dog"), marked("red", id="span-more"))
    does(project, "ben", "one")
    does(project, "ben", "two", marked("cats"))
    does(project, "ben", "three", SetVerdict(verdict="unsure"))
    found = only(LiveQuality(project).now())
    assert (found.items, found.gold, found.agreement) == (1, 3, ())
    ada, ben = (figures(each) for each in found.people)
    assert ada["gold_right"] == (round(2 / 3, 4), 3)
    assert ada["gold_found"] == (1.0, 2)
    assert ada["gold_hits"] == (round(2 / 3, 4), 2)
    assert ada["gold_precision"] == (round(6 / 9, 4), 2)
    assert ben["gold_right"] == (0.0, 3)
    assert ben["gold_found"] == (0.0, 2)
    assert found.wrong is None


def test_time_costs_and_the_share_of_wrong_answers(tmp_path: Path):
    project = project_of(
        tmp_path / "farm", [item("one"), item("two")], hourly_rate=36, currency="EUR"
    )
    does(project, "ada", "one", marked("dog"), seconds=30)
    does(project, "ben", "one", seconds=10)
    does(project, "ada", "two", seconds=20)
    quality = LiveQuality(project).now()
    found = only(quality)
    assert quality.currency == "EUR"
    assert figures(found)["seconds"] == (20.0, 2)
    assert figures(found)["cost"] == (0.2, 2)
    assert found.wrong is not None
    assert (found.wrong.value, found.wrong.n) == (0.25, 2)  # half of the people, on one of two


def test_planted_suggestions_that_a_person_accepts_are_counted(tmp_path: Path):
    planted = Span(start=15, end=19, by="planted")
    project = project_of(tmp_path / "farm", [item("one", suggestions=(planted,))])
    does(project, "ada", "one", marked("cats", "dogs"), Decide(place=0, accepted=True))
    does(project, "ben", "one", Decide(place=0, accepted=False))
    found = only(LiveQuality(project).now())
    assert figures(found)["planted"] == (0.5, 1)
    assert [figures(each)["planted"][0] for each in found.people] == [1.0, 0.0]


def test_who_prefers_the_first_answer_is_found_out(tmp_path: Path):
    prompt = prompt_of("p")
    found: list[AnnotationItem] = []
    for number in range(60):
        two = (answer_of(prompt, f"A dog {number}."), answer_of(prompt, f"A cat, {number}, sits."))
        found.append(
            AnnotationItem(key=f"item-{number}", task="compare", prompt=prompt, answers=two)
        )
    project = project_of(tmp_path / "farm", found)
    for number in range(60):
        key = f"item-{number}"
        side = "second" if number % 2 else "first"
        does(project, "ada", key, Choose(question="better", side="first"))
        does(project, "ben", key, Choose(question="better", side=side))
    own = only(LiveQuality(project).now())
    assert figures(own)["same_better"] == (0.5, 60)
    ada, ben = own.people
    habits = {each.figure.name: each for each in ada.habits}
    assert habits["first_side"].apart
    assert (habits["first_side"].figure.value, habits["first_side"].others) == (1.0, 0.5)
    assert habits["longer"].figure.value == 0.0
    assert not any(each.apart for each in ben.habits if each.figure.name == "first_side")


def test_thumbs_of_two_people_by_hand(tmp_path: Path):
    project = project_of(tmp_path / "farm", [item(f"item-{n}", task="thumb") for n in range(4)])
    for number, (ada, ben) in enumerate(
        [(True, True), (True, False), (False, False), (True, True)]
    ):
        does(project, "ada", f"item-{number}", SetThumb(good=ada))
        does(project, "ben", f"item-{number}", SetThumb(good=ben))
    own = figures(only(LiveQuality(project).now()))
    assert own["same_thumb"] == (0.75, 4)
    # n = 8, good 5, bad 3; 2 unequal ordered pairs: 1 - 2 x 7 / (64 - 25 - 9).
    assert own["thumb"] == (round(1 - 14 / 30, 4), 4)
    assert only(LiveQuality(project).now()).conflicts == 1


def test_a_look_reads_only_what_is_new_and_follows_changes(tmp_path: Path):
    project = project_of(tmp_path / "farm", [item(f"item-{n}") for n in range(60)])
    for number in range(60):
        does(project, "ada", f"item-{number}")
    live = LiveQuality(project)
    first = live.now(0.0)
    assert first.unread > 0
    while live.now(0.01).unread:
        pass
    assert only(live.now()).people[0].done == 60
    does(project, "ben", "item-3", marked("dog"))
    assert figures(only(live.now(0.5)))["f1"] == (0.0, 1)
    project.record("ben", [event("item-3", SetVerdict(verdict="unsure"))])  # open again
    found = only(live.now())
    assert found.agreement == ()
    assert [each.person for each in found.people] == ["ada"]


def test_the_command_prints_the_figures_with_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run_of(tmp_path / "run", [[TEXT], ["A cat."]])
    project = open_project(tmp_path / "farm")
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run")
    work = project.next_work("ada", "correct")
    assert work is not None
    does(project, "ada", work.item.key, marked("dog"))
    expected = json_of(LiveQuality(project).now())
    project.close()
    assert run(["project", "quality", str(tmp_path / "farm")]) == 0
    said = capsys.readouterr().out
    assert "answers with something wrong" in said
    assert "100.0%" in said
    assert "Ada" in said
    assert run(["project", "quality", str(tmp_path / "farm"), "--json"]) == 0
    assert capsys.readouterr().out.strip() == expected
