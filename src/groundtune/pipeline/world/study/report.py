"""The report of a study, and its line in the notebook."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune.bench.run.run import read_scores
from groundtune.pipeline.models.measure import BASE
from groundtune.pipeline.runs.jobs import JobResult
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.pipeline.world.notes import learnt_models, limits_of
from groundtune.pipeline.world.pooling import greedy_captions
from groundtune.pipeline.world.report import (
    TRADE_OFFS,
    item_of,
    prior_curve,
    strata_rows,
    world_subject,
)
from groundtune.pipeline.world.study.markdown import CURVES, markdown
from groundtune.pipeline.world.study.settings import (
    TWIN,
    StudyPlan,
    StudyResult,
    StudySettings,
    Variant,
)
from groundtune.pipeline.world.study.tables import Runs, StudyPoint, StudyTables, study_tables
from groundtune.report import model
from groundtune.report.curves import Curve, CurveSeries, points
from groundtune.report.examples import Examples, choose_examples
from groundtune.report.figures import quantity
from groundtune.report.page import write_report
from groundtune.report.specs import model_label
from groundtune.report.tried import tried_text
from groundtune.report.verdict import verdict_text
from groundtune.store.files import write_atomic
from groundtune.store.images import ImageStore
from groundtune.store.json_writing import write_object

LINES = "invented", "invented, T = 1", "recall"
"""Names of the lines of CURVES in a chart."""


def report_study(
    settings: StudySettings, out: Path, plan: StudyPlan, steps: Mapping[str, JobResult]
) -> StudyResult:
    """Write study.json, study.md and report.html of a study with finished runs."""
    runs = {name: read_scores(out / folder) for name, folder in plan.scores.items()}
    tables = study_tables(settings, out, plan, runs, steps)
    page = study_page(settings, out, plan, runs, tables, steps)
    write_object(out / "study.json", tables, indent=1)
    write_atomic(out / "study.md", markdown(settings, page, tables).encode())
    return StudyResult(
        report=write_report(out, page),
        results=out / "study.json",
        markdown=out / "study.md",
        verdict=verdict_text(page),
        steps=dict(steps),
    )


def study_page(
    settings: StudySettings,
    out: Path,
    plan: StudyPlan,
    runs: Runs,
    tables: StudyTables,
    steps: Mapping[str, JobResult],
) -> model.ReportInput:
    """All contents of the study's report."""
    twin = [TWIN] if settings.clean_twin else []
    first = Variant(BASE, settings.headline, settings.seeds[0], settings.corrections, 0.0)
    greedy = greedy_captions(runs[BASE]) + [
        s.model_copy(update={"model": settings.headline}) for s in greedy_captions(runs[first.name])
    ]
    base_names = [*settings.bases, *twin]
    caption_scores = [score for name in base_names for score in greedy_captions(runs[name])]
    item = item_of(settings.evaluation, ImageStore(out / "images"))
    chosen = choose_examples(greedy, BASE, settings.headline, item)
    estimates = (*tables.bases, *tables.pooled)
    trials = tried_text(settings.tried)
    limits = (trials, *limits_of(settings.evaluation.split, len(settings.seeds)))
    subject, models = world_subject(estimates, limits), _models(settings, twin)
    return model.ReportInput(
        title="Study on the embedded world",
        summary=f"{_description(settings)} {trials}",
        models=models,
        subject=subject,
        headline=subject.lead(settings.headline, BASE),
        estimates=estimates,
        differences=tables.differences,
        length_control=tables.length[settings.headline],
        trade_offs=TRADE_OFFS,
        strata=strata_rows(estimates),
        examples=Examples(
            shown=chosen.shown, how=f"Answers of seed {settings.seeds[0]}. {chosen.how}"
        ),
        curves=(*_curves(settings, tables), prior_curve(caption_scores, models)),
        provenance=provenance_of(out, steps),
    )


def _models(settings: StudySettings, twin: Sequence[str]) -> tuple[model.ModelSpec, ...]:
    seeds = len(settings.seeds)
    return (
        *learnt_models(settings.model, settings.learn, settings.corrections, seeds),
        *(
            model.ModelSpec(name=name, label=f"Base {name}", note=f"another base, {path}, as it is")
            for name, path in settings.other_bases.items()
        ),
        *(
            model.ModelSpec(name=name, label="Clean twin", note="a base finished on clean captions")
            for name in twin
        ),
    )


def _description(settings: StudySettings) -> str:
    others = len(settings.other_bases)
    return (
        f"{quantity(len(settings.seeds), 'seed')} of sampling, "
        "correcting and training, "
        f"{settings.corrections:,} corrected answers each; {others or 'no'} other "
        f"base{'' if others == 1 else 's'}. Intervals of differences are from images and seeds "
        f"resampled. All models were asked about the same {settings.evaluation.captions:,} scenes "
        f"of the {settings.evaluation.split} split."
    )


def _curves(settings: StudySettings, tables: StudyTables) -> list[Curve]:
    way = model_label(settings.headline)
    curves = (
        ("More corrections, fewer inventions", "corrections", tables.corrections, 1.0, True),
        ("What an annotator's errors cost", "annotator's errors, %", tables.errors, 100.0, False),
    )
    return [
        Curve(
            title=title,
            x_label=x_label,
            y_label="%",
            scale=100,
            log_x=log_x,
            note=f"{way}; seeds: {len(settings.curve_seeds)}; greedy but for T = 1, temperature 1; "
            "bands are 95% intervals.",
            series=tuple(
                _series(points, ref, name, factor)
                for (ref, _), name in zip(CURVES, LINES, strict=True)
            ),
        )
        for title, x_label, points, factor, log_x in curves
        if len(points) > 1
    ]


def _series(
    study_points: Sequence[StudyPoint], ref: model.MetricRef, text: str, factor: float
) -> CurveSeries:
    rates = (
        (factor * point.x, estimate)
        for point in study_points
        for estimate in point.estimates
        if (estimate.benchmark, estimate.metric) == (ref.benchmark, ref.metric)
    )
    return CurveSeries(label=text, points=points(rates))
