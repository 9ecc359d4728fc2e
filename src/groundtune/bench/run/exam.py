"""A benchmark with its data: the items to ask a model, and the scores of its answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from groundtune.bench.benchmark import Benchmark, Scoring
from groundtune.bench.files.checks import record_found_files
from groundtune.bench.files.revisions import DataFile, describe
from groundtune.bench.files.thoughts import without_thoughts
from groundtune.bench.item import Item, ItemAnswer, ItemSelection
from groundtune.bench.judge.judge import strictly
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.images import ImageStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """A benchmark with its data and its scoring."""

    benchmark: Benchmark[Any]
    data: Any
    """The items themselves, if the benchmark generates them."""
    files: tuple[DataFile, ...] = ()
    """The files of the data; empty if the benchmark generates them."""
    scoring: Scoring
    """Its model and decoding are the defaults for answers without these."""


def refuse_lacking(benchmark: Benchmark[Any], command: Literal["run", "score"]) -> None:
    """Refuse a benchmark that lacks a hook of `bench run` or `score`, before anything is read.

    Raises:
        UserError: it does; the error names the hook.
    """
    scores = f"score existing answers with groundtune bench score {benchmark.name}"
    does = "run" if command == "run" else "scored"
    if benchmark.score is None and benchmark.protocol.items:
        raise UserError(
            f"{benchmark.name} can't be run or scored by itself.",
            benchmark.name,
            f"Its items are {benchmark.protocol.items}.",
        )
    hooks: dict[str, object] = {
        "read_data or load, which provide its data": benchmark.read_data or benchmark.load,
        "score, which scores answers": benchmark.score,
    }
    if command == "score":
        hooks["read_answers, which reads a file of answers"] = benchmark.read_answers
    else:
        hooks["items, which makes questions of its data"] = benchmark.items or benchmark.load
    for hook, hook_value in hooks.items():
        if hook_value is None:
            name = hook.partition(",")[0]
            fix = f"Define {name} in its Benchmark"
            other = f", or {scores}." if name == "items" else "."
            raise UserError(
                f"{benchmark.name} can't be {does}: it lacks the hook {hook}.",
                benchmark.name,
                fix + other,
            )


def exam_of(
    benchmark: Benchmark[Any],
    paths: Sequence[Path],
    selection: ItemSelection,
    scoring: Scoring,
    images: ImageStore,
) -> Exam:
    """Read a benchmark's data from files, or generate its items.

    Raises:
        UserError: the data can't be read, or there are no such items.
    """
    if benchmark.load is not None:
        return Exam(benchmark=benchmark, data=benchmark.load(selection, images), scoring=scoring)
    assert benchmark.read_data is not None  # `refuse_lacking` refuses benchmarks without
    with record_found_files() as data_files:
        data = benchmark.read_data(paths)
    files = tuple(describe(paths, data_files))
    return Exam(benchmark=benchmark, data=data, files=files, scoring=scoring)


def items_of(exam: Exam, image_folder: Callable[[], Path], images: ImageStore) -> list[Item]:
    """Return the items to ask a model; `image_folder` returns the folder of a benchmark's images.

    Raises:
        UserError: an image is missing.
    """
    benchmark = exam.benchmark
    if benchmark.load is not None:
        return exam.data
    assert benchmark.items is not None  # `refuse_lacking` refuses benchmarks without
    return benchmark.items(exam.data, image_folder(), images)


def scores_of(exam: Exam, answers: Sequence[ItemAnswer]) -> list[Score]:
    """Score answers; each score has its answer's decoding and thoughts.

    Mode strict reads judges' replies without their thoughts too.

    Raises:
        UserError: as the benchmark's `score`, or it does not return one score per answer.
    """
    assert exam.benchmark.score is not None  # `refuse_lacking` refuses benchmarks without
    scoring = exam.scoring
    judge = strictly(scoring.judge) if scoring.mode == "strict" else scoring.judge
    answers = without_thoughts(answers, scoring.mode)
    scores = exam.benchmark.score(exam.data, answers, replace(scoring, judge=judge))
    if len(scores) != len(answers):
        raise UserError(
            f"The hook score returned {len(scores):,} scores for {len(answers):,} answers.",
            exam.benchmark.name,
            "Return one score per answer; an answer that can't be read has the status unparsed.",
        )
    for at, (score, answer) in enumerate(zip(scores, answers, strict=True)):
        decoding = answer.decoding or scoring.decoding
        update = {"decoding": decoding, "thoughts": answer.thoughts}
        if any(getattr(score, name) != value for name, value in update.items()):
            scores[at] = score.model_copy(update=update)
    return scores
