"""Holds what a text says against the truth of a scene."""

from groundtune.records import Record, Span, SpanKind
from groundtune.world.grammar import Said, phrase
from groundtune.world.read import Mention, Reading, read
from groundtune.world.scenes import Scene

BY = "world-truth"


class Finding(Record):
    """One thing that a text says and that isn't so."""

    kind: SpanKind
    """object: it isn't there; number, attribute (colour), position: of what is; other: context."""
    start: int
    end: int
    truth: str
    """What is so, in words; empty for an object that isn't there."""
    category: str = ""
    mention: int | None = None
    """Index among the reading's mentions."""

    def span(self) -> Span:
        """The same as a span of the text."""
        return Span(start=self.start, end=self.end, kind=self.kind, by=BY)


def findings(scene: Scene, text: str) -> list[Finding]:
    """All that is wrong in a text, in the order of the text."""
    return check(scene, read(text))


def check(scene: Scene, reading: Reading) -> list[Finding]:
    """All that is wrong in a reading, in the order of the text."""
    found: list[Finding] = []
    if reading.context and reading.context.value != scene.context:
        mark = reading.context
        found.append(Finding(kind="other", start=mark.start, end=mark.end, truth=scene.context))
    if reading.background and reading.background.value != scene.background:
        mark = reading.background
        found.append(
            Finding(kind="attribute", start=mark.start, end=mark.end, truth=scene.background)
        )
    for index, mention in enumerate(reading.mentions):
        if not mention.negated:
            found += _mention(scene, index, mention)
    return sorted(found, key=lambda finding: (finding.start, finding.end))


def _mention(scene: Scene, index: int, mention: Mention) -> list[Finding]:
    thing = scene.thing(mention.category)
    name = mention.category
    if thing is None:
        return [
            Finding(
                kind="object",
                start=mention.start,
                end=mention.end,
                truth="",
                category=name,
                mention=index,
            )
        ]
    found: list[Finding] = []
    if mention.number_mark and mention.number != thing.number:
        mark, truth = mention.number_mark, phrase(Said(category=name, number=thing.number))
        found.append(
            Finding(
                kind="number",
                start=mark.start,
                end=mark.end,
                truth=truth,
                category=name,
                mention=index,
            )
        )
    if mention.colour_mark and thing.colour and mention.colour_mark.value != thing.colour:
        mark = mention.colour_mark
        found.append(
            Finding(
                kind="attribute",
                start=mark.start,
                end=mark.end,
                truth=thing.colour,
                category=name,
                mention=index,
            )
        )
    if mention.place_mark and mention.cell not in thing.cells:
        mark = mention.place_mark
        found.append(
            Finding(
                kind="position",
                start=mark.start,
                end=mark.end,
                truth=str(thing.cells[0]),
                category=name,
                mention=index,
            )
        )
    return found
