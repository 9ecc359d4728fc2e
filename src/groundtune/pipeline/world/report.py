"""The report and summary of a demo, from its scores."""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from groundtune.bench.run.run import read_scores
from groundtune.bench.summary import Summary, all_estimates, further_estimates, summarise
from groundtune.bench.world.benchmarks import (
    WORLD_CAPTIONS,
    WORLD_QUESTIONS,
    WORLD_SELF_KNOWLEDGE,
)
from groundtune.bench.world.captions import NAME as CAPTIONS
from groundtune.bench.world.captions import load as load_captions
from groundtune.bench.world.images import find_scene
from groundtune.bench.world.length import ADJUSTED_METRICS, CUT
from groundtune.bench.world.questions import NAME as QUESTIONS
from groundtune.bench.world.self_knowledge import rates_by_prior
from groundtune.pipeline.models.measure import BASE
from groundtune.pipeline.runs.folder import RunFolder, write_rows
from groundtune.pipeline.runs.jobs import JobResult
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.pipeline.world.demo_settings import DemoResult, DemoSettings, keep_result
from groundtune.pipeline.world.notes import (
    LICENCES,
    learnt_models,
    limits_of,
    training_curves,
)
from groundtune.pipeline.world.pooling import greedy_captions, length_control
from groundtune.pipeline.world.steps import SELF_KNOWLEDGE, WorldEvaluation
from groundtune.records import Difference, Estimate, Record, Score
from groundtune.report import model
from groundtune.report.curves import Curve, CurveSeries, points
from groundtune.report.examples import ItemView, choose_examples
from groundtune.report.figures import with_interval
from groundtune.report.page import write_report
from groundtune.report.specs import metric_specs, model_label, subject_of
from groundtune.report.tried import tried_text
from groundtune.report.verdict import verdict_text
from groundtune.store.images import ImageStore
from groundtune.world.questions import facts
from groundtune.world.render import render_large

GREEDY = f"{CAPTIONS}/greedy"


def caption_metric(name: str, decoding: str = "greedy") -> model.MetricRef:
    """A metric of captions of usual scenes."""
    return model.MetricRef(benchmark=f"{CAPTIONS}/{decoding}", metric=name)


HEADLINE = caption_metric(WORLD_CAPTIONS.headline)
COMPANIONS = tuple(
    model.MetricRef(benchmark=benchmark, metric=metric)
    for benchmark, metric in WORLD_CAPTIONS.companions
)
FIXED = (
    "Answers with an invented object, greedy decoding: fixed in the recipe before anything was "
    "tuned."
)
TRADE_OFFS = (model.TradeOff(x=COMPANIONS[0], y=HEADLINE),)
EXAMPLES = 4
"""Number of images with each model's answer on the page."""
STRATUM_LABELS = {
    CAPTIONS: "usual scenes",
    f"{CAPTIONS}/missing": "the most usual object is missing",
    f"{CAPTIONS}/replaced": "something unusual in its place",
}


