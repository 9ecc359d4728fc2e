"""Stage "bench score": reads, checks and scores existing answers; loads no model.

OUT/items/ results/    as `result.py` writes them
OUT/scores/            Score records, for `groundtune compare` and `groundtune report`
OUT/summary.json       as `kept.py` writes it

Scores of another mode than a benchmark's first are kept under the name NAME:MODE, so that no two
models are compared by different rules. Scoring the same name, mode and label again replaces what
was there.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from groundtune.bench.benchmark import Benchmark, Scoring
from groundtune.bench.files.foreign_logs import questions_of
from groundtune.bench.files.revisions import describe
from groundtune.bench.files.thoughts import notes_on_thoughts
from groundtune.bench.item import ItemAnswer, ItemSelection, Mode
from groundtune.bench.registry import load_all
from groundtune.bench.results import (
    Results,
    Values,
    item_lines,
    notes_of,
    results_of,
    results_of_large,
    values_of,
)
from groundtune.bench.run.exam import Exam, exam_of, refuse_lacking, scores_of
from groundtune.bench.run.opening import Opening, note_scores, refuse_closed_split
from groundtune.bench.run.run import remove_scores, store_scores
from groundtune.bench.stats.behaviour import behaviour
from groundtune.errors import UserError
from groundtune.pipeline.bench.data import with_official
from groundtune.pipeline.bench.in_chunks import score_in_chunks
from groundtune.pipeline.bench.kept import sum_up
from groundtune.pipeline.bench.result import (
    BenchmarkResult,
    Measurement,
    item_columns,
    kept_as,
    slug_of,
)
from groundtune.protocols import Progress
from groundtune.records import Estimate, Record, Score
from groundtune.store.files import write_atomic
from groundtune.store.images import ImageStore
from groundtune.store.lock import one_writer

LARGE_NOTE = (
    "The file is large: its items are a Parquet table, which stands for the scores, and intervals "
    "resample at most 1,024 groups of images."
)
BY_SIMILARITY = "by_similarity"
"""Value of scores with compared nouns: 1 by a similarity, 0 by equality alone."""


class ScoreSettings(Record):
    """Which answers are scored, with which data, and how."""

    name: str
    """A benchmark or a suite."""
    answers: Path
    data: tuple[Path, ...] = ()
    selection: ItemSelection = Field(default_factory=ItemSelection)
    """The items, of benchmarks that make their own."""
    mode: Mode | None = None
    """The benchmark's first mode if None."""
    label: str = ""
    """What the model is called; if empty as the answers say, else as their file is called."""
    decoding: str = "greedy"
    """What the decoding is called, of answers that don't say it."""
    seed: int = 0
    """Seed of the resampling."""

    @property
    def model(self) -> str:
        """The label, or the answers' name without its ending."""
        return self.label or (self.answers.name if self.answers.is_dir() else self.answers.stem)

    @property
    def default_out(self) -> Path:
        """Next to the answers."""
        return self.answers.parent / f"{self.answers.stem}-scores"


@one_writer()
def score_bench(
    settings: ScoreSettings,
    out: Path,
    progress: Progress,
    *,
    scoring: Scoring | None = None,
    opening: Opening | None = None,
) -> Measurement:
    """Score a file or folder of answers and store the results; for a suite, the answered part.

    `scoring` brings a judge or a similarity; its mode, model and decoding are those of `settings`.

    Raises:
        UserError: no such benchmark, data or answers that can't be read or don't fit each other, a
            judge that is missing, the test split without `opening`, or a full disk.
    """
    benchmarks = load_all([settings.name])
    for benchmark in benchmarks:
        refuse_lacking(benchmark, "score")
    base_scoring = replace(scoring or Scoring(), model=settings.model, decoding=settings.decoding)
    refuse_useless(benchmarks, base_scoring)
    if settings.data and all(benchmark_.read_data is None for benchmark_ in benchmarks):
        raise UserError(f"{settings.name} has no data in files.", "--data", "Leave it out.")
    ways = [with_mode(base_scoring, benchmark, settings.mode) for benchmark in benchmarks]
    refuse_closed_split(benchmarks, settings.selection, opening)
    results: list[BenchmarkResult] = []
    for benchmark, scoring_ in zip(benchmarks, ways, strict=True):
        progress.start(f"read {benchmark.name}")
        paths = with_official(benchmark.name, settings.data, progress)
        if (large := _score_large(benchmark, paths, settings, scoring_, out)) is not None:
            results.append(large)
            continue
        exam = exam_of(benchmark, paths, settings.selection, scoring_, ImageStore(out / "images"))
        answers = _read_answers(exam, settings)
        results += score_answers(exam, answers, out, progress, seed=settings.seed, may_replace=True)
    if not results:
        raise UserError(
            f"None of the answers is to an item of {settings.name}.",
            str(settings.answers),
            "Give the data, or the --split, --n and --seed, that the answers are to.",
        )
    return measurement(results, out, opening if settings.selection.split == "test" else None)


