"""Divides a text about a scene into atomic facts, each with its yes/no question, by rules.

Divide and question of RLAIF-V (Yu et al. 2024, arXiv 2405.17220, 3.2) without a model. The rules
use the result of `read`, without the truth or the template that wrote the text.

"Two red cups are on the left." gives four facts: there is a cup; there are exactly two; the cups
are red; the cups are on the left. The last three rest on the first. Names are the catalogue's, so
that a mug and a cup have the same question; tense and negation are the sentence's.
"""

import re
from collections.abc import Sequence
from typing import Literal

from groundtune.protocols import Statement
from groundtune.records import Answer, Producer, Prompt, Record, SpanKind
from groundtune.world.catalogue import CELLS, CONTEXTS
from groundtune.world.grammar import NounPhrase, bare, capital, phrase, plural, sentences
from groundtune.world.read import Mark, Mention, StatedFacts, read

REVISION = "1"
"""Version of the rules: texts divided by other rules are divided again."""

Aspect = Literal["object", "number", "colour", "place", "context", "background"]

_KINDS: dict[Aspect, SpanKind] = {
    "object": "object",
    "number": "number",
    "colour": "attribute",
    "place": "position",
    "context": "other",
    "background": "other",
}
_OPINION = re.compile(
    r"\b(?:seem\w*|appears? to|looks? (?:like|as if)|feels?|perhaps|maybe|probably|might|could be"
    r"|I (?:think|believe|guess|like|love)|beautiful\w*|lovely|nice\w*|pretty|charming|cosy|cozy"
    r"|cheerful|peaceful|calm\w*|lively|pleasant|atmosphere|mood|overall|suggest\w*|impression)\b",
    re.IGNORECASE,
)
_PAST = re.compile(r"\b(?:was|were|had been)\b", re.IGNORECASE)
_PRESENT = re.compile(r"\b(?:is|are|'s|'re)\b", re.IGNORECASE)
_SURFACE = re.compile(r"\b(?:wall|sky)\b", re.IGNORECASE)
_ARTICLES = ("a", "an")


class Fact(Record):
    """One atomic fact that a text states about an image."""

    aspect: Aspect
    start: int
    end: int
    """Characters [start, end) that state it: a phrase for an object, else a word or two."""
    category: str = ""
    """The object's category, or that of the object with the number, colour or place."""
    value: str = ""
    """A colour, a context, or the index of a cell; for a background, its colour."""
    number: int = 1
    """For a number, its value. Otherwise the number for verb agreement: 1 or more."""
    surface: str = "wall"
    """For a background, its noun."""
    negated: bool = False
    past: bool = False
    rests_on: int | None = None
    """Index of the fact without which this one makes no sense."""

    @property
    def kind(self) -> SpanKind:
        """The kind of span if the fact is wrong; setting and background are "other"."""
        return _KINDS[self.aspect]

    @property
    def text(self) -> str:
        """The fact as a sentence that makes sense alone."""
        subject, rest = self._parts()
        denied = " not" if self.negated and self.aspect != "object" else ""
        return capital(f"{subject} {self._verb}{denied} {rest}.")

    @property
    def question(self) -> str:
        """The yes/no question; yes is the answer if the fact is true."""
        subject, rest = self._parts()
        where = " in the image" if self.aspect == "object" else ""
        denied = " not" if self.negated and self.aspect != "object" else ""
        return f"{capital(self._verb)} {subject}{denied} {rest}{where}?"

    @property
    def _verb(self) -> str:
        one = self.number == 1 or self.aspect in ("object", "context", "background")
        if self.past:
            return "was" if one else "were"
        return "is" if one else "are"

    def _parts(self) -> tuple[str, str]:
        """The subject and the rest, for a verb between them or, in a question, before them."""
        if self.aspect == "context":
            return "this", CONTEXTS[self.value].phrase
        if self.aspect == "background":
            return f"the {self.surface}", self.value
        one, many = bare(NounPhrase(category=self.category)), plural(self.category)
        if self.aspect == "object":
            return "there", f"no {one}" if self.negated else phrase(
                NounPhrase(category=self.category)
            )
        if self.aspect == "number":
            several = phrase(NounPhrase(category=self.category, number=self.number))
            return "there", f"exactly {f'one {one}' if self.number == 1 else several}"
        subject = f"the {one if self.number == 1 else many}"
        return subject, CELLS[int(self.value)] if self.aspect == "place" else self.value

    def statement(self) -> Statement:
        """Return the fact as a divider's statement."""
        return Statement(
            start=self.start,
            end=self.end,
            text=self.text,
            kind=self.kind,
            question=self.question,
            rests_on=self.rests_on,
        )


