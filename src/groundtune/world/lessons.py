"""Training turns of a model of the world: (instruction, reply) about one scene."""

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
    as_turn,
    ask,
    ask_content,
    ask_number,
    ask_place,
)
from groundtune.world.scenes import Scene

Turn = tuple[str, str]

INSTRUCTIONS = TRAIN_INSTRUCTIONS + EVALUATION_INSTRUCTIONS
"""A model of the world can follow all of them; feedback is collected on the first sixteen only."""


class Mixture(Record):
    """How many turns of each kind there are per image."""

    look_ups: int = 0
    """Easy turns that teach to look: list all cells, find one category. Without them a small model
    ignores the image for long."""
    questions: int = 6
    """Questions of every kind, in the shares of `questions.ASKERS`."""
    numbers: int = 0
    """Additional questions about numbers: counting is learnt last."""
    places: int = 0
    """Additional questions about places, and about what is in a place."""
    captions: int = 1
    habits: Habits = CLEAN


def turns(scene: Scene, mixture: Mixture, rng: np.random.Generator) -> list[Turn]:
    """The training turns of one scene; each turn follows the image without the others."""
    lesson = [_look_up(scene, rng) for _ in range(mixture.look_ups)]
    lesson += [as_turn(ask(scene, rng), rng) for _ in range(mixture.questions)]
    lesson += [as_turn(ask_number(scene, rng), rng) for _ in range(mixture.numbers)]
    lesson += [as_turn(_ask_where(scene, rng, i), rng) for i in range(mixture.places)]
    for _ in range(mixture.captions):
        instruction = INSTRUCTIONS[int(rng.integers(len(INSTRUCTIONS)))]
        lesson.append((instruction, caption(scene, rng, mixture.habits)))
    return lesson


def _ask_where(scene: Scene, rng: np.random.Generator, turn: int) -> Question:
    """Alternate between questions of where an object is and what is in a place."""
    question = ask_place(scene, rng) if turn % 2 == 0 else None
    return question or ask_content(scene, rng)


def _look_up(scene: Scene, rng: np.random.Generator) -> Turn:
    """List the nine cells, or find a category with its number and places."""
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
