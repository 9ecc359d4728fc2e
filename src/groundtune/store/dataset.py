"""A set of records in a folder of Parquet parts that only grows; each part is complete or absent.

Resume rests on it: rows have keys, and a stage that starts again computes only the missing ones.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from groundtune.errors import UserError
from groundtune.store import checksums
from groundtune.store.contents import changes, refuse_changed_rows
from groundtune.store.files import sweep
from groundtune.store.tables import read_column, read_parquet, write_parquet

R = TypeVar("R", bound=BaseModel)


class RecordSet(Generic[R]):
    """Records with a `key` field, in `path`/part-00000.parquet and so on. One writer at a time."""

    def __init__(self, path: Path, record_type: type[R]) -> None:
        self.path = path
        self.record_type = record_type

    def parts(self) -> list[Path]:
        """The existing parts, in the order in which they were written.

        Raises:
            UserError: a file is named like a part, but has no number.
        """
        return sorted(self.path.glob("part-*.parquet"), key=_number)

    def keys(self) -> set[str]:
        """Keys of all rows; reads only that column.

        Raises:
            UserError: a part is damaged.
        """
        return {str(key) for part in self._parts_with_warning() for key in read_column(part, "key")}

    def _parts_with_warning(self) -> list[Path]:
        """The parts; one without a checksum, where others have one, is logged."""
        parts = self.parts()
        checksums.warn_of_unknown(self.path, parts)
        return parts

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys that no row has, in order, without repeats."""
        existing = self.keys()
        return [key for key in dict.fromkeys(keys) if key not in existing]

    def append(self, rows: Sequence[R]) -> None:
        """Add the rows as one part: all of them or, if it fails or is killed, none.

        Raises:
            UserError: the disk is full or the folder can't be written.
        """
        if not rows:
            return
        sweep(self.path)
        write_parquet(self.next_part(), rows, self.record_type, checksum=True)

    def next_part(self) -> Path:
        """The path of the next part to write."""
        parts = self.parts()
        number = _number(parts[-1]) + 1 if parts else 0
        return self.path / f"part-{number:05d}.parquet"

    def add(self, rows: Sequence[R]) -> None:
        """Append the rows whose keys are new.

        Raises:
            ChangedError: a key exists with other contents.
            UserError: as `append`.
        """
        by_key: dict[str, R] = {}
        for row in rows:
            by_key.setdefault(_key(row), row)
        existing = {_key(row): row for row in self.read() if _key(row) in by_key}
        changed_columns = {key: changes(row, by_key[key]) for key, row in existing.items()}
        changed_columns = {key: names for key, names in changed_columns.items() if names}
        refuse_changed_rows(self.path.name, changed_columns, self.path)
        self.append([row for key, row in by_key.items() if key not in existing])

    def replace(self, rows: Sequence[R]) -> None:
        """Make the set hold exactly these rows; their keys must follow from their contents.

        Existing rows stay unchanged. If killed, the set may keep rows that should be removed; the
        same call removes them later.

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
        checksums.add_sums(self.path, {})

    def read(self) -> list[R]:
        """All rows, in the order in which they were added; of rows with one key, the first.

        Raises:
            UserError: a part is damaged, or not of this record.
        """
        rows: dict[str, R] = {}
        for part in self._parts_with_warning():
            for row in read_parquet(part, self.record_type):
                rows.setdefault(_key(row), row)
        return list(rows.values())

    def compact(self, order: Iterable[str] = ()) -> None:
        """Merge all parts into one: rows with the keys of `order` first, in that order.

        If that is already so, nothing is written. A stage always calls this, since it may have been
        killed after its last row and before this. If killed, the set may hold rows twice, which
        `read` drops.

        Raises:
            UserError: a part is damaged, or the disk is full.
        """
        parts = self._parts_with_warning()
        keys = [str(key) for part in parts for key in read_column(part, "key")]
        existing = set(keys)
        ordered = list(dict.fromkeys([*(key for key in order if key in existing), *keys]))
        if not parts or (len(parts) == 1 and ordered == keys):
            return
        rows = {_key(row): row for row in self.read()}
        self.append([rows[key] for key in ordered])
        for part in parts:
            part.unlink()
        checksums.add_sums(self.path, {})


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