class WorldDivider:
    """A `Divider` of texts about scenes: rules, no model.

    Without `setting`, place and background have no question and stay unchecked: the world's models
    were not trained on yes/no questions about them.
    """

    def __init__(self, *, setting: bool = False) -> None:
        self._setting = setting

    def producer(self) -> Producer:
        """Return the rules, their revision, and whether they ask about the setting."""
        revision = f"{REVISION}, setting" if self._setting else REVISION
        return Producer(kind="rule", name="world-claims", revision=revision)

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """Return the statements of each answer, and its sentences without any."""
        del prompts
        return [statements(answer.text, setting=self._setting) for answer in answers]


def statements(text: str, *, setting: bool = True) -> list[Statement]:
    """All facts of a text in its order, then the sentences without any.

    Sentences of taste or guess are opinions; other sentences can't be parsed by the rules, and are
    "unparsed".
    """
    facts = facts_of(text)
    silent = [
        (start, end)
        for start, end in sentences(text)
        if not any(start <= fact.start < end for fact in facts)
        and any(character.isalnum() for character in text[start:end])
    ]
    result = [fact.statement() for fact in facts]
    if not setting:
        result = [s._replace(question="") if s.kind == "other" else s for s in result]
    return result + [_sentence_without_fact(text, *place) for place in silent]


def facts_of(text: str) -> list[Fact]:
    """Every atomic fact of a text: the setting, then each mention with its details."""
    reading = read(text)
    facts = _setting(text, reading)
    for mention in reading.mentions:
        facts += _mention(text, mention, len(facts))
    return facts


def _sentence_without_fact(text: str, start: int, end: int) -> Statement:
    sentence = text[start:end]
    if _OPINION.search(sentence):
        return Statement(start=start, end=end, text=sentence, status="opinion")
    return Statement(start=start, end=end, text=sentence, status="unparsed")


def _setting(text: str, reading: StatedFacts) -> list[Fact]:
    facts: list[Fact] = []
    if reading.context:
        facts.append(_of_mark(text, "context", reading.context))
    if reading.background:
        mark = reading.background
        fact = _of_mark(text, "background", mark)
        start, end = _sentence(text, mark.start)
        noun = _SURFACE.search(text, mark.end, end) or _SURFACE.search(text, start, end)
        surface = noun.group().lower() if noun else "wall"
        facts.append(fact.model_copy(update={"surface": surface}))
    return facts


def _of_mark(text: str, aspect: Aspect, mark: Mark) -> Fact:
    past = _is_past(text, mark.start)
    return Fact(aspect=aspect, start=mark.start, end=mark.end, value=mark.value, past=past)


def _mention(text: str, mention: Mention, index: int) -> list[Fact]:
    """The facts of one mention; `index` is the index of the first."""
    past = _is_past(text, mention.start)
    object_fact = Fact(
        aspect="object",
        start=mention.start,
        end=mention.end,
        category=mention.category,
        negated=mention.negated,
        past=past,
    )
    if mention.negated:
        return [object_fact]
    number = mention.number or (1 if is_singular(mention) else 2)

    def part(aspect: Aspect, mark: Mark, value: str) -> Fact:
        return Fact(
            aspect=aspect,
            start=mark.start,
            end=mark.end,
            category=mention.category,
            value=value,
            number=number,
            past=past,
            rests_on=index,
        )

    facts = [object_fact]
    if mention.number_mark and text[slice(*_ends(mention.number_mark))].lower() != "another":
        facts.append(part("number", mention.number_mark, ""))
    if mention.colour_mark:
        facts.append(part("colour", mention.colour_mark, mention.colour_mark.value))
    if mention.place_mark:
        facts.append(part("place", mention.place_mark, mention.place_mark.value))
    return facts


def _ends(mark: Mark) -> tuple[int, int]:
    return mark.start, mark.end


def is_singular(mention: Mention) -> bool:
    """Whether a noun without a number means one object: it isn't the category's plural."""
    many = plural(mention.category).rpartition(" of ")[2]
    one = bare(NounPhrase(category=mention.category)).rpartition(" of ")[2]
    noun = mention.noun.lower()
    return noun == one or (noun != many and not noun.endswith("s"))


def _sentence(text: str, place: int) -> tuple[int, int]:
    """The sentence around a character."""
    return next(
        ((start, end) for start, end in sentences(text) if start <= place < end), (0, len(text))
    )


def _is_past(text: str, place: int) -> bool:
    """Whether the sentence around a character is in the past tense."""
    start, end = _sentence(text, place)
    return bool(_PAST.search(text, start, end)) and not _PRESENT.search(text, start, end)
