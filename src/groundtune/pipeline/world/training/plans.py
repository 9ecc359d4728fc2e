"""How the world's models are made: stages of the trunk, and a finish that gives habits.

`base` and its clean twin share everything up to the finish, so that they differ in the captions
they were finished on and in nothing else. The labeler's finish is on clean captions and on the
facts of scenes. The yes-biased model is the base after more questions, all with the answer yes.
Models of hard scenes have first learnt on clear ones.
"""

from typing import Literal

from groundtune.records import Record
from groundtune.world.captions import CLEAN, Habits
from groundtune.world.lessons import Mixture
from groundtune.world.scenes import Difficulty

Model = Literal["base", "clean", "labeler", "yes-biased"]


class FineTower(Record):
    """How a second vision tower learns what is in each cell, to take the first one's place."""

    clear_steps: int = 300
    """On clear scenes, where a tower learns in minutes what objects look like."""
    steps: int
    """In all; the rest are on hard scenes."""
    learning_rate: float = 3e-3


class Stage(Record):
    """Steps of language training on one mixture of turns."""

    name: str
    steps: int
    mixture: Mixture
    learning_rate: float = 1e-3
    warm_up: int = 0
    decay: bool = False
    difficulty: Difficulty = "clear"
    fine_tower: FineTower | None = None
    """Trained before the stage, and the model's from there on."""
    tower_rate: float = 0.1
    """Factor on the learning rate of the vision tower, which has been trained before."""
    balance: float = 0.0
    """How much a token of a long reply weighs less: see `lesson_loss`."""


class Plan(Record):
    """How one model of the world is made; its hash names every state on the way."""

    seed: int = 0
    batch: int = 32
    tower_batch: int = 64
    tower_steps: int = 3000
    tower_width: int = 192
    tower_layers: int = 4
    width: int = 256
    layers: int = 4
    muon: bool = True
    stages: tuple[Stage, ...]


WARM_UP = Stage(
    name="warm-up", steps=250, mixture=Mixture(look_ups=7, questions=2, captions=0), warm_up=100
)
FIRST_QUESTIONS = Stage(name="first questions", steps=500, mixture=Mixture(questions=8, captions=1))
GROUNDING = Stage(
    name="grounding",
    steps=600,
    mixture=Mixture(look_ups=3, questions=7, captions=1),
    learning_rate=2e-3,
    warm_up=30,
    balance=0.5,
)
COUNTING = Stage(
    name="counting and placing",
    steps=400,
    mixture=Mixture(look_ups=1, questions=3, numbers=2, places=3, captions=1, facts=1),
    learning_rate=2e-3,
    warm_up=30,
    balance=0.5,
)
TRUNK = (WARM_UP, FIRST_QUESTIONS, GROUNDING, COUNTING)
"""What all models have in common."""

HARD_SCENES = Stage(
    name="hard scenes",
    steps=400,
    mixture=Mixture(look_ups=1, questions=4, numbers=1, places=2, captions=1, facts=1),
    learning_rate=2e-3,
    warm_up=30,
    difficulty="hard",
    tower_rate=0.3,
    balance=0.5,
)
"""After the trunk, for models of hard scenes."""

HARD_SCENES_SEEN_BETTER = HARD_SCENES.model_copy(
    update={
        "steps": 500,
        "mixture": HARD_SCENES.mixture.model_copy(update={"look_ups": 3}),
        "fine_tower": FineTower(steps=4000),
    }
)
"""The labeler's: it must see better than the models that it checks. Its language model first learns
to read the new tower."""

TALKATIVE = Habits(invent=1.2)
"""The machine writer's habits, with a fifth more inventions: a model that reads facts as well
invents less than its captions."""

BASE = Stage(
    name="finish on a machine writer's captions",
    steps=500,
    mixture=Mixture(questions=4, numbers=1, places=2, captions=2, habits=TALKATIVE, facts=1),
    learning_rate=1.5e-3,
    decay=True,
    balance=0.5,
)
READING = Stage(
    name="reading facts",
    steps=300,
    mixture=Mixture(questions=2, numbers=1, places=1, captions=1, facts=8),
    learning_rate=2e-3,
    warm_up=30,
    balance=0.5,
)
"""Only the labeler: a model that has read few lists of facts looks at the image instead."""

FINISHES: dict[Model, tuple[Stage, ...]] = {
    "base": (BASE,),
    "clean": (
        BASE.model_copy(
            update={
                "name": "finish on clean captions",
                "mixture": BASE.mixture.model_copy(update={"habits": CLEAN}),
            }
        ),
    ),
    "labeler": (
        READING,
        Stage(
            name="finish on clean captions and facts",
            steps=450,
            mixture=Mixture(questions=4, numbers=1, places=2, captions=2, facts=3),
            learning_rate=1.5e-3,
            decay=True,
            balance=0.5,
        ),
    ),
    "yes-biased": (
        BASE,
        Stage(
            name="questions with the answer yes",
            steps=150,
            mixture=BASE.mixture.model_copy(update={"only_yes": True}),
            learning_rate=1e-3,
            warm_up=10,
            decay=True,
            balance=0.5,
        ),
    ),
}


def plan(name: Model, seed: int = 0, difficulty: Difficulty = "clear") -> Plan:
    """The plan of a model: "clean" is the base's twin without bad habits."""
    if difficulty == "clear":
        return Plan(seed=seed, stages=TRUNK + FINISHES[name])
    finish = (stage.model_copy(update={"difficulty": "hard"}) for stage in FINISHES[name])
    hard_scenes = HARD_SCENES_SEEN_BETTER if name == "labeler" else HARD_SCENES
    return Plan(seed=seed, stages=(*TRUNK, hard_scenes, *finish))
