"""Whether a stated fact is true: the reference for labelers' verdicts."""

from groundtune.world.claims import Fact
from groundtune.world.scenes import Scene, Thing


def holds(scene: Scene, fact: Fact) -> bool | None:
    """Whether a fact is true of a scene; None if the world doesn't define it (a dog's colour).

    A number, colour or place of an absent object is false. Several objects are in a place if one of
    them is, as in `truth.check`.
    """
    if fact.aspect == "context":
        true = scene.context == fact.value
    elif fact.aspect == "background":
        true = scene.background == fact.value
    else:
        thing = scene.thing(fact.category)
        true = False if thing is None else _of(thing, fact)
    if true is None:
        return None
    return true != fact.negated


def _of(thing: Thing, fact: Fact) -> bool | None:
    if fact.aspect == "number":
        return thing.number == fact.number
    if fact.aspect == "colour":
        return thing.colour == fact.value if thing.colour else None
    if fact.aspect == "place":
        return int(fact.value) in thing.cells
    return True
