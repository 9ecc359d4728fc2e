"""Corrects, extends and rewords texts about scenes by rules: an `Editor` without the truth.

Statements say what is wrong in a text and what is true instead: the result is as right as their
verification.
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
    phrase_at,
    place_at,
    sentence_removal,
    without_repeats,
)
from groundtune.world.grammar import NounPhrase, is_or_are, join, phrase, sentences
from groundtune.world.oracle import fact_of_question
from groundtune.world.read import Mention, read
from groundtune.world.rewording import reword

REVISION = "1"
"""Version of the rules."""
NUMBERS = 4
"""The largest number that is tried in place of a wrong one."""
ADDED_NUMBERS = 3
"""The largest number of added objects."""


class WorldEditor:
    """Rules for texts about scenes."""

    def producer(self) -> Producer:
        """Return the rules and their revision."""
        return Producer(kind="rule", name="world-editor", revision=REVISION)

    def alternatives(self, drafts: Sequence[Draft]) -> list[list[Statement]]:
        """Return every other number, colour or place, of objects that are not wrong themselves."""
        return [_alternatives(draft) for draft in drafts]

    def correct(self, drafts: Sequence[Draft]) -> list[str]:
        """Remove wrong objects; replace wrong details by the first fitting fact, or remove them."""
        return [_correct(draft) for draft in drafts]

    def additions(self, drafts: Sequence[Draft]) -> list[list[Statement]]:
        """Return all unmentioned objects that are usual in the text's context, with numbers.

        Each with its numbers from one to three. A counted object may be absent: a labeler may say
        yes to "exactly one" of an absent object.
        """
        return [_additions(draft) for draft in drafts]

    def extend(self, drafts: Sequence[Draft]) -> list[str]:
        """Add a sentence that lists the facts' objects, each with its number."""
        return [_extend(draft) for draft in drafts]

    def reword(self, drafts: Sequence[Draft], index: int) -> list[str]:
        """Reword all texts about one prompt in the same voice."""
        return [reword(draft.text, seed_of(draft.prompt.key, index)) for draft in drafts]


def _facts(statements: Sequence[Statement]) -> list[Fact]:
    facts = (fact_of_question(statement.question) for statement in statements)
    return [fact for fact in facts if fact is not None]


def _alternatives(draft: Draft) -> list[Statement]:
    wrong = _facts(draft.wrong)
    removed_categories = {fact.category for fact in wrong if fact.aspect == "object"}
    statements: dict[str, Statement] = {}
    for fact in wrong:
        if fact.category in removed_categories and fact.aspect != "object":
            continue
        for other in _others(fact):
            statements.setdefault(other.question, other.statement())
    return list(statements.values())


def _others(fact: Fact) -> list[Fact]:
    """The same fact with every other value; [] for an object or the setting."""
    if fact.aspect == "number":
        numbers = [n for n in range(1, NUMBERS + 1) if n != fact.number]
        return [fact.model_copy(update={"number": n}) for n in numbers]
    values = {"colour": list(COLOURS), "place": [str(cell) for cell in range(len(CELLS))]}
    others = [value for value in values.get(fact.aspect, []) if value != fact.value]
    return [fact.model_copy(update={"value": value}) for value in others]


def _correct(draft: Draft) -> str:
    text, mentions = draft.text, read(draft.text).mentions
    knowledge = _DraftFacts(draft)
    changes: dict[int, Change] = {}
    further: list[Edit] = []
    for index, mention in enumerate(mentions):
        change = knowledge.change(mention)
        if change is not None:
            changes[index] = change
        elif mention.place_mark and knowledge.is_wrong("place", mention.category):
            further.append(knowledge.placed(text, mention))
    mention_edits = edits(text, mentions, changes)
    further = [
        e for e in further if not any(m.start < e.end and e.start < m.end for m in mention_edits)
    ]
    return apply(text, without_repeats(text, [*mention_edits, *further])).strip()


class _DraftFacts:
    """The statements of a draft about each category."""

    def __init__(self, draft: Draft) -> None:
        self._wrong = {(fact.aspect, fact.category): fact for fact in _facts(draft.wrong)}
        self._right: dict[tuple[Aspect, str], Fact] = {}
        for fact in _facts(draft.facts):
            self._right.setdefault((fact.aspect, fact.category), fact)

    def is_wrong(self, aspect: Aspect, category: str) -> bool:
        return (aspect, category) in self._wrong

    def change(self, mention: Mention) -> Change | None:
        """The change of a mention; None if it stays."""
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
        text = phrase_at(mention, name, number or 1, colour)
        return Change(phrase=text, number=number or 1, kind=kind)

    def placed(self, text: str, mention: Mention) -> Edit:
        """The edit of a wrong place: the right one, or the sentence is removed."""
        mark = mention.place_mark
        assert mark is not None
        right = self._right.get(("place", mention.category))
        if right is None:
            start, end = next(s for s in sentences(text) if s[0] <= mark.start < s[1])
            return sentence_removal(text, start, end)
        new_place = place_at(text, mark.start, int(right.value))
        return Edit(start=mark.start, end=mark.end, text=new_place, kind="position")


def _additions(draft: Draft) -> list[Statement]:
    reading = read(draft.text)
    mentioned = {mention.category for mention in reading.mentions}
    usual = CONTEXTS[reading.context.value].prior if reading.context else CATEGORIES
    statements: list[Statement] = []
    for name in usual:
        if name in mentioned:
            continue
        index = len(statements)
        statements.append(Fact(aspect="object", start=0, end=0, category=name).statement())
        for number in range(1, ADDED_NUMBERS + 1):
            fact = Fact(aspect="number", start=0, end=0, category=name, number=number)
            statements.append(fact.statement()._replace(rests_on=index))
    return statements


def _extend(draft: Draft) -> str:
    mentioned = {mention.category for mention in read(draft.text).mentions}
    things: dict[str, NounPhrase] = {}
    for fact in _facts(draft.facts):
        if fact.aspect == "number" and fact.category not in mentioned:
            things.setdefault(fact.category, NounPhrase(category=fact.category, number=fact.number))
    if not things:
        return draft.text
    phrases = list(things.values())
    text = join([phrase(item) for item in phrases])
    return f"{draft.text.rstrip()} There {is_or_are(phrases[0])} also {text}."
