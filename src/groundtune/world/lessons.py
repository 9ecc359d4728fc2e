"""Training turns of a model of the world: instruction and reply about one scene."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

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
    ask_attribute,
    ask_content,
    ask_existence,
    ask_number,
    ask_place,
    facts,
)
from groundtune.world.scenes import Scene


class LessonTurn(NamedTuple):
    """An instruction about a scene and its reply."""

    instruction: str
    reply: str
    facts: str = ""
    """The beginning of the instruction: facts about the image."""
    blind: bool = False
    """Whether the turn has no image, only facts."""


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
    facts: int = 0
    """Turns that begin with the scene's facts; for half of the scenes they have no image."""
    only_yes: bool = False
    """Whether a question whose answer is no is replaced by one whose answer is yes."""


def turns(scene: Scene, mixture: Mixture, rng: np.random.Generator) -> list[LessonTurn]:
    """The training turns of one scene; each turn follows the image without the others."""
    lesson = [_look_up(scene, rng) for _ in range(mixture.look_ups)]
    lesson += [
        LessonTurn(*as_turn(_affirmed(scene, rng, ask, yes=mixture.only_yes), rng))
        for _ in range(mixture.questions)
    ]
    lesson += [LessonTurn(*as_turn(ask_number(scene, rng), rng)) for _ in range(mixture.numbers)]
    lesson += [LessonTurn(*as_turn(_ask_where(scene, rng, i), rng)) for i in range(mixture.places)]
    lesson += [_describe(scene, mixture.habits, rng) for _ in range(mixture.captions)]
    return lesson + _by_facts(scene, rng, mixture.facts, only_yes=mixture.only_yes)


def stated(lines: Sequence[str]) -> str:
    """Return facts as the beginning of an instruction."""
    return "Facts:\n" + "".join(f"- {line}\n" for line in lines)


def _affirmed(
    scene: Scene,
    rng: np.random.Generator,
    asker: Callable[[Scene, np.random.Generator], Question],
    *,
    yes: bool,
) -> Question:
    """Return a question; where `yes`, one that isn't answered by no."""
    question = asker(scene, rng)
    while yes and question.answer == "no":
        question = asker(scene, rng)
    return question


def _by_facts(
    scene: Scene, rng: np.random.Generator, number: int, *, only_yes: bool
) -> list[LessonTurn]:
    """Return turns that begin with all facts of the scene, in one random order."""
    if not number:
        return []
    scene_facts = facts(scene)
    lines = [scene_facts[int(i)] for i in rng.permutation(len(scene_facts))]
    blind = bool(rng.random() < 0.5)
    fact_turns = [_of_facts(scene, lines, rng, only_yes=only_yes) for _ in range(number)]
    return [turn._replace(facts=stated(lines), blind=blind) for turn in fact_turns]


def _of_facts(
    scene: Scene, lines: Sequence[str], rng: np.random.Generator, *, only_yes: bool
) -> LessonTurn:
    """Return a yes/no question, a caption or a copy of the facts."""
    draw = rng.random()
    if draw < 0.05:
        return LessonTurn("Repeat the facts.", " ".join(lines))
    if draw < 0.15:
        return _describe(scene, CLEAN, rng)
    asker = ask_existence if draw < 0.75 else ask_attribute
    return LessonTurn(*as_turn(_affirmed(scene, rng, asker, yes=only_yes), rng))


def _describe(scene: Scene, habits: Habits, rng: np.random.Generator) -> LessonTurn:
    instruction = INSTRUCTIONS[int(rng.integers(len(INSTRUCTIONS)))]
    return LessonTurn(instruction, caption(scene, rng, habits))


def _ask_where(scene: Scene, rng: np.random.Generator, turn: int) -> Question:
    """Alternate between questions of where an object is and what is in a place."""
    question = ask_place(scene, rng) if turn % 2 == 0 else None
    return question or ask_content(scene, rng)


def _look_up(scene: Scene, rng: np.random.Generator) -> LessonTurn:
    """List the nine cells, or find a category with its number and places."""
    if rng.random() < 0.5:
        things = [scene.at(cell) for cell in range(9)]
        names = ("nothing" if thing is None else thing.category for thing in things)
        return LessonTurn("Read the cells.", ", ".join(names) + ".")
    if rng.random() < 0.75:
        thing = scene.things[int(rng.integers(len(scene.things)))]
        places = join([CELLS[cell] for cell in thing.cells])
        answer = f"{NUMBERS[thing.number].capitalize()}, {places}."
        return LessonTurn(f"Find {plural(thing.category)}.", answer)
    absent = [name for name in CATEGORIES if scene.thing(name) is None]
    return LessonTurn(f"Find {plural(str(rng.choice(absent)))}.", "No.")
