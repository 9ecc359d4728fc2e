"""Which images of a prompt are pages of a document, by how the prompt's source names them.

A row of a file names its images with " | " between them: `photo.png | report.pdf#page=3-5`. A
document's name stands for all of its pages where it is the only name, else for those that it
chooses.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.records import Prompt
from groundtune.store.documents import split_pages

_BETWEEN = " | "
_DOCUMENTS = (".pdf", ".tif", ".tiff")


class Page(NamedTuple):
    """An image that is a page."""

    document: int
    """Which of the prompt's documents, from 1."""
    page: int
    """Of the document, from 1."""


def named_images(names: Sequence[str], stored: Mapping[str, Sequence[str]]) -> str:
    """Return the names of a row's images as one text, which `pages_of` reads.

    `stored` has the images of each name.
    """
    if len(names) == 1:
        return names[0]
    return _BETWEEN.join(_with_pages(name, len(stored[name])) for name in names)


def _with_pages(name: str, number: int) -> str:
    chosen = split_pages(name)[1]
    return name if number == 1 or chosen is not None else f"{name}#page=1-{number}"


def pages_of(prompt: Prompt) -> list[Page | None]:
    """Return for each image of a prompt which page of which document it is; None for others.

    None for all where the names and the images don't fit together.
    """
    number = len(prompt.images)
    pages_of_images: list[Page | None] = []
    documents = 0
    names = prompt.source.row.split(_BETWEEN)
    for name in names:
        file, pages = split_pages(name)
        if pages is None and names == [name] and number > 1 and _is_document(file):
            pages = range(number)
        if pages is None:
            pages_of_images.append(None)
            continue
        documents += 1
        pages_of_images += [Page(documents, page + 1) for page in pages]
    return pages_of_images if len(pages_of_images) == number else [None] * number


def _is_document(name: str) -> bool:
    return Path(name).suffix.lower() in _DOCUMENTS