class WorldResults(Record):
    """Values computed from the scores."""

    summary: Summary
    strata: tuple[Estimate, ...]
    """Over-generalisation: rate and delta of each model, stratum and decoding."""
    self_knowledge: tuple[Estimate, ...]
    """Each model's knowledge of what it invents."""
    length: model.LengthControl | None
    greedy: tuple[Score, ...]
    """Greedy captions of usual scenes, of all models."""

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All of them."""
        return (*self.summary.estimates, *self.strata, *self.self_knowledge)


def read_results(folders: Sequence[Path], tuned: str, against: str = BASE) -> WorldResults:
    """What the scores in these folders say; `against` is the base, `tuned` the headline's model.

    Raises:
        UserError: a folder without scores, or models that have not answered the same items.
    """
    scores = [score for folder in folders for score in read_scores(folder)]
    greedy = greedy_captions(scores)
    folders_with_scores = [
        folder / SELF_KNOWLEDGE for folder in folders if (folder / SELF_KNOWLEDGE).exists()
    ]
    return WorldResults(
        summary=summarise(scores, against=against),
        strata=tuple(further_estimates(scores)),
        self_knowledge=tuple(
            e for folder in folders_with_scores for e in all_estimates(read_scores(folder))
        ),
        length=_equal(greedy, tuned, against),
        greedy=tuple(greedy),
    )


def _equal(greedy: Sequence[Score], tuned: str, against: str) -> model.LengthControl | None:
    """Greedy captions of the two models at equal length; None if one has none."""
    tuned_scores = [s for s in greedy if s.model == tuned]
    base_scores = [s for s in greedy if s.model == against]
    both = {s.item for s in tuned_scores if s.status == "scored"}
    if not both & {s.item for s in base_scores if s.status == "scored"}:
        return None
    return length_control(tuned_scores, base_scores)


def demo_report(
    settings: DemoSettings, out: Path, results: WorldResults, steps: Mapping[str, JobResult]
) -> model.ReportInput:
    """All contents of the demo's report."""
    others = [name for name in settings.learn if name != settings.headline]
    item = item_of(settings.evaluation, RunFolder(out).images)
    trainings = [(name, model_label(name), out / "training" / name) for name in settings.learn]
    pairs = len(RunFolder(out).pairs.keys())
    models = learnt_models(settings.model, settings.learn, pairs)
    trials = tried_text(settings.tried)
    limits = (trials, *limits_of(settings.evaluation.split, 1))
    subject = world_subject(results.estimates, limits)
    return model.ReportInput(
        title="Demo on the embedded world",
        summary=f"{_paragraph(settings, out, pairs)} {trials}",
        models=models,
        subject=subject,
        headline=subject.lead(settings.headline, BASE),
        estimates=results.estimates,
        differences=results.summary.differences,
        length_control=results.length,
        trade_offs=TRADE_OFFS,
        strata=strata_rows(results.summary.estimates),
        examples=choose_examples(
            results.greedy, BASE, settings.headline, item, others=others, number=EXAMPLES
        ),
        curves=(prior_curve(results.greedy, models), *training_curves(trainings)),
        provenance=provenance_of(out, steps),
    )


def world_subject(
    estimates: Sequence[Estimate], limits: tuple[str, ...], captions: str = CAPTIONS
) -> model.Subject:
    """The world's benchmarks, as a page with these limits shows them.

    `captions` is the name of the captions' benchmark.
    """
    base = subject_of(row.benchmark for row in estimates)
    name = f"{captions}/greedy/{CUT}"
    truncated = model.BenchmarkSpec(name=name, label="Captions, greedy, truncated")
    return model.Subject(
        metrics=world_metrics(),
        benchmarks=(*base.benchmarks, truncated),
        headline=HEADLINE,
        companions=COMPANIONS,
        fixed=FIXED,
        on_page=on_page,
        notes=base.notes,
        limits=limits,
        licences=LICENCES,
    )


def world_metrics() -> tuple[model.MetricSpec, ...]:
    """Every metric of the world's benchmarks, those of the main table with a chart."""
    benchmarks = (WORLD_CAPTIONS, WORLD_QUESTIONS, WORLD_SELF_KNOWLEDGE)
    charts = [metric for benchmark in benchmarks for metric in benchmark.metrics]
    charts += WORLD_SELF_KNOWLEDGE.further_metrics
    without = [*WORLD_CAPTIONS.further_metrics, *ADJUSTED_METRICS]
    return metric_specs(charts) + metric_specs(without, chart=False)


def prior_curve(greedy: Sequence[Score], models: Sequence[model.ModelSpec]) -> Curve:
    """The rate of inventing a missing category, over its prior."""
    rates = [
        (model_spec_, rates_by_prior([s for s in greedy if s.model == model_spec_.name]))
        for model_spec_ in models
    ]
    return Curve(
        title="What is usual is invented more often",
        x_label="how often the context has it, %",
        y_label="captions that invent it where it is missing, %",
        scale=100,
        series=tuple(
            CurveSeries(
                label=model_spec_.label,
                model=model_spec_.name,
                points=points((100 * rate.prior, rate) for rate in model_rates),
            )
            for model_spec_, model_rates in rates
            if model_rates
        ),
        note="Greedy captions of usual scenes; bands are 95% intervals from resampled images, "
        f"n = {len({score.item for score in greedy}):,}.",
    )


T1 = ("chair_sentence", "chair_instance", "wrong_any", "recall", "words")
"""Metrics of captions at temperature 1 on the page; summary.json has all."""
ONLY: dict[str, tuple[str, ...]] = {
    "missing": ("chair_sentence", "overgeneral_rate", "overgeneral_delta"),
    "replaced": ("chair_sentence", "overgeneral_rate", "overgeneral_delta"),
    QUESTIONS: ("accuracy", "f1", "yes_rate", "unparsed"),
}
"""Metrics of a part or benchmark on the page; summary.json has all."""


