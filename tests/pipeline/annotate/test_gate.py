"""Work that is not good enough stays in the project."""

from pathlib import Path
from typing import Any

import pytest

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.feedback.corrections import correction_from_texts
from groundtune.pipeline.annotate.api import AnnotationProject
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.records import Producer

BY = Producer(kind="person", name="expert")


def project_of(path: Path, *, agree: bool, people: int = 2, **settings: Any) -> Project:
    """Four answers, of which one or two people correct "dog", or one of them "sofa"."""
    run_of(path / "run", [[f"{TEXT} {n}" for n in range(4)]])
    project = open_project(path / "farm", {"people_per_item": people, **settings})
    project.add_run(path / "run")
    for place, person in enumerate(("ada", "ben")[:people]):
        project.join(person, person.title(), "owner")
        while work := project.next_work(person, "correct"):
            key, text = work.item.key, work.item.answers[0].text
            words = "dog" if agree or not place else "sofa"
            project.record(person, [event(key, marked(words, "fox", text=text)), submit(key)])
    return project


@pytest.mark.parametrize("command", ["pairs", "export"])
def test_work_below_the_agreement_is_refused_in_three_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
):
    project_of(tmp_path, agree=False).close()
    farm, out = str(tmp_path / "farm"), tmp_path / "out.csv"
    words = ["pairs", "--from", farm] if command == "pairs" else ["export", "corrections", farm]
    assert run([*words, "--out", str(out), "--min-agreement", "0.67"]) == EXIT_INPUT
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 3
    # n = 312 characters, 28 marked, 56 unequal pairs, squares 384: 1 - 56 x 96960 / (312 x 15904).
    assert "agreement (alpha) on what is marked is -0.09 (" in said[0]
    assert "4 items), below 0.67" in said[0]
    assert "task correct" in said[1]
    assert "groundtune project quality" in said[2]
    assert not out.exists()
    assert run([*words, "--out", str(out)]) == 0


def test_work_that_reaches_it_goes_out(tmp_path: Path):
    project_of(tmp_path, agree=True, min_agreement=0.8).close()
    with AnnotationProject(tmp_path / "farm") as project:
        assert len(project.pair(tmp_path / "out", min_agreement=0.9)) == 4


def test_the_project_s_own_setting_holds_for_every_way_out(tmp_path: Path):
    project_of(tmp_path, agree=False, min_agreement=0.5).close()
    with AnnotationProject(tmp_path / "farm") as project:
        with pytest.raises(UserError, match=r"below 0\.5"):
            project.pair(tmp_path / "out")
        with pytest.raises(UserError, match=r"below 0\.5"):
            project.export("corrections", tmp_path / "farm.csv")
    assert not (tmp_path / "out").exists()


def test_agreement_that_nobody_knows_is_not_enough(tmp_path: Path):
    project_of(tmp_path, agree=True, people=1).close()
    with (
        AnnotationProject(tmp_path / "farm") as project,
        pytest.raises(UserError, match="no answer was judged by two"),
    ):
        project.pair(tmp_path / "out", min_agreement=0.1)


def test_known_results_that_people_get_wrong_are_refused(tmp_path: Path):
    known = run_of(tmp_path / "known", [[f"{TEXT} known"]])
    (answer,) = known.answers.read()
    known.corrections.append([correction_from_texts(answer, f"{TEXT} right", BY)])
    run_of(tmp_path / "run", [[TEXT]])
    project = open_project(tmp_path / "farm", {"gold": 1.0, "min_gold": 0.9})
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run")
    project.add_gold(tmp_path / "known")
    while work := project.next_work("ada", "correct"):
        key, text = work.item.key, work.item.answers[0].text
        project.record("ada", [event(key, marked("dog", "fox", text=text)), submit(key)])
    project.close()
    with (
        AnnotationProject(tmp_path / "farm") as project,
        pytest.raises(UserError, match=r"get right is 0\.00 .*1 items\), below 0\.9"),
    ):
        project.pair(tmp_path / "out")
