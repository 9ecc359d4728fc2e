"""What the container's start script runs, without a container: in a Space, and elsewhere."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from annotation_items import TEXT, run_of
from groundtune.pipeline.annotate.backup import back_up
from groundtune.pipeline.annotate.project import existing_project, open_project
from team import PASSWORD

ROOT = Path(__file__).resolve().parents[1]
START = ROOT / "container" / "start.sh"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A `groundtune` on the path, that of this environment."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "groundtune"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m groundtune "$@"\n')
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPACE")}
    return kept | {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def test_elsewhere_the_script_is_the_command(environment: dict[str, str]):
    for words, shown in (([], "Start"), (["--version"], "0.")):
        said = subprocess.run(
            [START, *words], env=environment, capture_output=True, text=True, check=True
        )
        assert shown in said.stdout


def test_in_a_space_it_serves_the_backups_project_to_who_logs_in(
    tmp_path: Path, environment: dict[str, str]
):
    run_of(tmp_path / "run", [[TEXT]])
    made = open_project(tmp_path / "farm")
    made.add_run(tmp_path / "run")
    back_up(made, tmp_path / "farm.zip")
    made.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment |= {
        "SPACE_HOST": "ada-farm.hf.space",
        "GROUNDTUNE_PROJECT": str(tmp_path / "data"),
        "GROUNDTUNE_BACKUP": str(tmp_path / "farm.zip"),
        "GROUNDTUNE_OWNER": "Ada",
        "GROUNDTUNE_PASSWORD": PASSWORD,
        "GROUNDTUNE_PORT": str(port),
    }
    for start in ("first", "again"):
        with subprocess.Popen([START], env=environment, stdout=subprocess.DEVNULL) as app:
            _ask_as_the_frame_does(app, port)
            app.send_signal(signal.SIGINT)
            assert app.wait(30) == 0, start
    project = existing_project(tmp_path / "data")
    assert project.contents(project.database)[0] == 1


def _ask_as_the_frame_does(app: "subprocess.Popen[bytes]", port: int) -> None:
    own = "https://ada-farm.hf.space"
    headers = {"host": "ada-farm.hf.space", "origin": own, "x-forwarded-for": "203.0.113.7"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as browser:
        deadline = time.monotonic() + 120
        while True:
            assert app.poll() is None
            assert time.monotonic() < deadline
            try:
                page = browser.get("/login", headers=headers)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        policy = page.headers["content-security-policy"]
        assert "frame-ancestors 'self' https://huggingface.co;" in policy
        login = {"name": "Ada", "password": PASSWORD}
        answer = browser.post("/api/login", json=login, headers=headers)
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"]
        assert cookie.endswith("SameSite=None; Secure; Partitioned")
        sent = headers | {"cookie": cookie.partition(";")[0]}
        assert browser.get("/api/project", headers=sent).json()["counts"]["correct"]["items"] == 1


def test_the_containerfile_starts_the_script_as_the_user_of_spaces():
    text = (ROOT / "Containerfile").read_text("utf-8")
    assert 'ENTRYPOINT ["/opt/groundtune/container/start.sh"]' in text
    assert "--uid 1000" in text
    assert START.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", START], check=False).returncode == 0
