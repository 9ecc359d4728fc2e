"""Which of COCO's 80 classes are in a picture: segmentations, people's captions, or kept sets.

    instances_*.json, captions_*.json   COCO's annotation files, any number of them
    *.pkl                               sets that Maxlinn/CHAIR-metric-standalone ships for the
                                        123,287 pictures of train2014 and val2014

Annotation files are read one annotation at a time. A pickle is never loaded: its operations are
listed (pickletools), and only numbers, texts and sets of texts are taken from them.
"""

import json
import pickletools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from groundtune.errors import UserError
from groundtune.store.rows import open_text

_PIECE = 1 << 20
_NUMBER = re.compile(r"\d+")
WHAT_TO_GIVE = (
    "Give COCO's instances_*.json and captions_*.json (2014), or chair.pkl, each with --data."
)


@dataclass(slots=True)
class Pictures:
    """What is known of pictures, by COCO's number."""

    known: set[int] = field(default_factory=set[int])
    """All that the files tell of, objects or not."""
    objects: dict[int, set[str]] = field(default_factory=lambda: defaultdict[int, set[str]](set))
    """Names of COCO's categories in them."""
    captions: dict[int, list[str]] = field(
        default_factory=lambda: defaultdict[int, list[str]](list)
    )
    """What people wrote of them; not yet read for objects."""
    nodes: dict[int, set[str]] = field(default_factory=dict[int, set[str]])
    """Finished sets, where a file has them."""


def read_pictures(paths: Iterable[Path]) -> Pictures:
    """Everything that annotation files tell of the objects of pictures.

    Raises:
        UserError: a file is neither of COCO's nor a list of sets, segmentations come without
            captions or the other way round, or there is none.
    """
    told = Pictures()
    kinds: set[str] = set()
    for path in paths:
        kinds.add(_read_sets(path, told) if path.suffix == ".pkl" else _read_coco(path, told))
    if kinds not in ({"sets"}, {"segmentations", "captions"}):
        missing = {"segmentations", "captions"} - kinds
        raise UserError(
            "Objects of pictures come from segmentations and from people's captions; "
            + (f"the {' and the '.join(sorted(missing))} are missing." if kinds else "none given."),
            "--data",
            WHAT_TO_GIVE,
        )
    return told


def picture_number(name: str) -> int | None:
    """COCO's number in a picture's name: 42, "42", "COCO_val2014_000000000042.jpg"."""
    found = _NUMBER.findall(Path(name).stem if "." in name else name)
    return int(found[-1]) if found else None


def _read_coco(path: Path, told: Pictures) -> str:
    categories: dict[int, str] = {}
    segments: list[tuple[int, int]] = []
    kind = ""
    for key, row in members(path, {"images", "categories", "annotations"}):
        try:
            if key == "images":
                told.known.add(int(row["id"]))
            elif key == "categories":
                categories[int(row["id"])] = str(row["name"])
            elif "category_id" in row:
                kind = "segmentations"
                segments.append((int(row["image_id"]), int(row["category_id"])))
            else:
                kind = kind or "captions"
                told.captions[int(row["image_id"])].append(str(row["caption"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"An entry of {key!r} lacks something: {error}.",
                f"{path}: {json.dumps(row)[:60]}",
                WHAT_TO_GIVE,
            ) from error
    _name(path, segments, categories, told)
    told.known |= told.captions.keys()
    if not kind:
        raise UserError("The file has no annotations of COCO's.", str(path), WHAT_TO_GIVE)
    return kind


def _name(
    path: Path, segments: Sequence[tuple[int, int]], categories: dict[int, str], told: Pictures
) -> None:
    for image, category in segments:
        if category not in categories:
            raise UserError(
                f"An annotation has the category {category}, which the file doesn't name.",
                str(path),
                WHAT_TO_GIVE,
            )
        told.objects[image].add(categories[category])
    told.known |= {image for image, _ in segments}


def members(
    path: Path, keys: set[str], *, inner: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, element) of the lists under some of a JSON object's keys, one by one.

    `inner`: not of lists but of objects, whose own keys are left out.

    Raises:
        UserError: it isn't such an object, or it breaks off.
    """
    with open_text(path) as file:
        for key, element in _Window(path, file).members(keys, inner=inner):
            if isinstance(element, dict):
                yield key, cast("dict[str, Any]", element)


class _Window:
    """A JSON text that is decoded value by value; only what is needed is held."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path, self._file = path, file
        self._text, self._at = "", 0
        self._decoder = json.JSONDecoder()

    def takes(self, sign: str) -> bool:
        """Goes past a sign if it comes next."""
        found = self._next() == sign
        self._at += found
        return found

    def expect(self, sign: str) -> None:
        if not self.takes(sign):
            raise self._broken()

    def value(self) -> object:
        """The next value, whole."""
        self._next()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._more():
                    raise self._broken() from error
                continue
            if end < len(self._text) or not self._more():
                self._at = end
                return found

    def members(self, keys: set[str], *, inner: bool) -> Iterator[tuple[str, object]]:
        """(key, element) of the containers under some keys of the object that comes next."""
        self.expect("{")
        while not self.takes("}"):
            key = str(self.value())
            self.expect(":")
            if key in keys and self.takes("{" if inner else "["):
                yield from ((key, element) for element in self.elements(inner=inner))
            else:
                self.skip()
            self.takes(",")

    def elements(self, *, inner: bool = False) -> Iterator[object]:
        """What is left of a list that was opened, or the values of an object."""
        while not self.takes("}" if inner else "]"):
            if inner:
                self.value()
                self.expect(":")
            yield self.value()
            self.takes(",")

    def skip(self) -> None:
        """Past the next value, a list element by element."""
        if not self.takes("["):
            self.value()
            return
        for _ in self.elements():
            pass

    def _next(self) -> str:
        while True:
            while self._at < len(self._text):
                if not self._text[self._at].isspace():
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                raise self._broken()

    def _more(self) -> bool:
        try:
            piece = self._file.read(max(_PIECE, len(self._text) - self._at))
        except UnicodeDecodeError as error:
            raise self._broken() from error
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)

    def _broken(self) -> UserError:
        return UserError(
            "The file is no JSON object, or breaks off.", str(self._path), WHAT_TO_GIVE
        )


def _read_sets(path: Path, told: Pictures) -> str:
    """Takes {number: {class, ...}} from a pickle's listed operations."""
    try:
        with path.open("rb") as file:
            _take_sets(pickletools.genops(file), told.nodes)
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"The file can't be read: {error}.", str(path), WHAT_TO_GIVE) from error
    if not told.nodes:
        raise UserError("The pickle holds no sets of objects.", str(path), WHAT_TO_GIVE)
    told.known |= told.nodes.keys()
    return "sets"


def _take_sets(operations: Iterable[tuple[Any, Any, Any]], sets: dict[int, set[str]]) -> None:
    """Fills `sets`: a number, then an empty set, then its texts, then that they are added."""
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
