"""Questions about objects, read by rules: which classes a question names, and what it asks of them.

For what knows classes and nothing else: an object detector, a list of annotated objects.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "person": ("people", "man", "men", "woman", "women", "child", "children", "boy", "girl"),
    "bicycle": ("bike",),
    "car": ("automobile",),
    "motorcycle": ("motorbike",),
    "airplane": ("plane", "aeroplane"),
    "boat": ("sailboat",),
    "handbag": ("purse",),
    "tie": ("necktie",),
    "sports ball": ("ball", "soccer ball", "football"),
    "cup": ("mug",),
    "donut": ("doughnut",),
    "couch": ("sofa",),
    "potted plant": ("houseplant",),
    "dining table": ("table",),
    "tv": ("television",),
    "mouse": ("computer mouse", "mice"),
    "cell phone": ("phone", "mobile phone", "smartphone"),
    "refrigerator": ("fridge",),
    "hair drier": ("hair dryer",),
}
"""Other names of COCO's classes."""
_NUMBERS = {
    **{word: i for i, word in enumerate(("no", "one", "two", "three", "four", "five", "six"))},
    **{"seven": 7, "eight": 8, "nine": 9, "ten": 10},
}
_BARE = re.compile(
    r"^\W*(?:is|are|was|were)\s+there\s+(?:(?P<exactly>exactly)\s+)?"
    r"(?P<number>an?|any|some|several|no|\w+)\s+(?P<rest>.+)$",
    re.IGNORECASE,
)
_WHERE = re.compile(
    r"\s+(?:in|on)\s+(?:the|this)\s+(?:image|picture|photo|scene)\s*$", re.IGNORECASE
)


class ObjectQuestion(NamedTuple):
    """What a question asks of a class."""

    name: str
    """The class."""
    number: int | None = None
    """With "exactly": how many; else None."""
    negated: bool = False
    """Whether it asks if there is none."""
    bare: bool = False
    """Whether it asks for nothing else: a colour or a place is no matter of classes."""


def question_of(question: str, classes: frozenset[str]) -> ObjectQuestion | None:
    """What a question asks of the one class that it names; None if it names none or several."""
    text = question.partition("?")[0].strip()
    matches = {names_of(classes)[m.group().lower()]: m for m in _pattern(classes).finditer(text)}
    if len(matches) != 1:
        return None
    name, match = next(iter(matches.items()))
    bare = _BARE.match(text)
    if bare is None:
        denies = re.search(r"\b(?:no|not)\b|n't\b", text, re.IGNORECASE)
        return None if denies else ObjectQuestion(name)
    rest = _WHERE.sub("", bare["rest"]).strip().lower()
    alone = rest == match.group().lower()
    word = bare["number"].lower()
    if word == "no":
        return ObjectQuestion(name, negated=True, bare=True) if alone else None
    number = _NUMBERS.get(word, int(word) if word.isdecimal() else None)
    if bare["exactly"]:
        return ObjectQuestion(name, number, bare=alone and number is not None)
    return ObjectQuestion(name, bare=alone and word in ("a", "an", "any"))


def verdict_of(question: ObjectQuestion, number: int | None) -> bool | None:
    """Whether a question's answer is yes, by how many there are (None: nobody knows)."""
    if number is None:
        return None
    if number == 0:
        return question.negated
    if not question.bare:
        return None
    if question.number is not None:
        return number == question.number
    return not question.negated


@lru_cache(maxsize=16)
def names_of(classes: frozenset[str]) -> Mapping[str, str]:
    """Every name of every class in lower case, singular and plural."""
    names: dict[str, str] = {}
    for name in sorted(classes):
        for each in (name, *_OTHER_NAMES.get(name.lower(), ())):
            for form in _forms(each.lower()):
                names.setdefault(form, name)
    return names


def _forms(name: str) -> Iterable[str]:
    yield name
    if name.endswith(("s", "sh", "ch", "x")):
        yield name + "es"
    elif name.endswith("y") and name[-2:-1] not in "aeiou":
        yield name[:-1] + "ies"
    elif name.endswith("fe"):
        yield name[:-2] + "ves"
    else:
        yield name + "s"


@lru_cache(maxsize=16)
def _pattern(classes: frozenset[str]) -> re.Pattern[str]:
    names = "|".join(re.escape(n) for n in sorted(names_of(classes), key=len, reverse=True))
    return re.compile(rf"\b(?:{names})\b", re.IGNORECASE)
