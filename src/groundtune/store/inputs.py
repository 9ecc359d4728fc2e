"""The rows that a stage read, with hashes of their contents: DATA/inputs/ next to its parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from groundtune.records import Key, Record
from groundtune.store.contents import hashes_of, refuse_changed_rows
from groundtune.store.dataset import RecordSet


class InputRow(Record):
    """A row that was read."""

    key: Key
    """The rows' noun and the row's key: answers/KEY."""
    columns: dict[str, str]
    """A short hash of each column."""


def input_rows_of(data: Path) -> RecordSet[InputRow]:
    """The rows that were read for the data set in the folder `data`."""
    return RecordSet(data / "inputs", InputRow)


def note_inputs(
    data: Path, inputs: Mapping[str, Sequence[BaseModel]], *, only: Sequence[str] = ()
) -> None:
    """Record the rows from which the data set in the folder `data` is computed, beforehand.

    Recorded rows may be absent, and new ones may be added.

    Args:
        data: Folder of the data set.
        inputs: Rows with a key, by a plural noun for them.
        only: The columns that count; all if empty.

    Raises:
        ChangedError: a row's contents have changed since it was read before.
        UserError: the disk is full, or a part is damaged.
    """
    recorded_rows = input_rows_of(data)
    before = {row.key: row.columns for row in recorded_rows.read()}
    new: list[InputRow] = []
    for what, rows in inputs.items():
        changed_columns: dict[str, list[str]] = {}
        for row in rows:
            key = str(getattr(row, "key"))  # noqa: B009  # any record with a key
            columns, old = hashes_of(row), before.get(f"{what}/{key}")
            columns = {name: columns[name] for name in only} or columns
            if old is None:
                new.append(InputRow(key=f"{what}/{key}", columns=columns))
            elif old != columns:
                changed_columns[key] = [name for name in columns if old.get(name) != columns[name]]
        refuse_changed_rows(what, changed_columns, data)
    recorded_rows.append(list({row.key: row for row in new}.values()))
