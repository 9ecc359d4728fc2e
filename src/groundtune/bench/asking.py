"""Prompts about the images of a folder, for benchmarks with images from the user."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from groundtune.bench.item import Item
from groundtune.errors import UserError
from groundtune.records import ImagePart, Message, Prompt, Source, TextPart
from groundtune.store.keys import key_of

if TYPE_CHECKING:
    from groundtune.store.images import ImageStore


class ImageQuestion(NamedTuple):
    """A question about one image."""

    benchmark: str
    """The benchmark's name, with "/" and the part if it has several."""
    item: str
    image: str
    """Name or relative path of the image in the folder."""
    question: str
    target: str = ""


def ask_items(
    questions: Iterable[tuple[str, ...]], images: Path, store: "ImageStore"
) -> list[Item]:
    """Return the items of questions, each a tuple of the fields of `ImageQuestion`, in order.

    Each image is read from `images` and added to the store once.

    Raises:
        UserError: an image is missing or can't be read.
    """
    sha256_by_name: dict[str, str] = {}
    items: list[Item] = []
    for question in (ImageQuestion(*fields) for fields in questions):
        if question.image not in sha256_by_name:
            sha256_by_name[question.image] = store.add(_image(images, question.image))
        items.append(_item(question, sha256_by_name[question.image]))
    return items


def _image(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / Path(name).name):
        if path.is_file():
            return path
    raise UserError(
        f"The image {name} is not in the folder.",
        str(folder),
        "Give the folder of the benchmark's images with --images.",
    )


def _item(question: ImageQuestion, sha256: str) -> Item:
    text = TextPart(text=question.question)
    messages = (Message(role="user", content=(ImagePart(image=sha256), text)),)
    source = Source(dataset=question.benchmark, row=question.item)
    return Item(
        key=question.item,
        benchmark=question.benchmark,
        image=question.image,
        prompt=Prompt(key=key_of(question.benchmark, messages), messages=messages, source=source),
        target=question.target,
    )