def refuse_useless(benchmarks: Sequence[Benchmark[Any]], scoring: Scoring) -> None:
    """Raise UserError for a judge or word vectors that no benchmark uses."""
    names = ", ".join(benchmark.name for benchmark in benchmarks)
    if scoring.judge is not None and not any(map(_is_judged, benchmarks)):
        raise UserError(
            f"{names} is scored by rules alone and has no judge.",
            "--judge",
            "Leave the judge out.",
        )
    if scoring.similarity is not None and not any(benchmark.vectors for benchmark in benchmarks):
        raise UserError(
            f"{names} compares no nouns by their vectors.", "--similarity", "Leave it out."
        )


def with_mode(scoring: Scoring, benchmark: Benchmark[Any], mode: Mode | None) -> Scoring:
    """The same with its mode: the benchmark's first if none is named.

    Raises:
        UserError: it has no such mode.
    """
    if mode is not None and mode not in benchmark.modes:
        raise UserError(
            f"{benchmark.name} has no mode {mode}.",
            "--mode",
            f"Use --mode {benchmark.modes[0]}, or leave it out.",
        )
    return replace(scoring, mode=mode or benchmark.modes[0])


def _read_answers(exam: Exam, settings: ScoreSettings) -> list[ItemAnswer]:
    """The answers, all of one model if it has a label."""
    assert exam.benchmark.read_answers is not None  # `refuse_lacking` refuses benchmarks without
    answers = exam.benchmark.read_answers(settings.answers, exam.data)
    return [replace(answer, model="") for answer in answers] if settings.label else answers


def score_answers(
    exam: Exam,
    answers: Sequence[ItemAnswer],
    out: Path,
    progress: Progress,
    *,
    seed: int,
    may_replace: bool,
) -> list[BenchmarkResult]:
    """The results of each model and decoding among the answers, which are in the data's order.

    Raises:
        UserError: as the benchmark's `score`; or `out` has other scores that may not be replaced.
    """
    groups: dict[tuple[str, str], list[ItemAnswer]] = {}
    for answer in answers:
        author = answer.model or exam.scoring.model, answer.decoding or exam.scoring.decoding
        groups.setdefault(author, []).append(answer)
    results: list[BenchmarkResult] = []
    for (model, decoding), group in groups.items():
        scoring = replace(exam.scoring, model=model, decoding=decoding)
        one = replace(exam, scoring=scoring)
        if exam.benchmark.tally is not None and may_replace:
            results.append(score_in_chunks(one, group, out, progress, seed=seed))
        else:
            results.append(_score_group(one, group, out, progress, seed=seed))
            store_scores(results[-1].scores, out, may_replace=may_replace)
        results[-1].write()
    return results


def _score_group(
    exam: Exam, answers: Sequence[ItemAnswer], out: Path, progress: Progress, *, seed: int
) -> BenchmarkResult:
    """The result of one model and decoding; writes its file of items."""
    benchmark, data, scoring = exam.benchmark, exam.data, exam.scoring
    progress.start(f"score {benchmark.name}")
    scores = scores_of(exam, answers)
    progress.start(f"sum up {benchmark.name}")  # a judge has counted its own steps since
    results = results_of(benchmark, scores, seed=seed)
    strata, further = _strata_and_notes(exam, answers, scores)
    results = replace(results, strata=results.strata | strata)
    notes = (
        notes_of(results, behaviour(scores)) + notes_on_thoughts(answers, scoring.mode) + further
    )
    similarity = _similarity_of(scoring) if any(BY_SIMILARITY in s.values for s in scores) else {}
    if "sha256" in similarity:
        text = "Nouns are compared by {name} ({file}, sha256 {sha256})."
        notes.append(text.format(**similarity))
    slug = slug_of(scoring.model, benchmark.name, scoring.mode, scoring.decoding)
    items = out / "items" / f"{slug}.jsonl"
    questions = questions_of(data, answers, scores)
    write_atomic(items, b"".join(item_lines(scores, item_columns(benchmark, questions))))
    return BenchmarkResult(
        benchmark=benchmark,
        mode=scoring.mode,
        model=scoring.model,
        decoding=scoring.decoding,
        results=results,
        other=_other(exam, answers),
        items=items,
        path=out / "results" / f"{slug}.json",
        scores=kept_as(benchmark, scores, scoring.mode),
        data=exam.files,
        notes=tuple(notes),
        judge=_judge_of(scoring) if _is_judged(benchmark) else {},
        similarity=similarity,
    )


