"""Prompts about scenes of the embedded world: what feedback is collected on."""

from io import BytesIO

import numpy as np

from groundtune.protocols import Progress
from groundtune.records import ImagePart, Message, Prompt, Source, TextPart
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of
from groundtune.world.captions import TRAIN_INSTRUCTIONS
from groundtune.world.people import DATASET
from groundtune.world.render import render
from groundtune.world.scenes import Scene, scenes

FIRST_SCENE = 10_000_000
"""Scenes of the train split from here on are kept for feedback: no model is trained on them."""
SCENES_A_SEED = 100_000


def feedback_prompts(
    images: ImageStore, number: int, seed: int, progress: Progress
) -> list[Prompt]:
    """One prompt about each of `number` scenes of the train split; another seed, other scenes.

    The pictures are added to `images`.
    """
    rng = np.random.default_rng([seed])
    choice = rng.integers(len(TRAIN_INSTRUCTIONS), size=number)
    progress.start("draw scenes", total=number)
    made: list[Prompt] = []
    start = FIRST_SCENE + SCENES_A_SEED * seed
    for index, scene in enumerate(scenes("train", number, start=start)):
        made.append(scene_prompt(scene, TRAIN_INSTRUCTIONS[int(choice[index])], images))
        progress.advance()
    return made


def scene_prompt(scene: Scene, text: str, images: ImageStore) -> Prompt:
    """A prompt about a scene; its picture is added to `images`."""
    file = BytesIO()
    render(scene).save(file, "PNG")
    parts = (ImagePart(image=images.add(file.getvalue())), TextPart(text=text))
    message = Message(role="user", content=parts)
    return Prompt(
        key=key_of(message.model_dump()),
        messages=(message,),
        source=Source(dataset=DATASET, split=scene.key.partition("/")[0], row=scene.key),
    )
