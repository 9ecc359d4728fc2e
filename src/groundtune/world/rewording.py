"""Rewords a text about a scene, by rules without image or truth.

A text is parsed into its statements, and written again in one of the world's voices. Two texts with
the same seed have the same style: they differ only in their statements.
"""

import numpy as np

from groundtune.records import Record
from groundtune.world.captions import VOICES, Voice
from groundtune.world.catalogue import CELLS, CONTEXTS
from groundtune.world.claims import is_singular
from groundtune.world.grammar import NounPhrase, bare, capital, is_or_are, join, phrase
from groundtune.world.read import Mention, read


class ContentItem(Record):
    """A text's statements about one category."""

    category: str
    number: int | None
    """None if no number is stated."""
    plural: bool
    colour: str = ""
    cell: int | None = None
    negated: bool = False

    @property
    def noun_phrase(self) -> NounPhrase:
        """The same as a noun phrase."""
        number = self.number or (2 if self.plural else 1)
        return NounPhrase(category=self.category, number=number, colour=self.colour)

    @property
    def text(self) -> str:
        """The phrase for a list: with the number if there is one."""
        if self.negated:
            return "no " + bare(NounPhrase(category=self.category))
        return phrase(self.noun_phrase) if self.number else bare(self.noun_phrase)


class Statements(Record):
    """The statements of a text."""

    context: str
    background: str
    items: tuple[ContentItem, ...]


def content_of(text: str) -> Statements:
    """The statements of a text: of several about one category, the first of each kind."""
    reading = read(text)
    items: dict[tuple[str, bool], ContentItem] = {}
    for mention in reading.mentions:
        where = mention.category, mention.negated
        items[where] = _merge(items[where], mention) if where in items else _item_of(mention)
    return Statements(
        context=reading.context.value if reading.context else "",
        background=reading.background.value if reading.background else "",
        items=tuple(items.values()),
    )


def reword(text: str, seed: int, voice: Voice | None = None) -> str:
    """The same content in other words; "" if the text states nothing readable."""
    content = content_of(text)
    rng = np.random.default_rng(seed)
    voice = voice or VOICES[int(rng.integers(len(VOICES)))]
    templates = {name: int(rng.integers(2)) for name in ("openers", "lists", "places", "extras")}
    text_sentences = [_opening(content, _pick(voice.openers, templates["openers"]))]
    present = [item for item in content.items if not item.negated]
    list_items = [item for item in present if item.number or item.cell is None]
    split = len(list_items) - 1 if len(list_items) > 3 else len(list_items)
    text_sentences.append(
        _list_sentence(list_items[:split], _pick(voice.lists, templates["lists"]))
    )
    text_sentences += [
        _place_sentence(i, _pick(voice.places, templates["places"]))
        for i in present
        if i.cell is not None
    ]
    text_sentences.append(
        _list_sentence(list_items[split:], _pick(voice.extras, templates["extras"]))
    )
    text_sentences += [f"There is {item.text}." for item in content.items if item.negated]
    return " ".join(sentence for sentence in text_sentences if sentence)


def _item_of(mention: Mention) -> ContentItem:
    one = mention.number == 1 if mention.number else is_singular(mention)
    return ContentItem(
        category=mention.category,
        number=mention.number or None,
        plural=not one,
        colour=mention.colour_mark.value if mention.colour_mark else "",
        cell=mention.cell,
        negated=mention.negated,
    )


def _merge(item: ContentItem, mention: Mention) -> ContentItem:
    more = _item_of(mention)
    return item.model_copy(
        update={
            "number": item.number or more.number,
            "plural": item.plural if item.number else more.plural,
            "colour": item.colour or more.colour,
            "cell": more.cell if item.cell is None else item.cell,
        }
    )


def _pick(templates: tuple[str, ...], index: int) -> str:
    return templates[index % len(templates)]


def _opening(content: Statements, template: str) -> str:
    surface = CONTEXTS[content.context].surface if content.context else "wall"
    colour = content.background
    if not content.context:
        return f"The wall is {colour}." if colour else ""
    backdrop = f"with a {colour} wall" if surface == "wall" else f"under a {colour} sky"
    place = CONTEXTS[content.context].phrase
    text = template.format(context=place, backdrop=backdrop if colour else "")
    return text.replace(" .", ".")


def _list_sentence(items: list[ContentItem], template: str) -> str:
    if not items:
        return ""
    text = join([item.text for item in items])
    return template.format(list=text, List=capital(text), is_=is_or_are(items[0].noun_phrase))


def _place_sentence(item: ContentItem, template: str) -> str:
    noun = bare(item.noun_phrase.model_copy(update={"colour": ""}))
    place = CELLS[item.cell or 0]
    if item.noun_phrase.number > 1:
        return f"The {noun} are {place}."
    return template.format(thing=noun, place=place, Place=capital(place))
