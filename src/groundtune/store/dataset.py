"""A set of records in a folder of Parquet parts that only ever grows, each part whole or absent.

This is the whole story of resume: rows have keys, and a stage that starts again does only the
missing ones.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from groundtune.errors import UserError
from groundtune.store import checksums
from groundtune.store.contents import changes, refuse_changed
from groundtune.store.files import sweep
from groundtune.store.tables import read_column, read_parquet, write_parquet

R = TypeVar("R", bound=BaseModel)


class RecordSet(Generic[R]):
    """Records with a `key` field, under `path`/part-00000.parquet and on. One writer at a time."""

    def __init__(self, path: Path, record_type: type[R]) -> None:
        self.path = path
        self.record_type = record_type

    def parts(self) -> list[Path]:
        """The parts that are there, in the order in which they were written.

        Raises:
            UserError: a file is called like a part, but has no number.
        """
        return sorted(self.path.glob("part-*.parquet"), key=_number)

    def keys(self) -> set[str]:
        """Keys of all rows; only that column is read.

        Raises:
            UserError: a part is damaged.
        """
        return {str(key) for part in self._checked() for key in read_column(part, "key")}

    def _checked(self) -> list[Path]:
        """The parts; one without a checksum, where others have one, is logged."""
        parts = self.parts()
        checksums.warn_of_unknown(self.path, parts)
        return parts

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of the keys that no row has, in order, each once."""
        there = self.keys()
        return [key for key in dict.fromkeys(keys) if key not in there]

    def append(self, rows: Sequence[R]) -> None:
        """Adds the rows as one part more: all of them or, when it fails or is killed, none.

        Raises:
            UserError: the disk is full or the folder can't be written.
        """
        if not rows:
            return
        sweep(self.path)
        write_parquet(self.next_part(), rows, self.record_type, checksum=True)

    def next_part(self) -> Path:
        """The path of a part that is not there yet."""
        parts = self.parts()
        number = _number(parts[-1]) + 1 if parts else 0
        return self.path / f"part-{number:05d}.parquet"

    def add(self, rows: Sequence[R]) -> None:
        """Appends the rows whose keys aren't there.

        Raises:
            ChangedError: a key is there with other contents.
            UserError: as `append`.
        """
        by_key: dict[str, R] = {}
        for row in rows:
            by_key.setdefault(_key(row), row)
        there = {_key(row): row for row in self.read() if _key(row) in by_key}
        changed = {key: changes(row, by_key[key]) for key, row in there.items()}
        changed = {key: names for key, names in changed.items() if names}
        refuse_changed(self.path.name, changed, self.path)
        self.append([row for key, row in by_key.items() if key not in there])

    def replace(self, rows: Sequence[R]) -> None:
        """Make the set hold exactly these rows; their keys must follow from their contents.

        Rows that are there stay as they are. Killed on the way, the set may hold rows that were to
        go; the same call again removes them.

        Raises:
            UserError: the disk is full or the folder can't be written.
        """
        by_key = {_key(row): row for row in rows}
        parts = self.parts()
        if self.keys() <= by_key.keys():
            self.append([by_key[key] for key in self.missing(by_key)])
            return
        self.append(list(by_key.values()))
        for part in parts:
            part.unlink()
        checksums.note(self.path, {})

    def read(self) -> list[R]:
        """All rows, in the order in which they were added; of rows with one key only the first.

        Raises:
            UserError: a part is damaged, or not of this record.
        """
        rows: dict[str, R] = {}
        for part in self._checked():
            for row in read_parquet(part, self.record_type):
                rows.setdefault(_key(row), row)
        return list(rows.values())

    def compact(self, order: Iterable[str] = ()) -> None:
        """Makes one part of all: rows with the keys of `order` first and in that order.

        Where that is so already nothing is written. A stage calls this whether it made rows or not:
        it may have been killed after its last row and before this. Killed on the way, the set may
        hold rows twice, which `read` drops.

        Raises:
            UserError: a part is damaged, or the disk is full.
        """
        parts = self._checked()
        keys = [str(key) for part in parts for key in read_column(part, "key")]
        there = set(keys)
        ordered = list(dict.fromkeys([*(key for key in order if key in there), *keys]))
        if not parts or (len(parts) == 1 and ordered == keys):
            return
        rows = {_key(row): row for row in self.read()}
        self.append([rows[key] for key in ordered])
        for part in parts:
            part.unlink()
        checksums.note(self.path, {})


def _key(row: BaseModel) -> str:
    return str(getattr(row, "key"))  # noqa: B009  # any record with a key


def _number(part: Path) -> int:
    digits = part.stem.removeprefix("part-")
    if not digits.isdecimal():
        raise UserError(
            f"The file is named like a part of a data set, but {digits!r} is not a number.",
            str(part),
            "Move it out of the folder.",
        )
    return int(digits)
