"""The report of rounds of AI feedback: a row per round, and the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune.bench.run.run import read_scores
from groundtune.bench.summary import summarise
from groundtune.pipeline.align.caveats import (
    UnreadPart,
    caveat_of,
    choosing_part,
    is_unchanged,
    learning_part,
    reported_part,
)
from groundtune.pipeline.align.choosing import START, RoundChoice, read_choice
from groundtune.pipeline.align.measures import measure_of
from groundtune.pipeline.align.seen import seen_notes
from groundtune.pipeline.align.settings import AlignResult, AlignSettings, round_name
from groundtune.pipeline.align.steps import FeedbackCounts
from groundtune.pipeline.check.scores import BENCHMARK
from groundtune.pipeline.models.measure import BASE, Measure
from groundtune.pipeline.runs.jobs import JobResult
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.records import Difference, Estimate, Record, Score
from groundtune.report import model
from groundtune.report.curves import Curve, metric_curve
from groundtune.report.figures import with_interval
from groundtune.report.page import write_report
from groundtune.report.specs import model_spec
from groundtune.report.tried import tried_text
from groundtune.report.verdict import verdict_text
from groundtune.store.json_writing import write_object
from groundtune.store.sealed import read_sealed

FIXED = "The last round's model, whatever it is; its checkpoint was chosen on other prompts."
BY = {"claims": "the labeler's claims", "truth": "the truth"}
"""Names of `choose.by` on pages."""


class RoundRow(Record):
    """Pairs, checkpoint and choice of a round."""

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
    choice: RoundChoice


class AlignTables(Record):
    """align.json."""

    rounds: tuple[RoundRow, ...]
    estimates: tuple[Estimate, ...]
    """Of the base and each round's model."""
    differences: tuple[Difference, ...]
    """From the base."""


def report_align(settings: AlignSettings, out: Path, steps: Mapping[str, JobResult]) -> AlignResult:
    """Write align.json and report.html of finished rounds."""
    names = [BASE, *(round_name(number) for number in range(1, settings.rounds + 1))]
    scores = [score for name in names for score in read_scores(out / "evaluation" / name)]
    measure = measure_of(settings)
    tables = _tables(settings, out, measure, scores)
    choices = [row.choice for row in tables.rounds]
    caveat = caveat_of(choices, _unread_parts(out, tables.rounds, scores))
    page = _page(settings, out, [BASE] if is_unchanged(choices) else names, tables, steps, caveat)
    write_object(out / "align.json", tables, indent=1)
    return AlignResult(
        report=write_report(out, page),
        results=out / "align.json",
        model=out / names[-1] / "model",
        verdict=with_truth_note(verdict_text(page), settings),
        table=table_of(
            page,
            measure.columns,
            {round_name(row.round): row for row in tables.rounds},
        ),
        unchanged=is_unchanged(choices),
    )


def _unread_parts(
    out: Path, rounds: Sequence[RoundRow], scores: Sequence[Score]
) -> list[UnreadPart]:
    """Return what could not be checked in each part of the run, the reported part first."""
    parts = [reported_part([score for score in scores if score.benchmark == BENCHMARK])]
    for row in rounds:
        feedback = read_sealed(out / round_name(row.round) / "feedback.json", FeedbackCounts)
        parts += [learning_part(row.round, feedback), choosing_part(row.round, row.choice)]
    return parts


def truth_notes(*runs: AlignSettings) -> tuple[model.Note, ...]:
    """Return a warning if the truth chose checkpoints of any of the runs."""
    by_truth = sum(run.choose.by == "truth" for run in runs)
    if not by_truth:
        return ()
    scope = "" if by_truth == len(runs) else f" of {by_truth} of the {len(runs)} runs"
    text = (
        f"For comparison alone: the truth chose the checkpoints{scope} (choose.by=truth). "
        "Without the truth, claims choose them."
    )
    return (model.Note(kind="warning", text=text),)


def with_truth_note(verdict: str, *runs: AlignSettings) -> str:
    """Return a verdict, after the warning of `truth_notes` if there is one."""
    return " ".join([*(note.text for note in truth_notes(*runs)), verdict])


def _tables(
    settings: AlignSettings, out: Path, measure: Measure, scores: Sequence[Score]
) -> AlignTables:
    summary = summarise(scores, against=BASE, metrics=measure.metrics)
    return AlignTables(
        rounds=tuple(_row(out, number) for number in range(1, settings.rounds + 1)),
        estimates=summary.estimates,
        differences=summary.differences,
    )


