"""`groundtune annotate`."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from annotation_items import TEXT, run_of
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.pipeline.annotate.project import open_project
from running_app import HTTP


def test_the_command_prints_an_address_that_answers_and_ends_by_ctrl_c(tmp_path: Path):
    run_of(tmp_path / "run", [[TEXT]])
    words = ["annotate", str(tmp_path / "project"), "--answers", str(tmp_path / "run")]
    words += ["--port", "0", "--name", "Ada L.", "--json", "blind=true"]
    command = [sys.executable, "-m", "groundtune", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        said = json.loads(app.stdout.readline())
        assert (said["items"], said["person"]) == (1, "ada-l")
        assert HTTP.get(f"{said['page']}api/project").json()["blind"] is True
        app.send_signal(signal.SIGINT)
        assert app.wait(20) == 0
    assert said["next"].startswith("groundtune pairs --from")


def test_a_port_that_is_taken_is_reported_in_three_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["annotate", str(tmp_path / "project"), "--port", str(port)]) == EXIT_INPUT
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 3
    assert "can't listen" in said[0]


def test_a_setting_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["annotate", str(tmp_path / "project"), "blnd=true"]) == EXIT_INPUT
    assert "blind" in capsys.readouterr().err
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize("there", [False, True])
def test_answers_that_cannot_be_added_leave_no_project(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: bool
):
    run_of(tmp_path / "good", [[TEXT]])
    broken = run_of(tmp_path / "run", [[TEXT], ["A cat."]])
    image = broken.prompts.read()[1].images[0]
    broken.images.path(image).unlink()
    project = tmp_path / "project"
    if there:
        project.mkdir()
    words = ["annotate", str(project), "--port", "0"]
    for run_folder in ("good", "run"):
        words += ["--answers", str(tmp_path / run_folder)]
    assert run(words) == EXIT_INPUT
    assert "missing" in capsys.readouterr().err
    assert project.exists() is there
    assert not there or list(project.iterdir()) == []


def test_answers_that_cannot_be_added_leave_an_older_project_as_it_is(tmp_path: Path):
    run_of(tmp_path / "run", [[TEXT]])
    project = open_project(tmp_path / "project")
    project.add_run(tmp_path / "run")
    project.close()
    words = ["annotate", str(tmp_path / "project"), "--port", "0"]
    assert run([*words, "--answers", str(tmp_path / "nothing")]) == EXIT_INPUT
    again = open_project(tmp_path / "project")
    assert again.contents(again.database)[0] == 1
