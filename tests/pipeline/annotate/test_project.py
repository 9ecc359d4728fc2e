"""A project on disk: filled from a run, worked on, turned into corrections and pairs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from annotation_items import TEXT, event, marked, run_of, submit, undo
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.annotate.project import PersonItem, Project, open_project
from groundtune.pipeline.annotate.results import (
    ProjectPairSettings,
    Settle,
    finished_work,
    project_pairs,
    settled,
)
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Claim, Correction, Producer, Side, Span
from groundtune.store.annotations import items
from groundtune.store.annotations.records import Choose, Event


@pytest.fixture
def project(tmp_path: Path) -> Project:
    run_of(tmp_path / "run", [[TEXT], [TEXT, "A cat."], [TEXT]])
    made = open_project(tmp_path / "project")
    made.join("ada", "Ada", "owner")
    made.add_run(tmp_path / "run")
    return made


def correct(project: Project, person: str = "ada", new: str = "fox") -> str:
    """The person corrects the next item, and its key."""
    work = project.next_work(person, "correct")
    assert work is not None
    key, text = work.item.key, work.item.answers[0].text
    bodies = [event(key, marked("dog", new))] if "dog" in text else []
    assert project.record(person, [*bodies, submit(key)]).refused == ()
    return key


def test_a_project_keeps_its_settings_and_takes_a_run_once(project: Project, tmp_path: Path):
    assert project.add_run(tmp_path / "run") == 0
    project.close()
    changed = open_project(project.path, {"blind": True})
    changed.close()
    again = open_project(project.path)
    assert again.settings.blind
    assert len(again.settings.kinds) == 6
    assert again.guidelines.startswith("# Correct what is wrong")


def test_a_folder_with_other_files_is_no_project(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(UserError, match="holds other files"):
        open_project(tmp_path)
    with pytest.raises(UserError, match="is a folder"):
        open_project(tmp_path / "notes.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt"]


def test_an_event_that_is_sent_again_counts_once(project: Project):
    work = project.next_work("ada", "correct")
    assert work is not None
    key = work.item.key
    batch = [event(key, marked("dog", "fox")), submit(key)]
    first, second = project.record("ada", batch), project.record("ada", batch)
    assert (len(first.stored), len(first.known)) == (2, 0)
    assert (len(second.stored), len(second.known)) == (0, 2)
    twice = project.record("ada", [new := event(key, marked("red", "blue")), new])
    assert twice.stored == (new.id,)
    found = project.work("ada", key)
    assert found is not None
    assert [each.replacement for each in found.state.spans] == ["fox", "blue"]


def test_a_refused_event_does_not_hold_up_the_others(project: Project):
    work = project.next_work("ada", "correct")
    assert work is not None
    key = work.item.key
    bad = event(key, marked("dog", "fox").model_copy(update={"start": 3, "end": 6}))
    stranger = event("no-such-item", marked("dog"))
    told = project.record("ada", [bad, stranger, good := event(key, marked("red", "blue"))])
    assert told.stored == (good.id,)
    assert [each.id for each in told.refused] == [bad.id, stranger.id]
    assert "not the marked text" in told.refused[0].why


def test_twenty_writers_at_once_lose_nothing_and_get_different_items(tmp_path: Path):
    run_of(tmp_path / "run", [[f"{TEXT} {n}" for n in range(20)]])
    project = open_project(tmp_path / "project")
    project.add_run(tmp_path / "run")
    people = [f"person{n}" for n in range(20)]
    for name in people:
        project.join(name, name, "annotator")
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda name: correct(project, name), people))
    assert len(set(keys)) == 20
    work = finished_work(project)
    assert len(work.corrections) == 20
    assert {row.by.name for row in work.corrections} == set(people)


def test_finished_work_becomes_pairs_and_more_work_adds_to_them(project: Project, tmp_path: Path):
    out, settings = tmp_path / "pairs", ProjectPairSettings()
    with pytest.raises(UserError, match="No correction or comparison in the project is finished"):
        project_pairs(project, out, settings, SilentProgress())
    first = correct(project)
    assert project_pairs(project, out, settings, SilentProgress()).made == 1
    (pair,) = RunFolder(out).pairs.read()
    assert (pair.chosen, pair.rejected) == (TEXT.replace("dog", "fox"), TEXT)
    correct(project)
    counts = project_pairs(project, out, settings, SilentProgress())
    assert (counts.made, len(RunFolder(out).pairs.parts())) == (2, 2)
    assert RunFolder(out).pairs.read()[0] == pair  # what was there stays as it is
    correct(project)  # "A cat.", where nothing is wrong
    assert project_pairs(project, out, settings, SilentProgress()).unchanged == 1
    work = project.work("ada", first)
    assert work is not None
    project.record("ada", [undo(work.events[0]), submit(first)])
    counts = project_pairs(project, out, settings, SilentProgress())
    assert (counts.made, counts.unchanged) == (1, 2)
    (left,) = RunFolder(out).pairs.read()
    assert left.key != pair.key
    assert RunFolder(out).prompts_by_key()[left.prompt].images


@pytest.mark.parametrize(
    ("people", "texts", "unsettled"),
    [
        ("each", ["fox", "fox", "cow"], 0),
        ("majority", ["fox"], 0),
        ("reviewer", ["cow"], 0),
    ],
)
def test_overlapping_work_is_settled(
    tmp_path: Path, people: Settle, texts: list[str], unsettled: int
):
    run_of(tmp_path / "run", [[TEXT]])
    project = open_project(tmp_path / "project", {"people_per_item": 3})
    project.add_run(tmp_path / "run")
    for name, role, new in (
        ("ada", "annotator", "fox"),
        ("bo", "annotator", "fox"),
        ("cy", "reviewer", "cow"),
    ):
        project.join(name, name, role)  # type: ignore[arg-type]
        correct(project, name, new)
    rows, left = settled(finished_work(project), people)
    assert [row.corrected for row in rows] == [TEXT.replace("dog", new) for new in texts]
    assert left == unsettled


def test_people_who_all_differ_leave_an_answer_unsettled(tmp_path: Path):
    run_of(tmp_path / "run", [[TEXT]])
    project = open_project(tmp_path / "project", {"people_per_item": 2})
    project.add_run(tmp_path / "run")
    for name, new in (("ada", "fox"), ("bo", "cow")):
        project.join(name, name, "annotator")
        correct(project, name, new)
    assert settled(finished_work(project), "majority") == ([], 1)
    assert settled(finished_work(project), "reviewer") == ([], 1)


def test_comparisons_have_every_two_answers_on_sides_that_the_seed_draws(tmp_path: Path):
    run_of(tmp_path / "run", [["a", "b", "c", "a"] for _ in range(8)])
    sides: list[list[str]] = []
    for seed in (0, 1, 1):
        project = open_project(tmp_path / f"project{len(sides)}", {"seed": seed})
        project.join("ada", "Ada", "owner")
        assert project.add_run(tmp_path / "run", "compare") == 24
        with project.database.reading() as connection:
            lines, _ = items.list_items(connection, "ada", limit=100)
        sides.append([line.opening for line in lines])
    assert sides[1] == sides[2] != sides[0]


def test_rejected_claims_and_machine_corrections_become_suggestions(tmp_path: Path):
    run = run_of(tmp_path / "run", [["A dog. A cat."]])
    (answer,) = run.answers.read()
    claim = Claim(key="c", answer=answer.key, start=0, end=6, text="A dog.", status="rejected")
    run.claims.append([claim, claim.model_copy(update={"key": "d", "status": "supported"})])
    edit = Span(start=2, end=5, replacement="cow", by="machine")
    run.corrections.append(
        [
            Correction(
                key="k",
                prompt=answer.prompt,
                answer=answer.key,
                text=answer.text,
                spans=(edit,),
                corrected="A cow. A cat.",
                by=Producer(kind="model", name="machine"),
            )
        ]
    )
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run")
    project.add_run(tmp_path / "run", "review")
    doubted, reviewed = (project.next_work("ada", task) for task in ("correct", "review"))
    assert doubted is not None
    assert reviewed is not None
    assert [(s.start, s.end, s.note) for s in doubted.item.suggestions] == [(0, 6, "A dog.")]
    assert reviewed.item.suggestions == (edit,)


def test_too_large_a_batch_is_refused_whole(project: Project):
    batch = [Event(id=f"event-{n:06d}", item="i", body=marked("dog"), at=1.0) for n in range(501)]
    with pytest.raises(ValueError, match="501 events"):
        project.record("ada", batch)


def test_the_better_of_two_answers_is_chosen_and_a_tie_makes_no_pair(tmp_path: Path):
    run_of(tmp_path / "run", [["A dog.", "A cat."], ["Red.", "Blue."]])
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run", "compare")
    better: list[Side] = ["second", "tie"]
    works: list[PersonItem] = []
    for side in better:
        work = project.next_work("ada", "compare")
        assert work is not None
        key = work.item.key
        choices = [Choose(question="hallucinates_more", side="first")]
        choices += [Choose(question="better", side=side)]
        assert not project.record(
            "ada", [*(event(key, each) for each in choices), submit(key)]
        ).refused
        works.append(work)
    counts = project_pairs(project, tmp_path / "out", ProjectPairSettings(), SilentProgress())
    assert (counts.made, counts.tie) == (1, 1)
    (pair,) = RunFolder(tmp_path / "out").pairs.read()
    first, second = (answer.text for answer in works[0].item.answers)
    assert (pair.chosen, pair.rejected, pair.origin) == (second, first, "comparison")
    assert len(RunFolder(tmp_path / "out").comparisons.read()) == 2
