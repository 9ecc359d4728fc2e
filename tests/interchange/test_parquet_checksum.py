"""An exported Parquet file knows when a bit of it has changed, and stays a plain Parquet file."""

import json
from io import BytesIO
from pathlib import Path

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layout_rows import image_bytes, read_all

from flips import flipped
from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.interchange.columns import open_columns, write_rows
from groundtune.interchange.parquet_checksum import add_checksum, refuse_damaged_export
from groundtune.store.images import ImageStore

ROWS = [{"number": i, "text": f"A red cup, {i}."} for i in range(200)]
SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string())], {"groundtune": "{}"})


def exported(folder: Path) -> Path:
    """A file of RLHF-V's layout, through an import and an export."""
    row = {
        "ds_name": "RLHF-V",
        "image": {"bytes": image_bytes(), "path": "0.png"},
        "text": json.dumps({"question": "What?", "chosen": "A cup.", "rejected": "A red cat."}),
        "origin_dataset": "LCS-558K",
        "origin_split": "{}",
        "idx": 0,
        "image_path": "images/0.png",
    }
    pq.write_table(pa.Table.from_pylist([row]), folder / "first.parquet")
    assert run(["import", "rlhf-v", str(folder / "first.parquet"), "--out", f"{folder}/run"]) == 0
    out = folder / "out.parquet"
    assert run(["export", "rlhf-v", f"{folder}/run", "--out", str(out)]) == 0
    return out


def test_a_flipped_bit_anywhere_in_an_exported_file_is_refused_or_changes_nothing(tmp_path: Path):
    path = exported(tmp_path)
    wanted = read_all("rlhf-v", path, ImageStore(tmp_path / "wanted"))
    refused = 0
    for place in flipped(path, 400, seed=3):
        try:
            found = read_all("rlhf-v", path, ImageStore(tmp_path / "found"))
        except UserError:
            refused += 1
        else:  # the name of the checksum was hit: the file is read as one of somebody else's
            assert found == wanted, f"bit {place}"
    assert refused >= 380


def test_the_error_of_a_damaged_export_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = exported(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"LCS-558K", b"LCS-559K", 1))  # a page without compression errors
    capsys.readouterr()
    assert path.read_bytes() != data
    assert run(["import", "rlhf-v", str(path), "--out", str(tmp_path / "again")]) == 2
    what, where, fix = capsys.readouterr().err.strip().splitlines()[-3:]
    assert "don't match the checksum" in what
    assert str(path) in where
    assert "export the file again" in fix


def test_others_read_the_file_and_what_they_write_has_no_checksum(tmp_path: Path):
    path = tmp_path / "set.parquet"
    assert write_rows(path, ROWS, SCHEMA) == len(ROWS)
    assert b"groundtune sha256" in path.read_bytes()
    table = pq.read_table(path)
    assert table.to_pylist() == ROWS
    assert pandas.read_parquet(path).to_dict("records") == ROWS
    pq.write_table(table.slice(0, 5), path)  # its metadata go along
    assert b"groundtune sha256" not in path.read_bytes()
    with open_columns(path, {"text": pa.string()}, "a", others=True) as file:
        assert file.metadata.num_rows == 5


def test_files_of_any_size_keep_their_rows(tmp_path: Path):
    for number in (0, 1, 63, 64, 65, 1000):
        rows = [{"number": i, "text": "x" * (i % 7)} for i in range(number)]
        path = tmp_path / f"{number}.parquet"
        assert write_rows(path, rows, SCHEMA) == number
        refuse_damaged_export(path)
        assert pq.read_table(path).to_pylist() == rows


def test_the_sum_covers_every_byte_but_its_own_name(tmp_path: Path):
    stream = BytesIO()
    pq.write_table(pa.table({"a": [1]}), stream)
    add_checksum(stream)
    path = tmp_path / "a.parquet"
    path.write_bytes(stream.getvalue())
    unnoticed = 0
    for _ in flipped(path, 8 * path.stat().st_size):
        try:
            refuse_damaged_export(path)
        except UserError:
            continue
        unnoticed += 1
    # The name of the sum (19 bytes), and what finds it: the footer's length (4 bytes).
    assert unnoticed == 8 * (19 + 4)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"\xff" * 8, b"no Parquet at all"])
def test_what_is_no_parquet_file_is_for_its_reader_to_refuse(tmp_path: Path, data: bytes):
    path = tmp_path / "a.parquet"
    path.write_bytes(data)
    refuse_damaged_export(path)
    with pytest.raises(UserError, match="can't be read as Parquet"):
        open_columns(path, {}, "a")
