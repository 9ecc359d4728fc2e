"""What the container runs, without a container: its files, commands, ports and health check."""

import fnmatch
import inspect
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from annotation_items import TEXT, run_of
from groundtune.cli.annotate import annotate
from groundtune.cli.app import build_app
from groundtune.cli.serve import serve
from groundtune.pipeline.annotate.backup import back_up
from groundtune.pipeline.annotate.project import existing_project, open_project
from team import PASSWORD

ROOT = Path(__file__).resolve().parents[1]
START = ROOT / "container" / "start.sh"
FILE = (ROOT / "Containerfile").read_text("utf-8")
PAGE = (ROOT / "docs" / "serve-operate.md").read_text("utf-8")
STARTS = re.compile(r"(?:podman|docker) run .*? groundtune (.+)$", re.MULTILINE)
"""A line that runs the image; what follows its name is a command of Groundtune."""


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
    assert 'ENTRYPOINT ["/opt/groundtune/container/start.sh"]' in FILE
    assert "--uid 1000" in FILE
    assert re.findall(r"^USER (.+)$", FILE, re.MULTILINE)[-1] == "1000"
    assert START.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", START], check=False).returncode == 0


def _shown() -> list[str]:
    """The commands of Groundtune that the file, its script and the page run in a container."""
    comments = re.sub(r" \\\n# +", " ", FILE)
    script = re.sub(r" \\\n +", " ", START.read_text("utf-8"))
    own = re.findall(r"groundtune ((?:project|people|annotate) .+?)(?: 2>|; then|$)", script, re.M)
    return [*STARTS.findall(comments), *STARTS.findall(PAGE), *own]


def test_the_commands_that_run_in_a_container_exist_with_their_options():
    shown = _shown()
    assert {line.split()[0] for line in shown} == {"demo", "serve", "annotate", "people", "project"}
    for line in shown:
        words = shlex.split(line.replace("${GROUNDTUNE_PORT:-7860}", "7860"))
        words = ["1" if "PROXIES" in word else word for word in words]
        build_app(words).parse_args(words, exit_on_error=False, print_error=False)


def test_the_ports_of_the_image_are_those_that_its_servers_have():
    defaults = [inspect.signature(each).parameters["port"].default for each in (serve, annotate)]
    assert re.findall(r"^EXPOSE (.+)$", FILE, re.MULTILINE) == [f"{defaults[0]} {defaults[1]} 7860"]
    for outer, inner in re.findall(r"-p 127\.0\.0\.1:(\d+):(\d+)", FILE + PAGE):
        assert outer == inner
        assert int(inner) in defaults
    assert not re.search(r"-p (?!127\.0\.0\.1:)[\d.]", FILE + PAGE)


def test_an_image_without_tests_builds_the_whole_package(tmp_path: Path):
    ignored = [
        line
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    kept = [name for name in names if not _is_ignored(name, ignored)]
    assert {name.split("/")[0] for name in names} - {name.split("/")[0] for name in kept} == {
        "tests",
        "benchmarks",
    }
    for name in kept:
        if not name.startswith(("docs/", "examples/")):
            (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "copy" / name)
    assert (tmp_path / "copy" / "container" / "start.sh").stat().st_mode & 0o111
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=tmp_path / "copy",
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {name.removeprefix("src/") for name in names if name.startswith("src/groundtune/")}
    expected |= {f"groundtune/{name}" for name in names if name.startswith("recipes/")}
    assert expected <= inside


def _is_ignored(name: str, patterns: list[str]) -> bool:
    """Whether Docker leaves a file out: a pattern fits it or a folder that it is in."""
    parts = name.split("/")
    places = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    return any(
        fnmatch.fnmatchcase(place.rpartition("/")[2] if pattern.startswith("**/") else place, own)
        for pattern in patterns
        for own in [pattern.removeprefix("**/")]
        for place in places
    )


@pytest.fixture
def health() -> Iterator[tuple[str, dict[str, int]]]:
    """The page's health check for a server here, and the status that this one answers with."""
    status = {"now": 200}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status["now"] if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    (check,) = re.findall(r'--health-cmd ("(?:[^"\\]|\\.)*")', PAGE)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield shlex.split(check)[0].replace(":8000/", f":{server.server_port}/"), status
        server.shutdown()


def test_the_health_check_of_the_page_tells_a_server_that_answers(
    health: tuple[str, dict[str, int]], environment: dict[str, str]
):
    check, status = health
    # the image has a `python`; a machine may have none besides its virtual environments
    commands = {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"}
    for answer, is_well in ((200, True), (503, False)):
        status["now"] = answer
        done = subprocess.run(
            ["sh", "-c", check], env=environment | commands, capture_output=True, check=False
        )
        assert (done.returncode == 0) == is_well
