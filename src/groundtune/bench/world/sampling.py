"""Objects to ask about as POPE draws them: present ones, and absent ones of three kinds.

Li, Du, Zhou, Wang, Zhao, Wen 2023, "Evaluating Object Hallucination in Large Vision-Language
Models", arXiv 2305.10355, section 5.1, and the authors' code. Of each image the first k objects
are asked about, and as many absent ones:

    random       any object of the set
    popular      the objects that are in most images of the set
    adversarial  those that are most often in one image with an object that is there

For adversarial ones, the paper ranks by all objects of the image, the code by each asked object
in turn; `adversarial` says which. Where the code runs out of candidates it draws at random, and
so does this. Departures: ties go by name, so that the order of a file doesn't matter; an image
with fewer than k objects is asked about all it has (POPE leaves such images out).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from groundtune.store.keys import seed_of

Setting = Literal["random", "popular", "adversarial"]
SETTINGS: tuple[Setting, ...] = ("random", "popular", "adversarial")
PER_IMAGE = 3
"""POPE's k."""


class SampledObjects(NamedTuple):
    """What to ask about one image: as many absent objects of each kind as present ones."""

    present: tuple[str, ...]
    absent: dict[Setting, tuple[str, ...]]


class Counts(NamedTuple):
    """Statistics of a set of images."""

    images: Counter[str]
    """How many images an object is in."""
    together: dict[str, Counter[str]]
    """How many images two objects are both in."""


def count(sets: Mapping[str, Sequence[str]]) -> Counts:
    """The statistics of the images' objects; each counts once an image."""
    images: Counter[str] = Counter()
    together: dict[str, Counter[str]] = {}
    for objects in sets.values():
        names = set(objects)
        images.update(names)
        for name in names:
            together.setdefault(name, Counter()).update(names - {name})
    return Counts(images, together)


def draw(
    sets: Mapping[str, Sequence[str]],
    *,
    per_image: int = PER_IMAGE,
    seed: int = 0,
    adversarial: Literal["code", "paper"] = "code",
) -> dict[str, SampledObjects]:
    """What to ask about each image, by its name; `sets` names the distinct objects of each.

    The random ones follow from the seed and the image's name. Fewer than asked for where the set
    has no more absent objects.
    """
    counts = count(sets)
    popular = _ranked(counts.images)
    drawn: dict[str, SampledObjects] = {}
    for image, objects in sets.items():
        present = tuple(dict.fromkeys(objects))[:per_image]
        absent = [name for name in sorted(counts.images) if name not in set(objects)]
        rng = np.random.default_rng(seed_of("pope", seed, image))
        shuffled = [absent[int(i)] for i in rng.permutation(len(absent))]
        asked = present if adversarial == "code" else tuple(dict.fromkeys(objects))
        near = _near(counts, asked, set(absent), each=adversarial == "code")
        known = set(absent)
        rows: dict[Setting, list[str]] = {
            "random": shuffled,
            "popular": [name for name in popular if name in known],
            "adversarial": [*near, *(name for name in shuffled if name not in near)],
        }
        drawn[image] = SampledObjects(
            present, {name: tuple(row[: len(present)]) for name, row in rows.items()}
        )
    return drawn


def _near(counts: Counts, asked: Sequence[str], absent: set[str], *, each: bool) -> list[str]:
    """Absent objects that were seen with the asked ones: the best of each, or the best of all."""
    if not each:
        total: Counter[str] = Counter()
        for name in asked:
            total.update(counts.together[name])
        return [name for name in _ranked(total) if name in absent]
    chosen: list[str] = []
    for name in asked:
        ranked = _ranked(counts.together[name])
        best = next((other for other in ranked if other in absent and other not in chosen), None)
        if best is not None:
            chosen.append(best)
    return chosen


def _ranked(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))
