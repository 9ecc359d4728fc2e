"""Corrects, extends and rewords texts about scenes by rules: an `Editor` that sees no truth.

What is wrong in a text and what is so instead comes in as statements: whoever verified them decides
how right the result is.
"""

from collections.abc import Sequence

from groundtune.protocols import Draft, Statement
from groundtune.records import Producer
from groundtune.store.keys import seed_of
from groundtune.world.catalogue import CATEGORIES, CELLS, COLOURS, CONTEXTS
from groundtune.world.claims import Aspect, Fact
from groundtune.world.edits import (
    Change,
    Edit,
    apply,
    edits,
    once,
    phrase_at,
    place_at,
    whole_sentence,
)
from groundtune.world.grammar import Said, is_or_are, join, phrase, sentences
from groundtune.world.oracle import fact_asked
from groundtune.world.read import Mention, read
from groundtune.world.rewording import reword

REVISION = "1"
"""Changes with the rules."""
NUMBERS = 4
"""The largest number that is tried instead of a wrong one."""
ADDED_NUMBERS = 3
"""The largest number of what is added."""


class WorldEditor:
    """Rules for texts about scenes."""

    def producer(self) -> Producer:
        """The rules and their revision."""
        return Producer(kind="rule", name="world-editor", revision=REVISION)

    def alternatives(self, drafts: Sequence[Draft]) -> list[list[Statement]]:
        """Every other number, colour or place, of what is not itself wrong."""
        return [_alternatives(draft) for draft in drafts]

    def correct(self, drafts: Sequence[Draft]) -> list[str]:
        """Wrong things go, wrong details give way to the first fact that fits, or go too."""
        return [_correct(draft) for draft in drafts]

    def additions(self, drafts: Sequence[Draft]) -> list[list[Statement]]:
        """Everything that is usual in the text's context and not said, and one, two or three of it.

        What is counted need not be there: a labeler may say yes to "exactly one" of what is not.
        """
        return [_additions(draft) for draft in drafts]

    def extend(self, drafts: Sequence[Draft]) -> list[str]:
        """A sentence more that lists the facts' things, each with its number."""
        return [_extend(draft) for draft in drafts]

    def reword(self, drafts: Sequence[Draft], index: int) -> list[str]:
        """All texts about one prompt in the same voice."""
        return [reword(draft.text, seed_of(draft.prompt.key, index)) for draft in drafts]


def _facts(statements: Sequence[Statement]) -> list[Fact]:
    facts = (fact_asked(statement.question) for statement in statements)
    return [fact for fact in facts if fact is not None]


def _alternatives(draft: Draft) -> list[Statement]:
    wrong = _facts(draft.wrong)
    gone = {fact.category for fact in wrong if fact.aspect == "object"}
    found: dict[str, Statement] = {}
    for fact in wrong:
        if fact.category in gone and fact.aspect != "object":
            continue
        for other in _others(fact):
            found.setdefault(other.question, other.statement())
    return list(found.values())


def _others(fact: Fact) -> list[Fact]:
    """The same fact with every other value; none of an object or of the setting."""
    if fact.aspect == "number":
        numbers = [n for n in range(1, NUMBERS + 1) if n != fact.number]
        return [fact.model_copy(update={"number": n}) for n in numbers]
    values = {"colour": list(COLOURS), "place": [str(cell) for cell in range(len(CELLS))]}
    others = [value for value in values.get(fact.aspect, []) if value != fact.value]
    return [fact.model_copy(update={"value": value}) for value in others]


def _correct(draft: Draft) -> str:
    text, mentions = draft.text, read(draft.text).mentions
    known = _Known(draft)
    changes: dict[int, Change] = {}
    further: list[Edit] = []
    for index, mention in enumerate(mentions):
        change = known.change(mention)
        if change is not None:
            changes[index] = change
        elif mention.place_mark and known.is_wrong("place", mention.category):
            further.append(known.placed(text, mention))
    made = edits(text, mentions, changes)
    further = [e for e in further if not any(m.start < e.end and e.start < m.end for m in made)]
    return apply(text, once(text, [*made, *further])).strip()


class _Known:
    """What a draft's statements say of each category."""

    def __init__(self, draft: Draft) -> None:
        self._wrong = {(fact.aspect, fact.category): fact for fact in _facts(draft.wrong)}
        self._right: dict[tuple[Aspect, str], Fact] = {}
        for fact in _facts(draft.facts):
            self._right.setdefault((fact.aspect, fact.category), fact)

    def is_wrong(self, aspect: Aspect, category: str) -> bool:
        return (aspect, category) in self._wrong

    def change(self, mention: Mention) -> Change | None:
        """What becomes of a mention; None where it stays."""
        name = mention.category
        if mention.negated:
            return None
        if self.is_wrong("object", name):
            return Change(phrase=None)
        number, colour = mention.number, mention.colour_mark.value if mention.colour_mark else ""
        wrong_number = mention.number_mark is not None and self.is_wrong("number", name)
        wrong_colour = bool(colour) and self.is_wrong("colour", name)
        if not (wrong_number or wrong_colour) or mention.definite:
            return None
        if wrong_number:
            right = self._right.get(("number", name))
            if right is None:
                return Change(phrase=None)
            number = right.number
        if wrong_colour:
            instead = self._right.get(("colour", name))
            colour = instead.value if instead else ""
        kind = "number" if wrong_number else "attribute"
        told = phrase_at(mention, name, number or 1, colour)
        return Change(phrase=told, number=number or 1, kind=kind)

    def placed(self, text: str, mention: Mention) -> Edit:
        """The edit of a wrong place: the right one, or the sentence goes."""
        mark = mention.place_mark
        assert mark is not None
        right = self._right.get(("place", mention.category))
        if right is None:
            start, end = next(s for s in sentences(text) if s[0] <= mark.start < s[1])
            return whole_sentence(text, start, end)
        told = place_at(text, mark.start, int(right.value))
        return Edit(start=mark.start, end=mark.end, text=told, kind="position")


def _additions(draft: Draft) -> list[Statement]:
    reading = read(draft.text)
    said = {mention.category for mention in reading.mentions}
    usual = CONTEXTS[reading.context.value].prior if reading.context else CATEGORIES
    found: list[Statement] = []
    for name in usual:
        if name in said:
            continue
        index = len(found)
        found.append(Fact(aspect="object", start=0, end=0, category=name).statement())
        for number in range(1, ADDED_NUMBERS + 1):
            fact = Fact(aspect="number", start=0, end=0, category=name, number=number)
            found.append(fact.statement()._replace(rests_on=index))
    return found


def _extend(draft: Draft) -> str:
    said = {mention.category for mention in read(draft.text).mentions}
    things: dict[str, Said] = {}
    for fact in _facts(draft.facts):
        if fact.aspect == "number" and fact.category not in said:
            things.setdefault(fact.category, Said(category=fact.category, number=fact.number))
    if not things:
        return draft.text
    listed = list(things.values())
    told = join([phrase(item) for item in listed])
    return f"{draft.text.rstrip()} There {is_or_are(listed[0])} also {told}."
