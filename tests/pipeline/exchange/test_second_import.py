"""A second import of a file: new rows come, edited ones are refused, nothing is there twice."""

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.pipeline.exchange.run import import_layout
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from training_folder import image_bytes


def written(folder: Path, rows: Mapping[int, str], name: str = "rows.jsonl") -> Path:
    """A file of TRL's layout with a row for each number; the chosen answers are given."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.png").write_bytes(image_bytes("red"))
    said = {"images": ["a.png"], "rejected": "."}
    lines = [
        json.dumps({**said, "prompt": f"Question {i}?", "chosen": text}) for i, text in rows.items()
    ]
    (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder / name


def imported(file: Path, out: Path, *words: str) -> int:
    return run(["import", "trl", str(file), "--out", str(out), *words])


def chosen(out: Path) -> list[str]:
    return sorted(pair.chosen for pair in RunFolder(out).pairs.read())


def test_an_edited_row_is_refused_by_its_number_and_nothing_is_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    assert imported(written(tmp_path, {1: "A cup.", 2: "A cat."}), out) == EXIT_DONE
    assert imported(written(tmp_path, {1: "A cup.", 2: "A dog."}), out) == EXIT_INPUT
    says = capsys.readouterr().err
    assert f"1 of the rows of {tmp_path}/rows.jsonl changed since" in says
    assert "row 2 (pair)" in says
    assert "--out DIR" in says
    assert chosen(out) == ["A cat.", "A cup."]
    assert len(RunFolder(out).prompts.read()) == 2


def test_new_rows_come_and_the_same_file_again_changes_nothing(tmp_path: Path):
    out = tmp_path / "out"
    for rows in ({1: "A cup."}, {1: "A cup.", 2: "A cat."}, {1: "A cup.", 2: "A cat."}):
        assert imported(written(tmp_path, rows), out) == EXIT_DONE
        assert chosen(out) == sorted(rows.values())


def test_a_row_that_moved_or_is_gone_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    assert imported(written(tmp_path, {1: "A cup.", 2: "A cat."}), out) == EXIT_DONE
    assert imported(written(tmp_path, {2: "A cat.", 1: "A cup."}), out) == EXIT_INPUT
    assert "2 rows of" in capsys.readouterr().err
    assert imported(written(tmp_path, {1: "A cup."}), out) == EXIT_INPUT
    assert "is not in the file any more, or can't be read: row 2." in capsys.readouterr().err
    assert chosen(out) == ["A cat.", "A cup."]


def test_a_row_that_was_skipped_may_be_corrected(tmp_path: Path):
    out = tmp_path / "out"
    assert imported(written(tmp_path, {1: "A cup.", 2: ""}), out, "--skip-bad") == EXIT_DONE
    assert imported(written(tmp_path, {1: "A cup.", 2: "A cat."}), out) == EXIT_DONE
    assert chosen(out) == ["A cat.", "A cup."]


def test_another_licence_is_another_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, file = tmp_path / "out", written(tmp_path, {1: "A cup."})
    assert imported(file, out, "--licence", "CC0-1.0") == EXIT_DONE
    assert imported(file, out, "--licence", "CC-BY-4.0") == EXIT_INPUT
    assert "row 1 (licence)" in capsys.readouterr().err
    assert len(chosen(out)) == 1


def test_another_file_of_the_same_name_adds_its_pairs_and_they_are_counted(tmp_path: Path):
    out = tmp_path / "out"
    progress = SilentProgress()
    import_layout("trl", written(tmp_path / "a", {1: "A cup.", 2: "A cat."}), out, progress)
    made = import_layout("trl", written(tmp_path / "b", {1: "A dog."}), out, progress)
    assert (made.pairs, made.from_elsewhere) == (1, 2)
    again = import_layout("trl", tmp_path / "a" / "rows.jsonl", out, progress)
    assert (again.pairs, again.from_elsewhere) == (2, 1)
    assert chosen(out) == ["A cat.", "A cup.", "A dog."]


def test_an_edited_parquet_of_rlhf_v_is_refused(tmp_path: Path):
    def parquet(text: str) -> Path:
        answers = {"question": "What?", "chosen": text, "rejected": "A red cat."}
        row = {
            "ds_name": "RLHF-V",
            "image": {"bytes": image_bytes("red"), "path": "0.png"},
            "text": json.dumps(answers),
            "origin_dataset": "LCS-558K",
            "origin_split": "{}",
            "idx": 0,
            "image_path": "0.png",
        }
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
        return tmp_path / "a.parquet"

    command = ["import", "rlhf-v", str(parquet("A cup.")), "--out", str(tmp_path / "out")]
    assert run(command) == EXIT_DONE
    parquet("A jug.")
    assert run(command) == EXIT_INPUT
    assert chosen(tmp_path / "out") == ["A cup."]
