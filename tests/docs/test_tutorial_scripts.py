"""Each tutorial is also a script that runs by itself, in a fresh folder with a fresh home."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from example_packages import install_example

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "examples" / "tutorials"
METADATA = re.compile(r"^# /// script\n((?:#(?: .*)?\n)+)# ///$", re.MULTILINE)
"""The block of PEP 723."""
TRAINING = ("max_steps=1", "batch_size=2")
SMALL: dict[str, tuple[str, ...]] = {
    "experts": ("--scenes", "12", "--items", "3", *TRAINING),
    "operator": ("--port", "18014"),
    "product": (
        *("--scenes", "24", "--n", "3", "--held-out", "4"),
        *("learn.epochs=1", "learn.checkpoints=1"),
    ),
    "researcher": ("--scenes", "12", "--items", "3", "--people", "8", *TRAINING),
}
SAYS: dict[str, str] = {
    "experts": "headlines",
    "operator": "rejected: ",
    "product": "Before and after, on the same images: runs/product/align/report.html",
    "researcher": "Right counts",
}


def metadata(name: str) -> dict[str, Any]:
    [block] = METADATA.findall((SCRIPTS / f"tutorial_{name}.py").read_text(encoding="utf-8"))
    return tomllib.loads("".join(line[2:] + "\n" for line in block.splitlines()))


def test_each_tutorial_has_a_script() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "tutorials").glob("*.md")}
    assert (
        {path.stem.removeprefix("tutorial_") for path in SCRIPTS.glob("*.py")}
        == pages
        == SMALL.keys()
        == SAYS.keys()
    )
    for name in pages:
        text = (ROOT / "docs" / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
        assert f"examples/tutorials/tutorial_{name}.py" in text


@pytest.mark.parametrize("name", SMALL)
def test_a_script_names_what_it_needs_where_its_runner_finds_it(name: str) -> None:
    found = metadata(name)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert found["requires-python"] == project["requires-python"]
    needs = [Requirement(each) for each in found["dependencies"]]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    versions = found["tool"]["uv"]["constraint-dependencies"]
    assert {Requirement(each).name for each in versions} == {"torch", "transformers"}
    assert set(versions) <= set(pins)
    sources = found["tool"]["uv"]["sources"]
    assert {each.name for each in needs} == sources.keys()
    for each in needs:
        assert (SCRIPTS / sources[each.name]["path"] / "pyproject.toml").exists()
        if each.name == "groundtune":
            assert each.extras <= project["optional-dependencies"].keys()


@pytest.mark.docs
@pytest.mark.parametrize("name", SMALL)
def test_a_script_runs_from_its_first_line_to_its_last(name: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for example in ("own_method", "own_benchmark"):
        install_example(example, site)
    paths = [str(site), str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / f"tutorial_{name}.py"), *SMALL[name]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])
    assert SAYS[name] in done.stdout
