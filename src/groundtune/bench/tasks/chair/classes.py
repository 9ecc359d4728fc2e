"""CHAIR by class: how often each of COCO's classes is named, invented and missed.

    named     mentions of the class, with repetitions
    invented  of these, mentions in captions of images without it
    chair_i   invented / named; no value if it is never named
    there     captions of images that contain it
    recall    of these, the share that names it; no value if there are none

Over all classes, the sums of invented and named are CHAIR's own, and so are those of recall's two
counts. A caption is in several classes, so these are no strata of an axis.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from groundtune.bench.results import Values
from groundtune.records import Score


class ClassCounts:
    """Counts from scores for each class's metrics."""

    def __init__(self) -> None:
        self._mentions, self._invented = Counter[str](), Counter[str]()
        self._hits, self._images = Counter[str](), Counter[str]()

    def add(self, score: Score, image_classes: Collection[str]) -> None:
        """Count a score, given its image's classes; an unparsed one is in no count."""
        if score.status != "scored":
            return
        self._mentions.update(score.extracted)
        self._invented.update([name for name in score.extracted if name not in image_classes])
        self._hits.update(set(score.extracted).intersection(image_classes))
        self._images.update(image_classes)

    def most_invented(self, number: int) -> list[tuple[str, int]]:
        """Return the classes that are most often named wrongly."""
        return self._invented.most_common(number)

    def values(self, classes: Collection[str]) -> dict[str, Values]:
        """Return the metrics of each class by "class/NAME"."""
        mentions, invented, hits, images = self._mentions, self._invented, self._hits, self._images
        return {
            f"class/{name}": {
                "named": float(mentions[name]),
                "invented": float(invented[name]),
                "chair_i": invented[name] / mentions[name] if mentions[name] else None,
                "there": float(images[name]),
                "recall": hits[name] / images[name] if images[name] else None,
            }
            for name in classes
        }


def by_class(scores: Sequence[Score], wrong: Sequence[Collection[str]]) -> dict[str, list[Score]]:
    """Each class's captions: the scores that name it, with only the mentions of this class.

    `wrong` has each score's classes that aren't in its image.
    """
    parts: defaultdict[str, list[Score]] = defaultdict(list)
    for score, missing in zip(scores, wrong, strict=True):
        for name, times in Counter(score.extracted).items():
            counts = {"mentions": float(times), "invented_mentions": times * float(name in missing)}
            parts[name].append(score.model_copy(update={"values": counts}))
    return dict(parts)