def _row(out: Path, number: int) -> RoundRow:
    folder = out / round_name(number)
    feedback = read_sealed(folder / "feedback.json", FeedbackCounts)
    choice = read_choice(folder)
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
    steps: Mapping[str, JobResult],
    caveat: model.Caveat | None,
) -> model.ReportInput:
    """Return the page; `names` are the base and each round, or the base if no round was better."""
    measure = measure_of(settings)
    subject = measure.subject(tables.estimates, seeds=1)
    notes_on_images = seen_notes(out, settings, settings.rounds)
    notes = (*subject.notes, *notes_on_images, *truth_notes(settings))
    trials = tried_text({BASE: settings.settings_tried})
    subject = subject.model_copy(
        update={"fixed": FIXED, "notes": notes, "limits": (trials, *subject.limits)}
    )
    return model.ReportInput(
        title="Rounds of AI feedback",
        caveat=caveat,
        summary=f"{_summary(settings, tables.rounds)} {trials}",
        models=tuple(_model(name, tables.rounds) for name in names),
        subject=subject,
        headline=subject.lead(names[-1], BASE),
        estimates=tuple(row for row in tables.estimates if row.model in names),
        differences=tuple(row for row in tables.differences if row.model in names),
        curves=tuple(
            _curve(tables, names, ref, subject) for ref in measure.columns if len(names) > 1
        ),
        provenance=provenance_of(out, steps),
    )


def _model(name: str, rounds: Sequence[RoundRow]) -> model.ModelSpec:
    round_row = next((row for row in rounds if round_name(row.round) == name), None)
    if round_row is None:
        return model_spec(name)
    return model.ModelSpec(name=name, label=f"Round {round_row.round}", note=_round_text(round_row))


def _round_text(row: RoundRow) -> str:
    """A round's pairs and its choice."""
    choice = row.choice
    chosen = choice.chosen
    if chosen == START:
        chosen = "the round's first model, no checkpoint being better by this"
    note = (
        f"{row.pairs:,} pairs of {row.answers:,} answers; {row.rejected:,} of {row.claims:,} "
        f"claims rejected; chosen by {BY[choice.by]} on {choice.prompts:,} prompts: {chosen}"
    )
    if unchecked_count := sum(candidate.unchecked for candidate in choice.candidates):
        answers = choice.prompts * len(choice.candidates)
        note += (
            f"; {unchecked_count:,} of {answers:,} answers there were not checked and did not count"
        )
    return note


def _summary(settings: AlignSettings, rounds: Sequence[RoundRow]) -> str:
    labeler = (
        "the model itself" if settings.feedback.labeler == "self" else settings.feedback.labeler
    )
    several = "s" if settings.rounds > 1 else ""
    details = ""
    if is_unchanged([row.choice for row in rounds]):
        details = "".join(f" Round {row.round}: {_round_text(row)}." for row in rounds)
    return (
        f"{settings.rounds} round{several} from {settings.model}. In each, the model drew "
        f"{settings.n} answers per prompt at temperature {settings.sampling.temperature:g}, "
        f"{labeler} said yes or no to their claims, and the next model learnt from the resulting "
        "pairs "
        f"by {settings.learn.method.type.upper()}, with the round's first model as its reference. "
        f"Checkpoints were chosen by {BY[settings.choose.by]}, on other prompts than those that "
        f"are reported.{details}"
    )


def _curve(
    tables: AlignTables, names: Sequence[str], ref: model.MetricRef, subject: model.Subject
) -> Curve:
    estimates = (
        (i, model.find_estimate(tables.estimates, name, ref)) for i, name in enumerate(names)
    )
    line = [(i, estimate) for i, estimate in estimates if estimate is not None]
    sizes = " / ".join(f"{n:,}" for n in dict.fromkeys(estimate.n for _, estimate in line))
    note = f"Bands are 95% intervals, n = {sizes}."
    return metric_curve(subject.metric(ref), "round", {"greedy": line}, note=note)


def table_of(
    page: model.ReportInput,
    columns: Sequence[model.MetricRef],
    rounds: Mapping[str, RoundRow] | None = None,
) -> list[list[str]]:
    """Return these metrics of a page's models as text: a header row, then a row per model.

    With `rounds`, by a model's name, also its pairs and its checkpoint.
    """
    specs = [page.metric(ref) for ref in columns]
    round_columns = ["pairs", "checkpoint"] if rounds is not None else []
    rows = [["model", *round_columns, *(spec.label for spec in specs)]]
    for model_ in page.models:
        round_row = (rounds or {}).get(model_.name)
        cells = (
            [str(round_row.pairs), round_row.choice.chosen]
            if round_row
            else [""] * len(round_columns)
        )
        for ref, spec in zip(columns, specs, strict=True):
            estimate = page.estimate(model_.name, ref)
            cells.append(with_interval(estimate, spec))
        rows.append([model_.label, *cells])
    return rows
