"""Answers the yes/no questions of the world's divider by the truth of their scenes.

It parses a question's exact words, not the fact behind it, so it can replace a labeler anywhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product

from groundtune.protocols import NO_ANSWER, YesNoReply
from groundtune.records import Producer, Prompt
from groundtune.world.catalogue import BACKGROUNDS, CATEGORIES, CELLS, COLOURS, CONTEXTS
from groundtune.world.claim_truth import holds
from groundtune.world.claims import Aspect, Fact
from groundtune.world.scenes import MAX_OBJECTS, WORLD_VERSION, Scene

_TRUE, _FALSE = YesNoReply(1.0, 0.0), YesNoReply(0.0, 1.0)


class WorldOracle:
    """A labeler that knows the truth; `scenes` by the sha256 of their images."""

    def __init__(self, scenes: Mapping[str, Scene]) -> None:
        self._scenes = scenes

    def producer(self) -> Producer:
        """Return the truth of this version of the world."""
        return Producer(kind="rule", name="world:truth", revision=WORLD_VERSION)

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """Return yes or no with certainty; neither if the world does not define it."""
        return [self._reply(prompt) for prompt in prompts]

    def _reply(self, prompt: Prompt) -> YesNoReply:
        scene = self._scenes.get(prompt.images[0]) if prompt.images else None
        fact = fact_of_question(prompt.question)
        is_true = None if scene is None or fact is None else holds(scene, fact)
        return NO_ANSWER if is_true is None else _TRUE if is_true else _FALSE


def fact_of_question(question: str) -> Fact | None:
    """The fact behind a question of the divider, with any suffix; None for other questions."""
    return _facts().get(question.partition("?")[0].strip().lower())


@cache
def _facts() -> dict[str, Fact]:
    """Every fact of the world by its question in lower case, without the question mark."""
    return {fact.question[:-1].lower(): fact for fact in _all_facts()}


def _all_facts() -> Iterator[Fact]:
    denials = {"negated": (False, True), "past": (False, True)}
    for negated, past in product(*denials.values()):
        for context in CONTEXTS:
            yield _fact("context", negated, past, value=context)
        for colour, surface in product({**COLOURS, **BACKGROUNDS}, ("wall", "sky")):
            yield _fact("background", negated, past, value=colour, surface=surface)
        for name in CATEGORIES:
            yield _fact("object", negated, past, category=name)
            for number in range(1, MAX_OBJECTS + 2):
                yield _fact("number", negated, past, category=name, number=number)
            # a category without a singular has different questions for one and for several
            for number, colour in product((1, 2), {**COLOURS, **BACKGROUNDS}):
                yield _fact("colour", negated, past, category=name, number=number, value=colour)
            for number, cell in product((1, 2), range(len(CELLS))):
                yield _fact("place", negated, past, category=name, number=number, value=str(cell))


def _fact(aspect: Aspect, negated: bool, past: bool, **rest: str | int) -> Fact:
    return Fact.model_validate(
        {"aspect": aspect, "start": 0, "end": 0, "negated": negated, "past": past, **rest}
    )
