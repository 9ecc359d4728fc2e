"""A benchmark's headline over parts of its items, for the report's charts."""

from collections.abc import Iterable

from groundtune.bench.metric import Metric
from groundtune.bench.stats.bootstrap import estimate
from groundtune.bench.stats.sums import tabulate
from groundtune.bench.summary import Groups, benchmark_of, total_groups
from groundtune.records import Score
from groundtune.report.model import StratumEstimate

MOST = 12
"""Most strata of an axis on the page; an axis with more is in the results' JSON. It shows as many
classes."""
CLASS_AXIS = "class (those most often wrong)"


def strata_of_scores(scores: Iterable[Score], *, seed: int = 0) -> list[StratumEstimate]:
    """The headline by part and by each axis of strata, for benchmarks with a total.

    For a benchmark with classes, also by the classes that are most often wrong.
    """
    rows: list[StratumEstimate] = []
    groups = total_groups(scores)
    for (model, name, decoding), members in groups.items():
        benchmark = benchmark_of(name)
        if not benchmark.has_total:
            continue
        headline = next(metric for metric in benchmark.metrics if metric.name == benchmark.headline)
        for axis, parts in _axes(members).items():
            if 2 <= len(parts) <= MOST:
                where = (model, f"{name}/{decoding}", axis)
                estimates = _estimates(parts, headline, where, seed)
                rows += estimates if len(estimates) > 1 else []
    return rows + _by_class(groups, seed)


def _by_class(groups: Groups, seed: int) -> list[StratumEstimate]:
    """The headline of the classes for which all models together have most in its numerator."""
    wrong: dict[tuple[str, str], dict[str, float]] = {}
    parts: dict[tuple[str, str, str], dict[str, list[Score]]] = {}
    metrics: dict[str, Metric] = {}
    for (model, name, decoding), members in groups.items():
        benchmark = benchmark_of(name)
        if benchmark.classes is None:
            continue
        metric = next(
            candidate for candidate in benchmark.metrics if candidate.name == benchmark.headline
        )
        metrics[name] = metric
        parts[model, name, decoding] = benchmark.classes(members)
        sums = wrong.setdefault((name, decoding), {})
        for label, class_scores in parts[model, name, decoding].items():
            sums[label] = sums.get(label, 0) + sum(
                _numerator(score, metric) for score in class_scores
            )
    rows: list[StratumEstimate] = []
    for (model, name, decoding), class_parts in parts.items():
        sums = wrong[name, decoding]
        most_frequent = sorted(filter(sums.get, sums), key=lambda label: -sums[label])[:MOST]
        selection = {label: class_parts[label] for label in most_frequent if label in class_parts}
        rows += _estimates(
            selection, metrics[name], (model, f"{name}/{decoding}", CLASS_AXIS), seed
        )
    return rows


def _numerator(score: Score, metric: Metric) -> float:
    return sum(weight * score.values.get(name, 0) for name, weight in metric.numerator.items())


def _axes(scores: Iterable[Score]) -> dict[str, dict[str, list[Score]]]:
    """The scores by axis and stratum; a benchmark's parts are an axis too."""
    axes: dict[str, dict[str, list[Score]]] = {}
    for score in scores:
        part = score.benchmark.partition("/")[2]
        for axis, name in ({"part": part} if part else dict[str, str]()).items():
            axes.setdefault(axis, {}).setdefault(name, []).append(score)
        for axis, name in score.strata.items():
            axes.setdefault(axis, {}).setdefault(name, []).append(score)
    return axes


def _estimates(
    parts: dict[str, list[Score]], metric: Metric, where: tuple[str, str, str], seed: int
) -> list[StratumEstimate]:
    model, benchmark, axis = where
    rows: list[StratumEstimate] = []
    for name, members in parts.items():
        one = estimate(tabulate(members), metric, model=model, benchmark=benchmark, seed=seed)
        if one is not None:
            rows.append(
                StratumEstimate(**one.model_dump(), by=axis.replace("_", " "), stratum=name)
            )
    return rows
