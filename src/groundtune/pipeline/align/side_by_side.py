"""Compares runs of `groundtune align`, pooling seeds: `groundtune rounds`.

Runs of one recipe that differ only in the seed form a group; their models are pooled per round. The
first folder's group has a row per round. Every other group has one row, for its last round, named
by the settings that differ from the first.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from groundtune.bench.run.run import read_scores
from groundtune.bench.summary import estimate_all, pool
from groundtune.errors import UserError
from groundtune.pipeline.align.measures import measure_of
from groundtune.pipeline.align.report import table_of, truth_notes, with_truth_note
from groundtune.pipeline.align.seen import seen_notes
from groundtune.pipeline.align.settings import AlignSettings, round_name
from groundtune.pipeline.models.measure import BASE, Measure, with_seed
from groundtune.records import Difference, Estimate, Record, Score
from groundtune.report import model
from groundtune.report.page import write_report
from groundtune.report.specs import model_label
from groundtune.report.tried import tried_text
from groundtune.report.verdict import verdict_text
from groundtune.store.json_writing import write_object
from groundtune.store.lock import one_writer
from groundtune.store.run_json import read_run

FIXED = "The last round of the first folder's recipe, over all its seeds."


class RecipeGroup(Record):
    """Runs of one recipe."""

    name: str
    """The user's label, or its settings; empty for the first."""
    settings: str
    """The settings that differ from those of the first group."""
    folders: tuple[str, ...]
    seeds: tuple[int, ...]
    rounds: int
    """Number of rounds that all its runs have finished."""
    settings_tried: int | None
    """Maximum over its runs; None if no run records it."""


class RunComparison(Record):
    """rounds.json. Models are "base", "round-1", ... of the first group, and groups by name."""

    groups: tuple[RecipeGroup, ...]
    estimates: tuple[Estimate, ...]
    """Pooled over seeds: an image is resampled with the answers of all."""
    differences: tuple[Difference, ...]
    """From the base: the mean over seeds; images and seeds are resampled."""


class BesideResult(NamedTuple):
    """The comparison and its table: a row per model."""

    comparison: RunComparison
    page: model.ReportInput
    verdict: str
    table: list[list[str]]


class _Run(NamedTuple):
    folder: Path
    settings: AlignSettings
    rounds: int


def compare_runs(
    folders: Sequence[Path],
    labels: Mapping[Path, str] = MappingProxyType({}),
    *,
    allow_evaluation_images: bool = False,
) -> BesideResult:
    """Pool and compare finished rounds; `labels` names the groups of some folders.

    Images of an evaluation that are in the training data are named on the page if they are allowed
    here or in the run's settings.

    Raises:
        UserError: no folder, one that isn't of `groundtune align` or has no finished round, two of
            one recipe and seed, two recipes of one name, runs that were not measured on the same
            items, or evaluation images in the training data that nothing allows.
    """
    if not folders:
        raise UserError(
            "No run is given.", "groundtune rounds", "Give folders of groundtune align."
        )
    runs = [_read(folder) for folder in folders]
    groups = _groups(runs, labels)
    rows = _rows(groups)
    estimates: list[Estimate] = []
    differences: list[Difference] = []
    measure = measure_of(runs[0].settings)
    for name, members in rows.items():
        pooled = _pooled(name, members, measure)
        estimates += pooled[0]
        differences += pooled[1]
    pooled = RunComparison(
        groups=tuple(groups), estimates=tuple(estimates), differences=tuple(differences)
    )
    last = round_name(groups[0].rounds)
    length = measure.equal_length(*_last_and_base(last, rows[last]))
    settings = [run.settings for run in runs]
    notes = (*_seen(runs, allowed=allow_evaluation_images), *truth_notes(*settings))
    page = _page(pooled, list(rows), measure, length, notes)
    verdict = with_truth_note(verdict_text(page), *settings)
    return BesideResult(pooled, page, verdict, table_of(page, measure.columns))


@one_writer()
def write_beside(result: BesideResult, out: Path) -> Path:
    """Write rounds.json and report.html; return the report's path."""
    write_object(out / "rounds.json", result.comparison, indent=1)
    return write_report(out, result.page)


def _read(folder: Path) -> _Run:
    run = read_run(folder)
    if run.recipe.get("command") != "align":
        raise UserError(
            "The folder is not of groundtune align.", str(folder), "Give folders of that command."
        )
    settings = AlignSettings.model_validate(run.recipe)
    rounds = 0
    while (folder / "evaluation" / round_name(rounds + 1) / "scores").exists():
        rounds += 1
    rounds = min(rounds, settings.rounds)
    if not rounds:
        raise UserError(
            "No round is done and measured there.",
            str(folder),
            f"Resume it: groundtune align --out {folder}",
        )
    return _Run(folder, settings, rounds)


def _seen(runs: Sequence[_Run], *, allowed: bool) -> list[model.Note]:
    """Return warnings of runs that report on images that they learnt from, each naming its run."""
    return [
        note.model_copy(update={"text": f"{run.folder}: {note.text}"})
        for run in runs
        for note in seen_notes(
            run.folder,
            run.settings,
            run.rounds,
            setting="--allow-evaluation-images",
            allowed=allowed,
        )
    ]


