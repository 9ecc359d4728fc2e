"""Evaluations: what they hand on to the benchmark and to a check."""

import json
from pathlib import Path

import pytest

from annotation_items import TEXT, event, item_of, marked, run_of, submit
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.annotate.rates import LiveFigures, one_each, rates_of
from groundtune.pipeline.annotate.results import finished_work
from groundtune.pipeline.check.people import read_marks
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Span
from groundtune.store.annotations import items
from groundtune.store.annotations.records import Decide, SetVerdict
from groundtune.store.annotations.tables import EVENTS
from groundtune.store.rows import write_json


@pytest.fixture
def project(tmp_path: Path) -> Project:
    run_of(tmp_path / "run", [[TEXT], [f"{TEXT} 2"], [f"{TEXT} 3"]])
    made = open_project(tmp_path / "project", {"people_per_item": 2})
    made.join("ada", "Ada", "annotator")
    made.join("bo", "Bo", "reviewer")
    return made


def evaluate(project: Project, person: str, bodies: list[object]) -> str:
    """The person marks the next answer; the answer's key."""
    work = project.next_work(person, "evaluate")
    assert work is not None
    key = work.item.key
    events = [event(key, body) for body in bodies]
    assert project.record(person, [*events, submit(key)]).refused == ()
    return work.item.answers[0].key


def test_evaluations_are_no_corrections_and_a_reviewers_word_counts(
    project: Project, tmp_path: Path
):
    project.add_run(tmp_path / "run", "evaluate")
    answer = evaluate(project, "ada", [])
    assert evaluate(project, "bo", [marked("dog")]) == answer
    work = finished_work(project)
    assert work.corrections == ()
    (counted,) = one_each(work)
    assert counted.by.name == "bo"
    (rates,) = rates_of(work)
    assert (rates.model, rates.answers, rates.rates[0].value) == ("base", 1, 1.0)


def test_live_figures_are_those_of_all_work_whatever_came_in_between(tmp_path: Path):
    texts = [[f"{TEXT} {number} {side}" for side in "ab"] for number in range(4)]
    run_of(tmp_path / "run", texts)
    project = open_project(tmp_path / "project", {"people_per_item": 2})
    project.join("ada", "Ada", "annotator")
    project.join("bo", "Bo", "reviewer")
    project.add_run(tmp_path / "run", "evaluate")
    suggested = [
        item_of(f"own-{number}", suggestions=(Span(start=2, end=5, by="machine"),))
        for number in range(2)
    ]
    with project.database.writing() as connection:
        items.add_items(connection, suggested)
        evaluated = [line.key for line in items.list_items(connection, "ada", task="evaluate")[0]]
    live = LiveFigures(project)

    def work(person: str, key: str, *bodies: object) -> None:
        sent = [event(key, body) for body in bodies]
        assert project.record(person, [*sent, submit(key)]).refused == ()
        whole, now = finished_work(project), live.now()
        assert now.models == rates_of(whole)
        assert now.suggestions == whole.suggestions

    assert live.now().models == []
    for number, key in enumerate(evaluated):
        work("ada", key, *[marked("dog")][: number % 2])
    work("bo", evaluated[0], marked("cats"), marked("red"))
    work("ada", evaluated[1], SetVerdict(verdict="unsure"))
    for each in suggested:
        work("ada", each.key, Decide(place=0, accepted=False))
    assert live.now().suggestions.rejected == 2
    reopened = event(suggested[0].key, SetVerdict(verdict=None))
    assert project.record("ada", [reopened]).refused == ()
    assert live.now().suggestions.rejected == 1
    with project.database.writing() as connection:  # one person's data is deleted
        connection.execute(EVENTS.delete().where(EVENTS.c.person == "ada"))
    assert live.now().models == rates_of(finished_work(project))
    assert live.now().suggestions.rejected == 0


def test_a_check_reads_the_marks_and_only_answers_that_it_drew_are_asked_for(
    project: Project, tmp_path: Path
):
    answers = RunFolder(tmp_path / "run").answers.read()
    drawn = [{"answer": each.key, "wrong": None} for each in answers[:2]]
    write_json(tmp_path / "run" / "to-mark.jsonl", drawn)
    assert project.add_run(tmp_path / "run", "evaluate") == 2
    wrong = evaluate(project, "ada", [marked("dog")])
    evaluate(project, "ada", [SetVerdict(verdict="unsure")])
    project.close()
    marks = tmp_path / "marks.jsonl"
    assert run(["export", "check-marks", str(project.path), "--out", str(marks)]) == 0
    assert read_marks(marks, answers) == {wrong: True}
    rows = [json.loads(line) for line in marks.read_text("utf-8").splitlines()]
    assert {row["wrong"] for row in rows} == {True, None}


def test_a_project_without_evaluations_is_reported_in_three_lines(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    project.close()
    marks = tmp_path / "marks.jsonl"
    assert run(["export", "mhumaneval", str(project.path), "--out", str(marks)]) == EXIT_INPUT
    assert len(capsys.readouterr().err.strip().splitlines()) == 3
    assert not marks.exists()
