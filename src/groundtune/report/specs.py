"""How metrics, benchmarks and differences are shown in the report."""

from collections.abc import Iterable, Sequence

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.metric import Metric
from groundtune.bench.summary import facts_of
from groundtune.bench.world.knowing import NAME as ASKED
from groundtune.records import Estimate
from groundtune.report import model
from groundtune.report.model import (
    MetricSpec,
)


def label(name: str) -> str:
    """A model's name as it is shown: abbreviations of methods in capitals."""
    return name.upper() if name.lower() in ("dpo", "ddpo") else name.capitalize()


def benchmark_specs(estimates: Sequence[Estimate]) -> tuple[model.BenchmarkSpec, ...]:
    """Names and protocols of the benchmarks that are there."""
    names = dict.fromkeys(estimate.benchmark for estimate in estimates)
    return tuple(
        model.BenchmarkSpec(name=name, label="What it knows of what it says")
        if name.startswith(f"{ASKED}/")
        else model.BenchmarkSpec(**facts_of(name).model_dump())
        for name in names
    )


def metric_specs(benchmarks: Iterable[Benchmark]) -> tuple[MetricSpec, ...]:
    """How the benchmarks' metrics are shown, each once."""
    metrics = {metric.name: metric for each in benchmarks for metric in each.metrics}
    return tuple(metric_spec(metric) for metric in metrics.values())


def metric_spec(metric: Metric) -> MetricSpec:
    """How a metric is shown."""
    return MetricSpec(
        name=metric.name,
        label=metric.label,
        better=metric.better,
        role=metric.role,
        unit=metric.unit,
        scale=metric.scale,
        decimals=metric.decimals,
        explanation=metric.explanation,
    )
