"""Reads prompts: a file of rows, a run's folder, or a folder of images with one instruction.

A file is JSON lines, a JSON list, a table (.csv, .tsv, .xlsx) or Parquet.

A row has its images in `image`, `images` or `image_path` (a path, a list of paths, bytes, or the
hub's struct of bytes and path) and its text in `question` or `prompt`; or it has `messages` (in
`prompt`, too), whose content is text or a list of parts, several turns if need be. RLAIF-V's
input rows are of the first kind. `<image>` in a text stands for the next image; without any the
images come first. Other columns are kept with the prompt.
"""

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from groundtune.errors import UserError
from groundtune.pipeline.runs.folder import RunFolder, hash_of, read_some
from groundtune.protocols import Progress
from groundtune.records import ImagePart, Message, Prompt, Record, Source, TextPart
from groundtune.store import checksums
from groundtune.store.files import DiskError
from groundtune.store.images import ImageStore, is_image
from groundtune.store.keys import key_of
from groundtune.store.rows import SKIP_OR_FIX, Row, media_in
from groundtune.store.sheets import ENDINGS, rows_of
from groundtune.store.tables import read_rows

log = logging.getLogger(__name__)

PLACEHOLDER = "<image>"
_ENDINGS = "jpg jpeg jpe jfif jif jfi pjpeg mpo png apng webp gif bmp dib tif tiff ppm pgm pbm avif"
SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split())
"""Endings of the files that a folder of images is searched for."""

_UNREAD = (
    "heic heif hif jp2 j2k jpx jpf jxl svg psd ico icns tga eps pdf dng raw cr2 cr3 nef arw raf "
    "orf rw2 exr hdr mp4 m4v mov avi mkv webm mpg mpeg wmv mp3 wav flac ogg m4a"
)
UNREAD = frozenset(f".{ending}" for ending in _UNREAD.split())
"""Endings of images, videos and sounds that are not read: they are named and counted."""

_IMAGES = ("images", "image", "image_path")
_TEXTS = ("question", "prompt")
_OWN = {*_IMAGES, *_TEXTS, "messages", "facts", "options"}


class SkippedRow(Record):
    """A row or file that was left out, and why."""

    file: str
    row: str
    what: str


class PromptRows(NamedTuple):
    """Prompts in the order of their rows, each once, and the rows that were left out."""

    prompts: list[Prompt]
    skipped: list[SkippedRow]
    repeated: int = 0
    """Rows with the images and texts of an earlier one: the same prompt, asked once."""


class _PromptRow(NamedTuple):
    file: Path
    row: str
    """Its number; "" for a file of a folder."""
    source: Row

    @property
    def where(self) -> str:
        return self.source.where

    def error(self, what: str) -> UserError:
        return UserError(what, self.where, SKIP_OR_FIX)


def read_prompts(
    target: RunFolder,
    progress: Progress,
    *,
    prompts: Path | None = None,
    images: Path | None = None,
    ask: str = "",
    limit: int = 0,
    skip_bad: bool = False,
) -> PromptRows:
    """The prompts of a file or a run's folder, or of all images in `images` if there is no file.

    Images go into `target`'s store; paths in a file are relative to `images` or to the file.
    `limit` is the most rows that are read, 0 for all. Every row is read and every image decoded
    before this returns.

    Raises:
        UserError: nothing to read, or, without `skip_bad`, a bad row.
    """
    if prompts is not None and prompts.is_dir():
        source = RunFolder(prompts)
        stored = read_some(source.prompts)[: limit or None]
        target.take_prompts(source, stored)
        return PromptRows(stored, [])
    rows = _rows(prompts, limit) if prompts else _images(images, ask)[: limit or None]
    roots = [root for root in (images, prompts.parent if prompts else None) if root]
    by_key: dict[str, Prompt] = {}
    skipped = [] if prompts or images is None else _unread(images)
    repeated = 0
    progress.start("read prompts", total=len(rows))
    for row in rows:
        progress.advance()
        try:
            prompt = _prompt(row, roots, target.images)
        except DiskError:
            raise
        except UserError as error:
            if not skip_bad:
                raise
            skipped.append(SkippedRow(file=str(row.file), row=row.row, what=error.what))
        else:
            repeated += _note_repeated(prompt, by_key)
            by_key.setdefault(prompt.key, prompt)
    if not by_key:
        raise UserError(
            f"No prompt could be read; {len(skipped)} rows are bad"
            + (f", the first: {skipped[0].what}" if skipped else "."),
            str(prompts or images),
            "Add at least one row with an image and a text.",
        )
    return PromptRows(list(by_key.values()), skipped, repeated)


def _note_repeated(prompt: Prompt, by_key: Mapping[str, Prompt]) -> bool:
    """Whether an earlier row has the same prompt; both rows are named in the log."""
    if prompt.key not in by_key:
        return False
    earlier, now = by_key[prompt.key].source, prompt.source
    rows = [f"row {each.row}" if each.row else each.dataset for each in (now, earlier)]
    log.warning("%s: %s is the same prompt as %s and is asked once", now.dataset, *rows)
    return True


