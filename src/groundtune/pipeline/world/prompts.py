"""Prompts about scenes of the embedded world: other scenes for each part of a run."""

from collections.abc import Callable, Iterable

import numpy as np

from groundtune.bench.item import ItemSelection
from groundtune.bench.world.captions import NAME as CAPTIONS
from groundtune.bench.world.captions import load as load_captions
from groundtune.bench.world.images import add_image, ask_about
from groundtune.pipeline.models.prompt_sources import Part
from groundtune.protocols import Progress
from groundtune.records import Prompt
from groundtune.store.images import ImageStore
from groundtune.world.captions import TRAIN_INSTRUCTIONS
from groundtune.world.scenes import Difficulty, Scene, scenes

FIRST_SCENE = 5_000_000
"""Scenes of the train split from here on are kept for feedback: no model is trained on them."""
SCENES_A_SEED = 100_000
CHOOSING_FROM = 1_000_000
"""Scenes of the development split from here on are chosen by; benchmarks ask about the first."""


def feedback_prompts(
    images: ImageStore, number: int, seed: int, progress: Progress, difficulty: Difficulty = "clear"
) -> list[Prompt]:
    """One prompt about each of `number` scenes of the train split; another seed, other scenes.

    The images are added to `images`. Prompts of a smaller number are the first of a larger one.
    """
    choice = np.random.default_rng(seed).integers(len(TRAIN_INSTRUCTIONS), size=number)
    start = FIRST_SCENE + SCENES_A_SEED * seed
    some_scenes = scenes("train", number, start=start, difficulty=difficulty)
    return _prompts_of(images, some_scenes, [int(each) for each in choice], progress)


def choosing_prompts(
    images: ImageStore, number: int, seed: int, progress: Progress, difficulty: Difficulty = "clear"
) -> list[Prompt]:
    """The same of the development split, of scenes that no benchmark asks about.

    They don't depend on `seed`, so that runs of several seeds choose by the same ones.
    """
    some_scenes = scenes("development", number, start=CHOOSING_FROM, difficulty=difficulty)
    return _prompts_of(images, some_scenes, list(range(number)), progress)


def reporting_prompts(
    images: ImageStore, number: int, seed: int, progress: Progress, difficulty: Difficulty = "clear"
) -> list[Prompt]:
    """The prompts of the captions benchmark, of usual scenes of the development split."""
    progress.start("draw scenes")
    selection = ItemSelection(split="development", n=number, seed=seed)
    items = load_captions(selection, images, difficulty)
    return [item.prompt for item in items if item.benchmark == CAPTIONS]


def _prompts_of(
    images: ImageStore, some_scenes: Iterable[Scene], wordings: list[int], progress: Progress
) -> list[Prompt]:
    """A prompt about each scene, one for each wording."""
    progress.start("draw scenes", total=len(wordings))
    prompts: list[Prompt] = []
    for wording, scene in zip(wordings, some_scenes, strict=True):
        question = TRAIN_INSTRUCTIONS[wording % len(TRAIN_INSTRUCTIONS)]
        prompts.append(ask_about(scene, add_image(scene, images), question))
        progress.advance()
    return prompts


PARTS: dict[Part, Callable[[ImageStore, int, int, Progress, Difficulty], list[Prompt]]] = {
    "learning": feedback_prompts,
    "choosing": choosing_prompts,
    "reporting": reporting_prompts,
}
