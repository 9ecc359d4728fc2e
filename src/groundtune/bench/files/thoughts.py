"""Thoughts in files of answers: mode strict leaves them out, as no official code does."""

from collections.abc import Sequence
from dataclasses import replace

from groundtune.bench.item import ItemAnswer, Mode
from groundtune.generate.thoughts import split_thoughts


def without_thoughts(answers: Sequence[ItemAnswer], mode: Mode) -> Sequence[ItemAnswer]:
    """Return the answers as a mode reads them: strict reads what follows a model's thoughts."""
    if mode == "official":
        return answers
    return [
        answer
        if parts.answer == answer.text
        else replace(answer, text=parts.answer, thoughts=parts.thoughts)
        for answer in answers
        for parts in [split_thoughts(answer.text)]
    ]


def notes_on_thoughts(answers: Sequence[ItemAnswer], mode: Mode) -> list[str]:
    """Return what a result should say of them."""
    number = sum(bool(split_thoughts(answer.text).thoughts) for answer in answers)
    if not number:
        return []
    reads = (
        "the official code reads them as part of the answer; mode strict leaves them out"
        if mode == "official"
        else "they are left out"
    )
    return [f"{number} of {len(answers)} answers hold the model's thoughts (<think>): {reads}."]
