"""Reads what a text states about an image: mentions with number, colour and place; the setting.

By rules, over a lexicon of names; without the truth or the template that wrote the text. All
offsets are characters of the text.
"""

import re
from functools import cache

from groundtune.records import Record
from groundtune.world.catalogue import BACKGROUNDS, CATEGORIES, CELLS, COLOURS, CONTEXTS, NUMBERS
from groundtune.world.grammar import plural_of, sentences


class Mark(Record):
    """Characters [start, end) of a text and their value."""

    start: int
    end: int
    value: str


class Mention(Record):
    """One noun phrase that names a category."""

    category: str
    start: int
    end: int
    """[start, end) is the full phrase: number, colour and noun."""
    noun: str
    """The noun as written."""
    definite: bool
    """"the cup": mentioned before, or presupposed."""
    negated: bool
    """The text states that it is absent."""
    number: int | None
    """None if no number is stated."""
    number_mark: Mark | None
    colour_mark: Mark | None
    place_mark: Mark | None
    """Its value is the index of a cell, 0 to 8."""

    @property
    def cell(self) -> int | None:
        """The stated cell, if any."""
        return None if self.place_mark is None else int(self.place_mark.value)


class StatedFacts(Record):
    """Everything that a text states."""

    mentions: tuple[Mention, ...]
    context: Mark | None
    background: Mark | None

    @property
    def asserted_mentions(self) -> tuple[Mention, ...]:
        """Mentions of objects that are stated as present."""
        return tuple(mention for mention in self.mentions if not mention.negated)


_MORE_NAMES: dict[str, str] = {
    "man": "person",
    "men": "person",
    "woman": "person",
    "women": "person",
    "child": "person",
    "children": "person",
    "boy": "person",
    "girl": "person",
    "persons": "person",
    "aeroplane": "airplane",
    "soccer ball": "sports ball",
    "football": "sports ball",
    "mobile phone": "cell phone",
    "kitty": "cat",
    "puppy": "dog",
}
_ROW = {"top": 0, "upper": 0, "middle": 1, "bottom": 2, "lower": 2}
_COLUMN = {"left": 0, "center": 1, "centre": 1, "middle": 1, "right": 2}
_COLOUR_NAMES = {**{name: name for name in (*COLOURS, *BACKGROUNDS)}, "gray": "grey"}
_NUMBER_NAMES = {"a": 1, "an": 1, "another": 1, **{word: i for i, word in enumerate(NUMBERS)}}


@cache
def _names() -> dict[str, str]:
    """Every name of every category, singular and plural, in lower case."""
    table = dict(_MORE_NAMES)
    for category in CATEGORIES.values():
        for name in (category.name, category.plural, *category.synonyms):
            table[name] = category.name
        for name in category.synonyms:
            table[plural_of(name)] = category.name
    return table


@cache
def _phrase_pattern() -> re.Pattern[str]:
    nouns = "|".join(re.escape(name) for name in sorted(_names(), key=len, reverse=True))
    numbers = "|".join(sorted(_NUMBER_NAMES, key=len, reverse=True))
    colours = "|".join(_COLOUR_NAMES)
    return re.compile(
        rf"\b(?:(?P<number>{numbers}|the)\s+)?(?:exactly\s+)?(?:(?P<colour>{colours})\s+)?"
        rf"(?:(?:pairs?|heads?)\s+of\s+)?(?P<noun>{nouns})\b",
        re.IGNORECASE,
    )


@cache
def _context_pattern() -> re.Pattern[str]:
    names = sorted((*CONTEXTS, "harbour"), key=len, reverse=True)
    return re.compile(rf"\b(?P<article>an?\s+|the\s+)?(?P<name>{'|'.join(names)})\b", re.IGNORECASE)


@cache
def _backdrop_pattern() -> re.Pattern[str]:
    colours = "|".join(_COLOUR_NAMES)
    return re.compile(
        rf"\b(?P<before>{colours})\s+(?:wall|sky)\b|\b(?:wall|sky)\s+(?:is|being|looks)\s+(?P<after>{colours})\b",
        re.IGNORECASE,
    )


@cache
def _place_pattern() -> re.Pattern[str]:
    corner = (
        r"(?P<row>top|upper|bottom|lower)[ -](?P<column>left|right|center|middle)(?:\s+corner)?"
    )
    side = r"(?P<side>left|right|top|bottom|middle|center|centre)(?:\s+side)?"
    return re.compile(rf"\b(?:in|at|on|to)\s+the\s+(?:{corner}|{side})\b", re.IGNORECASE)


