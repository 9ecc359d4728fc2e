"""The page of the style gate: the distributions of both sides, and how far they lie apart."""

from collections.abc import Mapping
from pathlib import Path

from groundtune.bench.metric import Floats
from groundtune.pipeline.rewrite.style_features import histogram
from groundtune.pipeline.rewrite.style_summary import StyleSummary
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.report import model
from groundtune.report.curves import Curve, CurvePoint, CurveSeries
from groundtune.report.figures import quantity
from groundtune.report.page import write_report

TITLES = {
    "sum": ("Log-probability of a text", "nats"),
    "mean": ("Log-probability per token", "nats"),
    "words": ("Length", "words"),
}
UNSEEN = 0.1
"""Share of pairs from which on the page says that the classifier doesn't see their style."""


def write_page(
    out: Path, summary: StyleSummary, values: Mapping[str, tuple[Floats, Floats]]
) -> Path:
    """Write OUT/report.html and return its path."""
    verdict = "are in one style" if summary.passed else "differ in style"
    page = model.ReportInput(
        title="Style of pairs",
        finding=model.Finding(title=f"Both sides of the pairs {verdict}", text=_text(summary)),
        summary=f"{quantity(summary.pairs, 'pair')} about {quantity(summary.prompts, 'prompt')}; "
        f"the reference is {summary.reference}.",
        models=(
            model.ModelSpec(name="rejected", label="Rejected answers"),
            model.ModelSpec(name="chosen", label="Chosen answers"),
        ),
        curves=tuple(_curve(name, summary, *values[name]) for name in TITLES),
        provenance=provenance_of(out),
    )
    return write_report(out, page)


def _text(summary: StyleSummary) -> str:
    auc, length, gap = summary.style_auc, summary.length_auc, summary.mean
    return (
        f"Style alone tells the chosen answer in {auc.value:.1%} of the pairs (95% CI "
        f"{auc.low:.1%} to {auc.high:.1%}; chance is 50%). The chosen answer is the longer one in "
        f"{length.value:.1%}. Log-probabilities per token lie {gap.distance:+.2f} standard "
        f"deviations apart and overlap by {gap.overlap:.0%}. {unseen_text(summary)}"
    ).strip()


def unseen_text(summary: StyleSummary) -> str:
    """What the classifier doesn't see; "" if that is little."""
    if summary.unseen < UNSEEN:
        return ""
    return (
        f"{summary.unseen:.0%} of the pairs have hardly an English function word, so the "
        "classifier doesn't see their style: go by the log-probabilities."
    )


def _curve(name: str, summary: StyleSummary, chosen: Floats, rejected: Floats) -> Curve:
    title, unit = TITLES[name]
    middles, one, other = histogram(chosen, rejected)
    gap = getattr(summary, name)
    return Curve(
        title=title,
        x_label=unit,
        y_label="% of texts",
        scale=100.0,
        series=tuple(
            CurveSeries(
                label=side,
                model=side,
                points=tuple(
                    CurvePoint(x=float(x), y=float(y)) for x, y in zip(middles, shares, strict=True)
                ),
            )
            for side, shares in (("rejected", other), ("chosen", one))
        ),
        note=f"Chosen minus rejected: {gap.difference:+.2f} (95% CI {gap.low:+.2f} to "
        f"{gap.high:+.2f}); overlap {gap.overlap:.0%}.",
    )
