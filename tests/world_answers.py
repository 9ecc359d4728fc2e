"""Answers about the world's scenes, wrong as a small model's are; no model is needed."""

from pathlib import Path

import numpy as np

from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, Message, Producer, Prompt, Source, TextPart
from groundtune.store.keys import key_of
from groundtune.world.captions import MACHINE, caption
from groundtune.world.scenes import scene
from groundtune.world.simulated_people import DATASET


def world_run(path: Path, number: int) -> RunFolder:
    """A run with one answer about each of so many scenes, wrong as a small model's."""
    folder = RunFolder(path)
    prompts: list[Prompt] = []
    answers: list[Answer] = []
    for seed in range(number):
        found = scene("development", seed, "usual")
        asked = Message(role="user", content=(TextPart(text="Describe the image."),))
        source = Source(dataset=DATASET, row=found.key)
        prompt = Prompt(key=key_of("prompt", found.key), messages=(asked,), source=source)
        text = caption(found, np.random.default_rng(seed), MACHINE)
        producer = Producer(kind="model", name="machine")
        key = key_of("answer", prompt.key, text)
        prompts.append(prompt)
        answers.append(Answer(key=key, prompt=prompt.key, text=text, producer=producer))
    folder.prompts.append(prompts)
    folder.answers.append(answers)
    return folder
