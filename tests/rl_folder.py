"""A tiny run of reinforcement learning: prompts about coloured images, rewards that rules give."""

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from groundtune.pipeline.rl.settings import RLSettings
from groundtune.records import Prompt

COLOURS = ("red", "green", "blue", "white", "black", "yellow", "purple", "orange")
NO_CLAIMS = {"rejected": 0, "coverage": 0, "length": 0, "repetition": 0, "missing_end": 0}


def prompt_rows(folder: Path, count: int = 6) -> Path:
    """Write images and a file of prompts about them; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    for number in range(count):
        name = f"{number}.png"
        Image.new("RGB", (16 + number, 16), COLOURS[number]).save(folder / name)
        rows.append({"question": "Describe the image.", "image": name})
    file = folder / "prompts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


class Letters:
    """Rewards the share of a letter among an answer's characters."""

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """One reward an answer."""
        return [answer.count("e") / max(1, len(answer)) for answer in answers]


class Killed:
    """Rewards, until it is killed in its n-th step."""

    def __init__(self, steps: int) -> None:
        """`steps` are rewarded."""
        self.left = steps

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """One reward an answer."""
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return Letters().reward(prompts, answers)


def recipe(model: Path, prompts: Path, **changes: object) -> RLSettings:
    """Return the settings of a few steps of a tiny model on the CPU."""
    settings: dict[str, object] = {
        "model": str(model),
        "prompts": str(prompts),
        "images": str(prompts.parent),
        "device": "cpu",
        "n": 4,
        "prompts_per_step": 3,
        "steps": 4,
        "minibatches": 2,
        "sampling": {"max_new_tokens": 12, "temperature": 1.0},
        "rewards": {**NO_CLAIMS, "more": {"letters": 1.0}},
        "tune": {"type": "full"},
        "optim": {"lr": 1e-3},
        "held_out": 2,
        "eval_every": 2,
        "save_every": 2,
    }
    return RLSettings.model_validate(settings | changes)
