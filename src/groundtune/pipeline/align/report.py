"""The report of rounds of AI feedback: a row a round, and the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune.bench.metric import Metric
from groundtune.bench.run import read_scores
from groundtune.bench.stats.bootstrap import difference, estimate, tabulate
from groundtune.bench.summary import summarise
from groundtune.pipeline.align.settings import AlignResult, AlignSettings, round_name
from groundtune.pipeline.align.steps import Choice, Feedback
from groundtune.pipeline.check.scores import BENCHMARK, METRICS
from groundtune.pipeline.jobs import Done
from groundtune.pipeline.provenance import provenance_of
from groundtune.pipeline.world.demo_settings import BASE
from groundtune.pipeline.world.notes import LICENCES, LIMITS, WORLD_NOTE
from groundtune.pipeline.world.report import GREEDY, all_metric_specs, on_page
from groundtune.records import Difference, Estimate, Record, Score
from groundtune.report import model
from groundtune.report.figures import range_text, value_text
from groundtune.report.page import write_report
from groundtune.report.specs import benchmark_specs, label, metric_spec
from groundtune.report.verdict import verdict
from groundtune.store.files import write_atomic

WORLD_COLUMNS = ("chair_sentence", "chair_instance", "wrong_any", "recall", "words")
CLAIM_COLUMNS = ("rejected_answers", "rejected_claims", "supported_claims", "words")
SELF_NOTE = (
    "What is rejected is what the labeler says no to, not what is wrong: groundtune check with "
    "answers that a person has marked tells how far the two lie apart."
)


class RoundRow(Record):
    """What a round did."""

    round: int
    answers: int
    claims: int
    rejected: int
    """Claims that the labeler rejected."""
    answered: float | None
    """Mean p(yes) + p(no) of the labeler."""
    pairs: int
    words_chosen: float
    words_rejected: float
    choice: Choice


class AlignTables(Record):
    """align.json."""

    rounds: tuple[RoundRow, ...]
    estimates: tuple[Estimate, ...]
    """Of the base and each round's model."""
    differences: tuple[Difference, ...]
    """From the base."""


def report_align(settings: AlignSettings, out: Path, steps: Mapping[str, Done]) -> AlignResult:
    """Writes align.json and report.html of rounds that are done."""
    names = [BASE, *(round_name(number) for number in range(1, settings.rounds + 1))]
    scores = [score for name in names for score in read_scores(out / "evaluation" / name)]
    tables = _tables(settings, out, names, scores)
    page, world = _page(settings, out, names, tables, steps), settings.of_the_world
    write_atomic(out / "align.json", tables.model_dump_json(indent=1).encode() + b"\n")
    return AlignResult(
        report=write_report(out / "report.html", page),
        results=out / "align.json",
        model=out / names[-1] / "model",
        verdict=" ".join(verdict(page).sentences),
        table=table_of(
            page,
            WORLD_COLUMNS if world else CLAIM_COLUMNS,
            GREEDY if world else f"{BENCHMARK}/greedy",
            {round_name(row.round): row for row in tables.rounds},
        ),
    )


def _tables(
    settings: AlignSettings, out: Path, names: Sequence[str], scores: Sequence[Score]
) -> AlignTables:
    rows = [_row(out, number) for number in range(1, settings.rounds + 1)]
    if settings.of_the_world:
        made = summarise(scores, against=BASE)
        return AlignTables(
            rounds=tuple(rows), estimates=made.estimates, differences=made.differences
        )
    tables = {name: tabulate([s for s in scores if s.model == name]) for name in names}
    where = f"{BENCHMARK}/greedy"
    estimates = [
        estimate(table, metric, model=name, benchmark=where)
        for name, table in tables.items()
        for metric in METRICS
    ]
    differences = [
        difference(tables[name], tables[BASE], metric, model=name, against=BASE, benchmark=where)
        for name in names[1:]
        for metric in METRICS
    ]
    return AlignTables(
        rounds=tuple(rows),
        estimates=tuple(each for each in estimates if each),
        differences=tuple(each for each in differences if each),
    )


def _row(out: Path, number: int) -> RoundRow:
    folder = out / round_name(number)
    feedback = Feedback.model_validate_json((folder / "feedback.json").read_bytes())
    choice = Choice.model_validate_json((folder / "choice.json").read_bytes())
    last = feedback.pairs.effects[-1]
    return RoundRow(
        round=number,
        answers=feedback.claims.answers,
        claims=feedback.claims.claims,
        rejected=feedback.claims.statuses.get("rejected", 0),
        answered=feedback.claims.answered,
        pairs=feedback.pairs.made,
        words_chosen=last.words_chosen,
        words_rejected=last.words_rejected,
        choice=choice,
    )


