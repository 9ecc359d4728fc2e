"""What a model of the world is taught: turns of (instruction, reply) about one scene."""

import numpy as np

from groundtune.records import Record
from groundtune.world.captions import (
    CLEAN,
    EVALUATION_INSTRUCTIONS,
    TRAIN_INSTRUCTIONS,
    Habits,
    caption,
)
from groundtune.world.catalogue import CATEGORIES, CELLS, NUMBERS
from groundtune.world.grammar import join, plural
from groundtune.world.questions import (
    Question,
    ask,
    ask_content,
    ask_number,
    ask_place,
    spoken,
)
from groundtune.world.scenes import Scene

Turn = tuple[str, str]

INSTRUCTIONS = TRAIN_INSTRUCTIONS + EVALUATION_INSTRUCTIONS
"""A model of the world can follow all of them; feedback is collected on the first sixteen alone."""


class Mixture(Record):
    """How many turns of each kind are taught about one image."""

    look_ups: int = 0
    """Easy ones that teach to look: read all cells out, find one category. Without them a small
    model stays blind for long."""
    questions: int = 6
    """Of every kind, in `questions.ASKERS`' shares."""
    numbers: int = 0
    """More questions of how many: counting is learnt last."""
    places: int = 0
    """More questions of where, and of what is there."""
    captions: int = 1
    habits: Habits = CLEAN


def turns(scene: Scene, mixture: Mixture, rng: np.random.Generator) -> list[Turn]:
    """The lesson of one scene; every turn stands alone after the image."""
    lesson = [_look_up(scene, rng) for _ in range(mixture.look_ups)]
    lesson += [spoken(ask(scene, rng), rng) for _ in range(mixture.questions)]
    lesson += [spoken(ask_number(scene, rng), rng) for _ in range(mixture.numbers)]
    lesson += [spoken(_ask_where(scene, rng, i), rng) for i in range(mixture.places)]
    for _ in range(mixture.captions):
        instruction = INSTRUCTIONS[int(rng.integers(len(INSTRUCTIONS)))]
        lesson.append((instruction, caption(scene, rng, mixture.habits)))
    return lesson


def _ask_where(scene: Scene, rng: np.random.Generator, turn: int) -> Question:
    """In turns where something is and what is somewhere."""
    question = ask_place(scene, rng) if turn % 2 == 0 else None
    return question or ask_content(scene, rng)


def _look_up(scene: Scene, rng: np.random.Generator) -> Turn:
    """Reads the nine cells, or finds a category with its number and places."""
    if rng.random() < 0.5:
        things = [scene.at(cell) for cell in range(9)]
        return "Read the cells.", ", ".join(
            "nothing" if t is None else t.category for t in things
        ) + "."
    if rng.random() < 0.75:
        thing = scene.things[int(rng.integers(len(scene.things)))]
        places = join([CELLS[cell] for cell in thing.cells])
        return f"Find {plural(thing.category)}.", f"{NUMBERS[thing.number].capitalize()}, {places}."
    absent = [name for name in CATEGORIES if scene.thing(name) is None]
    return f"Find {plural(str(rng.choice(absent)))}.", "No."
