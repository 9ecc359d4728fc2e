"""Scores a benchmark in batches of answers; only sums, counts and files are kept.

For benchmarks whose answers are each scored by themselves (`Benchmark.tally`): memory grows by the
answers that were read, not by what is found in them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from groundtune.bench.files.foreign_logs import questions_of
from groundtune.bench.files.thoughts import notes_on_thoughts
from groundtune.bench.item import ItemAnswer
from groundtune.bench.results import Results, RunningResults, item_lines, notes_of
from groundtune.bench.run.exam import Exam, scores_of
from groundtune.bench.run.replaced import replaced_scores
from groundtune.bench.stats.behaviour import RunningBehaviour
from groundtune.errors import UserError
from groundtune.pipeline.bench.result import BenchmarkResult, item_columns, kept_as, slug_of
from groundtune.protocols import Progress
from groundtune.store.files import whole_file

AT_ONCE = 512
"""Answers."""


def score_in_chunks(
    exam: Exam, answers: Sequence[ItemAnswer], out: Path, progress: Progress, *, seed: int
) -> BenchmarkResult:
    """Score answers of one model and decoding; write their file of items and their scores."""
    benchmark, data, scoring = exam.benchmark, exam.data, exam.scoring
    assert benchmark.tally is not None
    slug = slug_of(scoring.model, benchmark.name, scoring.mode, scoring.decoding)
    items = out / "items" / f"{slug}.jsonl"
    group = scoring.model, benchmark.score_name(scoring.mode), scoring.decoding
    running, behaviour = RunningResults(benchmark), RunningBehaviour()
    tally, other = benchmark.tally(data, scoring.mode), _OtherMode(exam)
    progress.start(f"score {benchmark.name}", total=len(answers))
    with whole_file(items) as file, replaced_scores(out, *group) as store:
        for chunk in _chunks(answers):
            scores = scores_of(exam, chunk)
            running.add(scores)
            behaviour.add(scores)
            tally.add(chunk, scores)
            questions = questions_of(data, chunk, scores)
            file.writelines(item_lines(scores, item_columns(benchmark, questions)))
            store(kept_as(benchmark, scores, scoring.mode))
            other.add(chunk)
            progress.advance(len(chunk))
    progress.start(f"sum up {benchmark.name}")
    results = running.results(scoring.model, seed=seed)
    results = replace(results, strata=results.strata | tally.strata())
    notes = notes_of(results, behaviour.behaviour()) + notes_on_thoughts(answers, scoring.mode)
    return BenchmarkResult(
        benchmark=benchmark,
        mode=scoring.mode,
        model=scoring.model,
        decoding=scoring.decoding,
        results=results,
        other=other.results(),
        items=items,
        path=out / "results" / f"{slug}.json",
        data=exam.files,
        notes=(*notes, *tally.notes()),
        judge={},
        similarity={},
    )


def _chunks(answers: Sequence[ItemAnswer]) -> Iterator[Sequence[ItemAnswer]]:
    for first in range(0, len(answers), AT_ONCE):
        yield answers[first : first + AT_ONCE]


class _OtherMode:
    """The other mode's values; None where there is none or it refuses, as some official code."""

    def __init__(self, exam: Exam) -> None:
        modes = [mode for mode in exam.benchmark.modes if mode != exam.scoring.mode]
        self._running = RunningResults(exam.benchmark) if modes else None
        if modes:
            exam = replace(exam, scoring=replace(exam.scoring, mode=modes[0]))
        self._exam = exam

    def add(self, answers: Sequence[ItemAnswer]) -> None:
        """Score further answers."""
        if self._running is None:
            return
        try:
            self._running.add(scores_of(self._exam, answers))
        except UserError:
            self._running = None

    def results(self) -> Results | None:
        """Return the values of all answers."""
        return self._running.values() if self._running is not None else None
