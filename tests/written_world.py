"""Folders of answers about scenes of the world that a machine writer wrote: no model is needed."""

from pathlib import Path

import numpy as np

from groundtune.bench.world.images import find_scene
from groundtune.pipeline.models.prompt_sources import load
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Producer
from groundtune.world.captions import MACHINE, caption

WRITER = Producer(kind="model", name="writer")


def written(path: Path, number: int = 16) -> RunFolder:
    """A folder with a machine writer's caption of so many scenes."""
    folder = RunFolder(path)
    source = load("world")
    asked = source.prompts(folder.images, number, SilentProgress(), part="learning", seed=0)
    answers = [
        Answer(
            key=f"a{i}",
            prompt=prompt.key,
            text=caption(find_scene(prompt.source.row), np.random.default_rng(i), MACHINE),
            producer=WRITER,
        )
        for i, prompt in enumerate(asked)
    ]
    folder.prompts.add(asked)
    folder.answers.add(answers)
    return folder
