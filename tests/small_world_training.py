"""Trainings of the world's models in small: plans, a program that is killed, and what was built."""

# pyright: reportUnknownVariableType=false
# Reason: safetensors' types are partial.

from pathlib import Path

import torch
from safetensors.torch import load_file

from groundtune.pipeline.world.training.plans import FineTower, Plan, Stage
from groundtune.world.captions import MACHINE
from groundtune.world.lessons import Mixture

TINY = Plan(
    batch=2,
    tower_batch=2,
    tower_steps=2,
    tower_width=32,
    tower_layers=1,
    width=64,
    layers=1,
    stages=(
        Stage(name="warm-up", steps=3, mixture=Mixture(look_ups=1, questions=1), warm_up=2),
        Stage(name="finish", steps=4, mixture=Mixture(questions=2, habits=MACHINE), decay=True),
    ),
)
SEEING = TINY.model_copy(
    update={
        "tower_width": 96,
        "stages": (
            TINY.stages[0],
            TINY.stages[1].model_copy(
                update={
                    "difficulty": "hard",
                    "fine_tower": FineTower(clear_steps=2, steps=5),
                }
            ),
        ),
    }
)
"""A model that gets a fine tower before its finish."""
KILLED = """
import os, signal, sys
from pathlib import Path
from groundtune.pipeline.world.training import build, states
from groundtune.pipeline.world.training.plans import Plan

states.SAVE_EVERY = 2
fatal = sys.argv[4], int(sys.argv[5])


class Fatal:
    def start(self, task, total=None):
        self.task, self.done = task, 0

    def advance(self, done=1, note=""):
        self.done += done
        if (self.task, self.done) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)


plan = Plan.model_validate_json(sys.argv[1])
build.build(plan, Path(sys.argv[2]), Path(sys.argv[3]), Fatal())
"""
"""The arguments: plan, model, states, and the task and step before which it is killed."""


class Told:
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, int]] = []

    def start(self, task: str, total: int | None = None) -> None:
        self.tasks.append((task, 0))

    def advance(self, count: int = 1, note: str = "") -> None:
        task, before = self.tasks[-1]
        self.tasks[-1] = (task, before + count)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a built model."""
    return load_file(folder / "model.safetensors")


def same(first: Path, second: Path) -> bool:
    """Whether two built models are equal to the last bit."""
    one, two = weights(first), weights(second)
    assert set(one) == set(two)
    return all(torch.equal(one[name], two[name]) for name in one)
