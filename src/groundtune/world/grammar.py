"""How things are named: noun phrases, lists, and the words that say number, colour and place."""

import re
from collections.abc import Sequence
from functools import cache

from groundtune.records import Record
from groundtune.world.catalogue import CATEGORIES, NUMBERS


class Said(Record):
    """What a text says of one category: so many of it, of this colour (empty: none is said)."""

    category: str
    number: int = 1
    colour: str = ""
    name: str = ""
    """The synonym that is used; empty for the category's own name."""


@cache
def plural_of(singular: str) -> str:
    """The plural of a category's name or synonym."""
    for category in CATEGORIES.values():
        if singular == category.name:
            return category.plural
    if singular.endswith("mouse"):
        return singular[:-5] + "mice"
    if singular.endswith(("s", "sh", "ch", "x")):
        return singular + "es"
    if singular.endswith("y") and singular[-2] not in "aeiou":
        return singular[:-1] + "ies"
    return singular + "s"


def article(word: str) -> str:
    """The indefinite article of what follows."""
    return "an" if word[0] in "aeiou" else "a"


def bare(said: Said) -> str:
    """The phrase without its number: "red cup", "pairs of skis"."""
    category = CATEGORIES[said.category]
    name = said.name or said.category
    if category.unit:
        head, _, of = category.unit.partition(" ")
        unit = head if said.number == 1 else head + "s"
        return f"{unit} {of} {category.plural}"
    noun = name if said.number == 1 else plural_of(name)
    return f"{said.colour} {noun}" if said.colour else noun


def phrase(said: Said) -> str:
    """The phrase with its number: "a red cup", "two pairs of skis"."""
    rest = bare(said)
    if said.number == 1:
        return f"{article(rest)} {rest}"
    return f"{NUMBERS[said.number]} {rest}"


def plural(category: str) -> str:
    """What there are several of: "cups", "pairs of skis"."""
    return bare(Said(category=category, number=2))


def join(items: Sequence[str]) -> str:
    """A, B and C."""
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]


def is_or_are(first: Said) -> str:
    """The verb of "there is": it agrees with the nearest phrase."""
    return "is" if first.number == 1 else "are"


def capital(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]


def sentences(text: str) -> list[tuple[int, int]]:
    """[start, end) of each sentence, its full stop included, without the space before it."""
    return [match.span() for match in re.finditer(r"[^\s.!?][^.!?]*[.!?]*", text)]
