"""What people annotated in images: regions with boxes, object lists and captions.

    COCO            instances_*.json (boxes of all objects of 80 classes), captions_*.json
    Visual Genome   region_descriptions.json (boxes with phrases), objects.json, image_data.json
                    (sizes); what they don't name may be there all the same

A path is one such file or a folder of them; other files of a folder are left alone. An image is
found by the number that its file's name ends in, as both data sets name their images.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from groundtune.errors import UserError
from groundtune.store.rows import Fields, Row, beginning, json_members, json_rows

WHAT_TO_GIVE = (
    "Give COCO's instances_*.json or captions_*.json, Visual Genome's region_descriptions.json or "
    "objects.json, or a folder of these."
)
OUTSIDE = 0.1
"""Share of boxes outside their images from which on they are of other images."""
_NUMBER = re.compile(r"\d+")
_PIXEL = 1.0
"""How far a box may leave its image by rounding."""


class Region(NamedTuple):
    """A place of an image and what is there; pixels from the top left corner."""

    phrase: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(slots=True)
class ImageAnnotations:
    """Everything that is annotated in one image."""

    regions: list[Region] = field(default_factory=list[Region])
    """With phrases."""
    objects: list[Region] = field(default_factory=list[Region])
    """With the names of classes."""
    captions: list[str] = field(default_factory=list[str])
    size: tuple[int, int] | None = None
    """Width and height, where a file tells."""


@dataclass(slots=True)
class Annotations:
    """Images by their number."""

    images: dict[int, ImageAnnotations] = field(
        default_factory=lambda: defaultdict[int, ImageAnnotations](ImageAnnotations)
    )
    classes: set[str] = field(default_factory=set[str])
    """Classes of which every image has all that it shows: COCO's; empty for Visual Genome."""
    outside: int = 0
    """Boxes that were left out because they lie outside their image."""
    boxes: int = 0

    def of(self, name: str) -> ImageAnnotations | None:
        """The annotations of an image by its file's name or number; None if there are none."""
        number = image_number(name)
        return self.images.get(number) if number is not None else None


def image_number(name: str) -> int | None:
    """The number that an image's name ends in: 42, "42.jpg", "COCO_val2014_000000000042.jpg"."""
    numbers = _NUMBER.findall(Path(name.replace("\\", "/")).name.partition(".")[0])
    return int(numbers[-1]) if numbers else None


def read_annotations(path: Path) -> Annotations:
    """Everything that a file, or a folder's files, tell.

    Raises:
        UserError: there are no annotations, a row can't be read, or boxes lie outside their images.
    """
    annotations = Annotations()
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    has_rows = [_read(file, annotations, alone=not path.is_dir()) for file in files]
    if not any(has_rows) or not annotations.images:
        raise UserError("There are no annotations.", str(path), WHAT_TO_GIVE)
    _leave_out_boxes(path, annotations)
    return annotations


def _read(path: Path, annotations: Annotations, *, alone: bool) -> bool:
    """Read a file; whether it is one of annotations."""
    start = beginning(path).lstrip()
    if start.startswith("{"):
        return _read_coco(path, annotations)
    if start.startswith("["):
        return sum(_genome(row, annotations) for row in json_rows(path, WHAT_TO_GIVE)) > 0
    if alone:
        raise UserError("The file is not JSON.", str(path), WHAT_TO_GIVE)
    return False


class _Coco(NamedTuple):
    """What a file of COCO's says of classes and boxes: the names may come after the boxes."""

    names: dict[int, str]
    boxes: list[tuple[int, int, list[float]]]


def _read_coco(path: Path, annotations: Annotations) -> bool:
    coco, has_content = _Coco({}, []), False
    list_names = {"images", "categories", "annotations"}
    for key, row in json_members(path, list_names, fix=WHAT_TO_GIVE):
        with _reading(row):
            _coco(key, row.fields, coco, annotations)
        has_content = has_content or key != "images"
    annotations.classes |= set(coco.names.values())
    for image_id, category, (left, top, width, height) in coco.boxes:
        name = coco.names.get(category, "")
        region = Region(name, left, top, left + width, top + height)
        annotations.images[image_id].objects.append(region)
    return has_content


