"""Parses short answers: yes or no, a number, a colour. None is an unreadable answer."""

import re
from typing import Literal

from groundtune.world.catalogue import BACKGROUNDS, COLOURS, NUMBERS

YesNoParser = Literal["first_word", "official"]

_NUMBERS = {**{word: i for i, word in enumerate(NUMBERS)}, "zero": 0, "none": 0, "ten": 10}
_COLOURS = {**{name: name for name in (*COLOURS, *BACKGROUNDS)}, "gray": "grey"}


def yes_or_no(answer: str, parser: YesNoParser = "first_word") -> bool | None:
    """Whether an answer is yes; None if unreadable.

    "first_word": the first word is yes or no, in any case; anything else can't be read.
    "official": POPE's evaluate.py (arXiv 2305.10355, its code): the text before the first full
    stop, without commas, split at blanks, has the word No, no or not: no. Everything else is yes,
    even an empty answer or "NO".
    """
    if parser == "official":
        words = answer.split(".")[0].replace(",", "").split(" ")
        return not {"No", "not", "no"} & set(words)
    first = re.search(r"[^\W\d_]+", answer)
    word = first.group().lower() if first else ""
    return {"yes": True, "no": False}.get(word)


def number(answer: str) -> int | None:
    """The number in an answer's first sentence, as digits or words.

    "a" and "an" count as one if there is no other number; two different numbers are unreadable.
    """
    words = re.findall(r"\d+|[^\W\d_]+", _first_sentence(answer).lower())
    numbers = {int(word) if word.isdigit() else _NUMBERS.get(word) for word in words} - {None}
    if not numbers and {"a", "an"} & set(words):
        return 1
    return numbers.pop() if len(numbers) == 1 else None


def colour(answer: str) -> str | None:
    """The only colour in an answer's first sentence; two different ones are unreadable."""
    words = re.findall(r"[^\W\d_]+", _first_sentence(answer).lower())
    colours = {_COLOURS[word] for word in words if word in _COLOURS}
    return colours.pop() if len(colours) == 1 else None


def _first_sentence(answer: str) -> str:
    return re.split(r"[.!?]", answer.strip(), maxsplit=1)[0]
