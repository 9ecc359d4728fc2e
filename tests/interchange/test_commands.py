"""The commands import and export with the layouts that have their images beside them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from layout_rows import images, json_file, rows_of

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.interchange.registry import TITLES

ROW = {"image": "a.jpg", "prompt": "What?", "chosen": "A cat.", "rejected": "A dog."}


@pytest.mark.parametrize("command", ["import", "export"])
def test_help_has_a_line_for_every_layout(command: str, capsys: pytest.CaptureFixture[str]):
    assert run([command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, title in TITLES.items():
        assert f"{name}: {title}" in shown


def test_json_layouts_need_no_torch(tmp_path: Path):
    images(tmp_path / "in", "a.jpg")
    file = json_file(tmp_path / "in" / "pairs.jsonl", [ROW])
    out, back = tmp_path / "run", tmp_path / "out" / "pairs.jsonl"
    code = (
        "import sys; from groundtune.cli.app import run\n"
        f"assert run(['import', 'mm-rlhf', {str(file)!r}, '--out', {str(out)!r}]) == 0\n"
        f"assert run(['export', 'mm-rlhf', {str(out)!r}, '--out', {str(back)!r}]) == 0\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert rows_of(back) == [ROW]


@pytest.mark.parametrize(
    ("layout", "name"),
    [("trl", "a.parquet"), ("llama-factory", "a.json"), ("corrections", "a.csv")],
)
def test_two_exports_by_the_command_have_equal_bytes(tmp_path: Path, layout: str, name: str):
    images(tmp_path / "in", "a.jpg", "b.jpg")
    rows = [{**ROW, "z": 1, "a": [2], "m": {"k": None}}, {**ROW, "image": "b.jpg", "q": "x"}]
    file = json_file(tmp_path / "in" / "pairs.jsonl", rows)
    assert run(["import", "mm-rlhf", str(file), "--out", str(tmp_path / "run")]) == 0
    found: list[dict[str, bytes]] = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        command = ["export", layout, str(tmp_path / "run"), "--out", str(out / name)]
        subprocess.run(
            [sys.executable, "-m", "groundtune", *command],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        paths = sorted(path for path in out.rglob("*") if path.is_file())
        found.append({str(path.relative_to(out)): path.read_bytes() for path in paths})
    assert found[0] == found[1]
    assert name in found[0]


def test_a_bad_line_is_three_lines_and_exit_2_and_can_be_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    images(tmp_path, "a.jpg")
    file = json_file(tmp_path / "pairs.jsonl", [ROW, {**ROW, "image": "b.jpg"}])
    command = ["import", "mm-rlhf", str(file), "--out", str(tmp_path / "run")]
    assert run(command) == EXIT_INPUT
    lines = capsys.readouterr().err.strip().splitlines()[-3:]
    assert lines[0] == "error: The image doesn't exist."
    assert lines[1] == f"where: {file}:2: b.jpg"
    assert run([*command, "--skip-bad", "--licence", "mine", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["pairs"], len(found["skipped"])) == (2, 1, 1)