def _unread(folder: Path) -> list[SkippedRow]:
    """Images, videos and sounds of a folder that aren't read, for their ending or without one."""
    return [
        SkippedRow(file=str(file), row="", what=f"Files that end in {file.suffix!r} are not read.")
        for file in sorted(folder.rglob("*"))
        if not file.name.startswith(".") and file.is_file()
        if file.suffix.lower() in UNREAD or (not file.suffix and is_image(file))
    ]


def hash_of_sources(prompts: str, images: str) -> str:
    """Hash of what prompts are read from: the rows of a file or run's folder, and all images."""
    file, roots = Path(prompts), [Path(images)] if images else []
    if prompts and file.is_dir():
        return hash_of(RunFolder(file).prompts)
    digest = hashlib.sha256()
    files = _files_below(roots[0]) if images and not prompts else []
    if prompts and file.is_file():
        digest.update(file.read_bytes())
        rows = (row.source.content for row in _rows(file, 0))
        files = _files_named([row for row in rows if isinstance(row, Mapping)], roots, file.parent)
    for path in files:
        digest.update(path.name.encode() + b"\0" + bytes.fromhex(checksums.sha256_of(path)))
    return digest.hexdigest()[:32]


def _files_below(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]


def _files_named(value: object, roots: Sequence[Path], folder: Path) -> list[Path]:
    """The files that rows name, at any depth."""
    if isinstance(value, str):
        tries = (root / value for root in (*roots, folder))
        fits = Path(value).suffix.lower() in SUFFIXES
        return [path for path in tries if fits and os.path.isfile(path)]
    inside: Sequence[object] = []
    if isinstance(value, Mapping):
        inside = list(cast("Mapping[object, object]", value).values())
    elif isinstance(value, list | tuple):
        inside = cast("Sequence[object]", value)
    return [path for each in inside for path in _files_named(each, roots, folder)]


def _images(folder: Path | None, ask: str) -> list[_PromptRow]:
    """One row an image of a folder and those in it, in the order of their names."""
    if folder is None:
        raise UserError(
            "There are no prompts.",
            "--prompts, --images",
            "Give --prompts FILE, or --images DIR with --ask TEXT.",
        )
    if not ask.strip():
        raise UserError(
            "There is no instruction for the images.",
            str(folder),
            "Add one: ask=TEXT, or --ask TEXT if the command has that option.",
        )
    if not folder.is_dir():
        raise UserError("There is no such folder.", str(folder), "Check the path.")
    files = (each for each in sorted(folder.rglob("*")) if each.suffix.lower() in SUFFIXES)
    return [
        _PromptRow(file, "", Row(str(file), 0, {"image": file.absolute(), "question": ask} | name))
        for file, name in ((file, {"file": str(file.relative_to(folder))}) for file in files)
        if not file.name.startswith(".")
    ]


def _rows(file: Path, limit: int) -> list[_PromptRow]:
    """The first `limit` rows of a file, all for 0."""
    if file.suffix == ".parquet":
        table = read_rows(file)
        if table:
            _check_columns(file, table[0])
        numbered_rows = (Row(f"{file}, row {n}", n, values) for n, values in enumerate(table, 1))
    elif file.suffix.lower() in ENDINGS:
        numbered_rows = rows_of(file, SKIP_OR_FIX)
    else:
        raise UserError(
            f"Prompts can't be read from {file.suffix or 'a file without an ending'}.",
            str(file),
            "Use JSON lines (.jsonl), a JSON list (.json), a table, Parquet or a run's folder.",
        )
    return [_PromptRow(file, str(row.number), row) for row in islice(numbered_rows, limit or None)]


def _check_columns(file: Path, columns: Mapping[str, Any]) -> None:
    """A column that no row has is the file's fault, not a row's."""
    names_in_file = set(columns)
    if names_in_file & {"messages"} or (names_in_file & {*_IMAGES} and names_in_file & {*_TEXTS}):
        return
    missing, names = ("image", _IMAGES) if not names_in_file & {*_IMAGES} else ("text", _TEXTS)
    raise UserError(
        f"There is no column of {missing}s.",
        str(file),
        f"Name it one of {', '.join(names)}; the file has {', '.join(sorted(names_in_file))}.",
    )


def _prompt(row: _PromptRow, roots: Sequence[Path], store: ImageStore) -> Prompt:
    """A row as a prompt, its images stored."""
    values = row.source.fields
    if column := media_in(values):
        raise row.error(f"The row is about a video or a sound (column {column}), not an image.")
    images = _Images(row, roots, store, _listed(_first(values, _IMAGES)))
    content = _first(values, ("messages", *_TEXTS))
    if isinstance(content, str):
        if not content.strip():
            raise row.error("The prompt's text is empty.")
        content = [{"role": "user", "content": content}]
    if not isinstance(content, list | tuple) or not content:
        raise row.error(f"The prompt has no text: it has none of messages, {', '.join(_TEXTS)}.")
    messages = _messages(row, cast("Sequence[object]", content), images)
    try:
        prompt = Prompt(
            key=key_of([message.model_dump() for message in messages]),
            messages=messages,
            facts=_texts(values.get("facts")),
            options=_texts(values.get("options")),
            source=Source(dataset=row.file.name, row=row.row, extra=_extra(values)),
        )
    except ValidationError as error:
        raise row.error(f"The prompt is not valid: {error.errors()[0]['msg']}.") from error
    if not prompt.images:
        raise row.error("The prompt has no image.")
    if all(message.role != "user" for message in messages) or messages[-1].role != "user":
        raise row.error("The last message is not from the user.")
    return prompt