def _strata_and_notes(
    exam: Exam, answers: Sequence[ItemAnswer], scores: Sequence[Score]
) -> tuple[dict[str, Values], list[str]]:
    """What the benchmark says further of the scores of one model."""
    benchmark, data, mode = exam.benchmark, exam.data, exam.scoring.mode
    if benchmark.tally is not None:
        tally = benchmark.tally(data, mode)
        tally.add(answers, scores)
        return tally.strata(), tally.notes()
    strata = benchmark.strata(data, scores, mode) if benchmark.strata else {}
    return strata, benchmark.notes(data, answers, scores) if benchmark.notes else []


def _other(exam: Exam, answers: Sequence[ItemAnswer]) -> Results | None:
    """The other mode's results; None if there is none or it refuses, like some official code."""
    mode = next((mode_ for mode_ in exam.benchmark.modes if mode_ != exam.scoring.mode), None)
    if mode is None:
        return None
    try:
        other = replace(exam, scoring=replace(exam.scoring, mode=mode))
        scores = scores_of(other, answers)
    except UserError:
        return None
    return values_of(exam.benchmark, scores)


def _score_large(
    benchmark: Benchmark[Any],
    paths: Sequence[Path],
    settings: ScoreSettings,
    scoring: Scoring,
    out: Path,
) -> BenchmarkResult | None:
    """Score a file with more answers than are stored as scores; None for a smaller file."""
    if benchmark.large is None:
        return None
    slug = slug_of(scoring.model, benchmark.name, scoring.mode, scoring.decoding)
    items = out / "items" / f"{slug}.jsonl"
    scores = benchmark.large(paths, settings.answers, scoring.mode, items)
    if scores is None:
        return None
    results, other = results_of_large(benchmark, scores, scoring.mode, scoring.model, settings.seed)
    result = BenchmarkResult(
        benchmark=benchmark,
        mode=scoring.mode,
        model=scoring.model,
        decoding=scoring.decoding,
        results=results,
        other=other,
        items=scores.items,
        path=out / "results" / f"{slug}.json",
        data=tuple(describe(paths)),
        notes=(LARGE_NOTE,),
        judge={},
        similarity={},
    )
    remove_scores(out, scoring.model, benchmark.score_name(scoring.mode))
    result.write()
    return result


def measurement(
    results: list[BenchmarkResult],
    out: Path,
    opening: Opening | None = None,
    further: Sequence[Estimate] = (),
) -> Measurement:
    """Sums up what the folder holds and further estimates, and notes the test split's opening."""
    large = [row for result in results if not result.scores for row in result.total_rows()]
    rows = sum_up(
        out, [*large, *further], {result.group for result in results if not result.scores}
    )
    if opening is not None:
        with_splits = [result for result in results if result.benchmark.load is not None]
        note_scores(
            list({result.benchmark.name: result.benchmark for result in with_splits}.values()),
            [score for result in with_splits for score in result.scores],
            opening,
        )
    return Measurement(
        results, [r for r in rows if r in further or any(result.has(r) for result in results)]
    )


def _is_judged(benchmark: Benchmark[Any]) -> bool:
    """Whether the benchmark uses a judge."""
    return benchmark.judged or benchmark.protocol.judge != "none"


def _judge_of(scoring: Scoring) -> dict[str, str]:
    if scoring.judge is None:
        return {}
    from groundtune.bench.judge.judge import as_judging

    return as_judging(scoring.judge, "").provenance()


def _similarity_of(scoring: Scoring) -> dict[str, str]:
    from groundtune.pipeline.bench.similarity import WordVectors

    similarity = scoring.similarity
    if isinstance(similarity, WordVectors):
        return similarity.provenance()
    if similarity is None:
        return {"name": "equal nouns only"}
    return {"name": str(getattr(similarity, "__name__", type(similarity).__name__))}
