"""The rows that a stage read, by the contents that they had: DATA/inputs/ next to its parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from groundtune.records import Key, Record
from groundtune.store.contents import hashes_of, refuse_changed
from groundtune.store.dataset import RecordSet


class InputRow(Record):
    """A row that was read."""

    key: Key
    """What it is and its own key: answers/KEY."""
    columns: dict[str, str]
    """A short hash of each column."""


def noted_inputs(data: Path) -> RecordSet[InputRow]:
    """The rows that were read for the data set in the folder `data`."""
    return RecordSet(data / "inputs", InputRow)


def note_inputs(
    data: Path, inputs: Mapping[str, Sequence[BaseModel]], *, only: Sequence[str] = ()
) -> None:
    """Note the rows from which the data set in the folder `data` is made, before it is.

    Rows noted earlier may be missing among them, and new ones may come.

    Args:
        data: Folder of the data set.
        inputs: Rows with a key, by what they are, in the plural.
        only: The columns that count; all if empty.

    Raises:
        ChangedError: a row has other contents than when it was read before.
        UserError: the disk is full, or a part is damaged.
    """
    noted = noted_inputs(data)
    before = {row.key: row.columns for row in noted.read()}
    new: list[InputRow] = []
    for what, rows in inputs.items():
        changed: dict[str, list[str]] = {}
        for row in rows:
            own = str(getattr(row, "key"))  # noqa: B009  # any record with a key
            columns, old = hashes_of(row), before.get(f"{what}/{own}")
            columns = {name: columns[name] for name in only} or columns
            if old is None:
                new.append(InputRow(key=f"{what}/{own}", columns=columns))
            elif old != columns:
                changed[own] = [name for name in columns if old.get(name) != columns[name]]
        refuse_changed(what, changed, data)
    noted.append(list({row.key: row for row in new}.values()))
