"""Opening the test split: refuse it unless it is intended, and record each opening."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.item import ItemSelection
from groundtune.bench.stats.bootstrap import estimate
from groundtune.bench.stats.sums import tabulate
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.files import write_atomic
from groundtune.store.keys import key_of
from groundtune.store.rows import text_of

NOTEBOOK = Path("docs/notebook.md")
"""The record of openings of the test split, if the file exists; else OUT/notebook.md."""


def note_opening(notebook: Path, result: str, command: Sequence[str]) -> None:
    """Append one dated line to the notebook: the test split was opened, with this result."""
    text = text_of(notebook) if notebook.exists() else ""
    line = f"the test split was opened: {result} `{shlex.join(command)}`\n"
    if line not in text:
        day = datetime.now(UTC).date().isoformat()
        write_atomic(notebook, f"{text}- {day}: {line}".encode())


def refuse_without_notebook(split: str, notebook: Path | None) -> None:
    """Raise UserError for the test split unless a notebook records it."""
    if split == "test" and notebook is None:
        raise UserError(
            "The test split is closed: nothing may be tuned on it.",
            "evaluation.split=test",
            "Use the development split, or --final for the last measurement, which is recorded.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An intended opening of the test split, and the notebook that records it."""

    notebook: Path
    command: Sequence[str] = ()


def opening_of(
    out: Path, final: bool, notebook: Path | None, command: Sequence[str]
) -> Opening | None:
    """Return the opening of the test split if `final`, to be recorded in docs/notebook.md."""
    if not final:
        return None
    default = NOTEBOOK if NOTEBOOK.exists() else out / "notebook.md"
    return Opening(notebook=notebook or default, command=command)


def refuse_closed_split(
    benchmarks: Iterable[Benchmark[Any]], selection: ItemSelection, final: Opening | None
) -> None:
    """Raise UserError for the test split of a benchmark's own items, unless `final`."""
    has_splits = any(benchmark.load is not None for benchmark in benchmarks)
    if has_splits and selection.split == "test" and final is None:
        raise UserError(
            "The test split is closed: nothing may be tuned on it.",
            "--split test",
            "Use --split development, or --final for the last measurement, which is recorded.",
        )


def note_scores(
    benchmarks: Sequence[Benchmark[Any]], scores: Sequence[Score], final: Opening
) -> None:
    """Append one dated line per model and benchmark to the notebook, once for the same scores."""
    notebook = final.notebook
    text = text_of(notebook) if notebook.exists() else ""
    for benchmark in benchmarks:
        for model in dict.fromkeys(score.model for score in scores):
            group = [s for s in scores if s.model == model and _belongs(s, benchmark)]
            mark = key_of(sorted(score.key for score in group))[:12]
            if group and f"scores {mark}" not in text:
                text += _line(benchmark, group, mark, final.command)
    write_atomic(notebook, text.encode())


def _belongs(score: Score, benchmark: Benchmark[Any]) -> bool:
    return score.benchmark.partition("/")[0].partition(":")[0] == benchmark.name


def _line(
    benchmark: Benchmark[Any], scores: Sequence[Score], mark: str, command: Sequence[str]
) -> str:
    metric = next(
        candidate for candidate in benchmark.metrics if candidate.name == benchmark.headline
    )
    parts: list[str] = []
    for name in dict.fromkeys(score.benchmark for score in scores):
        for decoding in dict.fromkeys(score.decoding for score in scores):
            group = [s for s in scores if (s.benchmark, s.decoding) == (name, decoding)]
            row = estimate(tabulate(group), metric, model="", benchmark="") if group else None
            if row is not None:
                low, value, high = (metric.scale * x for x in (row.low, row.value, row.high))
                parts.append(f"{name}/{decoding} {value:.1f} [{low:.1f}, {high:.1f}], n {row.n}")
    today = datetime.now(UTC).date().isoformat()
    shell = f" `{shlex.join(command)}`" if command else ""
    values = "; ".join(parts)
    return f"- {today}: {scores[0].model}, {metric.name}: {values}; scores {mark}.{shell}\n"
