"""The packages of examples/, installed into a folder as pip would do it, without a network."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from forked_program import COMMAND, Forked
from groundtune.plugins import Plugins

EXAMPLES = Path(__file__).parents[1] / "examples"


def install_example(name: str, site: Path) -> Path:
    """Install examples/NAME into the folder `site`: its modules, its metadata, its entry points."""
    folder = EXAMPLES / name
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    modules = {path.name: path.read_text() for path in folder.glob("*.py")}
    return install(site, project["name"], project["version"], modules, project["entry-points"])


def install(
    site: Path,
    package: str,
    version: str,
    modules: dict[str, str],
    entry_points: dict[str, dict[str, str]],
) -> Path:
    """Install modules, by file name, as a package with entry points, by group and name."""
    info = site / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = []
    for group, points in entry_points.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for name, text in modules.items():
        (site / name).write_text(text)
    return site


@contextmanager
def installed(site: Path, *groups: Plugins[Any]) -> Iterator[None]:
    """Make the packages of `site` importable in this process, and unknown again afterwards."""
    names = {path.stem for path in site.glob("*.py")}

    def forget() -> None:
        for group in groups:
            group.refresh()
        for name in names & sys.modules.keys():
            del sys.modules[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        forget()
        yield
    forget()


def run_with(site: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a groundtune command in a process where the packages of `site` are installed."""
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-m", "groundtune", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def result_with(site: Path, *words: object) -> dict[str, Any]:
    """Return what a command that succeeds prints with --json."""
    done = run_with(site, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def result_with_torch(site: Path, *words: object) -> dict[str, Any]:
    """Return the same, for a command that needs torch: from a process that has imported it."""
    program = f"import sys; sys.path.insert(0, {str(site)!r}); {COMMAND}"
    command = Forked(program, *words, "--json")
    assert command.finish() == 0
    return json.loads(command.stdout)
