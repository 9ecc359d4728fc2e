"""All metrics of several models, under both decodings: estimates, and differences from one of them.

Benchmarks are named `world-captions/greedy`, `world-questions/adversarial/t1` and so on: the
benchmark, its part if it has any, the decoding.
"""

from collections.abc import Iterable, Sequence

from groundtune.bench import knowing, length, overgeneral
from groundtune.bench.benchmark import DECODINGS, Benchmark, Metric
from groundtune.bench.stats import Table, difference, estimate, group, pooled_difference, tabulate
from groundtune.bench.world_captions import WORLD_CAPTIONS
from groundtune.bench.world_questions import WORLD_QUESTIONS
from groundtune.errors import UserError
from groundtune.records import Difference, Estimate, Record, Score

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark for benchmark in (WORLD_CAPTIONS, WORLD_QUESTIONS)
}
SUITES: dict[str, tuple[str, ...]] = {"world": tuple(BENCHMARKS)}
"""Names that stand for several benchmarks."""

Tables = dict[tuple[str, str, str], Table]
"""By (model, benchmark, decoding)."""


class Summary(Record):
    """What `summary.json` and the report are made of."""

    estimates: tuple[Estimate, ...]
    differences: tuple[Difference, ...]


class BenchmarkFacts(Record):
    """A benchmark as it is named in estimates, with what a report prints of its protocol."""

    name: str
    label: str
    protocol: dict[str, str]


def summarise(scores: Iterable[Score], *, against: str = "", seed: int = 0) -> Summary:
    """Every metric of every model, and its difference from `against` (the first model if empty).

    Raises:
        UserError: models that are compared have not answered the same items, or no model is called
            `against`.
    """
    tables = tables_of(scores)
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
        name = f"{benchmark}/{decoding}"
        for metric in metrics_of(benchmark):
            made = estimate(table, metric, model=model, benchmark=name, seed=seed)
            estimates += [made] if made is not None else []
            if base is not None:
                change = difference(
                    table, base, metric, model=model, against=against, benchmark=name, seed=seed
                )
                differences += [change] if change is not None else []
    return Summary(estimates=tuple(estimates), differences=tuple(differences))


def pool(
    runs: Sequence[tuple[str, str]],
    scores: Iterable[Score],
    *,
    model: str,
    against: str,
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
        for metric in metrics_of(benchmark):
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
    """The sums an image of each model, benchmark and decoding."""
    return {key: tabulate(some) for key, some in group(scores).items()}


def benchmark_of(name: str) -> Benchmark:
    """The benchmark that a name, with or without part and decoding, belongs to.

    Raises:
        UserError: there is none.
    """
    first = name.partition("/")[0]
    if first not in BENCHMARKS:
        raise UserError(
            f"There is no benchmark {first!r}.",
            name,
            f"Use one of {', '.join([*SUITES, *BENCHMARKS])}.",
        )
    return BENCHMARKS[first]


def resolve(names: Sequence[str]) -> list[Benchmark]:
    """The benchmarks of names, suites included, each once.

    Raises:
        UserError: a name that is none.
    """
    each = [one for name in names for one in SUITES.get(name, (name,))]
    return list({one.name: one for one in map(benchmark_of, each)}.values())


def metrics_of(name: str) -> tuple[Metric, ...]:
    """The metrics of a benchmark, in the order in which they are shown."""
    return benchmark_of(name).metrics


def all_metrics() -> tuple[Metric, ...]:
    """How every estimate that is made here is called and shown, each name once."""
    metrics: dict[str, Metric] = {}
    for benchmark in BENCHMARKS.values():
        for metric in benchmark.metrics:
            metrics.setdefault(metric.name, metric)
    for metric in (*overgeneral.METRICS, *length.ADJUSTED_METRICS, *knowing.METRICS):
        metrics.setdefault(metric.name, metric)
    return tuple(metrics.values())


def facts_of(name: str) -> BenchmarkFacts:
    """How a benchmark of an estimate is called, and its protocol.

    Raises:
        UserError: there is no such benchmark.
    """
    benchmark = benchmark_of(name)
    _, *inner = name.split("/")
    decoding = next((word for word in inner if word in DECODINGS), "")
    part = "/".join(word for word in inner if word not in DECODINGS)
    label = dict(benchmark.labels).get(part, part or benchmark.protocol.label)
    how = {"greedy": "greedy", "t1": "temperature 1"}.get(decoding, "")
    protocol = benchmark.protocol.model_dump(exclude={"label", "max_new_tokens"})
    told = {"decoding": f"{how}, at most {benchmark.protocol.max_new_tokens} tokens"} if how else {}
    return BenchmarkFacts(
        name=name,
        label=f"{label}, {how}" if how else label,
        protocol={**{key: str(value) for key, value in protocol.items()}, **told},
    )
