"""The report of a reward model: accuracy next to baselines, by length, and calibration."""

from collections.abc import Iterator
from pathlib import Path

from groundtune.bench.metric import Metric
from groundtune.pipeline.reward.accuracy import BUCKETS, Accuracy, RewardAccuracy
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
LIMIT = "Intervals know about images, not about another training of the model."


def write_page(out: Path, settings: RewardSettings, found: RewardAccuracy) -> Path:
    """Write OUT/report.html."""
    metric = WORDS if settings.learn == "words" else METRIC
    rows = {REWARD: found.accuracy, **found.baselines}
    [spec] = metric_specs([metric])
    page = model.ReportInput(
        title=f"Reward model on {settings.model}",
        summary=_summary(settings, found),
        finding=_finding(found, spec),
        models=tuple(model.ModelSpec(name=name, label=_label(name)) for name in rows),
        subject=model.Subject(
            metrics=(spec,),
            benchmarks=(model.BenchmarkSpec(name=BENCHMARK, label="Held-out examples"),),
            notes=tuple(model.Note(kind="warning", text=text) for text in gaps(found)),
            limits=(LIMIT,),
        ),
        estimates=tuple(_estimate(name, each) for name, each in rows.items()),
        strata=tuple(_strata(found)),
        curves=(_calibration(found),) if found.calibration else (),
        provenance=provenance_of(out),
    )
    return write_report(out, page)


def _strata(found: RewardAccuracy) -> Iterator[model.StratumEstimate]:
    lengths = {name: found.buckets[name] for name in BUCKETS if name in found.buckets}
    for by, groups in (
        ("The better answer's length against the other's", lengths),
        ("What the answers differ in", found.groups),
    ):
        for name, own in groups.items():
            row = _estimate(REWARD, own).model_dump()
            yield model.StratumEstimate(**row, by=by, stratum=name)


def gaps(found: RewardAccuracy) -> list[str]:
    """Return what a reader must know before the figures."""
    texts: list[str] = []
    if found.accuracy.at_chance:
        texts.append(
            "The reward model is at chance on held-out examples: groundtune refuses to score "
            "answers with it."
        )
    if found.left_out:
        listed = ", ".join(f"{number} {why}" for why, number in found.left_out.items())
        texts.append(f"Examples that were not used: {listed}.")
    return texts


def _finding(found: RewardAccuracy, spec: model.MetricSpec) -> model.Finding:
    a = found.accuracy
    others = "; ".join(
        f"{_label(name)} {value_text(each.value, spec)}" for name, each in found.baselines.items()
    )
    return model.Finding(
        title=f"{spec.label}: {value_text(a.value, spec)}",
        text=f"95% CI {interval_text(a, spec)}, n = {a.n:,} held-out "
        f"{'words' if a.metric != Accuracy.model_fields['metric'].default else 'comparisons'}. "
        f"For comparison: {others}.",
    )


def _summary(settings: RewardSettings, found: RewardAccuracy) -> str:
    shown = settings.judging.facts.show
    facts = "no facts" if shown == "none" else f"facts: {shown}"
    return (
        f"Trained on {found.learnt:,} examples of {settings.feedback}, {settings.epochs} "
        f"epoch{'s' if settings.epochs > 1 else ''}; {settings.head} head, {settings.readout} "
        f"readout, {facts}. Examples about {settings.validation.share:.0%} of the images are held "
        "out."
    )


def _label(name: str) -> str:
    return name[:1].upper() + name[1:]


def _estimate(name: str, found: Accuracy) -> model.Estimate:
    ref = model.MetricRef(benchmark=BENCHMARK, metric=METRIC.name)
    return model.estimate_of(found, name, ref, found.n)


def _calibration(found: RewardAccuracy) -> Curve:
    ends = tuple(CurvePoint(x=each, y=each) for each in (0.5, 1.0))
    return Curve(
        title="Calibration",
        x_label="predicted probability that the favoured answer is better",
        y_label="%",
        scale=100,
        series=(
            CurveSeries(
                label="Observed",
                model=REWARD,
                points=points((each.predicted, each.observed) for each in found.calibration),
            ),
            CurveSeries(label="Perfectly calibrated", points=ends),
        ),
        note="Each point has equally many comparisons; bands are 95% intervals.",
    )
