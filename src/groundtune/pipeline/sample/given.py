"""Answers that somebody gives: a run's folder, a file of answers, or a model's own.

A file has a row an answer: JSON lines, a JSON list, or a table. Its columns are those that other
files of answers have (`bench/files/answers.py`), with the image in `image`, `image_path` or
`file_name`, a question if there was one, and the model's name if there are several. Several images
of one row are a list, or separated by "|"; a PDF or a TIFF gives an image per page.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple, cast

from groundtune.bench.files.answers import ANSWER_COLUMNS
from groundtune.errors import UserError
from groundtune.generate.thoughts import split_thoughts
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.pipeline.sample.pages import named_images
from groundtune.pipeline.sample.run import SampleSettings, run_sample
from groundtune.protocols import Progress
from groundtune.records import (
    Answer,
    ImagePart,
    Message,
    Producer,
    Prompt,
    Source,
    TextPart,
)
from groundtune.store.documents import add_pages, split_pages
from groundtune.store.images import printable_name
from groundtune.store.keys import key_of
from groundtune.store.rows import Row, first_of, media_in, text_field
from groundtune.store.sheets import ENDINGS, rows_of

IMAGE_COLUMNS = ("image", "image_path", "file_name")
QUESTION_COLUMNS = ("question", "prompt", "instruction")


def is_file(what: str) -> bool:
    """Whether a file of answers is meant."""
    return Path(what).suffix.lower() in ENDINGS


def is_folder(what: str) -> bool:
    """Whether a run's folder with answers is meant."""
    return bool(RunFolder(Path(what)).answers.parts())


def import_answers(
    what: str,
    target: RunFolder,
    images: Path | None,
    ask: str,
    model: SampleSettings | None,
    progress: Progress,
) -> None:
    """Puts the answers that `what` names into `target`, with their prompts and images.

    `model` says how a model answers, where `what` is one.

    Raises:
        UserError: there are no answers, an image is missing, or a row can't be read.
    """
    if is_folder(what):
        source = RunFolder(Path(what))
        prompts, answers = source.prompts_by_key(), read_some(source.answers)
        _refuse_others(target, {answer.key for answer in answers})
        used_prompts = {answer.prompt: prompts[answer.prompt] for answer in answers}
        target.take_prompts(source, used_prompts.values())
        target.take_answers(source, answers)
        return
    if is_file(what):
        _read(Path(what), target, images, ask, progress)
        return
    assert model is not None
    if images is None:
        raise UserError(
            "There are no images to ask the model about.",
            what,
            "Give a folder with --images DIR, or a file or folder of answers instead of a model.",
        )
    run_sample(model, target.path, progress)


def _read(file: Path, target: RunFolder, images: Path | None, ask: str, progress: Progress) -> None:
    rows = list(rows_of(file))
    progress.start("read answers", total=len(rows))
    answers: list[GivenAnswer] = []
    for each in given_answers(rows, GivenFile(file, target, images, ask)):
        answers.append(each)
        progress.advance()
    if not answers:
        raise UserError("The file holds no answers.", str(file), "Give one with a row an answer.")
    _refuse_others(target, {each.answer.key for each in answers})
    add_given(answers, target)


class GivenFile(NamedTuple):
    """A file of answers, and how its rows are read."""

    path: Path
    target: RunFolder
    """Gets the images."""
    images: Path | None
    """Their folder, if not the file's."""
    ask: str
    """The question of rows without one."""
    needs_image: bool = True


class GivenAnswer(NamedTuple):
    """A row's answer and its prompt."""

    row: Row
    prompt: Prompt
    answer: Answer


def given_answers(rows: Iterable[Row], file: GivenFile) -> Iterator[GivenAnswer]:
    """Yield the answer of each row; images go into the file's target.

    Raises:
        UserError: a row is bad, or an image is missing.
    """
    counts: Counter[tuple[str, str]] = Counter()
    stored: dict[str, Sequence[str]] = {}
    for row in rows:
        prompt = _prompt(row, file, stored)
        column = next((name for name in ANSWER_COLUMNS if name in row.fields), ANSWER_COLUMNS[1])
        text = text_field(row, column)
        name = first_of(row.fields, ("model",)) or file.path.stem
        index = counts[prompt.key, name]
        counts[prompt.key, name] += 1
        by = Producer(kind="model", name=name)
        key = key_of("given", prompt.key, by, index, text)
        parts = split_thoughts(text)
        answer = Answer(
            key=key,
            prompt=prompt.key,
            text=parts.answer,
            producer=by,
            index=index,
            thoughts=parts.thoughts,
        )
        yield GivenAnswer(row, prompt, answer)


def add_given(answers: Iterable[GivenAnswer], target: RunFolder) -> None:
    """Add the answers and their prompts, each once."""
    answers = list(answers)
    target.prompts.add(list({each.prompt.key: each.prompt for each in answers}.values()))
    target.answers.add(list({each.answer.key: each.answer for each in answers}.values()))


def _prompt(row: Row, file: GivenFile, stored: dict[str, Sequence[str]]) -> Prompt:
    """A row's prompt; `stored` has the images of earlier rows by name, and gets this one's."""
    where = row.where
    if column := media_in(row.fields):
        raise UserError(
            f"The row is about a video or a sound (column {column}), not an image.",
            where,
            "Remove the row.",
        )
    names = _image_names(row)
    if not names and file.needs_image:
        raise UserError(
            f"The row names no image: none of {', '.join(IMAGE_COLUMNS)}.",
            where,
            "Give the row one of these columns.",
        )
    roots = [root for root in (file.images, file.path.parent) if root is not None]
    question = first_of(row.fields, QUESTION_COLUMNS) or file.ask
    for name in names:
        if name not in stored:
            stored[name] = _stored(name, roots, file.target, where)
    images = [ImagePart(image=sha256) for name in names for sha256 in stored[name]]
    parts = (*images, TextPart(text=question))
    messages = (Message(role="user", content=parts),)
    return Prompt(
        key=key_of([message.model_dump() for message in messages]),
        messages=messages,
        source=Source(dataset=file.path.name, row=named_images(names, stored)),
    )


def _image_names(row: Row) -> list[str]:
    """The images of a row: a name, several with "|" between them, or a list."""
    columns = (*IMAGE_COLUMNS, "images")
    value = next((row.fields[name] for name in columns if row.fields.get(name)), "")
    names = cast("list[object]", value) if isinstance(value, list) else str(value).split("|")
    return [text for name in names if (text := str(name).strip())]


def _stored(name: str, roots: Sequence[Path], target: RunFolder, where: str) -> Sequence[str]:
    """The image that a row names, or the pages of the document."""
    path, pages = _found(name, roots, where)
    return add_pages(target.images, path, f"{where}: {printable_name(name)}", pages)


def _found(name: str, roots: Sequence[Path], where: str) -> tuple[Path, range | None]:
    """The file of a name, and the pages that it chooses."""
    pages = None
    if not any(os.path.isfile(root / name) for root in roots):
        name, pages = split_pages(name)
    path = next((root / name for root in roots if os.path.isfile(root / name)), None)
    if path is None:
        raise UserError(
            f"The image {printable_name(name)} is missing.",
            where,
            "Give its folder with --images DIR.",
        )
    return path, pages


def _refuse_others(target: RunFolder, keys: AbstractSet[str]) -> None:
    """A folder is for one check: other answers in it would be taken for these."""
    others = target.answers.keys() - keys
    if others:
        raise UserError(
            f"The folder has {len(others)} answers that aren't among these.",
            str(target.answers.path),
            "Choose another folder with --out DIR.",
        )
