"""Results of `bench score` as a table: metrics with intervals, and both modes if they differ."""

from groundtune.bench.metric import Metric
from groundtune.pipeline.bench.result import BenchmarkResult


def score_table(result: BenchmarkResult) -> list[tuple[str, ...]]:
    """Rows of texts: metric, value, interval, n, unparsed, the other mode's value.

    The first row is the header. n is all answers, even if a metric leaves out the unreadable ones.
    """
    other = result.other.metrics if result.other and result.differing else None
    heads = ("metric", result.mode, "95% interval", "n", "unparsed")
    counts = (str(result.results.n), str(result.results.unparsed))
    rows: list[tuple[str, ...]] = [(*heads, str(result.other_mode)) if other else heads]
    for metric in result.benchmark.metrics:
        estimate = result.results.estimates.get(metric.name)
        cells = ("-", "")
        if estimate is not None:
            low, high = display_value(estimate.low, metric), display_value(estimate.high, metric)
            cells = (display_value(estimate.value, metric, unit=True), f"{low} to {high}")
        other_value = other.get(metric.name) if other else None
        last = (
            display_value(other_value, metric, unit=True) if metric.name in result.differing else ""
        )
        rows.append((metric.name, *cells, *counts, *([last] if other else [])))
    return rows


_NO_UNITS = ("score", "difference")
"""The docs' names for the unit of a plain number."""


def display_value(value: float | None, metric: Metric, *, unit: bool = False) -> str:
    """Format a value for people; "-" if there is none."""
    if value is None:
        return "-"
    text = f"{metric.scale * value:.{metric.decimals}f}"
    has_unit = unit and metric.unit not in _NO_UNITS
    return text + f" {metric.unit}".replace(" %", "%").rstrip() if has_unit else text


def mode_note(result: BenchmarkResult) -> list[str]:
    """That the two modes part, and on how many answers that can't be read."""
    if result.other is None or not result.differing:
        return []
    strict = result.results if result.mode == "strict" else result.other
    return [
        f"{result.other_mode} differs by more than the interval in {', '.join(result.differing)}; "
        f"{strict.unparsed:,} of {result.results.n:,} answers can't be read by the strict rule."
    ]
