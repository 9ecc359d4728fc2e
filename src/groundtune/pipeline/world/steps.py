"""The steps of the loop on the embedded world, as jobs: collect, correct, learn, evaluate.

Each step's settings name folders relative to the run's, so that runs may share what they have in
common: one base's answers, one base's evaluation.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from groundtune.bench.item import ItemSelection
from groundtune.bench.world.captions import RULES as CAPTION_RULES
from groundtune.bench.world.questions import RULES as QUESTION_RULES
from groundtune.pipeline.feedback.corrections import LabelSettings, label_answers, open_annotator
from groundtune.pipeline.models.generators import open_generator
from groundtune.pipeline.models.names import model_or_folder
from groundtune.pipeline.models.settings import LabelledModel, ModelSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.jobs import Job
from groundtune.pipeline.runs.overlap import images_of, refuse_common, training_images
from groundtune.pipeline.sample.run import SampleSettings, run_sample
from groundtune.pipeline.train.run import TrainSettings
from groundtune.pipeline.world.learning import WorldLearning
from groundtune.protocols import Progress
from groundtune.recipe_loading import Settings
from groundtune.records import Record
from groundtune.world.scenes import Difficulty
from groundtune.world.simulated_people import RULES as ANNOTATOR_RULES

SELF_KNOWLEDGE = "self-knowledge"
"""Folder of the self-knowledge scores, next to the model's other scores."""


class SampleStep(Settings):
    """Settings of the step that has a model describe images."""

    sample: SampleSettings
    out: str


class CorrectStep(Settings):
    """Settings of the step that has answers corrected and makes pairs."""

    source: str
    """Folder of the answers."""
    out: str
    enough: int
    """Number of corrections after which the annotator stops."""
    label: LabelSettings
    rules: int = ANNOTATOR_RULES


class LearnStep(Settings):
    """Settings of the step that trains a model."""

    model: ModelSettings
    pairs: str
    out: str
    learning: WorldLearning
    seed: int


class WorldEvaluation(Record):
    """Size of the evaluation."""

    split: Literal["development", "test"] = "development"
    """Nothing is tuned on test; it opens only with --final."""
    captions: int = Field(default=500, ge=1)
    """Scenes that are described; a fifth of that of each over-generalisation stratum besides."""
    questions: int = Field(default=150, ge=1)
    """Scenes with questions, about twenty each."""
    self_knowledge: bool = True
    """Whether the model is also asked about each object that its greedy captions name."""
    test_start: int = Field(default=0, ge=0, exclude_if=lambda start: start == 0)
    """Number of scenes of the test split that are passed over, since they were opened before."""
    seed: int = 0
    """Seed of the wordings and the sampling: equal for all models in a comparison."""

    def selection(self, number: int) -> ItemSelection:
        """Return what selects this number of images of the split."""
        start = self.test_start if self.split == "test" else 0
        return ItemSelection(split=self.split, n=number, start=start, seed=self.seed)


class EvaluateStep(Settings):
    """Settings of the step that measures a model."""

    model: LabelledModel
    """A name, or a folder under the run's; its label is its name in scores."""
    out: str
    evaluation: WorldEvaluation
    difficulty: Difficulty = "clear"
    """Of the scenes; about what it knows of what it says a model is asked on clear ones only."""
    rules: str = f"{CAPTION_RULES}, {QUESTION_RULES}"


def sample(folder: Path, settings: SampleStep, progress: Progress) -> None:
    """Let the model describe images of the train split."""
    run_sample(settings.sample, folder / settings.out, progress)


def correct(folder: Path, settings: CorrectStep, progress: Progress) -> None:
    """Let the simulated person correct answers until enough had errors, and make pairs of them."""
    from groundtune.pipeline.feedback.pairs import PairSettings, make_pairs

    source, out, label = folder / settings.source, folder / settings.out, settings.label
    person, by = open_annotator(label, RunFolder(source))
    label_answers(source, out, person, by, progress, enough=settings.enough, settings=label)
    make_pairs(out, out, PairSettings(), progress)


