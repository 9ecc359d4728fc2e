"""Named sums per row, in one array that grows and whose rows can be replaced."""

import numpy as np

from groundtune.bench.metric import Floats
from groundtune.feedback.agreement.alpha import Sums


class SumRows:
    """A row of named sums per key; what a row doesn't name is 0."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._columns: dict[str, int] = {}
        self._values: Floats = np.zeros((64, 16))
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._places)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys, in the order of the rows."""
        return tuple(self._places)

    def put(self, key: str, sums: Sums) -> None:
        """Set a row's sums; without sums there is no row."""
        if not sums:
            self._remove(key)
            return
        for name in sums:
            self._columns.setdefault(name, len(self._columns))
        if key not in self._places:
            self._places[key] = self._free.pop() if self._free else len(self._places)
        self._grow()
        row = self._places[key]
        self._values[row] = 0
        for name, value in sums.items():
            self._values[row, self._columns[name]] = value

    def columns(self) -> dict[str, Floats]:
        """The columns (R,) over all rows, by name."""
        places = np.fromiter(self._places.values(), dtype=np.int64, count=len(self._places))
        values = self._values[places]
        return {name: values[:, place] for name, place in self._columns.items()}

    def _remove(self, key: str) -> None:
        if key in self._places:
            row = self._places.pop(key)
            self._values[row] = 0
            self._free.append(row)

    def _grow(self) -> None:
        rows, columns = self._values.shape
        rows_needed, columns_needed = len(self._places) + len(self._free), len(self._columns)
        if rows_needed <= rows and columns_needed <= columns:
            return
        larger = np.zeros((max(rows, 2 * rows_needed), max(columns, 2 * columns_needed)))
        larger[:rows, :columns] = self._values
        self._values = larger
