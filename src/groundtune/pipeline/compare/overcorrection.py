"""Over-correction: what a model loses as it learns from more pairs, and where to stop.

More pairs against hallucination lower it, and from some point on what is there goes unsaid, too.
Each point is a model that was trained on more pairs than the one before; all are compared with the
base on the same items.

    OUT/overcorrection.json
    OUT/report.html         both metrics over the pairs
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from groundtune.errors import UserError
from groundtune.pipeline.compare.run import compare
from groundtune.records import Difference, Estimate, Record
from groundtune.report import model
from groundtune.report.curves import metric_curve
from groundtune.report.page import write_report
from groundtune.report.specs import metric_specs
from groundtune.store.json_writing import write_object
from groundtune.store.lock import one_writer


class OvercorrectionSettings(Record):
    """Which metrics, and how much coverage may be lost."""

    benchmark: str = ""
    """As `groundtune compare` prints it; "" for the first that has both metrics."""
    error: str = "chair_sentence"
    """What is to fall."""
    coverage: str = "recall"
    """What must not."""
    most_lost: float = Field(default=0.05, ge=0)
    """Largest loss of coverage from the base, in the metric's own unit."""


class CurveModel(Record):
    """A model of the curve."""

    model: str
    pairs: float
    error: Estimate
    coverage: Estimate
    error_change: float = 0.0
    """From the base."""
    coverage_change: float = 0.0
    allowed: bool = True
    """Whether it loses no more coverage than is allowed."""


class Overcorrection(Record):
    """The curve, and where to stop."""

    benchmark: str
    points: tuple[CurveModel, ...]
    stop: str
    """The model to keep: the one with the fewest errors among the first that are allowed, up to the
    first that is not."""
    pairs: float
    why: str


class OvercorrectionResult(NamedTuple):
    """What was found, and where it is."""

    summary: Overcorrection
    results: Path
    report: Path


def read_runs(words: Sequence[str]) -> tuple[list[float], list[Path]]:
    """The numbers and folders of words such as 80=runs/with-80.

    Raises:
        UserError: there are fewer than two, or one has no number.
    """
    numbers: list[float] = []
    folders: list[Path] = []
    for word in words:
        number, _, folder = word.partition("=")
        if not number.isdecimal() or not folder:
            raise UserError(
                f"{word!r} is not NUMBER=FOLDER.", word, "Write NUMBER=FOLDER: 80=runs/with-80."
            )
        numbers.append(float(number))
        folders.append(Path(folder))
    if len(folders) < 2:
        raise UserError(
            "A curve needs the base and at least one more model.",
            " ".join(words) or "groundtune overcorrection",
            "Give 0=FOLDER for the base, then NUMBER=FOLDER for each model.",
        )
    return numbers, folders


@one_writer()
def overcorrection(
    folders: Sequence[Path], numbers: Sequence[float], out: Path, settings: OvercorrectionSettings
) -> OvercorrectionResult:
    """Draw the curve of the models in these folders: the base, then growing numbers of pairs.

    Raises:
        UserError: fewer than two models or another number of numbers, numbers that don't grow, or
            no benchmark with both metrics.
    """
    compared = compare(folders)
    if len(numbers) != len(compared.models) or list(numbers) != sorted(set(numbers)):
        raise UserError(
            f"There are {len(compared.models)} models and {len(numbers)} numbers of pairs.",
            f"pairs {', '.join(f'{n:g}' for n in numbers)}",
            "Give one number per model, growing; the base's is 0.",
        )
    estimates, differences = compared.summary.estimates, compared.summary.differences
    benchmark = _benchmark(estimates, settings)
    points = [
        _point(name, number, benchmark, estimates, differences, settings)
        for name, number in zip(compared.models, numbers, strict=True)
    ]
    curve = where_to_stop(benchmark, points, settings)
    results = write_object(out / "overcorrection.json", curve, indent=1)
    return OvercorrectionResult(curve, results, _write_page(out, curve, settings))


def _benchmark(estimates: Sequence[Estimate], settings: OvercorrectionSettings) -> str:
    metrics: dict[str, set[str]] = {}
    for each in estimates:
        metrics.setdefault(each.benchmark, set()).add(each.metric)
    required = {settings.error, settings.coverage}
    having = [name for name, measured in metrics.items() if required <= measured]
    if settings.benchmark in having or (not settings.benchmark and having):
        return settings.benchmark or having[0]
    raise UserError(
        f"No benchmark has both {settings.error} and {settings.coverage}.",
        settings.benchmark or ", ".join(metrics),
        "Choose others with error= and coverage=; groundtune bench list shows the metrics.",
    )


def _point(
    name: str,
    number: float,
    benchmark: str,
    estimates: Sequence[Estimate],
    differences: Sequence[Difference],
    settings: OvercorrectionSettings,
) -> CurveModel:
    by_metric = {e.metric: e for e in estimates if (e.model, e.benchmark) == (name, benchmark)}
    change = {d.metric: d for d in differences if (d.model, d.benchmark) == (name, benchmark)}
    error, coverage = change.get(settings.error), change.get(settings.coverage)
    coverage_change = coverage.value if coverage else 0.0
    return CurveModel(
        model=name,
        pairs=number,
        error=by_metric[settings.error],
        coverage=by_metric[settings.coverage],
        error_change=error.value if error else 0.0,
        coverage_change=coverage_change,
        allowed=-coverage_change <= settings.most_lost,
    )


def where_to_stop(
    benchmark: str, points: Sequence[CurveModel], settings: OvercorrectionSettings
) -> Overcorrection:
    """Stop before the first model that loses too much; keep the fewest errors until then."""
    over = next((i for i, point in enumerate(points) if not point.allowed), len(points))
    best = min(points[:over], key=lambda point: (point.error.value, point.pairs))
    why = f"it has the fewest errors of the {over} models that lose at most {settings.most_lost:g}"
    if over < len(points):
        after = points[over]
        why += f"; at {after.pairs:g} pairs {-after.coverage_change:.3f} is lost"
    return Overcorrection(
        benchmark=benchmark, points=tuple(points), stop=best.model, pairs=best.pairs, why=why
    )


def _write_page(out: Path, curve: Overcorrection, settings: OvercorrectionSettings) -> Path:
    from groundtune.bench.summary import metric_of

    specs = metric_specs(
        [metric_of(curve.benchmark, name) for name in (settings.error, settings.coverage)]
    )
    lines = {
        settings.error: [(point.pairs, point.error) for point in curve.points],
        settings.coverage: [(point.pairs, point.coverage) for point in curve.points],
    }
    page = model.ReportInput(
        title="Over-correction",
        finding=model.Finding(
            title=f"Stop at {curve.pairs:g} pairs: {curve.stop}", text=f"Why: {curve.why}."
        ),
        models=tuple(
            model.ModelSpec(name=point.model, label=f"{point.model}, {point.pairs:g} pairs")
            for point in curve.points
        ),
        curves=tuple(
            metric_curve(spec, "pairs", {"trained models": lines[spec.name]}) for spec in specs
        ),
    )
    return write_report(out, page)
