"""All metrics of several models, under both decodings: estimates, and differences from one of them.

Benchmarks are named `world-captions/greedy`, `world-questions/adversarial/t1` and so on: the
benchmark, its part if it has any, the decoding.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.metric import Metric
from groundtune.bench.registry import load
from groundtune.bench.stats.bootstrap import (
    SumTable,
    difference,
    estimate,
    group,
    pooled_difference,
    tabulate,
)
from groundtune.errors import UserError
from groundtune.records import Difference, Estimate, Record, Score

Tables = dict[tuple[str, str, str], SumTable]
"""By (model, benchmark, decoding)."""
NOTHING: Mapping[tuple[str, str, str], SumTable] = MappingProxyType({})
MetricsOf = Callable[[str], Sequence[Metric]]
"""From the benchmark's name in a score to its metrics."""


class Summary(Record):
    """What `summary.json` and the report are made of."""

    estimates: tuple[Estimate, ...]
    differences: tuple[Difference, ...]


def split_mode(name: str) -> tuple[str, str]:
    """A benchmark's name and the mode that it was scored in: "pope:strict" is (pope, strict)."""
    name, _, mode = name.partition(":")
    return name, mode


def all_estimates(scores: Sequence[Score]) -> list[Estimate]:
    """Both of these."""
    return [*estimate_all(scores), *further_estimates(scores)]


def family_of(name: str) -> str:
    """A benchmark's name without mode, part and decoding."""
    return split_mode(name.partition("/")[0])[0]


def benchmark_of(name: str) -> Benchmark[Any]:
    """The benchmark that a name, with or without mode, part and decoding, belongs to.

    Raises:
        UserError: there is none.
    """
    return load(family_of(name))


def metrics_of(name: str) -> tuple[Metric, ...]:
    """The metrics of a benchmark, in the order in which they are shown."""
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
    """Every metric of every model, and its difference from `against` (the first model if empty).

    `further` are the sums of benchmarks that have no scores, by (model, benchmark, decoding). With
    `skip_other_items`, a model that answered other items has no difference.

    Raises:
        UserError: models that are compared have not answered the same items, or no model is called
            `against`.
    """
    tables = tables_of(scores) | dict(further)
    models = list(dict.fromkeys(model for model, _, _ in tables))
    against = against or (models[0] if models else "")
    if models and against not in models:
        raise UserError(
            f"No model is called {against}.", "scores", f"Use one of {', '.join(models)}."
        )
    estimates: list[Estimate] = []
    differences: list[Difference] = []
    for (model, benchmark, decoding), table in tables.items():
        base = tables.get((against, benchmark, decoding)) if model != against else None
        if base is not None and skip_other_items and base.items != table.items:
            base = None
        name = f"{benchmark}/{decoding}"
        for metric in metrics(benchmark):
            made = estimate(table, metric, model=model, benchmark=name, seed=seed)
            estimates += [made] if made is not None else []
            if base is not None:
                change = difference(
                    table, base, metric, model=model, against=against, benchmark=name, seed=seed
                )
                differences += [change] if change is not None else []
    return Summary(estimates=tuple(estimates), differences=tuple(differences))


def estimate_all(
    scores: Iterable[Score], *, metrics: MetricsOf = metrics_of, seed: int = 0
) -> list[Estimate]:
    """Every metric of every model; models need not have answered the same items."""
    made = [
        estimate(table, metric, model=model, benchmark=f"{benchmark}/{decoding}", seed=seed)
        for (model, benchmark, decoding), table in tables_of(scores).items()
        for metric in metrics(benchmark)
    ]
    return [each for each in made if each is not None]


def further_estimates(scores: Iterable[Score]) -> list[Estimate]:
    """What benchmarks make of all their parts together, beyond each part's metrics."""
    by_name: dict[str, list[Score]] = {}
    for score in scores:
        by_name.setdefault(score.benchmark.partition("/")[0], []).append(score)
    made: list[Estimate] = []
    for name, some in by_name.items():
        benchmark = benchmark_of(name)
        if benchmark.further is not None:
            made += benchmark.further(some)
    return made


def pool(
    runs: Sequence[tuple[str, str]],
    scores: Iterable[Score],
    *,
    model: str,
    against: str,
    metrics: MetricsOf = metrics_of,
    seed: int = 0,
) -> list[Difference]:
    """Differences pooled over runs (seeds), each a pair of models (tuned, base) among the scores.

    `model` and `against` are the names that the results bear. Benchmarks that a run lacks are left
    out.

    Raises:
        UserError: the models have not answered the same items.
    """
    tables = tables_of(scores)
    pooled: list[Difference] = []
    for benchmark, decoding in dict.fromkeys((name, how) for _, name, how in tables):
        places = [((a, benchmark, decoding), (b, benchmark, decoding)) for a, b in runs]
        if not all(a in tables and b in tables for a, b in places):
            continue
        both = [(tables[a], tables[b]) for a, b in places]
        for metric in metrics(benchmark):
            made = pooled_difference(
                both,
                metric,
                model=model,
                against=against,
                benchmark=f"{benchmark}/{decoding}",
                seed=seed,
            )
            pooled += [made] if made is not None else []
    return pooled


def tables_of(scores: Iterable[Score]) -> Tables:
    """The sums an image of each model, benchmark and decoding, as `groups_of` tells them."""
    return {key: tabulate(some) for key, some in groups_of(scores).items()}


def groups_of(scores: Iterable[Score]) -> dict[tuple[str, str, str], list[Score]]:
    """The scores of each model, benchmark and decoding.

    A benchmark with parts is there as a whole too, under its name, if it has a total.
    """
    groups = group(scores)
    wholes: dict[tuple[str, str, str], list[Score]] = {}
    for (model, name, decoding), some in groups.items():
        first, _, part = name.partition("/")
        if part and benchmark_of(first).has_total:
            wholes.setdefault((model, first, decoding), []).extend(some)
    return wholes | groups


def metric_of(benchmark: str, metric: str) -> Metric:
    """How an estimate's metric is called and shown; names mean different things in benchmarks."""
    found = benchmark_of(benchmark)
    return next(e for e in (*found.metrics, *found.further_metrics) if e.name == metric)


Groups = dict[tuple[str, str, str], list[Score]]
"""By (model, benchmark, decoding)."""


def total_groups(scores: Iterable[Score]) -> Groups:
    """The scores of each model, benchmark and decoding, without parts that have a total."""
    return {
        key: some
        for key, some in groups_of(scores).items()
        if "/" not in key[1] or not benchmark_of(key[1]).has_total
    }
