"""Comparisons and a trained reward model for tests: a tiny LLaVA that learns which texts win."""

import re
from itertools import combinations
from pathlib import Path

from groundtune.pipeline.reward.run import train_reward
from groundtune.pipeline.reward.settings import RewardSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Comparison, Correction, Producer, Prompt, Span
from training_folder import COLOURS, ask, image_bytes

PERSON = Producer(kind="person", name="ann")
MODEL = Producer(kind="model", name="tiny")


def fill_compared(
    path: Path,
    prompts: int = 24,
    answers: int = 3,
    *,
    texts: dict[str, str] | None = None,
    ties: int = 0,
    start: int = 0,
) -> RunFolder:
    """Write answers and all comparisons of a prompt's answers: fewer cats are better.

    An answer without cats hallucinates as much as the others.

    `texts` replaces those of answers by key; the first `ties` comparisons have no better answer;
    `start` is the number of the first prompt, which other numbers' images differ from.
    """
    folder = RunFolder(path)
    asked, said, compared = list[Prompt](), list[Answer](), list[Comparison]()
    for number in range(start, start + prompts):
        image = folder.images.add(image_bytes(COLOURS[number % len(COLOURS)], number + 16))
        prompt = ask(f"p{number}", "How many cups are there?" + " Look." * (number % 3), [image])
        cups = number % 3 + 1
        facts = (f"There are {cups} cups.", f"The table is {COLOURS[number % len(COLOURS)]}.")
        asked.append(prompt.model_copy(update={"facts": facts}))
        own = [
            Answer(
                key=f"a{number}-{n}",
                prompt=prompt.key,
                text=f"There are {cups} cups on the table" + " and a cat" * n + ".",
                producer=MODEL,
                index=n,
            )
            for n in range(answers)
        ]
        said += own
        for first, second in combinations(own, 2):
            turned = number % 2 == 0
            pair = (second, first) if turned else (first, second)
            more = "tie" if first.index == 0 else "first" if turned else "second"
            compared.append(
                Comparison(
                    key=f"c-{first.key}-{second.key}",
                    prompt=prompt.key,
                    first=pair[0].key,
                    second=pair[1].key,
                    better="second" if turned else "first",
                    hallucinates_more=more,
                    by=PERSON,
                )
            )
    folder.prompts.append(asked)
    others = texts or {}
    folder.answers.append([a.model_copy(update={"text": others.get(a.key, a.text)}) for a in said])
    even = [row.model_copy(update={"better": "tie"}) for row in compared[:ties]]
    folder.comparisons.append([*even, *compared[ties:]])
    return folder


def fill_corrected(path: Path, prompts: int = 24, *, start: int = 0) -> RunFolder:
    """Write corrections of the answers of `fill_compared`: cats are wrong."""
    folder = fill_compared(path, prompts, start=start)
    corrections = list[Correction]()
    for answer in folder.answers.read():
        marks = [
            Span(start=found.start(), end=found.end(), replacement="", by="ann")
            for found in re.finditer(" and a cat", answer.text)
        ]
        corrections.append(
            Correction(
                key=f"fixed {answer.key}",
                prompt=answer.prompt,
                answer=answer.key,
                text=answer.text,
                spans=tuple(marks),
                corrected=answer.text.replace(" and a cat", ""),
                by=PERSON,
            )
        )
    folder.corrections.append(corrections)
    return folder


def adapter_for(model: Path, folder: Path) -> Path:
    """Train a reward model with a LoRA on a tiny model; return its folder."""
    tune = {"type": "lora", "r": 8, "alpha": 16, "dropout": 0.0}
    settings = settings_for(
        model, fill_compared(folder / "compared").path, tune=tune, optim={"lr": 1e-2, "warmup": 0}
    )
    return train_reward(settings, folder / "out", SilentProgress()).model


def settings_for(model: Path, feedback: Path, **changes: object) -> RewardSettings:
    """Return settings with which a tiny model learns in seconds."""
    return RewardSettings.model_validate(
        {
            "model": str(model),
            "feedback": feedback,
            "tune": {"type": "full", "parts": ["language_model"]},
            "optim": {"lr": 3e-3, "warmup": 0},
            "validation": {"share": 0.3, "recorded": 4},
            "epochs": 2,
            "batch_size": 8,
            "dtype": "float32",
            **changes,
        }
    )
