"""Layouts of examples: prompts with the answer that a model should learn, for supervised tuning.

A row is one dialogue about its images; its last message is the answer, and earlier answers are part
of the prompt. Which of them are learnt is `data.rounds` of the training.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from groundtune.errors import UserError
from groundtune.interchange.dialogue import messages_of, with_images_first
from groundtune.interchange.images import store_image
from groundtune.interchange.layout import Content, LayoutError, RowImage, Turn
from groundtune.interchange.reading import bad_row, refuse_media
from groundtune.interchange.registry import EXAMPLE_TARGETS, ExampleLayoutName
from groundtune.records import Answer, Producer, Prompt, Source
from groundtune.store.files import DiskError
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of
from groundtune.store.rows import SKIP_OR_FIX, Fields, Row
from groundtune.store.sheets import rows_of

Size = tuple[int, int]
"""Width and height of an image, in pixels."""


class ExampleRow(NamedTuple):
    """What one row says."""

    turns: tuple[Turn, ...]
    """The prompt: rounds of questions and answers, and the last question."""
    answer: str | Callable[[Size], str]
    """The last answer, or what makes it of the size of the only image."""
    images: tuple[RowImage | tuple[str, ...], ...] = ()
    """Each an image, or the names that its file may have."""
    row: str = ""
    """The row's own id."""
    facts: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleLayout:
    """How the rows of a file become examples."""

    name: str
    dataset: str
    licence: str
    parse: Callable[[Fields], ExampleRow | str]
    """What a row says, or why it gives no example. Raises LayoutError."""
    rows: Callable[[Path], Iterator[Row]] = lambda path: rows_of(path, SKIP_OR_FIX)
    """The rows of a file. Raises UserError."""


class ReadExample(NamedTuple):
    """A row as records, why the layout leaves it out, or the error of a bad row that is skipped."""

    number: int
    prompt: Prompt | None = None
    answer: Answer | None = None
    left_out: str = ""
    error: UserError | None = None


def load_example_layout(name: ExampleLayoutName) -> ExampleLayout:
    """Return the layout of a name."""
    module, _, constant = EXAMPLE_TARGETS[name].partition(":")
    layout_module = importlib.import_module(f"groundtune.interchange.layouts.{module}")
    return cast("ExampleLayout", getattr(layout_module, constant))


def read_examples(
    layout: ExampleLayout,
    path: Path,
    images: ImageStore,
    *,
    folder: Path | None = None,
    licence: str | None = None,
    skip_bad: bool = False,
) -> Iterator[ReadExample]:
    """Yield the file's rows, numbered from 0; their images go into `images`.

    Paths of images are taken from `folder`, or from the file's own.

    Raises:
        UserError: the file can't be read; or a row is bad, unless `skip_bad`.
    """
    roots = [*([folder] if folder else []), path.parent]
    rows_licence = layout.licence if licence is None else licence
    for number, row in enumerate(layout.rows(path)):
        try:
            yield _read(layout, row, number, images, roots, rows_licence)
        except DiskError:
            raise
        except UserError as error:
            if not skip_bad:
                raise
            yield ReadExample(number, error=error)


def _read(
    layout: ExampleLayout,
    row: Row,
    number: int,
    images: ImageStore,
    roots: Sequence[Path],
    licence: str,
) -> ReadExample:
    refuse_media(row.fields, row.where)
    try:
        example = layout.parse(row.fields)
        if isinstance(example, str):
            return ReadExample(number, left_out=example)
        turns = with_images_first(example.turns, len(example.images))
    except LayoutError as error:
        raise bad_row(error, row.where) from error
    stored = [store_image(_image(each, roots), roots, images, row.where) for each in example.images]
    text = example.answer
    if not isinstance(text, str):
        text = text(images.open(stored[0]).size)
    if not text.strip():
        raise bad_row(LayoutError("The answer is empty"), row.where)
    content = Content(turns=turns, images=(), chosen="", rejected="")
    messages = messages_of(content, stored)
    source = Source(dataset=layout.dataset, row=example.row, licence=licence)
    prompt_key = key_of("prompt", messages, example.facts, example.options)
    prompt = Prompt(
        key=prompt_key,
        messages=messages,
        facts=example.facts,
        options=example.options,
        source=source,
    )
    by = Producer(kind="dataset", name=layout.dataset)
    key = key_of("example", layout.name, prompt_key, text)
    return ReadExample(number, prompt, Answer(key=key, prompt=prompt_key, text=text, producer=by))


def _image(image: RowImage | tuple[str, ...], roots: Sequence[Path]) -> RowImage:
    """Return the image; of several names the first whose file is there, or else the first."""
    if isinstance(image, RowImage):
        return image
    there = (name for name in image if any((root / name).is_file() for root in roots))
    return RowImage(next(there, image[0]))
