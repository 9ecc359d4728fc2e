"""Stage "bench run": asks a model a benchmark's questions, stores its answers and scores them.

OUT/prompts/ answers/ images/           what was asked and answered, resumable by key
OUT/items/ results/ scores/ ...         as `score.py` writes them
OUT/self-knowledge/                     what the model says when asked about its own captions

What was answered is not asked again, and what a judge replied is kept too.
"""

from collections.abc import Generator as Yielding
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import Field, model_validator

from groundtune.bench.benchmark import Benchmark, Scoring
from groundtune.bench.item import Item, ItemSelection, Mode
from groundtune.bench.registry import DEFAULT, load_all
from groundtune.bench.run.exam import Exam, exam_of, items_of, refuse_lacking
from groundtune.bench.run.opening import opening_of, refuse_closed_split
from groundtune.bench.run.rewards import refuse_unrewarded, reward_generator
from groundtune.bench.run.run import ask, store_scores
from groundtune.bench.summary import all_estimates
from groundtune.errors import UserError
from groundtune.pipeline.bench.data_paths import DataPaths, paths_with_official
from groundtune.pipeline.bench.result import BenchmarkResult, Measurement
from groundtune.pipeline.bench.reward import is_reward, open_reward
from groundtune.pipeline.bench.score import (
    measurement,
    refuse_useless,
    score_answers,
    with_mode,
)
from groundtune.pipeline.models.generators import open_generator
from groundtune.pipeline.models.names import Labeler, resolve
from groundtune.pipeline.models.settings import LabelledModel
from groundtune.pipeline.runs.folder import RunFolder, hash_of
from groundtune.pipeline.runs.overlap import images_of, refuse_common, training_images
from groundtune.protocols import Generator, Progress, Rewarder, YesNo
from groundtune.records import Estimate, Producer, Sampling, Score
from groundtune.store.images import ImageStore
from groundtune.store.lock import one_writer
from groundtune.store.run_json import write_run


class BenchSettings(LabelledModel):
    """Which model does which benchmarks."""

    benchmarks: tuple[str, ...] = DEFAULT
    mode: Mode | None = None
    """Each benchmark's first mode if None."""
    split: str = "development"
    n: int = Field(default=500, ge=1)
    """Images."""
    start: int = Field(default=0, ge=0)
    """Images of the split that are passed over."""
    seed: int = 0
    """Seed of the wordings, the questions and the sampling."""
    self_knowledge: bool = False
    """Also ask the model about each object that its greedy captions name."""
    allow_training_images: bool = False
    """Evaluate on images that the model was trained on; they are counted."""

    @model_validator(mode="after")
    def _in_this_process(self) -> Self:
        if self.engine.type != "local":
            raise ValueError("benchmarks run in this process: leave engine out")
        return self

    @property
    def selection(self) -> ItemSelection:
        """The items, of benchmarks that make their own."""
        return ItemSelection(split=self.split, n=self.n, start=self.start, seed=self.seed)


