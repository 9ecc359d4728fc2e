"""Checks a text against the truth of a scene."""

from groundtune.records import Record, Span, SpanKind
from groundtune.world.grammar import NounPhrase, phrase
from groundtune.world.read import Mention, StatedFacts, read
from groundtune.world.scenes import Scene

BY = "world-truth"


class FalseStatement(Record):
    """One false statement of a text."""

    kind: SpanKind
    """object: an absent object; number, attribute (colour), position: of a present one; other:
    context."""
    start: int
    end: int
    truth: str
    """The truth, in words; empty for an absent object."""
    category: str = ""
    mention: int | None = None
    """Index among the reading's mentions."""

    def span(self) -> Span:
        """Return the finding as a span of the text."""
        return Span(start=self.start, end=self.end, kind=self.kind, by=BY)


def findings(scene: Scene, text: str) -> list[FalseStatement]:
    """All errors of a text, in its order."""
    return check(scene, read(text))


def check(scene: Scene, reading: StatedFacts) -> list[FalseStatement]:
    """All errors of a reading, in the order of the text."""
    result: list[FalseStatement] = []
    if reading.context and reading.context.value != scene.context:
        mark = reading.context
        result.append(
            FalseStatement(kind="other", start=mark.start, end=mark.end, truth=scene.context)
        )
    if reading.background and reading.background.value != scene.background:
        mark = reading.background
        result.append(
            FalseStatement(kind="attribute", start=mark.start, end=mark.end, truth=scene.background)
        )
    for index, mention in enumerate(reading.mentions):
        if not mention.negated:
            result += _mention(scene, index, mention)
    return sorted(result, key=lambda finding: (finding.start, finding.end))


def _mention(scene: Scene, index: int, mention: Mention) -> list[FalseStatement]:
    thing = scene.thing(mention.category)
    name = mention.category
    if thing is None:
        return [
            FalseStatement(
                kind="object",
                start=mention.start,
                end=mention.end,
                truth="",
                category=name,
                mention=index,
            )
        ]
    result: list[FalseStatement] = []
    if mention.number_mark and mention.number != thing.number:
        mark, truth = mention.number_mark, phrase(NounPhrase(category=name, number=thing.number))
        result.append(
            FalseStatement(
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
        result.append(
            FalseStatement(
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
        result.append(
            FalseStatement(
                kind="position",
                start=mark.start,
                end=mark.end,
                truth=str(thing.cells[0]),
                category=name,
                mention=index,
            )
        )
    return result
