"""The report of a reward model: accuracy next to baselines, by length, and calibration."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from groundtune.bench.metric import Metric
from groundtune.pipeline.reward.accuracy import BUCKETS, Accuracy, RewardAccuracy
from groundtune.pipeline.reward.measure import CLAIMS
from groundtune.pipeline.reward.settings import RewardSettings
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.report import model
from groundtune.report.curves import Curve, CurvePoint, CurveSeries, points
from groundtune.report.figures import interval_text, value_text
from groundtune.report.page import write_report
from groundtune.report.specs import metric_specs

BENCHMARK = "held-out"
REWARD = "reward model"
METRIC = Metric(
    name="accuracy",
    label="Comparisons in which the better answer has the higher reward",
    better="higher",
    explanation="Equal rewards count half, so a guess reaches 50%.",
)
WORDS = Metric(
    name="accuracy",
    label="Wrong words, F1",
    better="higher",
    explanation="Words that annotators marked, against words that the model marks.",
)
NOTES = {CLAIMS: "Fewer rejected claims win, then more supported ones."}
LIMIT = "Intervals know about images, not about another training of the model."


class PageTexts(NamedTuple):
    """What a page is about."""

    title: str
    summary: str


def training_texts(settings: RewardSettings, result: RewardAccuracy) -> PageTexts:
    """Return the texts of the page of a training."""
    return PageTexts(f"Reward model on {settings.model}", _summary(settings, result))


def write_page(out: Path, texts: PageTexts, result: RewardAccuracy) -> Path:
    """Write OUT/report.html."""
    is_of_words = result.accuracy.metric != Accuracy.model_fields["metric"].default
    metric = WORDS if is_of_words else METRIC
    rows = {REWARD: result.accuracy, **result.baselines}
    [spec] = metric_specs([metric])
    page = model.ReportInput(
        title=texts.title,
        summary=texts.summary,
        finding=_finding(result, spec),
        models=tuple(
            model.ModelSpec(name=name, label=_label(name), note=NOTES.get(name, ""))
            for name in rows
        ),
        subject=model.Subject(
            metrics=(spec,),
            benchmarks=(model.BenchmarkSpec(name=BENCHMARK, label="Held-out examples"),),
            notes=tuple(model.Note(kind="warning", text=text) for text in gaps(result)),
            limits=(LIMIT,),
        ),
        estimates=tuple(_estimate(name, each) for name, each in rows.items()),
        strata=tuple(_strata(result)),
        curves=(_calibration(result),) if result.calibration else (),
        curves_title="Calibration",
        provenance=provenance_of(out),
    )
    return write_report(out, page)


def _strata(result: RewardAccuracy) -> Iterator[model.StratumEstimate]:
    length, content = "The better answer's length against the other's", "What the answers differ in"
    tables = [(length, REWARD, result.buckets)]
    tables += [(length, rule, buckets) for rule, buckets in result.baseline_buckets.items()]
    tables += [(content, REWARD, result.groups)]
    for by, name, groups in tables:
        for stratum in sorted(groups, key=lambda each: BUCKETS.index(each) if by == length else 0):
            row = _estimate(name, groups[stratum]).model_dump()
            yield model.StratumEstimate(**row, by=by, stratum=stratum)


def gaps(result: RewardAccuracy) -> list[str]:
    """Return what a reader must know before the figures."""
    texts: list[str] = []
    if result.accuracy.at_chance:
        texts.append(
            "The reward model is at chance on held-out examples: groundtune refuses to score "
            "answers with it."
        )
    if result.left_out:
        reasons = ", ".join(f"{number} {why}" for why, number in result.left_out.items())
        texts.append(f"Examples that were not used: {reasons}.")
    return texts


def _finding(result: RewardAccuracy, spec: model.MetricSpec) -> model.Finding:
    a = result.accuracy
    others = "; ".join(
        f"{_label(name)} {value_text(each.value, spec)}" for name, each in result.baselines.items()
    )
    return model.Finding(
        title=f"{spec.label}: {value_text(a.value, spec)}",
        text=f"95% CI {interval_text(a, spec)}, n = {a.n:,} held-out "
        f"{'words' if a.metric != Accuracy.model_fields['metric'].default else 'comparisons'}. "
        f"For comparison: {others}.",
    )


def _summary(settings: RewardSettings, result: RewardAccuracy) -> str:
    kind = settings.judging.facts.show
    facts = "no facts" if kind == "none" else f"facts: {kind}"
    return (
        f"Trained on {result.learnt:,} examples of {settings.feedback}, {settings.epochs} "
        f"epoch{'s' if settings.epochs > 1 else ''}; {settings.head} head, {settings.readout} "
        f"readout, {facts}. Examples about {settings.validation.share:.0%} of the images are held "
        "out."
    )


def _label(name: str) -> str:
    return name[:1].upper() + name[1:]


def _estimate(name: str, accuracy: Accuracy) -> model.Estimate:
    ref = model.MetricRef(benchmark=BENCHMARK, metric=METRIC.name)
    return model.estimate_of(accuracy, name, ref, accuracy.n)


def _calibration(result: RewardAccuracy) -> Curve:
    ends = tuple(CurvePoint(x=each, y=each) for each in (0.5, 1.0))
    return Curve(
        title="How often the favoured answer is better",
        x_label="predicted probability that the favoured answer is better",
        y_label="%",
        scale=100,
        series=(
            CurveSeries(
                label="Observed",
                model=REWARD,
                points=points((each.predicted, each.observed) for each in result.calibration),
            ),
            CurveSeries(label="Perfectly calibrated", points=ends),
        ),
        note="Each point has equally many comparisons; bands are 95% intervals.",
    )
