"""Metrics of several models, per decoding: estimates, and differences from one of the models.

Names such as `world-captions/greedy` or `world-questions/adversarial/t1` have the benchmark, its
part if it has parts, and the decoding.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.metric import Metric
from groundtune.bench.registry import find_name, load
from groundtune.bench.stats.bootstrap import estimate, pooled_difference
from groundtune.bench.stats.exchange import Pairing
from groundtune.bench.stats.significance import holm, permutations_for
from groundtune.bench.stats.sums import SumTable, group, tabulate
from groundtune.errors import UserError
from groundtune.records import Difference, Estimate, Record, Score

Tables = dict[tuple[str, str, str], SumTable]
"""By (model, benchmark, decoding)."""
NOTHING: Mapping[tuple[str, str, str], SumTable] = MappingProxyType({})
MetricsOf = Callable[[str], Sequence[Metric]]
"""Maps the benchmark's name in a score to its metrics."""


class Summary(Record):
    """The content of `summary.json` and the report."""

    estimates: tuple[Estimate, ...]
    differences: tuple[Difference, ...]


def split_mode(name: str) -> tuple[str, str]:
    """Split a benchmark's name from its mode: "pope:strict" is (pope, strict)."""
    name, _, mode = name.partition(":")
    return name, mode


def all_estimates(scores: Sequence[Score]) -> list[Estimate]:
    """Return the estimates of each part and those over all parts."""
    return [*estimate_all(scores), *further_estimates(scores)]


def family_of(name: str) -> str:
    """Return a benchmark's name without mode, part and decoding."""
    return split_mode(name.partition("/")[0])[0]


def benchmark_of(name: str) -> Benchmark[Any]:
    """Return the benchmark of a name with or without mode, part and decoding.

    Raises:
        UserError: there is none.
    """
    return load(family_of(name))


def metrics_of(name: str) -> tuple[Metric, ...]:
    """Return the metrics of a benchmark in display order."""
    return benchmark_of(name).metrics


def summarise(
    scores: Iterable[Score],
    *,
    against: str = "",
    further: Mapping[tuple[str, str, str], SumTable] = NOTHING,
    metrics: MetricsOf = metrics_of,
    skip_other_items: bool = False,
    seed: int = 0,
) -> Summary:
    """Return every metric of every model, and its difference from model `against`.

    An empty `against` means the first model. `further` are the sums of benchmarks without scores,
    by (model, benchmark, decoding). With `skip_other_items`, a model that answered different items
    has no difference.

    Raises:
        UserError: models to compare have answered different items, or no model is named `against`.
    """
    tables = tables_of(scores) | dict(further)
    models = list(dict.fromkeys(model for model, _, _ in tables))
    against = against or (models[0] if models else "")
    if models and against not in models:
        raise UserError(
            f"There is no model named {against}.", "scores", f"Use one of {', '.join(models)}."
        )
    estimates: list[Estimate] = []
    pairs: list[ComparedTables] = []
    for (model, benchmark, decoding), table in tables.items():
        base = tables.get((against, benchmark, decoding)) if model != against else None
        if base is not None and (not skip_other_items or base.items == table.items):
            pairs.append(ComparedTables((model, against), benchmark, decoding, [(table, base)]))
        for metric in metrics(benchmark):
            name = f"{benchmark}/{decoding}"
            metric_estimate = estimate(table, metric, model=model, benchmark=name, seed=seed)
            estimates += [metric_estimate] if metric_estimate is not None else []
    differences = differences_of(pairs, metrics, seed)
    return Summary(estimates=tuple(estimates), differences=tuple(differences))


class ComparedTables(NamedTuple):
    """The sums of two models on the same items, of one or several runs."""

    models: tuple[str, str]
    benchmark: str
    """With its part."""
    decoding: str
    runs: list[tuple[SumTable, SumTable]]


def differences_of(
    pairs: Sequence[ComparedTables], metrics: MetricsOf = metrics_of, seed: int = 0
) -> list[Difference]:
    """Return the difference of every metric that has one, with Holm's correction.

    The headlines of all pairs are one family, their other metrics another. A benchmark's headline
    is the metric that `paired.headline_test` tests: parts of a benchmark with a total have none.
    """
    number = permutations_for(sum(len(metrics(pair.benchmark)) for pair in pairs))
    differences: list[Difference] = []
    for pair in pairs:
        metrics_here = metrics(pair.benchmark)
        tests = Pairing(pair.runs, seed=seed, number=number)
        changes = {
            metric.name: pooled_difference(
                pair.runs,
                metric,
                model=pair.models[0],
                against=pair.models[1],
                benchmark=f"{pair.benchmark}/{pair.decoding}",
                seed=seed,
                pairing=tests,
            )
            for metric in metrics_here
        }
        valid_changes = {name: change for name, change in changes.items() if change is not None}
        lead = next(
            (n for n in headline_candidates(pair.benchmark, metrics_here) if n in valid_changes), ""
        )
        differences += [
            change.model_copy(update={"headline": name == lead})
            for name, change in valid_changes.items()
        ]
    return holm_corrected(differences)


