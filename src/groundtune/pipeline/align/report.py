"""The report of rounds of AI feedback: a row a round, and the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune.bench.run import read_scores
from groundtune.bench.stats.bootstrap import difference, estimate, tabulate
from groundtune.bench.summary import summarise
from groundtune.pipeline.align.settings import AlignResult, AlignSettings, round_name
from groundtune.pipeline.align.steps import Choice, Feedback
from groundtune.pipeline.check.page import claims_subject
from groundtune.pipeline.check.scores import METRICS, WHERE
from groundtune.pipeline.jobs import Done
from groundtune.pipeline.measure import BASE
from groundtune.pipeline.provenance import provenance_of
from groundtune.pipeline.world.notes import limits_of
from groundtune.pipeline.world.report import GREEDY, world_subject
from groundtune.records import Difference, Estimate, Record, Score
from groundtune.report import model
from groundtune.report.build import ONE_SEED, metric_curve
from groundtune.report.figures import with_interval
from groundtune.report.page import write_report
from groundtune.report.specs import model_spec
from groundtune.report.verdict import verdict_text
from groundtune.store.files import write_atomic

SELF_NOTE = (
    "What is rejected is what the labeler says no to, not what is wrong: groundtune check with "
    "answers that a person has marked tells how far the two lie apart."
)
WORLD_METRICS = ("chair_sentence", "chair_instance", "wrong_any", "recall", "words")
CLAIM_METRICS = ("rejected_answers", "rejected_claims", "supported_claims", "words")


def columns_of(of_the_world: bool) -> tuple[model.MetricRef, ...]:
    """The metrics that a table of rounds shows; the first is the headline."""
    where, names = (GREEDY, WORLD_METRICS) if of_the_world else (WHERE, CLAIM_METRICS)
    return tuple(model.MetricRef(benchmark=where, metric=name) for name in names)


def rounds_subject(
    of_the_world: bool, estimates: Sequence[Estimate], *, fixed: str, seeds: int
) -> model.Subject:
    """What pages about rounds show: the world's benchmarks, or claims about other images."""
    columns = columns_of(of_the_world)
    if of_the_world:
        limits = limits_of("", seeds)[:1] if seeds == 1 else ()
        subject = world_subject(estimates, limits)
    else:
        subject = claims_subject("Claims, on prompts that were held back").model_copy(
            update={
                "notes": (model.Note(kind="warning", text=SELF_NOTE),),
                "limits": (ONE_SEED,) if seeds == 1 else (),
            }
        )
    return subject.model_copy(
        update={"headline": columns[0], "beside": columns[2:], "fixed": fixed}
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
    page = _page(settings, out, names, tables, steps)
    write_atomic(out / "align.json", tables.model_dump_json(indent=1).encode() + b"\n")
    return AlignResult(
        report=write_report(out, page),
        results=out / "align.json",
        model=out / names[-1] / "model",
        verdict=verdict_text(page),
        table=table_of(
            page,
            columns_of(settings.of_the_world),
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
    estimates = [
        estimate(table, metric, model=name, benchmark=WHERE)
        for name, table in tables.items()
        for metric in METRICS
    ]
    differences = [
        difference(tables[name], tables[BASE], metric, model=name, against=BASE, benchmark=WHERE)
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
    columns = columns_of(settings.of_the_world)
    fixed = "The last round's model, whatever it is; its checkpoint was chosen on other prompts."
    subject = rounds_subject(settings.of_the_world, tables.estimates, fixed=fixed, seeds=1)
    return model.ReportInput(
        title="Rounds of AI feedback",
        summary=_summary(settings),
        models=tuple(_model(name, tables.rounds) for name in names),
        subject=subject,
        headline=subject.lead(names[-1], BASE),
        estimates=tables.estimates,
        differences=tables.differences,
        curves=tuple(_curve(tables, names, ref, subject) for ref in columns),
        provenance=provenance_of(out, steps),
    )


def _model(name: str, rounds: Sequence[RoundRow]) -> model.ModelSpec:
    own = next((row for row in rounds if round_name(row.round) == name), None)
    if own is None:
        return model_spec(name)
    chosen = own.choice.chosen
    what = "the round's first model, no checkpoint being better" if chosen == "start" else chosen
    note = (
        f"{own.pairs:,} pairs of {own.answers:,} answers; {own.rejected:,} of {own.claims:,} "
        f"claims rejected; chosen by {own.choice.by} on {own.choice.prompts:,} prompts: {what}"
    )
    return model.ModelSpec(name=name, label=f"Round {own.round}", note=note)


def _summary(settings: AlignSettings) -> str:
    who = "the model itself" if settings.feedback.labeler == "self" else settings.feedback.labeler
    several = "s" if settings.rounds > 1 else ""
    return (
        f"{settings.rounds} round{several} from {settings.model}. In each, the model drew "
        f"{settings.n} answers a prompt at temperature {settings.sampling.temperature:g}, {who} "
        "said yes or no to their claims, and the next model learnt from the pairs that this gave "
        f"by {settings.learn.method.type.upper()}, with the round's first model as its reference. "
        "Checkpoints were chosen on other prompts than those that are reported."
    )


def _curve(
    tables: AlignTables, names: Sequence[str], ref: model.MetricRef, subject: model.Subject
) -> model.Curve:
    found = ((i, model.find_estimate(tables.estimates, name, ref)) for i, name in enumerate(names))
    line = [(i, each) for i, each in found if each is not None]
    return metric_curve(subject.metric(ref.metric, ref.benchmark), "round", {"greedy": line})


def table_of(
    page: model.ReportInput,
    columns: Sequence[model.MetricRef],
    rounds: Mapping[str, RoundRow] | None = None,
) -> list[list[str]]:
    """A page's models and these metrics as texts: a row a model, the first row the heads.

    With `rounds`, by a model's name, also its pairs and its checkpoint.
    """
    specs = [page.metric(ref.metric, ref.benchmark) for ref in columns]
    told = ["pairs", "checkpoint"] if rounds is not None else []
    rows = [["model", *told, *(spec.label for spec in specs)]]
    for own in page.models:
        done = (rounds or {}).get(own.name)
        cells = [str(done.pairs), done.choice.chosen] if done else [""] * len(told)
        for ref, spec in zip(columns, specs, strict=True):
            found = model.find_estimate(page.estimates, own.name, ref)
            cells.append(with_interval(found, spec))
        rows.append([own.label, *cells])
    return rows
