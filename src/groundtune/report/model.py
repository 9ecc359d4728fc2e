"""Input of a report: frozen records that any stage can fill in.

Every part except the title and the models is optional, so that a run that only sampled answers can
have a report too. Values are as measured (a share in [0, 1], a number of words); `MetricSpec`
defines how they are shown.
"""

import math
from collections.abc import Callable, Iterable
from typing import Literal, Protocol, Self, TypeVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from groundtune.bench.metric import Metric
from groundtune.records import Difference, Estimate, Record
from groundtune.report.bench_parts import BenchParts
from groundtune.report.curves import Curve
from groundtune.report.examples import NO_EXAMPLES, Examples
from groundtune.report.figures import HasInterval

Row = TypeVar("Row", "Estimate", "Difference", "StratumEstimate")
Figure = Estimate | Difference


class ModelSpec(Record):
    """A model of the report; the others are compared with the first."""

    name: str
    """As in `Estimate.model`."""
    label: str
    note: str = ""
    """One line on how it was made."""


class MetricSpec(Metric):
    """A metric as shown on a page."""

    benchmark: str = ""
    """Its benchmark, without part and decoding; "" for all that have no other."""
    chart: bool = True
    """Whether it has a panel among the charts."""


class BenchmarkSpec(Record):
    """A benchmark as shown in the report."""

    name: str
    """As in `Estimate.benchmark`."""
    label: str
    protocol: dict[str, str] = Field(default_factory=dict[str, str])
    """Prompt, decoding, parser, judge, items: label to plain text."""


class HasMetric(Protocol):
    """An object with a benchmark's metric: a reference, an estimate, a difference, a test."""

    @property
    def benchmark(self) -> str:
        """With part and decoding."""
        ...

    @property
    def metric(self) -> str:
        """As in `Estimate.metric`."""
        ...


class MetricRef(Record):
    """One metric of one benchmark."""

    benchmark: str
    metric: str


class Headline(MetricRef):
    """The subject of the verdict; fixed before any tuning."""

    model: str
    against: str
    companions: tuple[MetricRef, ...] = ()
    """Further metrics that the verdict must name: recall, words, yes/no accuracy."""
    fixed: str = ""
    """Where and when the choice was fixed, in plain words."""


class StratumEstimate(Estimate):
    """An estimate over the items of one stratum."""

    by: str
    """What distinguishes the strata: "How usual the object is"."""
    stratum: str


class LengthControl(Record):
    """The comparison at equal length."""

    how: str
    """One sentence on the method."""
    estimates: tuple[Estimate, ...] = ()
    differences: tuple[Difference, ...] = ()


class TradeOff(Record):
    """A scatter of models: quality kept (x) against errors (y)."""

    x: MetricRef
    y: MetricRef


class AnswerCount(Record):
    """Counts of a model's answers that need no ground truth."""

    model: str
    answers: int
    words: float
    """Mean number of words."""
    words_low: int = 0
    words_high: int = 0
    """Shortest and longest answer."""
    refusals: int | None = None
    """None if they were not counted."""
    empty: int = 0
    cut: int = 0
    """Ended by the length limit."""
    unparsed: int | None = None
    """None if the answers were not parsed."""


class Note(Record):
    """Something that a reader must know."""

    text: str
    kind: Literal["note", "warning", "licence"] = "note"


class Caveat(Record):
    """A warning that comes before any number: the page's first words."""

    title: str
    text: str
    is_verdict: bool = False
    """Whether it is the whole verdict, because nothing was measured."""


class Finding(Record):
    """A page's main result, in its stage's words."""

    title: str
    text: str


class Licence(Record):
    """Terms of an input."""

    what: str
    terms: str
    note: str = ""


class Provenance(Record):
    """What is needed to reproduce the run."""

    command: str = ""
    created: str = ""
    """Date and time for display."""
    settings: dict[str, object] = Field(default_factory=dict[str, object])
    """The resolved recipe, nested."""
    versions: dict[str, str] = Field(default_factory=dict[str, str])
    seeds: dict[str, int] = Field(default_factory=dict[str, int])
    inputs: dict[str, str] = Field(default_factory=dict[str, str])
    """Hashes of the inputs."""
    seconds: dict[str, float] = Field(default_factory=dict[str, float])
    """Wall time of each stage."""
    machine: dict[str, str] = Field(default_factory=dict[str, str])


UNKNOWN = Provenance()


class Subject(Record):
    """A page's metrics: how they are shown, which one leads, and what readers must know."""

    metrics: tuple[MetricSpec, ...] = ()
    """In display order; a metric without a spec is shown under its plain name."""
    benchmarks: tuple[BenchmarkSpec, ...] = ()
    headline: MetricRef | None = None
    companions: tuple[MetricRef, ...] = ()
    """Further metrics that the verdict must name: recall, words, yes/no accuracy."""
    fixed: str = ""
    """Where and when the choice of the headline was fixed, in plain words."""
    on_page: Callable[[Figure], bool] = Field(default=lambda _: True, exclude=True, repr=False)
    """Whether the page shows a value; the run's JSON files have all."""
    notes: tuple[Note, ...] = ()
    limits: tuple[str, ...] = ()
    licences: tuple[Licence, ...] = ()

    def metric(self, ref: HasMetric) -> MetricSpec:
        """How a metric is shown; without a spec, as a plain number under its name."""
        label = ref.metric.replace("_", " ").capitalize()
        plain = MetricSpec(name=ref.metric, label=label, unit="", scale=1, decimals=3)
        benchmark_name = family(ref.benchmark)
        matching = [spec for spec in self.metrics if spec.name == ref.metric]
        matching.sort(key=lambda spec: (spec.benchmark != benchmark_name, spec.benchmark != ""))
        return matching[0] if matching else plain

    def lead(self, model: str, against: str) -> Headline | None:
        """Return the headline for a model compared with another."""
        if self.headline is None:
            return None
        return Headline(
            **self.headline.model_dump(),
            model=model,
            against=against,
            companions=self.companions,
            fixed=self.fixed,
        )


