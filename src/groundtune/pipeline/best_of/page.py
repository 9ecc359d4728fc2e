"""The report of best of N: one answer compared with the chosen one, and curves over N."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.pipeline.best_of.curve import METRICS, BestOfCurve, divided
from groundtune.pipeline.best_of.settings import BestOf, BestOfSettings
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.records import Difference
from groundtune.report import model
from groundtune.report.curves import Curve, metric_curve
from groundtune.report.figures import quantity
from groundtune.report.model import estimate_of
from groundtune.report.page import write_report
from groundtune.report.specs import metric_specs, with_labeler_name
from groundtune.report.verdict import change_clause, verdict_text

BENCHMARK = "best-of"
SHOWN = tuple(
    spec.model_copy(update={"chart": spec.name != "reward"}) for spec in metric_specs(METRICS)
)
NO_TRUTH = (
    "Nothing here says what is right: the answers' claims were not checked. Check them with "
    "groundtune label --by claims --answers, and choose again."
)
LIMIT = (
    "Intervals know about images, not about another draw of the candidates or another training "
    "of the model."
)


class BestOfPage(NamedTuple):
    """Where the page is, and what it says first."""

    path: Path
    verdict: str


def write_page(out: Path, settings: BestOfSettings, result: BestOf) -> BestOfPage:
    """Write OUT/report.html."""
    chosen = result.curves[0]
    first, last = chosen.points[0], chosen.points[-1]
    models = [model.ModelSpec(name="1", label="One answer")]
    if last.n > 1:
        note = f"by {settings.chooser}, {divided(settings.powers[0])}"
        models.append(model.ModelSpec(name=str(last.n), label=f"Best of {last.n}", note=note))
    has_truth = result.by_claims or result.by_truth
    notes = tuple(model.Note(kind="warning", text=text) for text in gaps(result))
    if not has_truth:
        notes = (*notes, model.Note(kind="warning", text=NO_TRUTH))
    specs = with_labeler_name(result.labeler, SHOWN)
    subject = _subject([spec for spec in specs if spec.name in first.values], notes)
    page = model.ReportInput(
        title=f"Best of {result.n}",
        finding=None if subject.headline else _finding(settings, result, subject),
        summary=_summary(result, last.drawn_tokens, last.score_seconds),
        models=tuple(models),
        subject=subject,
        headline=subject.lead(str(last.n), "1"),
        estimates=tuple(
            estimate_of(rate, str(point.n), _ref(name), result.prompts)
            for point in ((first, last) if last.n > 1 else (first,))
            for name, rate in point.values.items()
        ),
        differences=_differences(result),
        curves=_curves(result.curves, subject.metrics) if last.n > 1 else (),
        curves_title="What more answers give",
        provenance=provenance_of(out),
    )
    return BestOfPage(write_report(out, page), verdict_text(page))


def _finding(settings: BestOfSettings, result: BestOf, subject: model.Subject) -> model.Finding:
    """Return what the page says where nothing is known of the answers but reward and words."""
    last = result.curves[0].points[-1]
    specs = {spec.name: spec for spec in subject.metrics}
    clauses = [
        change_clause(difference, specs[difference.metric])
        for difference in _differences(result)
        if difference.metric in specs
    ]
    text = "; ".join(clauses)
    text = f"{text[:1].upper()}{text[1:]}. " if text else ""
    one = result.prompts == 1
    by = settings.rewarder or settings.model
    number, best = (
        f"{result.prompts:,} answer{'' if one else 's'}",
        f"{'' if one else 'each '}the best",
    )
    return model.Finding(
        title=f"{number} chosen by {by}, {best} of {last.n}; nothing was checked",
        text=f"{text}No claim was checked and no truth is known, so this page does not say "
        "whether the chosen answers are better.",
    )


def _differences(result: BestOf) -> tuple[Difference, ...]:
    """Return best of the most minus one answer."""
    last = result.curves[0].points[-1]
    return tuple(
        Difference(
            model=str(last.n),
            against="1",
            benchmark=BENCHMARK,
            metric=name,
            value=rate.value,
            low=rate.low,
            high=rate.high,
            n=result.prompts,
        )
        for name, rate in last.changes.items()
    )


def gaps(result: BestOf) -> list[str]:
    """What is not known of the candidates: rewards that aren't numbers, claims without verdict."""
    texts: list[str] = []
    if result.unrewarded:
        texts.append(
            f"Answers whose reward is not a number, and that are never chosen: "
            f"{len(result.unrewarded):,} of {result.candidates:,} (their keys: best-of.json)."
        )
    if result.unchecked:
        texts.append(
            "Answers with a claim that has no verdict, which no rate of rejected claims includes: "
            f"{result.unchecked:,} of {result.candidates:,}."
        )
    return texts


def _subject(specs: Sequence[model.MetricSpec], notes: tuple[model.Note, ...]) -> model.Subject:
    """Return the report's subject; its headline is the first error metric, if there is one."""
    wrong = [_ref(spec.name) for spec in specs if spec.better == "lower"]
    return model.Subject(
        metrics=tuple(specs),
        benchmarks=(model.BenchmarkSpec(name=BENCHMARK, label="Chosen answers"),),
        headline=wrong[0] if wrong else None,
        companions=tuple(_ref(spec.name) for spec in specs if spec.role == "cost"),
        notes=notes,
        limits=(LIMIT,),
    )


def _ref(metric: str) -> model.MetricRef:
    return model.MetricRef(benchmark=BENCHMARK, metric=metric)


def _summary(result: BestOf, tokens: float, seconds: float) -> str:
    return (
        f"{quantity(result.prompts, 'prompt')} with {result.n} answers each. Best of N is the mean "
        "over all ways to have N of them, so that one answer is the mean of all. A prompt's "
        f"answers are {tokens:,.0f} tokens to draw, and took {seconds:.2f} seconds to score."
    )


def _curves(
    curves: tuple[BestOfCurve, ...], specs: Sequence[model.MetricSpec]
) -> tuple[Curve, ...]:
    """Return each metric except the reward over the number of answers, a line per reward."""
    values = curves[0].points[0].values
    return tuple(
        metric_curve(
            spec,
            "answers to choose among",
            {
                divided(curve.normalise): [
                    (point.n, point.values[spec.name])
                    for point in curve.points
                    if spec.name in point.values  # unknown where no chosen answer has it
                ]
                for curve in curves
            },
            log_x=True,
            note="A line for each reward that chose: undivided, or divided by the answer's length. "
            f"Bands are 95% intervals, n = {curves[0].prompts:,}.",
        )
        for spec in specs
        if spec.name in values and spec.chart
    )
