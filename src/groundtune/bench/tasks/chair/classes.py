"""CHAIR by class: how often each of COCO's classes is named, invented and missed.

    named     mentions of the class, with repetitions
    invented  of these, mentions in captions of images without it
    chair_i   invented / named; no value where it is never named
    there     captions of images that contain it
    recall    of these, the share that names it; no value where there is none

Over all classes, the sums of invented and named are CHAIR's own, and so are those of recall's two
counts. A caption is in several classes, so these are no strata of an axis.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from groundtune.bench.results import Values
from groundtune.records import Score


def class_values(
    scores: Sequence[Score], there: Mapping[str, Collection[str]], classes: Collection[str]
) -> dict[str, Values]:
    """The figures of each class by "class/NAME"; `there` has the classes of each item's image.

    Unparsed answers are in no count.
    """
    named, invented = Counter[str](), Counter[str]()
    found, images = Counter[str](), Counter[str]()
    for score in scores:
        if score.status != "scored":
            continue
        here = there[score.item]
        named.update(score.extracted)
        invented.update(name for name in score.extracted if name not in here)
        found.update(set(score.extracted).intersection(here))
        images.update(here)
    return {
        f"class/{name}": {
            "named": float(named[name]),
            "invented": float(invented[name]),
            "chair_i": invented[name] / named[name] if named[name] else None,
            "there": float(images[name]),
            "recall": found[name] / images[name] if images[name] else None,
        }
        for name in classes
    }


def by_class(scores: Sequence[Score], wrong: Sequence[Collection[str]]) -> dict[str, list[Score]]:
    """Each class's captions: the scores that name it, with the mentions of this class alone.

    `wrong` has each score's classes that aren't in its image.
    """
    parts: defaultdict[str, list[Score]] = defaultdict(list)
    for score, missing in zip(scores, wrong, strict=True):
        for name, times in Counter(score.extracted).items():
            counts = {"mentions": float(times), "invented_mentions": times * float(name in missing)}
            parts[name].append(score.model_copy(update={"values": counts}))
    return dict(parts)
