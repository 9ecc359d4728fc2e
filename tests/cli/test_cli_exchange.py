"""Commands import, export and pairs as a user runs them, in one interpreter."""

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.pipeline.runs.folder import RunFolder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    data = BytesIO()
    Image.new("RGB", (5, 4), "green").save(data, "PNG")
    texts = {"question": "What?", "chosen": "A cat.", "rejected": "A dog."}
    row = {
        "ds_name": "RLHF-V",
        "image": {"bytes": data.getvalue(), "path": "a.png"},
        "text": json.dumps(texts),
        "origin_dataset": "LCS-558K",
        "origin_split": "{}",
        "idx": 0,
        "image_path": "a.png",
    }
    bad = {**row, "image": {"bytes": b"no image", "path": "b.png"}, "idx": 1}
    pq.write_table(pa.Table.from_pylist([row, bad]), tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out)


def test_import_ends_with_the_training_that_could_follow_and_export_with_its_file(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out, back = tmp_path / "run", tmp_path / "back.parquet"
    assert run(["import", "rlhf-v", str(file), "--out", str(out), "--skip-bad", "--json"]) == 0
    imported = printed(capsys)
    assert (imported["rows"], imported["pairs"]) == (2, 1)
    assert imported["skipped"] == [
        f"{file}, row 2, column image: The file is not an image that can be read."
    ]
    assert imported["wrote"] == str(out / "pairs")
    command = f"groundtune train --model llava-hf/llava-1.5-7b-hf --pairs {out} --dry-run"
    assert imported["next"] == command
    assert run(["export", "rlhf-v", str(out), "--out", str(back), "--json"]) == EXIT_DONE
    exported = printed(capsys)
    assert (exported["rows"], exported["no commercial use"]) == (1, "cc-by-nc-4.0")
    assert exported["wrote"] == str(back)
    assert "next" not in exported
    assert pq.read_table(back).to_pylist() == pq.read_table(file).to_pylist()[:1]


def test_a_bad_row_is_three_lines_and_exit_2(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["import", "rlhf-v", str(file), "--out", str(tmp_path / "run")]) == EXIT_INPUT
    lines = capsys.readouterr().err.strip().splitlines()[-3:]
    assert lines[0] == "error: The file is not an image that can be read."
    assert lines[1] == f"where: {file}, row 2, column image"
    assert "--skip-bad" in lines[2]


def test_a_negative_cap_is_the_users_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["pairs", "--corrections", str(tmp_path), "--cap", "-1"]) == EXIT_INPUT
    assert "cap" in capsys.readouterr().err


def test_pairs_of_an_empty_folder_are_the_users_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["pairs", "--corrections", str(tmp_path)]) == EXIT_INPUT
    assert "holds no corrections" in capsys.readouterr().err


def test_importing_needs_no_torch(file: Path, tmp_path: Path):
    code = (
        "import sys; from groundtune.cli.app import run\n"
        f"assert run(['import', 'rlhf-v', {str(file)!r}, '--out', {str(tmp_path / 'run')!r},"
        " '--skip-bad']) == 0\n"
        f"assert run(['export', 'rlhf-v', {str(tmp_path / 'run')!r}, '--out',"
        f" {str(tmp_path / 'back.parquet')!r}]) == 0\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert RunFolder(tmp_path / "run").pairs.keys()
