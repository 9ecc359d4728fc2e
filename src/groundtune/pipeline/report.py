"""The report of a run's folder, of whichever kind it is."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from groundtune.errors import UserError
from groundtune.pipeline.exchange.run import read_summary
from groundtune.pipeline.models.prompt_sources import named_in
from groundtune.pipeline.recipes.registry import RECIPE_COMMANDS, imported
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.records import Answer, Pair, Prompt
from groundtune.report.model import Note
from groundtune.report.page import write_report
from groundtune.report.pairs import SHOWN, PairTexts, pairs_report
from groundtune.report.sampling import sampling_report
from groundtune.store.run_json import read_run
from groundtune.store.tables import read_fields, read_parquet


def write_run_report(run: Path) -> Path:
    """Writes RUN/report.html and returns its path, for a folder of any kind.

    Raises:
        UserError: there is nothing to report on.
    """
    if not run.is_dir():
        raise UserError("There is no such folder.", str(run), "Check the path.")
    name = read_run(run).recipe.get("command") if (run / "run.json").exists() else None
    command = RECIPE_COMMANDS.get(str(name))
    if command is not None and command.rewrite:
        return imported(command.rewrite)(run)
    if (run / "best-of.json").exists():
        return imported("groundtune.pipeline.best_of.run:rewrite_best_of")(run)
    if (run / "scores").is_dir() or _is_large(run):
        return report_scores(run)
    if RunFolder(run).answers.parts():
        return report_answers(run)
    if RunFolder(run).pairs.parts():
        return report_pairs(run)
    raise UserError(
        "The folder holds nothing to report on.",
        str(run),
        "Give the --out folder of groundtune demo, study, best-of, sample or import.",
    )


def _is_large(run: Path) -> bool:
    """Whether there are results of files that are too large for scores."""
    if not (run / "results").is_dir():
        return False
    from groundtune.pipeline.compare.large import large_in

    return bool(large_in(run))


def report_scores(run: Path) -> Path:
    """The report of what `groundtune bench` scored: every model next to the first.

    Raises:
        UserError: the models have not answered the same items.
    """
    from groundtune.bench.files.large_paired import read
    from groundtune.bench.run.run import read_scores
    from groundtune.bench.summary import all_estimates, summarise
    from groundtune.pipeline.bench.kept import judges_in, results_in
    from groundtune.pipeline.compare.large import (
        further_results,
        has_scores,
        large_in,
        scores_of_tests,
        tables_of_large,
    )
    from groundtune.pipeline.compare.page import comparison_page, images_in
    from groundtune.pipeline.compare.parts import parts_of
    from groundtune.pipeline.compare.strata import strata_of_scores

    large, self_knowledge = read(large_in(run)), run / "self-knowledge"
    scores = read_scores(run) if has_scores(run) or not large else []
    estimates = all_estimates(read_scores(self_knowledge)) if self_knowledge.is_dir() else []
    models = list(dict.fromkeys(each.model for each in [*scores, *(m.items for m in large)]))
    summary = summarise(scores, against=models[0], further=tables_of_large(large))
    further = further_results(large, models[0])
    page = comparison_page(
        models,
        [
            *all_estimates(scores),
            *summarise((), further=tables_of_large(large)).estimates,
            *estimates,
        ],
        summary.differences,
        title=f"Benchmarks in {run.resolve().name}",
        provenance=provenance_of(run / "scores"),
        bench=parts_of(
            scores,
            against=models[0],
            judges=judges_in(run),
            further=further,
            differences=summary.differences,
        ),
        scores=[*scores, *scores_of_tests([each.items for each in large], further.tests)],
        images=images_in([run]),
        strata=strata_of_scores(scores),
        results=results_in(run),
    )
    return write_report(run, page)


def report_answers(run: Path) -> Path:
    """The report of a run that only sampled: answers next to their images, and counts.

    Raises:
        UserError: there are no prompts, or an image is missing.
    """
    from groundtune.bench.stats.behaviour import refuses

    folder = RunFolder(run)
    answers, prompts = folder.answers.read(), list(folder.prompts_by_key().values())
    page = sampling_report(
        f"Answers in {run.resolve().name}",
        prompts,
        answers,
        folder.images.read,
        refused=refuses,
        provenance=provenance_of(folder.answers.path),
        notes=[Note(kind="warning", text=text) for text in _from_elsewhere(answers, prompts)],
    )
    return write_report(run, page)


def report_pairs(run: Path) -> Path:
    """The report of pairs that an import brought in: their changes, and what was left out.

    Raises:
        UserError: there are no pairs, or an image is missing.
    """
    folder = RunFolder(run)
    summary = read_summary(run)
    first = list(islice(_pairs_of(folder), SHOWN))
    page = pairs_report(
        first,
        _texts_of(folder),
        _prompts_of(folder, {pair.prompt for pair in first}),
        folder.images.read,
        title=f"Pairs in {run.resolve().name}",
        rows=summary.rows if summary else None,
        imported=summary.pairs if summary else None,
        left_out=summary.left_out if summary else None,
        skipped=summary.skipped if summary else (),
        provenance=provenance_of(folder.pairs.path),
    )
    return write_report(run, page)


def _pairs_of(folder: RunFolder) -> Iterator[Pair]:
    """All pairs, a part at a time."""
    return (pair for part in folder.pairs.parts() for pair in read_parquet(part, Pair))


def _texts_of(folder: RunFolder) -> Iterator[PairTexts]:
    """What the page counts of all pairs, a part at a time; reads no other columns."""
    for part in folder.pairs.parts():
        for row in read_fields(part, ("chosen", "rejected", "source.licence")):
            yield PairTexts(row["chosen"], row["rejected"], row["source"]["licence"])


def _prompts_of(folder: RunFolder, keys: set[str]) -> dict[str, Prompt]:
    """The prompts with some keys, by key; reads no more parts than needed."""
    prompts: dict[str, Prompt] = {}
    for part in folder.prompts.parts():
        rows = read_parquet(part, Prompt)
        prompts |= {prompt.key: prompt for prompt in rows if prompt.key in keys}
        if len(prompts) == len(keys):
            break
    return prompts


def _from_elsewhere(answers: Sequence[Answer], prompts: Sequence[Prompt]) -> list[str]:
    """What the sources of models say where their models answered others' prompts."""
    datasets = {prompt.source.dataset for prompt in prompts}
    sources = {name: named_in(name) for name in {answer.producer.name for answer in answers}}
    notes = {s.elsewhere for s in sources.values() if s is not None and datasets - {s.dataset}}
    return sorted(notes - {""})