_NEGATION = re.compile(
    r"(?:\bnot|n't)\b(?!\s+(?:to\s+)?(?:be\s+)?(?:only|just|miss|overlook|forget))"
    r"|\b(?:without|neither|nor)\b",
    re.IGNORECASE,
)
"""A denial of what follows in its sentence; "do not miss" and "not only" deny nothing."""


def read(text: str) -> StatedFacts:
    """Return everything that a text states about an image."""
    contexts = [match for match in _context_pattern().finditer(text)]
    setting_ranges = [match.span() for match in contexts]
    backdrop = _backdrop_pattern().search(text)
    mentions: list[Mention] = []
    for start, end in sentences(text):
        mentions += _sentence(text, start, end, setting_ranges)
    return StatedFacts(
        mentions=tuple(mentions),
        context=_context(contexts[0]) if contexts else None,
        background=_backdrop(backdrop) if backdrop else None,
    )


def _context(match: re.Match[str]) -> Mark:
    name = match["name"].lower().replace("harbour", "harbor")
    return Mark(start=match.start(), end=match.end(), value=name)


def _backdrop(match: re.Match[str]) -> Mark:
    group = "before" if match["before"] else "after"
    return Mark(
        start=match.start(group), end=match.end(group), value=_COLOUR_NAMES[match[group].lower()]
    )


def _sentence(
    text: str, start: int, end: int, setting_ranges: list[tuple[int, int]]
) -> list[Mention]:
    """The mentions of one sentence, with their places."""
    matches = [
        match
        for match in _phrase_pattern().finditer(text, start, end)
        if not any(
            low < match.end("noun") and match.start("noun") < high for low, high in setting_ranges
        )
        and not _only_a_colour(text, match)
    ]
    places: dict[int, Mark] = {}
    for match in _place_pattern().finditer(text, start, end):
        before = [i for i, mention in enumerate(matches) if mention.start() < match.start()]
        if matches:
            places.setdefault(before[-1] if before else 0, _place(match))
    negation = _NEGATION.search(text, start, end)
    return [
        _mention(match, places.get(i), negation is not None and negation.start() < match.start())
        for i, match in enumerate(matches)
    ]


def _only_a_colour(text: str, match: re.Match[str]) -> bool:
    """Whether "orange" is a colour here, not the fruit.

    It has no number before it, or it has a noun of the lexicon or a wall or sky after it.
    """
    if match["noun"].lower() != "orange":
        return False
    if match["number"] is None or match["colour"] is not None:
        return True
    rest = text[match.end() :].lstrip()
    following = _phrase_pattern().match(rest)
    return bool(following and following["number"] is None) or bool(re.match(r"wall|sky", rest))


def _mention(match: re.Match[str], place: Mark | None, negated: bool) -> Mention:
    word = (match["number"] or "").lower()
    definite = word == "the"
    number = None if definite or not word else _NUMBER_NAMES[word]
    number_mark = colour_mark = None
    if number is not None:
        number_mark = Mark(start=match.start("number"), end=match.end("number"), value=str(number))
    if match["colour"]:
        value = _COLOUR_NAMES[match["colour"].lower()]
        colour_mark = Mark(start=match.start("colour"), end=match.end("colour"), value=value)
    return Mention(
        category=_names()[match["noun"].lower()],
        start=match.start(),
        end=match.end(),
        noun=match["noun"],
        definite=definite,
        negated=negated or number == 0,
        number=number,
        number_mark=number_mark,
        colour_mark=colour_mark,
        place_mark=place,
    )


def _place(match: re.Match[str]) -> Mark:
    if match["side"]:
        side = match["side"].lower()
        row = _ROW.get(side, 1) if side in ("top", "bottom") else 1
        column = _COLUMN.get(side, 1)
    else:
        row, column = _ROW[match["row"].lower()], _COLUMN[match["column"].lower()]
    return Mark(start=match.start(), end=match.end(), value=str(3 * row + column))


def place_of(answer: str) -> int | None:
    """The cell that a short answer names ("on the left"), or None."""
    lower_case = answer.lower()
    for cell, name in sorted(enumerate(CELLS), key=lambda pair: -len(pair[1])):
        if name in lower_case:
            return cell
    match = _place_pattern().search(answer)
    return None if match is None else int(_place(match).value)
