"""The report of best of N: one answer beside the chosen one, and the curves over N."""

from pathlib import Path

from groundtune.pipeline.best_of.curve import QUANTITIES, Curve, divided
from groundtune.pipeline.best_of.settings import BestOf, BestOfSettings
from groundtune.pipeline.provenance import provenance_of
from groundtune.records import Difference, Estimate
from groundtune.report import model
from groundtune.report.page import write_report

BENCHMARK = "best-of"
NO_TRUTH = (
    "Nothing here says what is right: the answers' claims were not checked. Check them with "
    "groundtune label --by claims --answers, and choose again."
)


def write_page(out: Path, settings: BestOfSettings, found: BestOf) -> Path:
    """Writes OUT/report.html of what choosing gave."""
    chosen = found.curves[0]
    first, last = chosen.points[0], chosen.points[-1]
    models = [model.ModelSpec(name="1", label="One answer")]
    if last.n > 1:
        how = divided(settings.normalise)
        note = f"by {settings.model}'s own reward over {settings.reference}, {how}"
        models.append(model.ModelSpec(name=str(last.n), label=f"Best of {last.n}", note=note))
    told = found.by_claims or found.by_truth
    page = model.ReportInput(
        title=f"Best of {found.n}",
        summary=_summary(found, last.drawn_tokens, last.score_seconds),
        models=tuple(models),
        metrics=_metrics(),
        benchmarks=(model.BenchmarkSpec(name=BENCHMARK, label="Chosen answers"),),
        estimates=tuple(
            Estimate(
                model=str(point.n),
                benchmark=BENCHMARK,
                metric=name,
                value=rate.value,
                low=rate.low,
                high=rate.high,
                n=found.prompts,
            )
            for point in ((first, last) if last.n > 1 else (first,))
            for name, rate in point.values.items()
        ),
        differences=tuple(
            Difference(
                model=str(last.n),
                against="1",
                benchmark=BENCHMARK,
                metric=name,
                value=rate.value,
                low=rate.low,
                high=rate.high,
                n=found.prompts,
            )
            for name, rate in last.changes.items()
        ),
        curves=_curves(found.curves),
        provenance=provenance_of(out),
        notes=() if told else (model.Note(kind="warning", text=NO_TRUTH),),
        limits=(
            "Intervals know about pictures, not about another draw of the candidates or another "
            "training of the model.",
        ),
    )
    return write_report(out / "report.html", page)


def _summary(found: BestOf, tokens: float, seconds: float) -> str:
    return (
        f"{found.prompts:,} prompts with {found.n} answers each. Best of N is the mean over all "
        "ways to have N of them, so that one answer is the mean of all. A prompt's answers are "
        f"{tokens:,.0f} tokens to draw, and took {seconds:.2f} seconds to score."
    )


def _metrics() -> tuple[model.MetricSpec, ...]:
    return tuple(
        model.MetricSpec(
            name=each.name,
            label=each.label,
            better="higher" if each.kept else "lower" if each.share else "neutral",
            role="cost" if each.name in ("words", "recall") else "quality",
            unit="%" if each.share else "words" if each.name == "words" else "",
            scale=100 if each.share else 1,
            decimals=1 if each.share or each.name == "words" else 4,
            chart=each.name != "reward",
        )
        for each in QUANTITIES
    )


def _curves(curves: tuple[Curve, ...]) -> tuple[model.Curve, ...]:
    known = curves[0].points[0].values
    if len(curves[0].points) < 2:
        return ()
    return tuple(
        model.Curve(
            title=each.label,
            x_label="answers to choose among",
            y_label="%" if each.share else each.name,
            scale=100 if each.share else 1,
            log_x=True,
            series=tuple(
                model.CurveSeries(
                    label=f"reward {divided(curve.normalise)}",
                    points=tuple(
                        model.CurvePoint(x=p.n, y=rate.value, low=rate.low, high=rate.high)
                        for p in curve.points
                        for rate in [p.values[each.name]]
                    ),
                )
                for curve in curves
            ),
        )
        for each in QUANTITIES
        if each.name in known and each.name != "reward"
    )
