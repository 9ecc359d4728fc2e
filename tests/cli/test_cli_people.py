"""`groundtune people`, and `groundtune annotate --login`."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotation_items import TEXT, run_of
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.pipeline.annotate.project import existing_project
from groundtune.store.annotations import accounts
from groundtune.web.access import Door
from groundtune.web.ways_in import checked_door
from team import PASSWORD


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROUNDTUNE_PASSWORD", PASSWORD)
    run_of(tmp_path / "run", [[TEXT]])
    return tmp_path / "farm"


def test_the_first_owner_is_added_and_logs_in_to_the_app(
    farm: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["people", "add", "farm", "Ada Lovelace", "--role", "owner", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["next"] == "groundtune annotate farm --login"
    words = [*said["next"].split()[1:], "--answers", "run", "--port", "0", "--json"]
    command = [sys.executable, "-m", "groundtune", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=farm.parent) as app:
        assert app.stdout is not None
        started = json.loads(app.stdout.readline())
        with httpx.Client(base_url=started["page"], trust_env=False) as browser:
            assert browser.get("api/project").status_code == 401
            login = {"name": "ada lovelace", "password": PASSWORD}
            assert browser.post("api/login", json=login).status_code == 200
            assert browser.get("api/project").json()["person"] == said["person"]
        app.send_signal(signal.SIGINT)
        assert app.wait(20) == 0
    project = existing_project(farm)
    with project.database.reading() as connection:
        assert [each.name for each in accounts.accounts(connection)] == ["Ada Lovelace"]


def test_who_worked_alone_before_stays_the_same_person(
    farm: Path, capsys: pytest.CaptureFixture[str]
):
    from groundtune.pipeline.annotate.project import open_project

    project = open_project(farm)
    project.join("ada", "Ada", "owner")
    project.close()
    assert run(["people", "add", "farm", "ada", "--role", "owner", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["person"] == "ada"


@pytest.mark.parametrize(
    ("name", "password", "what"),
    [
        ("Ada", "short", "easy to guess"),
        ("\u200bAda", PASSWORD, "signs that can't be seen"),
        ("Ada", "", "no terminal"),
    ],
)
def test_a_bad_name_or_password_leaves_no_project(
    farm: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    password: str,
    what: str,
):
    monkeypatch.setenv("GROUNDTUNE_PASSWORD", password)
    assert run(["people", "add", "farm", name, "--role", "owner"]) == EXIT_INPUT
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 3
    assert what in said[0]
    assert not farm.exists()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--host", "0.0.0.0"], "Other machines could reach the app"),
        (["--host", "192.0.2.1"], "Other machines could reach the app"),
        (["--url", "https://annotate.example.org"], "in which people log in"),
        (["--proxies", "0"], "in which people log in"),
        (["--login"], "no owner who can log in"),
        (["--login", "--url", "annotate.example.org"], "not the address of a site"),
        (["--login", "--url", "https://annotate.example.org/farm"], "not the address of a site"),
        (["--login", "--url", "https://a@b.example"], "not the address of a site"),
        (["--login", "--frames", "https://huggingface.co"], "over HTTPS only"),
        (
            [
                "--login",
                "--url",
                "https://a.example",
                "--frames",
                "https://b.example; script-src *",
            ],
            "not the address of a site",
        ),
        (["--login", "--proxies", "10"], "0 to 9 proxies"),
        (["--login", "--host", "no such host"], "can't listen there"),
    ],
)
def test_ways_in_that_are_unsafe_or_wrong_are_refused(
    farm: Path, capsys: pytest.CaptureFixture[str], options: list[str], what: str
):
    assert run(["annotate", "farm", "--answers", "run", "--port", "0", *options]) == EXIT_INPUT
    assert what in capsys.readouterr().err
    assert not farm.exists()


def test_the_door_is_made_of_the_options(caplog: pytest.LogCaptureFixture):
    url = "https://annotate.example.org"
    assert checked_door("ada", "127.0.0.1") == Door(person="ada")
    assert checked_door("", "::1") == Door()
    assert checked_door("", "0.0.0.0", url=f"{url}/") == Door(url=url, proxies=1)
    framed = checked_door("", "0.0.0.0", url=url, frames=("https://b.example:8443",), proxies=2)
    assert framed == Door(url=url, frames=("https://b.example:8443",), proxies=2)
    assert caplog.messages == []
    assert checked_door("", "0.0.0.0") == Door()
    assert "plain text" in caplog.messages[0]


def said(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The JSON that a command prints."""
    capsys.readouterr()
    assert run([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_people_are_listed_given_passwords_and_removed(
    farm: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for name, role in (("Ada", "owner"), ("Bo", "reviewer")):
        assert run(["people", "add", "farm", name, "--role", role]) == 0
    listed = said(capsys, "people", "list", "farm")
    ada, bo = listed
    assert list(listed.values()) == [
        "Ada, owner, logs in, 0 items finished",
        "Bo, reviewer, logs in, 0 items finished",
    ]
    monkeypatch.setenv("GROUNDTUNE_PASSWORD", "another good password")
    assert said(capsys, "people", "password", "farm", "bo") == {"person": bo, "sessions ended": 0}
    had = said(capsys, "people", "remove", "farm", "Bo", "--dry-run")
    assert (had["events"], had["audit_entries"]) == (0, 2)
    assert run(["people", "remove", "farm", "Ada"]) == EXIT_INPUT
    assert "no owner" in capsys.readouterr().err
    gone = said(capsys, "people", "remove", "farm", bo)
    assert (gone["deleted"]["names"], gone["kept"], gone["log_emptied"]) == (
        1,
        {"audit_entries": 2},
        True,
    )
    assert "backups" in gone["not_reached"][0]
    assert said(capsys, "people", "list", "farm") == {
        ada: "Ada, owner, logs in, 0 items finished",
        gone["id"]: f"{gone['pseudonym']}, annotator, no access, 0 items finished",
    }
    assert run(["people", "remove", "farm", "Bo"]) == EXIT_INPUT
    assert "no such person" in capsys.readouterr().err
    assert said(capsys, "people", "audit", "farm", "--out", "audit.jsonl")["entries"] == 4
    lines = [json.loads(line) for line in Path("audit.jsonl").read_text("utf-8").splitlines()]
    assert [(each["action"], each["subject"]) for each in lines] == [
        ("account_added", ada),
        ("account_added", gone["id"]),
        ("password_changed", gone["id"]),
        ("data_deleted", gone["id"]),
    ]
    assert run(["people", "audit", "farm", "--out", "audit.jsonl"]) == EXIT_INPUT