def _groups(runs: Sequence[_Run], labels: Mapping[Path, str]) -> list[RecipeGroup]:
    first = _recipe(runs[0])
    groups: dict[str, list[_Run]] = {}
    for run in runs:
        groups.setdefault(_differs(_recipe(run), first), []).append(run)
    result: list[RecipeGroup] = []
    for text, members in groups.items():
        group_names = [labels[run.folder] for run in members if run.folder in labels]
        seeds = tuple(run.settings.seed for run in members)
        trials = [count for run in members if (count := run.settings.settings_tried) is not None]
        if len(set(seeds)) < len(seeds):
            raise UserError(
                "Two of the runs have one recipe and one seed.",
                ", ".join(str(run.folder) for run in members),
                "Give each run once.",
            )
        result.append(
            RecipeGroup(
                name=(group_names[0] if group_names else text) if text else "",
                settings=text,
                folders=tuple(str(run.folder) for run in members),
                seeds=seeds,
                rounds=min(run.rounds for run in members),
                settings_tried=max(trials) if trials else None,
            )
        )
    names = [
        BASE,
        *(round_name(i + 1) for i in range(result[0].rounds)),
        *(g.name for g in result[1:]),
    ]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(
            f"Two rows of the table would be called {', '.join(sorted(twice))}.",
            "groundtune rounds",
            "Name each recipe otherwise: LABEL=FOLDER.",
        )
    return result


def _recipe(run: _Run) -> dict[str, Any]:
    """Return the settings that identify a run's recipe, by their dotted names."""
    settings = run.settings.decisive()
    del settings["seed"]
    return _flat(settings, "")


def _flat(tree: dict[str, Any], before: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            values |= _flat(value, f"{before}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            values[before + name] = value
    return values


def _differs(values: dict[str, Any], first: dict[str, Any]) -> str:
    """Return the settings that differ from the first recipe's."""
    return ", ".join(
        f"{name}={value}" for name, value in values.items() if first.get(name) != value
    )


def _rows(groups: Sequence[RecipeGroup]) -> dict[str, list[tuple[Path, str, int]]]:
    """Return the table's models, each with its runs as (folder, name there, seed)."""
    first, *others = groups
    rows = {BASE: [(Path(first.folders[0]), BASE, 0)]}
    for number in range(1, first.rounds + 1):
        rows[round_name(number)] = _models(first, number)
    return rows | {group.name: _models(group, group.rounds) for group in others}


def _models(group: RecipeGroup, number: int) -> list[tuple[Path, str, int]]:
    pairs = zip(group.folders, group.seeds, strict=True)
    return [(Path(folder), round_name(number), seed) for folder, seed in pairs]


def _pooled(
    name: str, members: Sequence[tuple[Path, str, int]], measure: Measure
) -> tuple[list[Estimate], list[Difference]]:
    """Return pooled estimates of a row's models, and the mean difference from their bases."""
    pooled_scores, _ = _last_and_base(name, members)
    estimates = estimate_all(pooled_scores, metrics=measure.metrics)
    if name == BASE:
        return estimates, []
    runs = [(f"{folder}/{model_name}", f"{folder}/{BASE}") for folder, model_name, _ in members]
    scores = [
        score.model_copy(update={"model": f"{folder}/{name_}"})
        for folder, model_name, _ in members
        for name_ in (model_name, BASE)
        for score in read_scores(folder / "evaluation" / name_)
    ]
    return estimates, pool(runs, scores, model=name, against=BASE, metrics=measure.metrics)


def _last_and_base(
    name: str, members: Sequence[tuple[Path, str, int]]
) -> tuple[list[Score], list[Score]]:
    """Return the scores of the last round's models and of their bases, over all seeds."""
    model_scores: list[Score] = []
    base_scores: list[Score] = []
    for folder, model_name, seed in members:
        model_scores += with_seed(read_scores(folder / "evaluation" / model_name), name, seed)
        base_scores += with_seed(read_scores(folder / "evaluation" / BASE), BASE, seed)
    return model_scores, base_scores


def _page(
    comparison: RunComparison,
    names: Sequence[str],
    measure: Measure,
    length: model.LengthControl | None,
    warnings: tuple[model.Note, ...],
) -> model.ReportInput:
    first, *others = comparison.groups
    notes = {group.name: _note(group) for group in others}
    notes |= {round_name(number): _seeds(first) for number in range(1, first.rounds + 1)}
    subject = measure.subject(comparison.estimates, seeds=len(first.seeds))
    last = round_name(first.rounds)
    trials = tried_text(
        {_label(last, ()): first.settings_tried}
        | {group.name: group.settings_tried for group in others}
    )
    subject = subject.model_copy(
        update={
            "fixed": FIXED,
            "notes": (*subject.notes, *warnings),
            "limits": (trials, *subject.limits),
        }
    )
    return model.ReportInput(
        title="Rounds of AI feedback, side by side",
        summary=trials,
        models=tuple(
            model.ModelSpec(name=name, label=_label(name, others), note=notes.get(name, ""))
            for name in names
        ),
        subject=subject,
        headline=subject.lead(last, BASE),
        estimates=comparison.estimates,
        differences=comparison.differences,
        length_control=length,
    )


def _label(name: str, others: Sequence[RecipeGroup]) -> str:
    if name in {group.name for group in others}:
        return name
    number = name.removeprefix("round-")
    return f"Round {number}" if number != name else model_label(name)


def _note(group: RecipeGroup) -> str:
    rounds = f"{group.rounds} round{'s' if group.rounds > 1 else ''}"
    settings = group.settings if group.settings != group.name else ""
    return ", ".join(filter(None, [settings, rounds, _seeds(group)]))


def _seeds(group: RecipeGroup) -> str:
    noun = "seeds" if len(group.seeds) > 1 else "seed"
    return f"{noun} {', '.join(map(str, group.seeds))}"
