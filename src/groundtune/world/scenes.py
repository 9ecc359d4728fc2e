"""Scenes: their full truth, drawn from a split's seed.

A scene has one context. Each category is in it with the context's prior; a quarter of scenes also
have one object from elsewhere. The strata of RLHF-V's over-generalisation probe are constructed:
"missing" scenes lack their context's most usual category, "replaced" scenes have an object from
elsewhere instead.

Hard scenes are as hard to see as photographs: objects are small, cross the borders of cells, hide
each other and are partly covered (`render.py`), and an object from elsewhere looks like a usual one
that is absent.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from groundtune.records import Record
from groundtune.world.catalogue import (
    BACKGROUNDS,
    CATEGORIES,
    COLOURS,
    CONTEXTS,
    LOOK_ALIKES,
)

WORLD_VERSION = "1"
"""Part of every scene's seed: it must change whenever scenes are drawn differently."""

SPLITS: dict[str, int] = {"train": 1, "development": 2, "test": 3}

Stratum = Literal["usual", "missing", "replaced"]
Difficulty = Literal["clear", "hard"]

CELL_PX = 32
SIDE_PX = 96
MAX_OBJECTS = 8
ELSEWHERE = 0.25
"""Chance that a scene has one object from another context."""
ELSEWHERE_HARD = 0.6
"""The same for a hard scene."""
NUMBER_CHANCES = (0.56, 0.26, 0.12, 0.06)
"""Chances that a present category has one, two, ... objects."""


class Box(Record):
    """Pixels of one object: left, top, and side (glyphs are square)."""

    x: int
    y: int
    side: int


class Thing(Record):
    """All objects of one category in a scene."""

    category: str
    colour: str
    """One of COLOURS for a tintable category, else empty; all its objects share it."""
    cells: tuple[int, ...]
    """Cells 0 to 8, row by row, one per object, ascending."""
    boxes: tuple[Box, ...]
    usual: bool
    """Whether it is in the prior of the scene's context."""

    @property
    def number(self) -> int:
        """The number of objects."""
        return len(self.cells)


class Scene(Record):
    """The full truth of one image of 96 x 96 pixels."""

    key: str
    """split/index, or split/stratum/index; of a hard scene hard/split/..."""
    context: str
    background: str
    """Colour of the context's wall or sky."""
    things: tuple[Thing, ...]
    stratum: Stratum = "usual"
    seed: int

    @property
    def hard(self) -> bool:
        """Whether it is seen badly."""
        return self.key.startswith("hard/")

    @property
    def split(self) -> str:
        """The split that it is of."""
        return self.key.removeprefix("hard/").partition("/")[0]

    def thing(self, category: str) -> Thing | None:
        """The objects of a category, if there are any."""
        return next((thing for thing in self.things if thing.category == category), None)

    @property
    def categories(self) -> frozenset[str]:
        """The present categories."""
        return frozenset(thing.category for thing in self.things)

    def at(self, cell: int) -> Thing | None:
        """The category in a cell."""
        return next((thing for thing in self.things if cell in thing.cells), None)


def prior(context: str, category: str) -> float:
    """Chance that a scene of this context has this category; 0 for one from elsewhere."""
    return CONTEXTS[context].prior.get(category, 0.0)


def scene(
    split: str, index: int, stratum: Stratum = "usual", difficulty: Difficulty = "clear"
) -> Scene:
    """The index-th scene of a split; equal on every machine and in every order."""
    codes = {"usual": 0, "missing": 1, "replaced": 2}
    hard = difficulty == "hard"
    entropy = [int(WORLD_VERSION), SPLITS[split], codes[stratum], index] + [1] * hard
    rng = np.random.default_rng(entropy)
    context = str(rng.choice(list(CONTEXTS)))
    names = _present(rng, context, stratum, hard=hard)
    key = f"{split}/{index}" if stratum == "usual" else f"{split}/{stratum}/{index}"
    return Scene(
        key=f"hard/{key}" if hard else key,
        context=context,
        background=str(rng.choice(list(BACKGROUNDS))),
        things=_place(rng, context, names, hard=hard),
        stratum=stratum,
        seed=int(rng.integers(2**31)),
    )