def headline_candidates(benchmark: str, metrics: Sequence[Metric]) -> list[str]:
    """Return a benchmark's headline, then the metrics that may be tested instead."""
    if find_name(family_of(benchmark)) is None:
        return []
    owner = benchmark_of(benchmark)
    if "/" in benchmark and owner.has_total:
        return []
    names = [metric.name for metric in metrics]
    others = (m.name for m in metrics if m.role == "quality" and m.better != "neutral")
    return [owner.headline, *others] if owner.headline in names else []


def holm_corrected(differences: Sequence[Difference]) -> list[Difference]:
    """Return the differences with Holm's correction: headlines as one family, others as another.

    Differences without a p stay unchanged.
    """
    corrected = list(differences)
    for headline in (True, False):
        places = [i for i, d in enumerate(corrected) if d.headline == headline and d.p is not None]
        ps = [corrected[i].p or 0.0 for i in places]
        for i, p_holm in zip(places, holm(ps), strict=True):
            corrected[i] = corrected[i].model_copy(update={"p_holm": p_holm, "family": len(places)})
    return corrected


def estimate_all(
    scores: Iterable[Score], *, metrics: MetricsOf = metrics_of, seed: int = 0
) -> list[Estimate]:
    """Return every metric of every model; models may have answered different items."""
    estimates = [
        estimate(table, metric, model=model, benchmark=f"{benchmark}/{decoding}", seed=seed)
        for (model, benchmark, decoding), table in tables_of(scores).items()
        for metric in metrics(benchmark)
    ]
    return [row for row in estimates if row is not None]


def further_estimates(scores: Iterable[Score]) -> list[Estimate]:
    """Return the estimates that benchmarks compute over all their parts (`Benchmark.further`)."""
    by_name: dict[str, list[Score]] = {}
    for score in scores:
        by_name.setdefault(score.benchmark.partition("/")[0], []).append(score)
    estimates: list[Estimate] = []
    for name, members in by_name.items():
        benchmark = benchmark_of(name)
        if benchmark.further is not None:
            estimates += benchmark.further(members)
    return estimates


def pool(
    runs: Sequence[tuple[str, str]],
    scores: Iterable[Score],
    *,
    model: str,
    against: str,
    metrics: MetricsOf = metrics_of,
    seed: int = 0,
) -> list[Difference]:
    """Pool differences over runs (seeds), each a pair of models (tuned, base) of the scores.

    `model` and `against` name the models in the results. Benchmarks that a run lacks are left out.

    Raises:
        UserError: the models have answered different items.
    """
    tables = tables_of(scores)
    pairs: list[ComparedTables] = []
    for benchmark, decoding in dict.fromkeys((name, decoding_) for _, name, decoding_ in tables):
        places = [((a, benchmark, decoding), (b, benchmark, decoding)) for a, b in runs]
        if all(a in tables and b in tables for a, b in places):
            both = [(tables[a], tables[b]) for a, b in places]
            pairs.append(ComparedTables((model, against), benchmark, decoding, both))
    return differences_of(pairs, metrics, seed)


def tables_of(scores: Iterable[Score]) -> Tables:
    """Return the sums per image of each group of `groups_of`."""
    return {key: tabulate(group) for key, group in groups_of(scores).items()}


def groups_of(scores: Iterable[Score]) -> dict[tuple[str, str, str], list[Score]]:
    """Group scores by model, benchmark with part, and decoding.

    A benchmark with parts and a total also has a group of all its parts, under its plain name.
    """
    groups = group(scores)
    totals: dict[tuple[str, str, str], list[Score]] = {}
    for (model, name, decoding), members in groups.items():
        first, _, part = name.partition("/")
        if part and benchmark_of(first).has_total:
            totals.setdefault((model, first, decoding), []).extend(members)
    return totals | groups


def metric_of(benchmark: str, metric: str) -> Metric:
    """Return a metric of a benchmark; equal names may mean different things in two benchmarks."""
    owner = benchmark_of(benchmark)
    return next(
        candidate
        for candidate in (*owner.metrics, *owner.further_metrics)
        if candidate.name == metric
    )


Groups = dict[tuple[str, str, str], list[Score]]
"""By (model, benchmark, decoding)."""


def total_groups(scores: Iterable[Score]) -> Groups:
    """Group scores by model, benchmark and decoding, leaving out parts that have a total."""
    return {
        key: group
        for key, group in groups_of(scores).items()
        if "/" not in key[1] or not benchmark_of(key[1]).has_total
    }
