from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundtune.errors import UserError
from groundtune.interchange.loading import load
from groundtune.store.images import ImageStore
from groundtune.store.tables import read_rows


def written(path: Path, columns: dict[str, pa.Array], names: list[str] | None = None) -> Path:
    table = pa.Table.from_arrays(list(columns.values()), names=names or list(columns))
    pq.write_table(table, path)
    return path


def not_text() -> pa.Array:
    return pa.array([b"caf\xe9"]).view(pa.string())


def test_a_value_that_python_cannot_hold_names_its_column_and_file(tmp_path: Path):
    columns = {
        "a": pa.array(["x"]),
        "when": pa.array([7], pa.timestamp("ns")),
        "text": not_text(),
    }
    file = written(tmp_path / "rows.parquet", columns)
    with pytest.raises(UserError) as caught:
        read_rows(file)
    assert "'text'" in caught.value.what
    assert "'a'" not in caught.value.what
    assert caught.value.where == str(file)


def test_several_columns_of_one_name_are_refused_by_name(tmp_path: Path):
    columns = {"a": pa.array(["x"]), "b": pa.array(["y"])}
    file = written(tmp_path / "rows.parquet", columns, ["a", "a"])
    with pytest.raises(UserError) as caught:
        read_rows(file)
    assert caught.value.what == "Several columns are named 'a'."
    assert caught.value.where == str(file)


def test_an_import_refuses_columns_of_one_name_and_text_that_is_not_utf8(tmp_path: Path):
    columns = {
        "prompt": pa.array(["q"]),
        "chosen": pa.array(["c"]),
        "rejected": not_text(),
        "images": pa.array([[b""]]),
    }
    text = written(tmp_path / "text.parquet", columns)
    twice = written(tmp_path / "twice.parquet", {**columns, "more": columns["prompt"]}, None)
    table = pq.read_table(twice)
    pq.write_table(table.rename_columns([*columns, "prompt"]), twice)
    store = ImageStore(tmp_path / "store")
    for file, what in ((text, "'rejected'"), (twice, "'prompt'")):
        with pytest.raises(UserError) as caught:
            list(load("trl").read(file, store, rows=3))
        assert what in caught.value.what
        assert caught.value.where == str(file)