def scenes(
    split: str,
    number: int,
    *,
    start: int = 0,
    stratum: Stratum = "usual",
    difficulty: Difficulty = "clear",
) -> Iterator[Scene]:
    """`number` scenes of a split, from `start` on."""
    return (scene(split, index, stratum, difficulty) for index in range(start, start + number))


def find(key: str) -> Scene:
    """The scene with this key. Raises ValueError for an invalid key."""
    difficulty: Difficulty = "hard" if key.startswith("hard/") else "clear"
    parts = key.removeprefix("hard/").split("/")
    if len(parts) not in (2, 3) or parts[0] not in SPLITS or not parts[-1].isdigit():
        raise ValueError(f"{key!r} is not the key of a scene")
    stratum: Stratum = "usual"
    if len(parts) == 3:
        if parts[1] not in ("missing", "replaced"):
            raise ValueError(f"{key!r} is not the key of a scene")
        stratum = "missing" if parts[1] == "missing" else "replaced"
    return scene(parts[0], int(parts[-1]), stratum, difficulty)


def _present(rng: np.random.Generator, context: str, stratum: Stratum, *, hard: bool) -> list[str]:
    """Draw two to five categories."""
    table = CONTEXTS[context].prior
    most_usual = max(table, key=lambda name: table[name])
    usual = [name for name, chance in table.items() if rng.random() < chance]
    if stratum != "usual":
        usual = [name for name in usual if name != most_usual]
    rest = [
        name for name in table if name not in usual and (stratum == "usual" or name != most_usual)
    ]
    while len(usual) < 2:
        weights = np.array([table[name] for name in rest])
        usual.append(rest.pop(int(rng.choice(len(rest), p=weights / weights.sum()))))
    rng.shuffle(usual)
    chance = ELSEWHERE_HARD if hard else ELSEWHERE
    stranger = stratum == "replaced" or (stratum == "usual" and rng.random() < chance)
    usual = usual[: 4 if stranger else 5]
    if stranger:
        others = [name for name in CATEGORIES if name not in table]
        alike = _alike(table, usual) if hard else []
        usual.append(str(rng.choice(alike or others)))
    return usual


def _alike(table: dict[str, float], present: list[str]) -> list[str]:
    """What is of elsewhere and looks like something that is usual and isn't there."""
    tempting = table.keys() - set(present)
    return [
        name
        for group in LOOK_ALIKES
        if tempting & set(group)
        for name in group
        if name not in table
    ]


def _place(
    rng: np.random.Generator, context: str, names: list[str], *, hard: bool
) -> tuple[Thing, ...]:
    """Draw each category's number, colour, cells and boxes."""
    numbers = 1 + rng.choice(len(NUMBER_CHANCES), size=len(names), p=NUMBER_CHANCES)
    while numbers.sum() > MAX_OBJECTS:
        numbers[int(np.argmax(numbers))] -= 1
    free = list(rng.permutation(9))
    things: list[Thing] = []
    for name, number in zip(names, numbers, strict=True):
        cells = tuple(sorted(int(free.pop()) for _ in range(int(number))))
        colour = str(rng.choice(list(COLOURS))) if CATEGORIES[name].tintable else ""
        boxes = tuple((_hard_box if hard else _box)(rng, cell) for cell in cells)
        usual = name in CONTEXTS[context].prior
        things.append(Thing(category=name, colour=colour, cells=cells, boxes=boxes, usual=usual))
    return tuple(things)


def _box(rng: np.random.Generator, cell: int) -> Box:
    """A square of 24 to 31 pixels somewhere inside its cell."""
    side = int(rng.integers(24, 32))
    row, column = divmod(cell, 3)
    x = column * CELL_PX + int(rng.integers(0, CELL_PX - side + 1))
    y = row * CELL_PX + int(rng.integers(0, CELL_PX - side + 1))
    return Box(x=x, y=y, side=side)


def _hard_box(rng: np.random.Generator, cell: int) -> Box:
    """A square of 13 to 22 pixels whose middle is in its cell, anywhere."""
    side = int(rng.integers(13, 23))
    row, column = divmod(cell, 3)
    x, y = (
        int(np.clip(each * CELL_PX + rng.integers(CELL_PX) - side // 2, 0, SIDE_PX - side))
        for each in (column, row)
    )
    return Box(x=x, y=y, side=side)
