"""A benchmark with its data: the items to ask a model, and the scores of its answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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


def exam_of(
    benchmark: Benchmark[Any],
    paths: Sequence[Path],
    selection: ItemSelection,
    scoring: Scoring,
    images: ImageStore,
) -> Exam:
    """Read a benchmark's data from files, or generate its items.

    Raises:
        UserError: the data can't be read, there are no such items, or the benchmark has no data.
    """
    if benchmark.load is not None:
        return Exam(benchmark=benchmark, data=benchmark.load(selection, images), scoring=scoring)
    if benchmark.read_data is None:
        raise UserError(
            f"{benchmark.name} can't be run or scored by itself.",
            benchmark.name,
            f"Its items are {benchmark.protocol.items}.",
        )
    with record_found_files() as found:
        data = benchmark.read_data(paths)
    files = tuple(describe(paths, found))
    return Exam(benchmark=benchmark, data=data, files=files, scoring=scoring)


def items_of(exam: Exam, image_folder: Callable[[], Path], images: ImageStore) -> list[Item]:
    """Return the items to ask a model; `image_folder` returns the folder of a benchmark's images.

    Raises:
        UserError: the questions or images are not available, or an image is missing.
    """
    benchmark = exam.benchmark
    if benchmark.load is not None:
        return exam.data
    if benchmark.items is None:
        raise UserError(
            f"{benchmark.name} can't be run: its questions or images are not available.",
            benchmark.name,
            f"Score existing answers with groundtune bench score {benchmark.name}.",
        )
    return benchmark.items(exam.data, image_folder(), images)


def scores_of(exam: Exam, answers: Sequence[ItemAnswer]) -> list[Score]:
    """Score answers; each score has the decoding of its answer, and the thoughts left out of it.

    Mode strict reads judges' replies without their thoughts too.

    Raises:
        UserError: as the benchmark's `score`.
    """
    assert exam.benchmark.score is not None  # `exam_of` refuses benchmarks without
    how = exam.scoring
    judge = strictly(how.judge) if how.mode == "strict" else how.judge
    answers = without_thoughts(answers, how.mode)
    scores = exam.benchmark.score(exam.data, answers, replace(how, judge=judge))
    for at, (score, answer) in enumerate(zip(scores, answers, strict=True)):
        decoding = answer.decoding or how.decoding
        update = {"decoding": decoding, "thoughts": answer.thoughts}
        if any(getattr(score, name) != value for name, value in update.items()):
            scores[at] = score.model_copy(update=update)
    return scores
