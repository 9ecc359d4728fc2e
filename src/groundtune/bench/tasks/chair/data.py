"""CHAIR's data: the synonym list, and the classes in each image."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from groundtune.bench.files.checks import find_files
from groundtune.bench.text.coco import CocoImages, read_images
from groundtune.bench.text.coco_words import CocoWords, read_list
from groundtune.bench.text.tokens import tokens
from groundtune.errors import UserError
from groundtune.store.rows import text_of

MAX_CACHED = 1 << 13
"""Sets of classes that are remembered."""


@dataclass(frozen=True, slots=True)
class ChairData:
    """The synonym list and the objects of images."""

    images: CocoImages
    official: CocoWords
    strict: CocoWords
    cache: dict[tuple[bool, int], frozenset[str]] = field(
        default_factory=dict[tuple[bool, int], frozenset[str]]
    )
    """Classes in an image, once they were looked up."""

    def truth(self, image: int, *, strict: bool) -> frozenset[str]:
        """The classes in an image."""
        classes_ = self.cache.get((strict, image))
        if classes_ is None:
            if len(self.cache) > MAX_CACHED:
                self.cache.clear()
            self._find(image)
            classes_ = self.cache[strict, image]
        return classes_

    def _find(self, image: int) -> None:
        """Find an image's classes for both modes, which read the same tokens."""
        caption_tokens = [
            tokens(caption.lower()) for caption in self.images.captions.get(image, ())
        ]
        segment_names = self.images.objects.get(image, ())
        for strict, words in ((False, self.official), (True, self.strict)):
            if image in self.images.nodes:
                classes_ = set(self.images.nodes[image])
            else:
                classes_ = {words.nodes[name] for name in segment_names}
            for caption in caption_tokens:
                classes_ |= words.classes(caption)
            self.cache[strict, image] = frozenset(classes_)


def read_data(paths: Sequence[Path]) -> ChairData:
    """Read annotations and the synonym list.

    Raises:
        UserError: one of them is missing or unreadable, or a category is not in the list.
    """
    files = find_files(paths, "instances_*.json", "captions_*.json", "chair*.pkl", "synonyms*.txt")
    lists = [path for path in files if path.suffix == ".txt"]
    if len(lists) != 1:
        raise UserError(
            f"{len(lists)} synonym lists were given; CHAIR has one.",
            ", ".join(map(str, lists)) or "--data",
            "Give data/synonyms.txt of LisaAnne/Hallucination with --data.",
        )
    lines = read_lines(lists[0])
    data = ChairData(
        images=read_images(path for path in files if path.suffix != ".txt"),
        official=read_list(lines, strict=False, kind="chair"),
        strict=read_list(lines, strict=True, kind="chair"),
    )
    refuse_unlisted(data.images, data.official, lists[0])
    return data


def read_lines(path: Path) -> list[str]:
    """The lines of a synonym list, without empty ones at the end."""
    return [line for line in text_of(path).split("\n") if line.strip()]


def refuse_unlisted(images: CocoImages, words: CocoWords, where: Path) -> None:
    """Raise UserError if a category of the annotations is not in the synonym list."""
    categories = {name for names in images.objects.values() for name in names}
    categories |= {name for names in images.nodes.values() for name in names}
    if missing := sorted(categories - words.nodes.keys()):
        raise UserError(
            f"{len(missing)} categories of the annotations aren't in the synonym list, the first "
            f"is {missing[0]!r}.",
            str(where),
            "Give the list that belongs to COCO's 80 classes.",
        )