class _Images:
    """A row's images, handed out in order."""

    def __init__(
        self, row: _PromptRow, roots: Sequence[Path], store: ImageStore, images: Sequence[object]
    ) -> None:
        self.row = row
        self.roots = roots
        self.store = store
        self.remaining = list(images)

    def next(self) -> ImagePart:
        """The next one, stored."""
        if not self.remaining:
            raise self.row.error("The text refers to more images than the row has.")
        return self.stored(self.remaining.pop(0))

    def rest(self) -> list[ImagePart]:
        """All that are left."""
        return [self.next() for _ in self.remaining[:]]

    def stored(self, image: object) -> ImagePart:
        """One image, from bytes, a path, or a struct of both."""
        if isinstance(image, Mapping):
            struct = cast("Mapping[str, object]", image)
            image = struct.get("bytes") or struct.get("path")
        if isinstance(image, bytes):
            return ImagePart(image=self.store.add(image, name=self.row.where))
        if isinstance(image, Path):
            return ImagePart(image=self.store.add(image))
        if not isinstance(image, str) or not image:
            raise self.row.error("The image is neither a path nor bytes.")
        return ImagePart(image=self.store.add_named(image, self.roots, self.row.where))


def _messages(row: _PromptRow, values: Sequence[object], images: _Images) -> tuple[Message, ...]:
    turns = [_turn(row, each) for each in values]
    has_placeholder = any(part == PLACEHOLDER for _, parts in turns for part in parts)
    first = next((number for number, (role, _) in enumerate(turns) if role == "user"), 0)
    messages: list[Message] = []
    for number, (role, parts) in enumerate(turns):
        leading = images.rest() if number == first and not has_placeholder else []
        content = [_part(part, images) for part in parts]
        try:
            messages.append(Message.model_validate({"role": role, "content": (*leading, *content)}))
        except ValidationError as error:
            raise row.error(f"A message is not valid: {error.errors()[0]['msg']}.") from error
    if images.remaining:
        raise row.error("The row has more images than its text refers to.")
    return tuple(messages)


def _turn(row: _PromptRow, value: object) -> tuple[object, list[object]]:
    """A message's role and parts: texts, PLACEHOLDER itself for the next image, or an image."""
    if not isinstance(value, Mapping):
        raise row.error("A message is not an object with role and content.")
    message = cast("Mapping[str, object]", value)
    content = message.get("content")
    if isinstance(content, str):
        return message.get("role"), _split(content)
    if not isinstance(content, list | tuple):
        raise row.error("A message has no content.")
    parts: list[object] = []
    for each in cast("Sequence[object]", content):
        part = cast("Mapping[str, object]", each if isinstance(each, Mapping) else {})
        if part.get("type") == "text":
            parts += _split(str(part.get("text") or ""))
        elif part.get("type") == "image":
            parts.append(_PartImage(part["image"]) if part.get("image") else PLACEHOLDER)
        else:
            raise row.error("A part of a message is neither text nor image.")
    return message.get("role"), parts


class _PartImage(NamedTuple):
    """An image that a part names itself."""

    image: object


def _part(part: object, images: _Images) -> TextPart | ImagePart:
    if isinstance(part, _PartImage):
        return images.stored(part.image)
    return images.next() if part == PLACEHOLDER else TextPart(text=str(part))


def _split(text: str) -> list[object]:
    """A text at its placeholders, which stand for themselves; white space around them goes."""
    if PLACEHOLDER not in text:
        return [text]
    pieces: list[object] = []
    for number, piece in enumerate(text.split(PLACEHOLDER)):
        pieces += [PLACEHOLDER] if number else []
        pieces += [piece.strip()] if piece.strip() else []
    return pieces


def _first(values: Mapping[str, Any], names: Sequence[str]) -> object:
    return next((values[name] for name in names if values.get(name)), None)


def _listed(value: object) -> list[object]:
    if value is None:
        return []
    return list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else [value]


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in _listed(value))


def _extra(values: Mapping[str, Any]) -> dict[str, str]:
    """The other columns, and the image's path where it is one, as text."""
    extra = {name: value for name, value in values.items() if name not in _OWN}
    extra |= {name: values[name] for name in _IMAGES if isinstance(values.get(name), str)}
    return {
        name: value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, default=str)
        for name, value in extra.items()
        if value is not None
    }
