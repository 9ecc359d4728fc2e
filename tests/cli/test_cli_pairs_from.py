"""`groundtune pairs --from PROJECT`."""

import json
from pathlib import Path

import pytest

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.pipeline.annotate.project import open_project
from groundtune.pipeline.runs.folder import RunFolder


def test_a_project_becomes_pairs_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run_of(tmp_path / "run", [[TEXT]])
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run")
    work = project.next_work("ada", "correct")
    assert work is not None
    key = work.item.key
    project.record("ada", [event(key, marked("dog", "fox")), submit(key)])
    project.close()
    words = ["pairs", "--from", str(project.path), "--out", str(tmp_path / "pairs"), "--json"]
    assert run([*words, "people=majority"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["made"], said["unsettled"]) == (1, 0)
    assert said["next"].startswith("groundtune train")
    assert RunFolder(tmp_path / "pairs").pairs.read()[0].chosen == TEXT.replace("dog", "fox")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--from", "nowhere", "--out", "x"], "holds no annotation project"),
        (["--from", "nowhere"], "a folder of their own"),
        (["--from", "a", "--claims", "b"], "one kind of feedback"),
        ([], "no feedback"),
    ],
)
def test_what_is_missing_is_reported_in_three_lines(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    assert run(["pairs", *words]) == EXIT_INPUT
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 3
