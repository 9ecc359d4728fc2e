"""COCO's 80 classes in each image: from segmentations and captions, or from precomputed sets.

    instances_*.json, captions_*.json   COCO's annotation files, any number of them
    *.pkl                               sets that Maxlinn/CHAIR-metric-standalone ships for the
                                        123,287 images of train2014 and val2014

Annotation files are read one annotation at a time. A pickle is never loaded: pickletools lists its
operations, and only numbers, texts and sets of texts are read from them.
"""

import pickletools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from groundtune.errors import UserError
from groundtune.store.rows import json_file, json_members, open_bytes

_NUMBER = re.compile(r"\d+")
WHAT_TO_GIVE = (
    "Give COCO's instances_*.json and captions_*.json (2014), or chair.pkl, each with --data."
)


@dataclass(slots=True)
class CocoImages:
    """Objects of images, by COCO's image number."""

    numbers: set[int] = field(default_factory=set[int])
    """All images in the files, with objects or not."""
    objects: dict[int, set[str]] = field(default_factory=lambda: defaultdict[int, set[str]](set))
    """Names of COCO's categories in them."""
    captions: dict[int, list[str]] = field(
        default_factory=lambda: defaultdict[int, list[str]](list)
    )
    """People's captions, not yet searched for objects."""
    nodes: dict[int, set[str]] = field(default_factory=dict[int, set[str]])
    """Precomputed sets, if a file has them."""


def read_images(paths: Iterable[Path]) -> CocoImages:
    """Read the objects of images from annotation files.

    Raises:
        UserError: a file is neither one of COCO's nor a list of sets, segmentations or captions are
            missing, or there is no file.
    """
    images = CocoImages()
    kinds: set[str] = set()
    for path in paths:
        kinds.add(_read_sets(path, images) if path.suffix == ".pkl" else _read_coco(path, images))
    if kinds not in ({"sets"}, {"segmentations", "captions"}):
        missing = {"segmentations", "captions"} - kinds
        raise UserError(
            "The objects of images come from segmentations and from people's captions; "
            + (f"the {' and the '.join(sorted(missing))} are missing." if kinds else "none given."),
            "--data",
            WHAT_TO_GIVE,
        )
    return images


def image_number(name: str) -> int | None:
    """COCO's number in an image name: 42, "42", "COCO_val2014_000000000042.jpg"."""
    numbers = _NUMBER.findall(Path(name).stem if "." in name else name)
    return int(numbers[-1]) if numbers else None


def _read_coco(path: Path, images: CocoImages) -> str:
    categories: dict[int, str] = {}
    segments: list[tuple[int, int]] = []
    kind = ""
    for key, entry in json_members(path, {"images", "categories", "annotations"}, fix=WHAT_TO_GIVE):
        row = entry.fields
        try:
            if key == "images":
                images.numbers.add(int(row["id"]))
            elif key == "categories":
                categories[int(row["id"])] = str(row["name"])
            elif "category_id" in row:
                kind = "segmentations"
                segments.append((int(row["image_id"]), int(row["category_id"])))
            else:
                kind = kind or "captions"
                images.captions[int(row["image_id"])].append(str(row["caption"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(
                f"An entry of {key!r} lacks a field: {error}.",
                entry.where,
                WHAT_TO_GIVE,
            ) from error
    _name(path, segments, categories, images)
    images.numbers |= images.captions.keys()
    return kind or _kind_of_empty(path, has_categories=bool(categories))


def _kind_of_empty(path: Path, *, has_categories: bool) -> str:
    """The kind of a file without any annotation.

    Raises:
        UserError: it has no list of annotations.
    """
    content = json_file(path, WHAT_TO_GIVE)
    if not isinstance(content, dict) or cast("dict[str, object]", content).get("annotations") != []:
        raise UserError("The file has no COCO annotations.", str(path), WHAT_TO_GIVE)
    instances = has_categories or path.name.startswith("instances")
    return "segmentations" if instances else "captions"


def _name(
    path: Path, segments: Sequence[tuple[int, int]], categories: dict[int, str], images: CocoImages
) -> None:
    for image, category in segments:
        if category not in categories:
            raise UserError(
                f"An annotation has the category {category}, which the file doesn't name.",
                str(path),
                WHAT_TO_GIVE,
            )
        images.objects[image].add(categories[category])
    images.numbers |= {image for image, _ in segments}


def _read_sets(path: Path, images: CocoImages) -> str:
    """Read {number: {class, ...}} from a pickle's operations."""
    try:
        with open_bytes(path) as file:
            _take_sets(pickletools.genops(file), images.nodes)
    except (ValueError, IndexError) as error:
        raise UserError(f"The file can't be read: {error}.", str(path), WHAT_TO_GIVE) from error
    if not images.nodes:
        raise UserError("The pickle has no sets of objects.", str(path), WHAT_TO_GIVE)
    images.numbers |= images.nodes.keys()
    return "sets"


def _take_sets(operations: Iterable[tuple[Any, Any, Any]], sets: dict[int, set[str]]) -> None:
    """Fill `sets`: a number, an empty set, its texts, then the operation that adds them."""
    memo: list[object] = []
    last: object = None
    image: int | None = None
    inside: set[str] | None = None
    for operation, value, _ in operations:
        name: str = operation.name
        if name == "MEMOIZE":
            memo.append(last)
            continue
        if name in ("BININT", "BININT1", "BININT2"):
            image = last = int(value)
        elif name == "EMPTY_SET" and image is not None:
            inside, last = sets.setdefault(image, set()), None
        elif "UNICODE" in name:
            last = value
        elif name in ("BINGET", "LONG_BINGET"):
            last = memo[value]
        elif name == "ADDITEMS":
            image, inside = None, None
        if inside is not None and isinstance(last, str):
            inside.add(last)
