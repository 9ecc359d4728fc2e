"""A reader who follows a page: types its commands and runs its blocks, in the page's order."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from doc_pages import PAGES, ROOT, Command, blocks_of, commands_of
from groundtune.cli.app import run
from person_in_app import work_on_everything
from readers_data import DATA, scripted_endpoint

SITE = "site"
"""Folder for the packages that a page installs."""
START_S = 300
"""How long a server may take to listen."""


class Reader:
    """Follows a page in a folder of its own; servers that it starts run until it has finished."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: list[subprocess.Popen[bytes]] = []
        self.names: dict[str, Any] = {}
        """What the page's blocks have named."""
        own = Path(__file__).parents[1] / "src"
        paths = [str(folder / SITE), str(own), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environment = os.environ | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(paths),
        }

    def follow(self, page: str) -> None:
        """Run a page's commands and blocks, and before them the page that it continues."""
        rules = PAGES[page]
        if first := rules.get("first"):
            self.follow(first)
        for name in rules.get("data", []):
            DATA[name](self.folder)
        for line in rules.get("before", []):
            self.types(Command(page, 0, line), rules)
        commands, _ = commands_of(page)
        blocks = blocks_of(page)
        assert commands or blocks
        steps: list[tuple[int, Command | str]] = [(each.number, each) for each in commands]
        with ExitStack() as stack:
            place = rules.get("endpoint", "")
            url = stack.enter_context(scripted_endpoint(self.folder, place)) if place else ""
            for number, step in sorted([*steps, *blocks], key=itemgetter(0)):
                if isinstance(step, str):
                    exec(compile(step, f"{page}:{number}", "exec"), self.names)
                elif place:
                    line = step.line.replace(place, urlsplit(url).netloc)
                    self.types(step._replace(line=line), rules)
                else:
                    self.types(step, rules)

    def types(self, command: Command, rules: Mapping[str, Any]) -> None:
        """Run a command; a failure, a missing tool too, ends the test."""
        line = command.line
        if port := _port(line, rules.get("server", {})):
            self.servers.append(self._start(line, port))
        elif port := _port(line, rules.get("visit", {})):
            app = self._start(line, port)
            try:
                work_on_everything(f"http://127.0.0.1:{port}")
            finally:
                app.send_signal(signal.SIGINT)
                app.wait(60)
        elif line.startswith("groundtune ") and not rules.get("apart"):
            assert run(shlex.split(line, comments=True)[1:]) == 0, command
        else:
            self._shell(command)

    def _shell(self, command: Command) -> None:
        line = command.line
        if line.startswith("pip install "):  # offline, and apart from the other tests
            pip = f"{sys.executable} -m pip install -q --no-deps --no-build-isolation"
            line = line.replace("--no-deps ", "").replace("pip install", f"{pip} --target {SITE}")
            line = line.replace("examples/", f"{ROOT}/examples/")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])

    def _start(self, line: str, port: int) -> "subprocess.Popen[bytes]":
        assert not _listens(port), f"something else listens on {port}"
        words = [sys.executable, "-m", "groundtune", *shlex.split(line, comments=True)[1:]]
        log = self.folder / f"server-{port}.log"
        with log.open("wb") as out:
            server = subprocess.Popen(
                words, cwd=self.folder, env=self.environment, stdout=out, stderr=out
            )
        deadline = time.monotonic() + START_S
        while not _listens(port):
            assert server.poll() is None, (line, log.read_text(encoding="utf-8"))
            assert time.monotonic() < deadline, f"{line} does not listen on {port}"
            time.sleep(0.2)
        return server

    def stop(self) -> None:
        """End the servers."""
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait(30)


@contextmanager
def reader(folder: Path) -> Generator[Reader]:
    """A reader whose servers end with the test; without a shell there is nothing to follow."""
    assert shutil.which("bash"), "the commands of pages need bash"
    made = Reader(folder)
    try:
        yield made
    finally:
        made.stop()


def _port(line: str, ports: Mapping[str, int]) -> int | None:
    """The port of the first of these beginnings that a line has."""
    return next((port for start, port in ports.items() if line.startswith(start)), None)


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
