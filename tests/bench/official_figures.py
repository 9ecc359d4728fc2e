"""Counts the figures of official scorers that ours equal: `make reference-figures` prints them."""

from collections import Counter
from collections.abc import Iterable, Sequence


class OfficialFigures:
    """By benchmark: figures that its official scorer printed, and readings of single answers."""

    def __init__(self) -> None:
        self.compared: Counter[tuple[str, str]] = Counter()
        self.equal: Counter[tuple[str, str]] = Counter()

    def figures(self, benchmark: str, own: Iterable[object], official: Iterable[object]) -> None:
        """Count figures over many answers, and fail if one differs."""
        self._compare(benchmark, "figures", list(own), list(official))

    def answers(self, benchmark: str, own: Iterable[object], official: Iterable[object]) -> None:
        """Count what was read of each answer, and fail if one differs."""
        self._compare(benchmark, "answers", list(own), list(official))

    def _compare(
        self, benchmark: str, kind: str, own: Sequence[object], official: Sequence[object]
    ) -> None:
        self.compared[benchmark, kind] += len(official)
        pairs = zip(own, official, strict=False)
        self.equal[benchmark, kind] += sum(one == other for one, other in pairs)
        assert own == official

    def lines(self) -> list[str]:
        """A line per benchmark, and one of all."""
        names = sorted({name for name, _ in self.compared})
        rows = [
            (name, *(self._count([name], kind) for kind in ("figures", "answers")))
            for name in names
        ]
        rows.append(("all", *(self._count(names, kind) for kind in ("figures", "answers"))))
        heads = ("benchmark", "figures that match", "answers read alike")
        widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(3)]
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in [heads, *rows]
        ]

    def _count(self, names: Sequence[str], kind: str) -> str:
        compared = sum(self.compared[name, kind] for name in names)
        equal = sum(self.equal[name, kind] for name in names)
        return f"{equal:,} of {compared:,}" if compared else "-"
