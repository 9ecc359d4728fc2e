"""Samples objects to ask about like POPE: present ones, and absent ones of three kinds.

Li, Du, Zhou, Wang, Zhao, Wen 2023, "Evaluating Object Hallucination in Large Vision-Language
Models", arXiv 2305.10355, section 5.1, and the authors' code. For each image, the questions are
about the first k objects, and as many absent ones:

    random       any object of the set
    popular      the objects that are in most images of the set
    adversarial  those that co-occur most often with a present object

For adversarial ones, the paper ranks by all objects of the image, the code by each selected object
in turn; `adversarial` chooses. If the code runs out of candidates, it samples at random, and so do
we. Departures: ties are broken by name, so that the order of a file doesn't matter; for an image
with fewer than k objects all are used (POPE leaves such images out).
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
    """Objects to ask about for one image: as many absent ones of each kind as present ones."""

    present: tuple[str, ...]
    absent: dict[Setting, tuple[str, ...]]


class Counts(NamedTuple):
    """Statistics of a set of images."""

    images: Counter[str]
    """Number of images with an object."""
    together: dict[str, Counter[str]]
    """Number of images with both of two objects."""


def count(sets: Mapping[str, Sequence[str]]) -> Counts:
    """Count the images' objects; each counts once per image."""
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
    """The objects to ask about for each image, by name; `sets` has each image's distinct objects.

    The random ones depend on the seed and the image's name. There are fewer if the set has no more
    absent objects.
    """
    counts = count(sets)
    popular = _by_frequency(counts.images)
    samples: dict[str, SampledObjects] = {}
    for image, objects in sets.items():
        present = tuple(dict.fromkeys(objects))[:per_image]
        absent = [name for name in sorted(counts.images) if name not in set(objects)]
        rng = np.random.default_rng(seed_of("pope", seed, image))
        in_random_order = [absent[int(i)] for i in rng.permutation(len(absent))]
        selected = present if adversarial == "code" else tuple(dict.fromkeys(objects))
        near = _near(counts, selected, set(absent), per_object=adversarial == "code")
        absent_names = set(absent)
        rows: dict[Setting, list[str]] = {
            "random": in_random_order,
            "popular": [name for name in popular if name in absent_names],
            "adversarial": [*near, *(name for name in in_random_order if name not in near)],
        }
        samples[image] = SampledObjects(
            present, {name: tuple(row[: len(present)]) for name, row in rows.items()}
        )
    return samples


def _near(
    counts: Counts, selected: Sequence[str], absent: set[str], *, per_object: bool
) -> list[str]:
    """Absent objects that co-occur with the selected ones: the best per object, or overall."""
    if not per_object:
        total: Counter[str] = Counter()
        for name in selected:
            total.update(counts.together[name])
        return [name for name in _by_frequency(total) if name in absent]
    chosen: list[str] = []
    for name in selected:
        candidates = _by_frequency(counts.together[name])
        best = next(
            (other for other in candidates if other in absent and other not in chosen), None
        )
        if best is not None:
            chosen.append(best)
    return chosen


def _by_frequency(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))
