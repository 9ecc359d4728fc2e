"""The result of one benchmark, model, mode and decoding, as stored and printed.

OUT/items/LABEL-NAME-MODE.jsonl     one row per item: answer, what was read in it, values, why
OUT/results/LABEL-NAME-MODE.json    what --json prints

Both names end in the decoding too, where it isn't greedy.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.files.revisions import DataFile
from groundtune.bench.item import Mode
from groundtune.bench.results import Results, differing
from groundtune.records import Estimate, Score
from groundtune.store import checksums
from groundtune.store.json_writing import json_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkResult:
    """A model's results in one mode, and the notes shown with them."""

    benchmark: Benchmark[Any]
    mode: Mode
    model: str
    decoding: str
    results: Results
    other: Results | None
    """The other mode's results; None if there is none, or its rules refuse the answers."""
    items: Path
    path: Path
    """Of the JSON object."""
    scores: Sequence[Score] = ()
    """As stored; empty for a large file, or one that was scored in chunks."""
    data: tuple[DataFile, ...] = ()
    notes: tuple[str, ...] = ()
    judge: dict[str, str]
    similarity: dict[str, str]
    """By what nouns were compared; empty where none were."""

    @property
    def group(self) -> tuple[str, str, str]:
        """The (model, benchmark, decoding) that its scores are kept by."""
        return self.model, self.benchmark.score_name(self.mode), self.decoding

    @property
    def other_mode(self) -> Mode | None:
        """The mode that isn't this one, if there is one."""
        return next((mode for mode in self.benchmark.modes if mode != self.mode), None)

    @property
    def differing(self) -> list[str]:
        """The metrics in which the two modes differ by more than the interval."""
        return differing(self.results, self.other) if self.other else []

    def has(self, row: Estimate) -> bool:
        """Whether a row of summary.json is of this result."""
        name, _, rest = row.benchmark.partition("/")
        return (row.model, name, rest.rpartition("/")[2]) == self.group

    def total_rows(self) -> list[Estimate]:
        """Its estimates under the name that rows of summary.json have."""
        name = f"{self.benchmark.score_name(self.mode)}/{self.decoding}"
        estimates = self.results.estimates.values()
        return [estimate.model_copy(update={"benchmark": name}) for estimate in estimates]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        results = self.results
        fields: dict[str, Any] = {
            "benchmark": self.benchmark.name,
            "name": self.benchmark.score_name(self.mode),
            "mode": self.mode,
            "model": self.model,
            "decoding": self.decoding,
            "n": results.n,
            "unparsed": results.unparsed,
            "metrics": results.metrics,
            "intervals": {name: [e.low, e.high] for name, e in results.estimates.items()},
            "strata": results.strata,
            "items": str(self.items),
            "revision": self.benchmark.revision,
            "data": [file.model_dump() for file in self.data],
            "notes": list(self.notes),
        }
        if self.judge:
            fields["judge"] = self.judge
        if self.similarity:
            fields["similarity"] = self.similarity
        if self.other and self.differing:
            values = {name: self.other.metrics[name] for name in self.differing}
            other = {"mode": self.other_mode, "unparsed": self.other.unparsed, "metrics": values}
            fields["other"] = other
        return fields

    def write(self) -> None:
        """Write the JSON object, and record its checksum."""
        data = json_of(self.as_json(), where=str(self.path)).encode() + b"\n"
        checksums.write(self.path, data)


class Measurement(NamedTuple):
    """What a command measured."""

    results: list[BenchmarkResult]
    estimates: list[Estimate]
    """Their rows of summary.json."""


def file_name(*words: str) -> str:
    """Join parts into a safe file name; other characters become "_"."""
    return "-".join(re.sub(r"[^\w.:=+-]+", "_", word) for word in words)


def slug_of(model: str, benchmark: str, mode: str, decoding: str) -> str:
    """The name of a result's files, without ending."""
    words = (model, benchmark, mode, *([decoding] if decoding != "greedy" else []))
    return file_name(*words)


def kept_as(benchmark: Benchmark[Any], scores: Sequence[Score], mode: Mode) -> list[Score]:
    """The scores under the name with which they are stored."""
    name, length = benchmark.score_name(mode), len(benchmark.name)
    if name == benchmark.name:
        return list(scores)
    return [s.model_copy(update={"benchmark": name + s.benchmark[length:]}) for s in scores]


def item_columns(
    benchmark: Benchmark[Any], questions: Mapping[str, str]
) -> Callable[[Score], dict[str, object]]:
    """The benchmark's further columns of a row of items, and the question where it is known."""

    def columns(score: Score) -> dict[str, object]:
        further: dict[str, object] = (
            {"question": questions[score.item]} if score.item in questions else {}
        )
        return further | (benchmark.columns(score) if benchmark.columns else {})

    return columns
