"""Prompts about scenes of the embedded world: what feedback is collected on."""

import numpy as np

from groundtune.bench.world.pictures import add_picture, ask_about
from groundtune.protocols import Progress
from groundtune.records import Prompt
from groundtune.store.images import ImageStore
from groundtune.world.captions import TRAIN_INSTRUCTIONS
from groundtune.world.scenes import scenes

FIRST_SCENE = 5_000_000
"""Scenes of the train split from here on are kept for feedback: no model is trained on them."""
SCENES_A_SEED = 100_000


def feedback_prompts(
    images: ImageStore, number: int, seed: int, progress: Progress
) -> list[Prompt]:
    """One prompt about each of `number` scenes of the train split; another seed, other scenes.

    The pictures are added to `images`. Prompts of a smaller number are the first of a larger one.
    """
    choice = np.random.default_rng(seed).integers(len(TRAIN_INSTRUCTIONS), size=number)
    progress.start("draw scenes", total=number)
    made: list[Prompt] = []
    start = FIRST_SCENE + SCENES_A_SEED * seed
    for index, scene in enumerate(scenes("train", number, start=start)):
        picture = add_picture(scene, images)
        made.append(ask_about(scene, picture, TRAIN_INSTRUCTIONS[int(choice[index])]))
        progress.advance()
    return made
