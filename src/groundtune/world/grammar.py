"""Noun phrases, lists, and words for numbers, colours and places."""

import re
from collections.abc import Sequence
from functools import cache

from groundtune.records import Record
from groundtune.world.catalogue import CATEGORIES, NUMBERS


class NounPhrase(Record):
    """A noun phrase for one category: its number and colour (empty: no colour)."""

    category: str
    number: int = 1
    colour: str = ""
    name: str = ""
    """The synonym to use; empty for the category's name."""


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
    """The indefinite article for the next word."""
    return "an" if word[0] in "aeiou" else "a"


def bare(noun_phrase: NounPhrase) -> str:
    """The phrase without its number: "red cup", "pairs of skis"."""
    category = CATEGORIES[noun_phrase.category]
    name = noun_phrase.name or noun_phrase.category
    if category.unit:
        head, _, of = category.unit.partition(" ")
        unit = head if noun_phrase.number == 1 else head + "s"
        return f"{unit} {of} {category.plural}"
    noun = name if noun_phrase.number == 1 else plural_of(name)
    return f"{noun_phrase.colour} {noun}" if noun_phrase.colour else noun


def phrase(noun_phrase: NounPhrase) -> str:
    """The phrase with its number: "a red cup", "two pairs of skis"."""
    rest = bare(noun_phrase)
    if noun_phrase.number == 1:
        return f"{article(rest)} {rest}"
    return f"{NUMBERS[noun_phrase.number]} {rest}"


def plural(category: str) -> str:
    """The plural phrase of a category: "cups", "pairs of skis"."""
    return bare(NounPhrase(category=category, number=2))


def join(items: Sequence[str]) -> str:
    """A, B and C."""
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]


def is_or_are(first: NounPhrase) -> str:
    """The verb of "there is", in agreement with the nearest phrase."""
    return "is" if first.number == 1 else "are"


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def sentences(text: str) -> list[tuple[int, int]]:
    """[start, end) of each sentence, including its full stop, without the space before it."""
    return [match.span() for match in re.finditer(r"[^\s.!?][^.!?]*[.!?]*", text)]
