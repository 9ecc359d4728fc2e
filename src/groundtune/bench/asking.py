"""Prompts about pictures of a folder, for benchmarks whose pictures a person has."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from groundtune.bench.item import Item
from groundtune.errors import UserError
from groundtune.records import ImagePart, Message, Prompt, Source, TextPart
from groundtune.store.keys import key_of

if TYPE_CHECKING:
    from groundtune.store.images import ImageStore


class Asked(NamedTuple):
    """A question about one picture."""

    benchmark: str
    """With "/" and the part, if it has several."""
    item: str
    image: str
    """The picture's name in the folder, or its path below it."""
    question: str
    target: str = ""


def ask_items(asked: Iterable[tuple[str, ...]], images: Path, store: "ImageStore") -> list[Item]:
    """The items of questions (each the fields of `Asked`), in order.

    Each picture is read from `images` and added to the store once.

    Raises:
        UserError: a picture isn't there or can't be read.
    """
    pictures: dict[str, str] = {}
    items: list[Item] = []
    for question in (Asked(*each) for each in asked):
        if question.image not in pictures:
            pictures[question.image] = store.add(_picture(images, question.image))
        items.append(_item(question, pictures[question.image]))
    return items


def _picture(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / Path(name).name):
        if path.is_file():
            return path
    raise UserError(
        f"The picture {name} isn't in the folder.",
        str(folder),
        "Give the folder of the benchmark's pictures with --images.",
    )


def _item(question: Asked, sha256: str) -> Item:
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
