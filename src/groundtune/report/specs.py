"""Names and display of models, metrics and benchmarks on a page."""

from collections.abc import Iterable

from groundtune.bench.item import DECODINGS
from groundtune.bench.metric import Metric
from groundtune.bench.summary import benchmark_of, family_of, split_mode
from groundtune.report.model import BenchmarkSpec, MetricSpec, ModelSpec, Note, Subject

METHODS = ("dpo", "ddpo")
"""Short names that are abbreviations."""


def model_label(name: str) -> str:
    """A model's display name: our short names as words, folders and hub names unchanged."""
    if name in METHODS:
        return name.upper()
    words = name.islower() and name.replace(" ", "").isalpha()
    return name.capitalize() if words else name


def model_spec(name: str, note: str = "") -> ModelSpec:
    """A model under its name, with one line on how it was made."""
    return ModelSpec(name=name, label=model_label(name), note=note)


def benchmark_spec(name: str) -> BenchmarkSpec:
    """A benchmark's label and protocol, for an estimate's benchmark name.

    If parts have a total, only the total has the protocol.

    Raises:
        UserError: there is no such benchmark.
    """
    benchmark = benchmark_of(name)
    first, *inner = name.split("/")
    decoding = next((word for word in inner if word in DECODINGS), "")
    part = "/".join(word for word in inner if word not in DECODINGS)
    label = dict(benchmark.labels).get(part, part or benchmark.protocol.label)
    _, mode = split_mode(first)
    decoding_label = {"greedy": "greedy", "t1": "temperature 1"}.get(decoding, "")
    tokens = benchmark.protocol.max_new_tokens
    protocol = {
        **benchmark.protocol.model_dump(exclude={"label", "max_new_tokens"}),
        "decoding": f"{decoding_label}, at most {tokens} tokens"
        if decoding_label and tokens
        else "",
        "rules": benchmark.revision,
    }
    label = f"{label} ({mode})" if mode else label
    return BenchmarkSpec(
        name=name,
        label=f"{label}, {decoding_label}" if decoding_label else label,
        protocol={}
        if part and benchmark.has_total
        else {key: str(value) for key, value in protocol.items() if value},
    )


def metric_specs(
    metrics: Iterable[Metric], *, benchmark: str = "", chart: bool = True
) -> tuple[MetricSpec, ...]:
    """How metrics are shown, each name once; `benchmark` if they belong to only one."""
    by_name = {metric.name: metric for metric in metrics}
    return tuple(
        MetricSpec(**dict(metric), benchmark=benchmark, chart=chart) for metric in by_name.values()
    )


_REJECTED = {
    "rejected": "Answers in which {} rejects a claim",
    "rejected_answers": "Answers in which {} rejects a claim",
    "rejected_claims": "Claims that {} rejects",
}


def with_labeler_name(labeler: str, specs: Iterable[MetricSpec]) -> tuple[MetricSpec, ...]:
    """Specs of metrics of rejected claims, with the labeler's name in their labels, if any."""
    return tuple(
        spec.model_copy(update={"label": _REJECTED[spec.name].format(labeler)})
        if labeler and spec.name in _REJECTED
        else spec
        for spec in specs
    )


def subject_of(names: Iterable[str]) -> Subject:
    """How these benchmarks' metrics are shown, and their warnings.

    `names` are as in `Estimate.benchmark`, with parts and decodings.
    """
    names = list(dict.fromkeys(names))
    families = [benchmark_of(name) for name in dict.fromkeys(map(family_of, names))]
    caveats = dict.fromkeys(benchmark.caveat for benchmark in families)
    return Subject(
        metrics=tuple(
            spec
            for family in families
            for spec in (
                *metric_specs(family.metrics, benchmark=family.name),
                *metric_specs(family.further_metrics, benchmark=family.name, chart=False),
            )
        ),
        benchmarks=tuple(map(benchmark_spec, names)),
        notes=tuple(Note(kind="warning", text=text) for text in caveats if text),
    )
