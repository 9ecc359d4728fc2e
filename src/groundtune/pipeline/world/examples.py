"""Examples of the embedded world for supervised tuning: true captions and true answers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from groundtune.bench.world.images import add_image, ask_about
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.world.prompts import FIRST_SCENE, SCENES_A_SEED
from groundtune.protocols import Progress
from groundtune.records import Answer, Producer, Prompt, Record
from groundtune.store.keys import key_of
from groundtune.store.lock import one_writer
from groundtune.world import DATASET
from groundtune.world.captions import TRAIN_INSTRUCTIONS, caption
from groundtune.world.questions import as_turn, ask
from groundtune.world.scenes import Scene, scenes

TRUTH = Producer(kind="dataset", name="world:truth")
AT_ONCE = 100
"""Scenes per part."""


class WorldExamples(Record):
    """Settings of the examples."""

    scenes: int = Field(default=400, ge=1)
    """Scenes of the train split that no model of the world was trained on."""
    captions: int = Field(default=1, ge=0)
    """True captions per scene, with different wordings."""
    questions: int = Field(default=4, ge=0)
    """Questions per scene, with their true answers."""
    seed: int = Field(default=0, ge=0)
    """Seed of the scenes, the wordings and the questions."""


class ExampleCounts(Record):
    """Number of examples."""

    scenes: int
    captions: int
    questions: int


@one_writer()
def make_examples(
    settings: WorldExamples, out: Path, progress: Progress, *, command: Sequence[str] = ()
) -> ExampleCounts:
    """Write prompts and true answers about scenes to `out`; existing ones stay.

    Raises:
        UserError: the disk is full, or a part is damaged.
    """
    target = RunFolder(out)
    start = FIRST_SCENE + SCENES_A_SEED * settings.seed
    progress.start("draw scenes", total=settings.scenes)
    prompts: list[Prompt] = []
    answers: list[Answer] = []
    counts = [0, 0]
    for number, scene in enumerate(scenes("train", settings.scenes, start=start), 1):
        image = add_image(scene, target.images)
        rng = np.random.default_rng([settings.seed, scene.seed, 11])
        turns = [_caption(scene, rng) for _ in range(settings.captions)]
        turns += [as_turn(ask(scene, rng), rng) for _ in range(settings.questions)]
        examples = [(ask_about(scene, image, question), answer) for question, answer in turns]
        prompts += [prompt for prompt, _ in examples]
        answers += [_answer(prompt, text) for prompt, text in examples]
        counts = [counts[0] + settings.captions, counts[1] + settings.questions]
        if number % AT_ONCE == 0 or number == settings.scenes:
            target.prompts.add(prompts)
            target.answers.add(answers)
            prompts, answers = [], []
        progress.advance()
    target.note(
        target.answers,
        settings=settings,
        inputs={"dataset": DATASET},
        seeds={"examples": settings.seed},
        command=list(command),
    )
    return ExampleCounts(scenes=settings.scenes, captions=counts[0], questions=counts[1])


def _caption(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    instruction = TRAIN_INSTRUCTIONS[int(rng.integers(len(TRAIN_INSTRUCTIONS)))]
    return instruction, caption(scene, rng)


def _answer(prompt: Prompt, text: str) -> Answer:
    key = key_of("world example", prompt.key, text)
    return Answer(key=key, prompt=prompt.key, text=text, producer=TRUTH)