def _coco(key: str, fields: Fields, coco: _Coco, annotations: Annotations) -> None:
    """Read a row of one of COCO's lists."""
    if key == "images":
        image = annotations.images[int(fields["id"])]
        if "width" in fields and "height" in fields:
            image.size = int(fields["width"]), int(fields["height"])
    elif key == "categories":
        coco.names[int(fields["id"])] = str(fields["name"])
    elif "category_id" in fields:
        left, top, width, height = (float(value) for value in fields["bbox"])
        box = [left, top, width, height]
        coco.boxes.append((int(fields["image_id"]), int(fields["category_id"]), box))
    elif "caption" in fields:
        annotations.images[int(fields["image_id"])].captions.append(str(fields["caption"]))


def _genome(row: Row, annotations: Annotations) -> bool:
    """Read an image of one of Visual Genome's files."""
    fields = row.fields
    with _reading(row):
        if "regions" in fields:
            image = annotations.images[int(fields.get("id", fields.get("image_id")))]
            image.regions += [_box(each, str(each["phrase"])) for each in fields["regions"]]
            return True
        if "objects" in fields:
            image = annotations.images[int(fields["image_id"])]
            image.objects += [
                _box(each, str(name)) for each in fields["objects"] for name in each["names"]
            ]
            return True
        if "image_id" in fields and "width" in fields:
            size = int(fields["width"]), int(fields["height"])
            annotations.images[int(fields["image_id"])].size = size
    return False


def _box(fields: dict[str, Any], phrase: str) -> Region:
    width = float(fields["width"] if "width" in fields else fields["w"])
    height = float(fields["height"] if "height" in fields else fields["h"])
    left, top = float(fields["x"]), float(fields["y"])
    return Region(phrase.strip(), left, top, left + width, top + height)


class _reading:  # a context manager, used as a function
    """Turn what a row lacks into an error that names it."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyError | TypeError | ValueError | OverflowError):
            raise UserError(
                f"The annotation lacks something: {error}.", self._row.where, WHAT_TO_GIVE
            ) from error


def _leave_out_boxes(path: Path, annotations: Annotations) -> None:
    """Count and leave out boxes outside their image, where its size is known."""
    example = ""
    for number, image in annotations.images.items():
        for boxes in (image.regions, image.objects):
            annotations.boxes += len(boxes)
            outside = [box for box in boxes if image.size and _is_outside(box, image.size)]
            for box in outside:
                example = example or f"image {number}, {box.phrase!r}"
                boxes.remove(box)
            annotations.outside += len(outside)
    if annotations.outside > OUTSIDE * annotations.boxes:
        raise UserError(
            f"{annotations.outside:,} of {annotations.boxes:,} boxes lie outside their images.",
            f"{path}: {example}",
            "Give the annotations of these images, in pixels of the whole image.",
        )


def _is_outside(box: Region, size: tuple[int, int]) -> bool:
    """Whether a box leaves its image, or has no area."""
    width, height = size
    inside = box.left >= -_PIXEL and box.top >= -_PIXEL
    inside = inside and box.right <= width + _PIXEL and box.bottom <= height + _PIXEL
    return not inside or box.right <= box.left or box.bottom <= box.top


def region_lines(image: ImageAnnotations) -> Iterator[str]:
    """The annotations as the lines of a list."""
    return (f"- {text}" for text in region_texts(image))


def region_texts(image: ImageAnnotations) -> Iterator[str]:
    """The annotations as texts, boxes in shares of the image's sides where these are known.

    As HA-DPO gives them to its judge (github.com/opendatalab/HA-DPO, SHR): two decimals.
    """
    for box in (*image.regions, *image.objects):
        if image.size is None:
            yield box.phrase
            continue
        width, height = image.size
        corners = box.left / width, box.top / height, box.right / width, box.bottom / height
        yield f"[{', '.join(f'{corner:.2f}' for corner in corners)}]: {box.phrase}"
    yield from image.captions
