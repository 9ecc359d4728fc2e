"""Results of `bench score` as a table: metrics with intervals, both modes where they part."""

from groundtune.bench.metric import Metric
from groundtune.pipeline.bench.result import BenchmarkResult


def score_table(made: BenchmarkResult) -> list[tuple[str, ...]]:
    """Rows of texts, the heads first: metric, value, interval, n, unparsed, the other mode's value.

    n is all answers, also where a metric leaves out those that can't be read.
    """
    other = made.other.metrics if made.other and made.differing else None
    heads = ("metric", made.mode, "95% interval", "n", "unparsed")
    counts = (str(made.results.n), str(made.results.unparsed))
    rows: list[tuple[str, ...]] = [(*heads, str(made.other_mode)) if other else heads]
    for metric in made.benchmark.metrics:
        found = made.results.estimates.get(metric.name)
        cells = ("-", "")
        if found is not None:
            low, high = shown(found.low, metric), shown(found.high, metric)
            cells = (shown(found.value, metric, unit=True), f"{low} to {high}")
        there = other.get(metric.name) if other else None
        last = shown(there, metric, unit=True) if metric.name in made.differing else ""
        rows.append((metric.name, *cells, *counts, *([last] if other else [])))
    return rows


_NO_UNITS = ("score", "difference")
"""What the docs call the unit of a bare number."""


def shown(value: float | None, metric: Metric, *, unit: bool = False) -> str:
    """A value as a person reads it; "-" if there is none."""
    if value is None:
        return "-"
    text = f"{metric.scale * value:.{metric.decimals}f}"
    named = unit and metric.unit not in _NO_UNITS
    return text + f" {metric.unit}".replace(" %", "%").rstrip() if named else text


def mode_note(made: BenchmarkResult) -> list[str]:
    """That the two modes part, and on how many answers that can't be read."""
    if made.other is None or not made.differing:
        return []
    strict = made.results if made.mode == "strict" else made.other
    return [
        f"{made.other_mode} differs by more than the interval in {', '.join(made.differing)}; "
        f"{strict.unparsed:,} of {made.results.n:,} answers can't be read by the strict rule."
    ]
