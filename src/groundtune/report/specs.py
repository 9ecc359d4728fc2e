"""How models, metrics and benchmarks are called and shown on a page."""

from collections.abc import Iterable, Sequence

from groundtune.bench.metric import Metric
from groundtune.bench.summary import facts_of
from groundtune.records import Estimate
from groundtune.report.model import BenchmarkSpec, MetricSpec, ModelSpec

METHODS = ("dpo", "ddpo")
"""Short names that are abbreviations."""


def model_label(name: str) -> str:
    """A model's name as it is shown: our own short ones as words, folders and hub names as is."""
    if name in METHODS:
        return name.upper()
    words = name.islower() and name.replace(" ", "").isalpha()
    return name.capitalize() if words else name


def model_spec(name: str, note: str = "") -> ModelSpec:
    """A model under its own name, with one line on how it was made."""
    return ModelSpec(name=name, label=model_label(name), note=note)


def benchmark_specs(estimates: Sequence[Estimate]) -> tuple[BenchmarkSpec, ...]:
    """Names and protocols of the benchmarks that are there."""
    names = dict.fromkeys(estimate.benchmark for estimate in estimates)
    return tuple(BenchmarkSpec(**facts_of(name).model_dump()) for name in names)


def metric_specs(
    metrics: Iterable[Metric], *, benchmark: str = "", chart: bool = True
) -> tuple[MetricSpec, ...]:
    """How metrics are shown, each name once; `benchmark` if they are of one alone."""
    named = {metric.name: metric for metric in metrics}
    return tuple(
        MetricSpec(**dict(metric), benchmark=benchmark, chart=chart) for metric in named.values()
    )
