"""Every command that writes refuses a folder to which another process writes, and names it."""

import inspect
import json
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest

from forked_program import COMMAND, Forked
from groundtune.cli import app
from groundtune.cli.commands import COMMANDS
from groundtune.errors import UserError
from groundtune.pipeline.align.side_by_side import write_beside
from groundtune.pipeline.annotate.project import open_project
from groundtune.store import lock
from lock_holder import end_holder, held, start_process

LINES = {
    "demo": "",
    "recipes copy": "world-ddpo",
    "recipes run": "world-ddpo",
    "schema": "train",
    "sample": "--model world:base --prompts world:2 --n 1",
    "label": "--answers FOLDER --annotator world",
    "facts": "FOLDER detector:world:detector",
    "pairs": "--corrections FOLDER",
    "rewrite": "FOLDER --labeler world:truth --second none",
    "style": "FOLDER --model MODEL",
    "train": "--model MODEL --pairs FOLDER",
    "rl": "world-rl prompts=world:20",
    "reward train": "--model MODEL --feedback FOLDER",
    "reward filter": "MODEL FOLDER",
    "reward measure": "MODEL FOLDER",
    "reward score": "MODEL FOLDER",
    "align": "world-align prompts=world:20",
    "splitter lessons": "--claims FOLDER",
    "splitter people": "ANSWERS divider=sentences",
    "splitter score": "MODEL --lessons FOLDER",
    "bench run": "world:base world",
    "bench score": "pope ANSWERS",
    "bench data": "pope",
    "bench export": "inspect FOLDER",
    "bench calibrate": "FOLDER FOLDER",
    "compare": "SCORES OTHERS",
    "overcorrection": "0=SCORES 1=OTHERS",
    "check": "world:base --images FOLDER",
    "import": "trl ANSWERS",
    "export": "trl FOLDER",
    "people audit": "PROJECT",
    "project backup": "PROJECT",
    "best-of": "FOLDER --model MODEL --reference world:base",
    "world show": "",
    "world train": "base",
    "world data": "",
    "world examples": "",
    "world judge": "mmhal ANSWERS --data FOLDER",
    "world claims": "",
    "world facts": "world:labeler",
    "world probe": "world:base",
    "study": "",
    "methods-study": "",
    "reward study": "",
}
"""Each command with an option --out; an input is only read when the lock is there."""
FILES = {
    "recipes copy": "a.yaml",
    "export": "a.jsonl",
    "people audit": "a.jsonl",
    "project backup": "a.zip",
    "world show": "a.png",
    "world judge": "a.jsonl",
}
"""Those of which --out is a file."""


def test_the_table_has_every_command_that_writes_to_a_folder() -> None:
    writes: set[str] = set()
    for name, command in COMMANDS.items():
        module, _, function = command.target.partition(":")
        if "out" in inspect.signature(getattr(import_module(module), function)).parameters:
            writes.add(name)
    assert writes - {"rounds"} == LINES.keys()  # rounds has a test of its own


@pytest.fixture(scope="module")
def inputs(tiny_llava: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths by their words in the table."""
    folder = tmp_path_factory.mktemp("inputs")
    questions, answers = folder / "questions.json", folder / "answers.jsonl"
    rows = [{"question_id": i, "image": "a", "text": f"{i}?", "label": "yes"} for i in range(4)]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers.write_text('{"question": "", "answer": "Yes"}\n' * 4)
    for name in ("one", "two"):
        command = ["bench", "score", "pope", str(answers), "--data", str(questions)]
        assert app.run([*command, "--label", name, "--out", str(folder / name)]) == 0
    pairs = folder / "pairs.jsonl"
    pairs.write_text('{"prompt": "What?", "chosen": "A cup.", "rejected": "A cat."}\n')
    assert app.run(["import", "trl", str(pairs), "--out", str(folder)]) == 0
    open_project(folder / "project", {}).close()
    paths = {
        "PROJECT": folder / "project",
        "MODEL": tiny_llava,
        "FOLDER": folder,
        "ANSWERS": answers,
    }
    paths |= {"SCORES": folder / "one", "OTHERS": folder / "two"}
    return {word: str(path) for word, path in paths.items()}


@pytest.fixture(scope="module")
def other() -> Iterator[subprocess.Popen[str]]:
    """The process that holds a test's folder."""
    process = start_process()
    yield process
    end_holder(process)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder doesn't end: nobody needs to wait for it."""
    monkeypatch.setattr(lock, "PATIENCE_S", 0.0)


@pytest.mark.parametrize("name", LINES)
def test_a_command_refuses_a_folder_that_another_process_holds(
    name: str,
    inputs: dict[str, str],
    other: subprocess.Popen[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / FILES.get(name, "out")
    words = [inputs.get(word, word) for word in [*name.split(), *LINES[name].split()]]
    with held(other, out, "file" if name in FILES else "folder"):
        before = sorted(tmp_path.rglob("*"))
        assert app.run([*words, "--out", str(out)]) == 2
        lines = capsys.readouterr().err.splitlines()[-3:]
        assert f"Another command writes to this folder: process {other.pid} on " in lines[0]
        assert str(out) in lines[1]
        assert sorted(tmp_path.rglob("*")) == before


def test_the_comparison_of_rounds_refuses_a_folder_that_another_process_holds(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    with held(other, tmp_path), pytest.raises(UserError, match=f"process {other.pid} "):
        write_beside(cast("Any", None), tmp_path)


def test_the_same_import_twice_at_once_doubles_no_row(tmp_path: Path) -> None:
    """Four at once: one or more import, the others are refused, and no key is there twice."""
    rows = tmp_path / "rows.jsonl"
    content = [
        {"prompt": f"Question {i}?", "chosen": "Yes, a red cup.", "rejected": "Yes, a blue cup."}
        for i in range(3000)
    ]
    rows.write_text("".join(json.dumps(row) + "\n" for row in content))
    words = ("import", "trl", rows, "--out", tmp_path / "out", "--json")
    started = [Forked(COMMAND, *words) for _ in range(4)]
    codes = [each.finish() for each in started]
    assert 0 in codes
    assert set(codes) <= {0, 2}
    from groundtune.pipeline.runs.folder import RunFolder

    folder = RunFolder(tmp_path / "out")
    for rows_of in (folder.pairs.read(), folder.prompts.read()):
        keys = [row.key for row in rows_of]
        assert len(keys) == len(set(keys)) == 3000