@one_writer()
def run_bench(
    settings: BenchSettings,
    out: Path,
    progress: Progress,
    *,
    data_paths: DataPaths | None = None,
    scoring: Scoring | None = None,
    generator: Labeler | None = None,
    final: bool = False,
    notebook: Path | None = None,
    command: Sequence[str] = (),
) -> Measurement:
    """Answer and score what `out` lacks, and write the summary.

    `scoring` brings a judge or a similarity. The model is loaded as `settings` say, unless there is
    a `generator`, which must find its images under `out`/images.

    Raises:
        UserError: no such benchmark or split, or one that can't be asked; self-knowledge without
            captions of the world; the test split without
            `final`; data, images or a judge that are missing; the model can't be loaded; `out` has
            scores of another model of this name; or a full disk.
    """
    benchmarks = load_all(settings.benchmarks)
    _refuse_unasked(benchmarks, settings)
    if is_reward(settings.model):
        refuse_unrewarded(benchmarks, settings.model)
    base_scoring = replace(scoring or Scoring(), model=settings.name)
    refuse_useless(benchmarks, base_scoring)
    opening = opening_of(out, final, notebook, command)
    refuse_closed_split(benchmarks, settings.selection, opening)
    if generator is None and not is_reward(settings.model):
        resolve(settings.model)  # a folder that doesn't exist is refused before images are drawn
    given_data = paths_with_official(benchmarks, data_paths or DataPaths(), progress)
    images = ImageStore(out / "images")
    sheets = _sheets(benchmarks, given_data, base_scoring, settings, images, progress)
    evaluation_images = images_of((item.prompt for _, items in sheets for item in items), images)
    for training in training_images([settings.model, str(settings.adapter or "")]):
        refuse_common(
            training,
            evaluation_images,
            where=settings.model,
            setting="--allow-training-images",
            allowed=settings.allow_training_images,
        )
    progress.start(f"load {settings.model}")
    results: list[BenchmarkResult] = []
    self_knowledge: list[Estimate] = []
    with _opened(settings, images, generator) as answerer:
        for exam, items in sheets:
            model = answerer.for_exam(exam, items)
            answers = ask(exam.benchmark, items, model, settings.seed, out, progress)
            scores = score_answers(
                exam, answers, out, progress, seed=settings.seed, may_replace=False
            )
            if settings.self_knowledge:
                assert answerer.model is not None, "no benchmark of rewards has a follow-up"
                self_knowledge += _know(scores, items, answerer.model, settings, out, progress)
            results += scores
    write_run(
        out / "scores",
        settings.model_dump(mode="json"),
        {"prompts": hash_of(RunFolder(out).prompts), "model": answerer.revision},
        {"bench": settings.seed},
        list(command),
    )
    return measurement(results, out, opening if settings.split == "test" else None, self_knowledge)


def _sheets(
    benchmarks: Sequence[Benchmark[Any]],
    data: DataPaths,
    scoring: Scoring,
    settings: BenchSettings,
    images: ImageStore,
    progress: Progress,
) -> list[tuple[Exam, list[Item]]]:
    """Read each benchmark's data, and make its items."""
    sheets: list[tuple[Exam, list[Item]]] = []
    for benchmark in benchmarks:
        progress.start(f"read {benchmark.name}")
        own_scoring = with_mode(scoring, benchmark, settings.mode)
        paths = data.paths(benchmark.name)
        exam = exam_of(benchmark, paths, settings.selection, own_scoring, images)
        folder = partial(data.image_folder, benchmark.name, inside=benchmark.images_inside)
        sheets.append((exam, items_of(exam, folder, images)))
    return sheets


class _Answerer(NamedTuple):
    """What answers: a model, or a reward."""

    model: Labeler | None
    reward: Rewarder | None
    by: Producer

    @property
    def revision(self) -> str:
        return self.by.revision

    def for_exam(self, exam: Exam, items: Sequence[Item]) -> Generator:
        """Return what answers an exam's items."""
        if self.reward is not None:
            return reward_generator(exam.benchmark, exam.data, items, self.reward, self.by)
        assert self.model is not None
        return self.model


@contextmanager
def _opened(
    settings: BenchSettings, images: ImageStore, generator: Labeler | None
) -> Yielding[_Answerer]:
    if generator is None and is_reward(settings.model):
        handle, by = open_reward(settings, images)
        try:
            yield _Answerer(None, handle.rewarder, by)
        finally:
            handle.close()
        return
    model = open_generator(settings, images) if generator is None else generator
    yield _Answerer(model, None, model.producer(Sampling(temperature=0), 0))


def _refuse_unasked(benchmarks: Sequence[Benchmark[Any]], settings: BenchSettings) -> None:
    for benchmark in benchmarks:
        refuse_lacking(benchmark, "run")
    if settings.self_knowledge and not any(benchmark.follow_up for benchmark in benchmarks):
        raise UserError(
            "None of these benchmarks has captions of which a model can be asked what it knows.",
            f"--self-knowledge, {', '.join(benchmark.name for benchmark in benchmarks)}",
            "Add world-captions or world-hard-captions, or leave out --self-knowledge.",
        )


def _know(
    results: Sequence[BenchmarkResult],
    items: Sequence[Item],
    model: YesNo,
    settings: BenchSettings,
    out: Path,
    progress: Progress,
) -> list[Estimate]:
    """Ask the model about its greedy answers; store the scores."""
    scores: list[Score] = []
    for result in results:
        follow_up = result.benchmark.follow_up
        if follow_up is not None and result.decoding == "greedy":
            scores += follow_up(result.scores, items, model, progress, settings.seed)
    if scores:
        store_scores(scores, out / "self-knowledge")
    return all_estimates(scores)