def _page(
    settings: AlignSettings,
    out: Path,
    names: Sequence[str],
    tables: AlignTables,
    steps: Mapping[str, Done],
) -> model.ReportInput:
    world = settings.of_the_world
    where = GREEDY if world else f"{BENCHMARK}/greedy"
    columns = WORLD_COLUMNS if world else CLAIM_COLUMNS
    plain = model.BenchmarkSpec(name=where, label="Claims, on prompts that were held back")
    return model.ReportInput(
        title="Rounds of AI feedback",
        summary=_summary(settings),
        models=tuple(_model(name, tables.rounds) for name in names),
        metrics=all_metric_specs() if world else tuple(metric_spec(each) for each in METRICS),
        benchmarks=benchmark_specs(tables.estimates) if world else (plain,),
        headline=model.Headline(
            benchmark=where,
            metric=columns[0],
            model=names[-1],
            against=BASE,
            beside=tuple(model.MetricRef(benchmark=where, metric=name) for name in columns[2:]),
            fixed="The last round's model, whatever it is; its checkpoint was chosen on other "
            "prompts.",
        ),
        estimates=tuple(e for e in tables.estimates if not world or on_page(e)),
        differences=tuple(d for d in tables.differences if not world or on_page(d)),
        curves=tuple(_curve(tables, names, where, name) for name in columns),
        provenance=provenance_of(out, steps),
        notes=(WORLD_NOTE,) if world else (model.Note(kind="warning", text=SELF_NOTE),),
        limits=(LIMITS[0],) if world else (LIMITS[0].partition(" groundtune study")[0],),
        licences=LICENCES if world else (),
    )


def _model(name: str, rounds: Sequence[RoundRow]) -> model.ModelSpec:
    own = next((row for row in rounds if round_name(row.round) == name), None)
    if own is None:
        return model.ModelSpec(name=name, label=label(name))
    chosen = own.choice.chosen
    what = "the round's first model, no checkpoint being better" if chosen == "start" else chosen
    note = (
        f"{own.pairs:,} pairs of {own.answers:,} answers; {own.rejected:,} of {own.claims:,} "
        f"claims rejected; chosen by {own.choice.by} on {own.choice.prompts:,} prompts: {what}"
    )
    return model.ModelSpec(name=name, label=f"Round {own.round}", note=note)


def _summary(settings: AlignSettings) -> str:
    who = "the model itself" if settings.feedback.labeler == "self" else settings.feedback.labeler
    return (
        f"{settings.rounds} rounds from {settings.model}. In each, the model drew {settings.n} "
        f"answers a prompt at temperature {settings.sampling.temperature:g}, {who} said yes or no "
        "to their claims, and the next model learnt from the pairs that this gave by "
        f"{settings.learn.method.type.upper()}, with the round's first model as its reference. "
        "Checkpoints were chosen on other prompts than those that are reported."
    )


def _curve(tables: AlignTables, names: Sequence[str], where: str, metric: str) -> model.Curve:
    found = {e.model: e for e in tables.estimates if (e.benchmark, e.metric) == (where, metric)}
    known: dict[str, Metric] = {each.name: each for each in METRICS}
    if metric not in known:
        from groundtune.bench.world.captions import WORLD_CAPTIONS

        known = {each.name: each for each in WORLD_CAPTIONS.metrics}
    spec = known[metric]
    return model.Curve(
        title=spec.label,
        x_label="round",
        y_label=spec.unit,
        scale=spec.scale,
        series=(
            model.CurveSeries(
                label="greedy",
                points=tuple(
                    model.CurvePoint(x=i, y=e.value, low=e.low, high=e.high)
                    for i, name in enumerate(names)
                    if (e := found.get(name)) is not None
                ),
            ),
        ),
    )


def table_of(
    page: model.ReportInput,
    columns: Sequence[str],
    where: str,
    rounds: Mapping[str, RoundRow] | None = None,
) -> list[list[str]]:
    """A page's models and these metrics as texts: a row a model, the first row the heads.

    With `rounds`, by a model's name, also its pairs and its checkpoint.
    """
    refs = [model.MetricRef(benchmark=where, metric=name) for name in columns]
    heads = [page.metric(ref.metric, where).label for ref in refs]
    told = ["pairs", "checkpoint"] if rounds is not None else []
    rows = [["model", *told, *heads]]
    for spec in page.models:
        own = (rounds or {}).get(spec.name)
        cells = [str(own.pairs), own.choice.chosen] if own else [""] * len(told)
        for ref in refs:
            found = model.find_estimate(page.estimates, spec.name, ref)
            shape = page.metric(ref.metric, where)
            cells.append(
                f"{value_text(found.value, shape)} [{range_text(found.low, found.high, shape)}]"
                if found
                else "-"
            )
        rows.append([spec.label, *cells])
    return rows
