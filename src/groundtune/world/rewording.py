"""Says what a text says of a scene in other words, by rules that see neither image nor truth.

A text is read into what it states, and told again in one of the world's voices. Two texts that are
told with the same seed are in one style: they differ in what they state alone.
"""

import numpy as np

from groundtune.records import Record
from groundtune.world.captions import VOICES, Voice
from groundtune.world.catalogue import CELLS, CONTEXTS
from groundtune.world.claims import is_singular
from groundtune.world.grammar import Said, bare, capital, is_or_are, join, phrase
from groundtune.world.read import Mention, read


class Stated(Record):
    """What a text states of one category."""

    category: str
    number: int | None
    """None where no number is said."""
    plural: bool
    colour: str = ""
    cell: int | None = None
    negated: bool = False

    @property
    def said(self) -> Said:
        """The same as a noun phrase has it."""
        number = self.number or (2 if self.plural else 1)
        return Said(category=self.category, number=number, colour=self.colour)

    @property
    def text(self) -> str:
        """The phrase of a list: with the number if there is one."""
        if self.negated:
            return "no " + bare(Said(category=self.category))
        return phrase(self.said) if self.number else bare(self.said)


class Content(Record):
    """What a text states."""

    context: str
    background: str
    items: tuple[Stated, ...]


def content_of(text: str) -> Content:
    """What a text states: of several statements about one category, the first of each kind."""
    reading = read(text)
    items: dict[tuple[str, bool], Stated] = {}
    for mention in reading.mentions:
        where = mention.category, mention.negated
        items[where] = _merged(items[where], mention) if where in items else _stated(mention)
    return Content(
        context=reading.context.value if reading.context else "",
        background=reading.background.value if reading.background else "",
        items=tuple(items.values()),
    )


def reword(text: str, seed: int, voice: Voice | None = None) -> str:
    """The same content in other words; "" where the text states nothing that can be read."""
    content = content_of(text)
    rng = np.random.default_rng(seed)
    voice = voice or VOICES[int(rng.integers(len(VOICES)))]
    templates = {name: int(rng.integers(2)) for name in ("openers", "lists", "places", "extras")}
    told = [_opening(content, _pick(voice.openers, templates["openers"]))]
    there = [item for item in content.items if not item.negated]
    listed = [item for item in there if item.number or item.cell is None]
    split = len(listed) - 1 if len(listed) > 3 else len(listed)
    told.append(_listed(listed[:split], _pick(voice.lists, templates["lists"])))
    told += [
        _placed(i, _pick(voice.places, templates["places"])) for i in there if i.cell is not None
    ]
    told.append(_listed(listed[split:], _pick(voice.extras, templates["extras"])))
    told += [f"There is {item.text}." for item in content.items if item.negated]
    return " ".join(sentence for sentence in told if sentence)


def _stated(mention: Mention) -> Stated:
    one = mention.number == 1 if mention.number else is_singular(mention)
    return Stated(
        category=mention.category,
        number=mention.number or None,
        plural=not one,
        colour=mention.colour_mark.value if mention.colour_mark else "",
        cell=mention.cell,
        negated=mention.negated,
    )


def _merged(known: Stated, mention: Mention) -> Stated:
    more = _stated(mention)
    return known.model_copy(
        update={
            "number": known.number or more.number,
            "plural": known.plural if known.number else more.plural,
            "colour": known.colour or more.colour,
            "cell": more.cell if known.cell is None else known.cell,
        }
    )


def _pick(templates: tuple[str, ...], index: int) -> str:
    return templates[index % len(templates)]


def _opening(content: Content, template: str) -> str:
    surface = CONTEXTS[content.context].surface if content.context else "wall"
    colour = content.background
    if not content.context:
        return f"The wall is {colour}." if colour else ""
    backdrop = f"with a {colour} wall" if surface == "wall" else f"under a {colour} sky"
    place = CONTEXTS[content.context].phrase
    told = template.format(context=place, backdrop=backdrop if colour else "")
    return told.replace(" .", ".")


def _listed(items: list[Stated], template: str) -> str:
    if not items:
        return ""
    told = join([item.text for item in items])
    return template.format(list=told, List=capital(told), is_=is_or_are(items[0].said))


def _placed(item: Stated, template: str) -> str:
    named = bare(item.said.model_copy(update={"colour": ""}))
    place = CELLS[item.cell or 0]
    if item.said.number > 1:
        return f"The {named} are {place}."
    return template.format(thing=named, place=place, Place=capital(place))