def on_page(row: Estimate | Difference) -> bool:
    """Whether the page shows a value, of clear scenes or of hard ones."""
    name = row.benchmark.replace("world-hard-", "world-", 1)
    benchmark, part, *_ = name.split("/")
    if name == f"{CAPTIONS}/t1":
        return row.metric in T1
    if benchmark == QUESTIONS and not name.endswith("/greedy"):
        return row.metric == "accuracy"
    return row.metric in ONLY.get(part, ONLY.get(benchmark, (row.metric,)))


def strata_rows(estimates: Sequence[Estimate]) -> tuple[model.StratumEstimate, ...]:
    """Greedy answers with an invented object, by whether the usual object is present."""
    return tuple(
        model.StratumEstimate(
            **estimate.model_copy(update={"benchmark": GREEDY}).model_dump(),
            by="What tends to be there",
            stratum=text,
        )
        for part, text in STRATUM_LABELS.items()
        for estimate in estimates
        if (estimate.benchmark, estimate.metric) == (f"{part}/greedy", "chair_sentence")
    )


def item_of(evaluation: WorldEvaluation, images: ImageStore) -> Callable[[Score], ItemView]:
    """How an item of a scored caption is shown to readers."""
    questions: dict[str, str] = {}

    def item(score: Score) -> ItemView:
        if not questions:
            items = load_captions(evaluation.selection(evaluation.captions), images)
            questions.update((each.key, each.prompt.question) for each in items)
        scene = find_scene(score.image)
        file = BytesIO()
        render_large(scene).save(file, "PNG")
        truth = " ".join(facts(scene))
        return ItemView(images=(file.getvalue(),), prompt=questions[score.item], truth=truth)

    return item


def _paragraph(settings: DemoSettings, out: Path, pairs: int) -> str:
    """A paragraph about the run."""
    folder = RunFolder(out)
    corrections = len(folder.corrections.keys())
    erring = (
        f", with {settings.error_rate:.0%} of errors missed or corrected wrongly"
        if settings.error_rate
        else ""
    )
    ways = " and ".join(model_label(name) for name in settings.learn)
    return (
        f"The base described {settings.prompts:,} images at temperature "
        f"{settings.sampling.temperature:g}. A simulated person read {corrections:,} of its "
        f"answers and corrected the wrong segments of {pairs:,}{erring}. The base then learnt "
        f"from these pairs by {ways}. All models were asked about the same "
        f"{settings.evaluation.captions:,} other "
        f"scenes of the {settings.evaluation.split} split, in words that no correction was "
        "collected on."
    )


def report_demo(settings: DemoSettings, out: Path, steps: Mapping[str, JobResult]) -> DemoResult:
    """Write report.html, summary.json and differences.json of a demo with finished steps."""
    names = (BASE, *settings.learn)
    results = read_results([out / "evaluation" / name for name in names], settings.headline)
    page = demo_report(settings, out, results, steps)
    return keep_result(
        out,
        steps,
        report=write_report(out, page),
        summary=write_rows(out / "summary.json", results.estimates),
        differences=write_rows(out / "differences.json", results.summary.differences),
        verdict=verdict_text(page),
        table=short_table(page),
    )


SHORT: tuple[tuple[model.MetricRef, str], ...] = (
    (HEADLINE, "answers with an invented object"),
    (caption_metric("chair_instance"), "invented objects among all named"),
    (caption_metric("wrong_any"), "answers with anything wrong"),
    (caption_metric("recall"), "objects there that are named"),
    (caption_metric("words"), "words per answer"),
    (caption_metric("chair_sentence", "t1"), "the same as the first, temperature 1"),
    (COMPANIONS[-1], "right answers to yes/no (adversarial)"),
)
"""Rows of the table that the command prints."""


def short_table(page: model.ReportInput) -> list[list[str]]:
    """The main values of each model with their 95% intervals, as text."""
    rows = [["greedy, % with 95% interval", *(spec.label for spec in page.models)]]
    for ref, text in SHORT:
        spec = page.metric(ref)
        estimates_ = [page.estimate(model_.name, ref) for model_ in page.models]
        rows.append(
            [text, *(with_interval(estimate, spec).replace("%", "") for estimate in estimates_)]
        )
    return rows
