"""Results of a scored benchmark: metrics, strata, intervals, rows of items."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundtune.bench.benchmark import Benchmark, LargeScores
from groundtune.bench.item import Mode
from groundtune.bench.metric import Metric
from groundtune.bench.stats.behaviour import Behaviour, guard
from groundtune.bench.stats.bootstrap import estimate, resampled
from groundtune.bench.stats.sums import RunningSums, SumTable, value_of
from groundtune.errors import UserError
from groundtune.records import Estimate, Score
from groundtune.store.json_writing import json_of

Values = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one file of answers in one mode."""

    n: int
    unparsed: int
    metrics: Values
    """Unrounded; None if the metric has no value."""
    estimates: dict[str, Estimate] = field(default_factory=dict[str, Estimate])
    """The metrics that have a value, with intervals."""
    strata: dict[str, Values] = field(default_factory=dict[str, Values])
    """By part, and by "axis/stratum"."""


class RunningResults:
    """The results of one model in one mode, from scores that arrive in batches."""

    def __init__(self, benchmark: Benchmark[Any]) -> None:
        self._metrics = benchmark.metrics
        self._sums = RunningSums()
        self._parts: dict[str, RunningSums] = {}
        self._strata: dict[str, RunningSums] = {}

    def add(self, scores: Sequence[Score]) -> None:
        """Add further scores."""
        self._sums.add(scores)
        parts, strata = _parts_and_strata(scores)
        for sums, groups in ((self._parts, parts), (self._strata, strata)):
            for name, group in groups.items():
                sums.setdefault(name, RunningSums()).add(group)

    def results(self, model: str, *, seed: int = 0) -> Results:
        """Compute all metrics.

        Raises:
            ValueError: there are no scores.
        """
        metrics, estimates = estimates_of_table(self._sums.table(), self._metrics, model, seed)
        return Results(
            n=self._sums.n,
            unparsed=self._sums.unparsed,
            metrics=metrics,
            estimates=estimates,
            strata={
                name: values_of_table(sums.table(), self._metrics)
                for name, sums in (self._parts | self._strata).items()
            },
        )

    def values(self) -> Results:
        """Compute the same without intervals and strata."""
        metrics = values_of_table(self._sums.table(), self._metrics)
        return Results(n=self._sums.n, unparsed=self._sums.unparsed, metrics=metrics)


def results_of(benchmark: Benchmark[Any], scores: Sequence[Score], *, seed: int = 0) -> Results:
    """Compute all metrics from the scores of one model in one mode.

    Raises:
        ValueError: there are no scores.
    """
    running = RunningResults(benchmark)
    running.add(scores)
    return running.results(scores[0].model, seed=seed)


def values_of(benchmark: Benchmark[Any], scores: Sequence[Score]) -> Results:
    """Compute the same without intervals and strata."""
    running = RunningResults(benchmark)
    running.add(scores)
    return running.values()


def results_of_large(
    benchmark: Benchmark[Any], scores: LargeScores, mode: Mode, model: str, seed: int = 0
) -> tuple[Results, Results]:
    """Return the results of a large file in this mode, and the values in the other."""
    other: Mode = "strict" if mode == "official" else "official"
    metrics, estimates = estimates_of_table(scores.tables[mode], benchmark.metrics, model, seed)
    strata = {n: values_of_table(table, benchmark.metrics) for n, table in scores.strata.items()}
    values = values_of_table(scores.tables[other], benchmark.metrics)
    return (
        Results(scores.n, scores.unparsed[mode], metrics, estimates, strata),
        Results(scores.n, scores.unparsed[other], values),
    )


def values_of_table(table: SumTable, metrics: Iterable[Metric]) -> Values:
    """Return every metric of a table, None if it has no value."""
    return {metric.name: value_of(table, metric) for metric in metrics}


def estimates_of_table(
    table: SumTable, metrics: Iterable[Metric], model: str, seed: int = 0
) -> tuple[Values, dict[str, Estimate]]:
    """Return every metric of a table, and the estimates of those that have a value."""
    values: Values = {}
    estimates: dict[str, Estimate] = {}
    sums_RC = resampled(table, seed)
    for metric in metrics:
        row = estimate(table, metric, model=model, benchmark="", seed=seed, sums_RC=sums_RC)
        values[metric.name] = row.value if row else None
        if row is not None:
            estimates[metric.name] = row
    return values, estimates


def strata_of(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """Group scores by part, then by "axis/stratum", in order of appearance."""
    parts, strata = _parts_and_strata(scores)
    return parts | strata


def _parts_and_strata(scores: Sequence[Score]) -> tuple[dict[str, list[Score]], ...]:
    parts: dict[str, list[Score]] = {}
    strata: dict[str, list[Score]] = {}
    for score in scores:
        part = score.benchmark.partition("/")[2]
        if part:
            parts.setdefault(part, []).append(score)
        for axis, name in score.strata.items():
            strata.setdefault(f"{axis}/{name}", []).append(score)
    return parts, strata


def differing(results: Results, other: Results) -> list[str]:
    """Return the metrics whose value in the other mode is outside their interval in this one."""
    if not other.metrics:
        return []
    return [
        name
        for name, row in results.estimates.items()
        if (value := other.metrics.get(name)) is None or not row.low <= value <= row.high
    ]


def notes_of(results: Results, answers_behaviour: Behaviour) -> list[str]:
    """Return the notes of a result: metrics without a value, degenerate answers."""
    empty = [name for name, value in results.metrics.items() if value is None]
    notes = (
        [f"No value (a denominator is 0, or the answers don't cover it): {', '.join(empty)}."]
        if empty
        else []
    )
    return notes + [warning.text for warning in guard(answers_behaviour)]


def item_lines(
    scores: Iterable[Score], columns: Callable[[Score], dict[str, object]] | None = None
) -> Iterator[bytes]:
    """Yield one line of JSON per score: item, part, image, answer, extracted, values, why.

    A value that is not finite is null.

    Raises:
        UserError: a text has a lone surrogate, which UTF-8 cannot store.
    """
    for score in scores:
        row: dict[str, object] = {
            "item": score.item,
            "part": score.benchmark.partition("/")[2],
            "image": score.image,
            "answer": score.answer,
            "extracted": list(score.extracted),
            "values": {n: v if math.isfinite(v) else None for n, v in score.values.items()},
            "status": score.status,
            "why": score.why,
            "strata": score.strata,
        }
        if score.spans:
            row["spans"] = [span.model_dump() for span in score.spans]
        if columns is not None:
            row |= columns(score)
        try:
            yield json_of(row, where=f"item {score.item!r} of {score.benchmark}").encode() + b"\n"
        except UnicodeEncodeError as error:
            raise UserError(
                "A text has a lone surrogate (half a character).",
                f"item {score.item!r} of {score.benchmark}",
                "Replace it (U+FFFD will do) in the answers, the data or the judge's replies.",
            ) from error