NOTHING = Subject()


class ReportInput(Record):
    """All contents of a report, in plain records."""

    title: str
    """The name of the run: "Demo on the embedded world"."""
    summary: str = ""
    """A paragraph below the verdict on how the run was done."""
    caveat: Caveat | None = None
    finding: Finding | None = None
    """The page's result, if the headline's sentences don't fit, as for one model."""
    models: tuple[ModelSpec, ...] = Field(min_length=1)
    subject: Subject = NOTHING
    headline: Headline | None = None
    estimates: tuple[Estimate, ...] = ()
    differences: tuple[Difference, ...] = ()
    length_control: LengthControl | None = None
    bench: BenchParts | None = None
    """Tests, behaviour, readings and judges of benchmarks."""
    trade_offs: tuple[TradeOff, ...] = ()
    strata: tuple[StratumEstimate, ...] = ()
    counts: tuple[AnswerCount, ...] = ()
    examples: Examples = NO_EXAMPLES
    curves: tuple[Curve, ...] = ()
    curves_title: str = "How it got there"
    provenance: Provenance = UNKNOWN

    @field_validator("estimates", "differences", "strata")
    @classmethod
    def _rows_on_page(cls, rows: tuple[Row, ...], info: ValidationInfo) -> tuple[Row, ...]:
        """The values that the page shows, without those that could not be computed (NaN)."""
        subject = info.data.get("subject", NOTHING)
        finite = (r for r in rows if all(map(math.isfinite, (r.value, r.low, r.high))))
        return tuple(row for row in finite if subject.on_page(row))

    @model_validator(mode="after")
    def _models_are_known(self) -> Self:
        spec_names = {model.name for model in self.models}
        used_names = {estimate.model for estimate in self.estimates}
        used_names |= {name for d in self.differences for name in (d.model, d.against)}
        used_names |= {
            answer.model for example in self.examples.shown for answer in example.answers
        }
        if self.headline is not None:
            used_names |= {self.headline.model, self.headline.against}
        if used_names - spec_names:
            raise ValueError(
                f"models without a ModelSpec: {', '.join(sorted(used_names - spec_names))}"
            )
        return self

    def model(self, name: str) -> ModelSpec:
        """The model with this name."""
        return next(model for model in self.models if model.name == name)

    def metric(self, ref: HasMetric) -> MetricSpec:
        """How a metric is shown: see `Subject.metric`."""
        return self.subject.metric(ref)

    def estimate(self, model: str, ref: HasMetric) -> Estimate | None:
        """The estimate of a model's metric."""
        return find_estimate(self.estimates, model, ref)

    def difference(self, model: str, ref: HasMetric) -> Difference | None:
        """The difference of a model from the one with which it is compared."""
        return find_difference(self.differences, model, ref)

    def benchmark(self, name: str) -> BenchmarkSpec:
        """How a benchmark is shown."""
        plain = BenchmarkSpec(name=name, label=name)
        return next((spec for spec in self.subject.benchmarks if spec.name == name), plain)

    def colour(self, model: str) -> int:
        """A model's colour number: 0 for the base, 1 for the headline's model, then in order."""
        base = self.headline.against if self.headline else self.models[0].name
        headline_model = self.headline.model if self.headline else ""
        rest = [spec.name for spec in self.models if spec.name not in (base, headline_model)]
        order = [base, *([headline_model] if headline_model else []), *rest]
        return order.index(model) if model in order else len(order)


def family(benchmark: str) -> str:
    """A benchmark's name without mode, part and decoding: "pope:strict/random/greedy" is pope."""
    return benchmark.partition("/")[0].partition(":")[0]


def find_estimate(estimates: Iterable[Estimate], model: str, ref: HasMetric) -> Estimate | None:
    """The estimate of a model's metric."""
    where = (model, ref.benchmark, ref.metric)
    return next((e for e in estimates if (e.model, e.benchmark, e.metric) == where), None)


def find_difference(
    differences: Iterable[Difference], model: str, ref: HasMetric
) -> Difference | None:
    """The difference of a model from the one with which it is compared."""
    where = (model, ref.benchmark, ref.metric)
    return next((d for d in differences if (d.model, d.benchmark, d.metric) == where), None)


def refs_in_order(report: ReportInput, estimates: Iterable[Estimate]) -> list[MetricRef]:
    """Every metric with an estimate: by benchmark, then in the order of the specs."""
    pairs = list(dict.fromkeys((e.benchmark, e.metric) for e in estimates))
    benchmarks = [spec.name for spec in report.subject.benchmarks]
    benchmarks += list(dict.fromkeys(b for b, _ in pairs if b not in benchmarks))
    place = {(spec.benchmark, spec.name): i for i, spec in enumerate(report.subject.metrics)}

    def order(pair: tuple[str, str]) -> tuple[int, int]:
        benchmark, metric = pair
        shared = place.get(("", metric), len(place))
        return benchmarks.index(benchmark), place.get((family(benchmark), metric), shared)

    pairs.sort(key=order)
    return [MetricRef(benchmark=benchmark, metric=metric) for benchmark, metric in pairs]


def estimate_of(rate: HasInterval, model: str, ref: MetricRef, n: int) -> Estimate:
    """Convert a rate to an estimate of a model."""
    return Estimate(
        model=model,
        benchmark=ref.benchmark,
        metric=ref.metric,
        value=rate.value,
        low=rate.low,
        high=rate.high,
        n=n,
    )
