"""Thumbs of a project: finished by a thumb alone, pairs for kto, apart from corrections."""

import json
from pathlib import Path

import pytest

from annotation_items import TEXT, event, run_of, submit, undo
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.annotate.results import finished_work
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.store.annotations.records import SetThumb


@pytest.fixture
def project(tmp_path: Path) -> Project:
    run_of(tmp_path / "run", [[TEXT], ["A cat."], ["A cow."]])
    made = open_project(tmp_path / "project", {"people_per_item": 2})
    for person in ("ada", "bo"):
        made.join(person, person, "annotator")
    made.add_run(tmp_path / "run", "thumb")
    return made


def judge(project: Project, person: str, *, good: bool) -> str:
    """The person judges the next answer; its text."""
    work = project.next_work(person, "thumb")
    assert work is not None
    key = work.item.key
    sent = [event(key, SetThumb(good=good)), submit(key)]
    assert project.record(person, sent).refused == ()
    return work.item.answers[0].text


def test_thumbs_become_rated_pairs_and_no_corrections(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    judged = [judge(project, "ada", good=good) for good in (True, False, True)]
    assert judged == [judge(project, "bo", good=good) for good in (True, True, True)]
    work = finished_work(project)
    assert (len(work.thumbs), work.corrections) == (6, ())
    line = ["pairs", "--from", str(project.path), "--out", str(tmp_path / "out")]
    assert run(line) == EXIT_INPUT
    assert "thumbs=true" in capsys.readouterr().err
    assert run([*line, "thumbs=true", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["made"], counts["tie"], counts["duplicate"]) == (2, 2, 2)
    out = RunFolder(tmp_path / "out")
    pairs = out.pairs.read()
    assert {(p.chosen, p.chosen_rating, p.rejected_rating) for p in pairs} == {
        (judged[0], 1, 0),
        (judged[2], 1, 0),
    }
    (prompt, *_) = out.prompts.read()
    assert out.images.read(prompt.images[0])


def test_an_item_without_a_thumb_is_not_finished_and_a_thumb_can_be_taken_back(project: Project):
    work = project.next_work("ada", "thumb")
    assert work is not None
    key = work.item.key
    (why,) = project.record("ada", [submit(key)]).refused
    assert "neither good nor bad" in str(why)
    said = event(key, SetThumb(good=True))
    assert project.record("ada", [said, submit(key)]).refused == ()
    assert len(finished_work(project).thumbs) == 1
    assert project.record("ada", [undo(said)]).refused == ()
    assert finished_work(project).thumbs == ()


def test_thumbs_of_a_project_without_any_are_asked_for(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    line = ["pairs", "--from", str(project.path), "thumbs=true", "--out", str(tmp_path / "out")]
    assert run(line) == EXIT_INPUT
    assert "--task thumb" in capsys.readouterr().err


def test_gold_is_refused_for_thumbs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run_of(tmp_path / "run", [[TEXT]])
    line = ["annotate", str(tmp_path / "p"), "--gold", str(tmp_path / "run"), "--task", "thumb"]
    assert run([*line, "--port", "0"]) == EXIT_INPUT
    assert "--gold" in capsys.readouterr().err