def learn(folder: Path, settings: LearnStep, progress: Progress) -> None:
    """Train a model on the pairs."""
    from groundtune.pipeline.train.run import train

    training = settings.learning.part(
        TrainSettings,
        model=model_or_folder(folder, settings.model.model),
        pairs=folder / settings.pairs,
        device=settings.model.device,
        seed=settings.seed,
        merge=settings.learning.tune.type == "lora",
    )
    train(training, folder / settings.out, progress)


def evaluate(folder: Path, settings: EvaluateStep, progress: Progress) -> None:
    """Let the model describe scenes and answer questions, greedily and at temperature 1."""
    from groundtune.bench.benchmark import Scoring
    from groundtune.bench.run.exam import Exam, exam_of, scores_of
    from groundtune.bench.run.run import ask as answers_of
    from groundtune.bench.run.run import store_scores
    from groundtune.bench.world.benchmarks import CAPTIONS_AND_QUESTIONS
    from groundtune.bench.world.self_knowledge import knowledge
    from groundtune.store.images import ImageStore

    evaluation, out = settings.evaluation, folder / settings.out
    images = ImageStore(folder / "images")
    model = settings.model.of(model_or_folder(folder, settings.model.model))
    scoring = Scoring(mode="strict", model=model.name)
    exams: list[Exam] = []
    numbers = (evaluation.captions, evaluation.questions)
    for benchmark, number in zip(CAPTIONS_AND_QUESTIONS[settings.difficulty], numbers, strict=True):
        progress.start(f"images for {benchmark.name}")
        selection = evaluation.selection(number)
        exams.append(exam_of(benchmark, (), selection, scoring, images))
    evaluation_images = images_of((item.prompt for exam in exams for item in exam.data), images)
    for training in training_images([model.model]):
        refuse_common(training, evaluation_images, where=model.model)
    generator = open_generator(model, images, name=model.name)
    for exam in exams:
        answers = answers_of(exam.benchmark, exam.data, generator, evaluation.seed, out, progress)
        scores = scores_of(exam, answers)
        store_scores(scores, out)
        if evaluation.self_knowledge and exam.benchmark.follow_up is not None:
            greedy = [score for score in scores if score.decoding == "greedy"]
            knowledge_scores = knowledge(greedy, exam.data, generator, progress, evaluation.seed)
            store_scores(knowledge_scores, out / SELF_KNOWLEDGE)


def sample_job(name: str, settings: SampleStep, inputs: Sequence[str], images: int) -> Job:
    """The job of `sample`, for this number of images."""
    return Job(
        name=name,
        title=f"describe {images:,} images",
        work=sample,
        settings=settings,
        inputs=tuple(inputs),
        cost=images / 60,
        tasks={"draw": 0.1, "sample": 0.9},
    )


def correct_job(name: str, settings: CorrectStep, needs: Sequence[str]) -> Job:
    """The job of `correct`."""
    return Job(
        name=name,
        title=f"correct {settings.enough:,} answers",
        work=correct,
        settings=settings,
        needs=tuple(needs),
        cost=settings.enough / 600,
        tasks={"label": 0.8, "pairs": 0.2},
    )


def learn_job(name: str, settings: LearnStep, needs: Sequence[str], pairs: int) -> Job:
    """The job of `learn`, for about this number of pairs."""
    return Job(
        name=name,
        title=_title(name),
        work=learn,
        settings=settings,
        needs=tuple(needs),
        cost=pairs / 60 + settings.learning.epochs * pairs / 40,
        tasks={"encode": 0.05, "reference": 0.2, "train": 0.75},
    )


def evaluate_job(
    name: str, settings: EvaluateStep, inputs: Sequence[str] = (), needs: Sequence[str] = ()
) -> Job:
    """The job of `evaluate`."""
    return Job(
        name=name,
        title=_title(name),
        work=evaluate,
        settings=settings,
        inputs=tuple(inputs),
        needs=tuple(needs),
        cost=settings.evaluation.captions / 25 + settings.evaluation.questions / 5,
        tasks={"answer": 0.23, "ask": 0.08},
    )


def _title(name: str) -> str:
    """A job's name in words: "train ddpo", without the hash at its end."""
    return " ".join(word for word in name.split("-") if not re.fullmatch(r"[0-9a-f]{8}", word))
