"""The rows of an imported file, by the contents that they had when the folder was written.

An edited row gives a pair with another key, so a second import of an edited file would keep both
versions. New rows may come, and a row that was skipped may be corrected; a row that changed or is
gone is refused. DATA/inputs/ of the imported records has the notes, by the file's path.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from groundtune.records import Source
from groundtune.store.contents import ChangedError, columns_of, refuse_changed_rows
from groundtune.store.dataset import RecordSet
from groundtune.store.inputs import InputRow, input_rows_of
from groundtune.store.keys import key_of


class NotedRows:
    """What a folder has of one file's rows."""

    def __init__(self, data: RecordSet[Any], file: Path) -> None:
        self._data = data.path
        self._file = os.path.realpath(file)  # resolve() raises for links in a circle
        self._input_rows = input_rows_of(data.path)
        before = f"{self._what}/"
        self._remaining = {
            row.key.removeprefix(before): row.columns
            for row in self._input_rows.read()
            if row.key.startswith(before)
        }

    def add(self, rows: Mapping[int, Sequence[BaseModel]]) -> None:
        """Note the records of some rows, by their number from 0, before the folder gets them.

        Raises:
            ChangedError: a row had other contents when it was imported before.
            UserError: the disk is full.
        """
        changed: dict[str, list[str]] = {}
        new: list[InputRow] = []
        for number, records in rows.items():
            name, columns = f"row {number + 1}", _columns(records)
            old = self._remaining.pop(name, None)
            if old is None:
                new.append(InputRow(key=f"{self._what}/{name}", columns=columns))
            elif old != columns:
                names = dict.fromkeys([*columns, *old])
                changed[name] = [each for each in names if old.get(each) != columns.get(each)]
        refuse_changed_rows(self._what, changed, self._data)
        self._input_rows.append(new)

    def refuse_missing(self) -> None:
        """Raise a ChangedError if rows that were imported before are not in the file any more."""
        if not self._remaining:
            return
        count, first = len(self._remaining), next(iter(self._remaining))
        raise ChangedError(
            f"{count} of the {self._what} {'are' if count > 1 else 'is'} not in the file any more, "
            f"or can't be read: {first}.",
            str(self._data),
            "Choose another folder with --out DIR, or restore the file.",
        )

    @property
    def _what(self) -> str:
        return f"rows of {self._file}"


def _columns(records: Sequence[BaseModel]) -> dict[str, str]:
    """A short hash of a row's records of each kind, and of their licences."""
    kinds: dict[str, list[object]] = {}
    for record in records:
        kinds.setdefault(type(record).__name__.lower(), []).append(columns_of(record))
    sources = (getattr(each, "source", None) for each in records)
    kinds["licence"] = [each.licence for each in sources if isinstance(each, Source)]
    return {kind: key_of(some)[:16] for kind, some in kinds.items()}
