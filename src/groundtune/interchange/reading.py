"""Rows of any layout to records: prompts, pairs, images."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from groundtune.errors import UserError
from groundtune.feedback.corrections import why_no_pair
from groundtune.feedback.pairs import pair_from_texts
from groundtune.interchange.columns import batches, open_columns
from groundtune.interchange.dialogue import messages_of
from groundtune.interchange.images import store_image
from groundtune.interchange.layout import Batch, Content, Files, Layout, LayoutError
from groundtune.interchange.licences import sidecar
from groundtune.interchange.saved import dump, store_columns
from groundtune.records import Pair, Prompt, Source
from groundtune.store.files import DiskError
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of
from groundtune.store.rows import (
    MEDIA_COLUMNS,
    SKIP_OR_FIX,
    Fields,
    Row,
    count_lines,
    is_keyed,
    keyed_rows,
    media_in,
)
from groundtune.store.sheets import is_table
from groundtune.store.sheets import rows_of as sheet_rows

log = logging.getLogger(__name__)


class RowRecords(NamedTuple):
    """The records of one row, or why the layout makes no pair of it."""

    prompts: tuple[Prompt, ...] = ()
    pairs: tuple[Pair, ...] = ()
    left_out: str = ""


class _ReadContext(NamedTuple):
    layout: Layout
    images: ImageStore
    roots: Sequence[Path]
    licence: str
    translate: Callable[[Fields], Fields]


def count(layout: Files, path: Path) -> int | None:
    """Number of rows of a file; None if it has to be read to count.

    Raises:
        UserError: as `read` does for the file as a whole.
    """
    check_ending(layout, path)
    if is_table(path):
        return None
    if path.suffix != ".parquet":
        return count_lines(path)
    with open_columns(path, layout.columns, layout.title, others=True) as file:
        return int(file.metadata.num_rows)


def read(
    layout: Layout,
    path: Path,
    images: ImageStore,
    *,
    folder: Path | None,
    licence: str | None,
    skip_bad: bool,
    rows: int,
) -> Iterator[Batch]:
    """As `Format.read` says."""
    check_ending(layout, path)
    file_licence, row_iterator = open_rows(layout, path, rows)
    if layout.keyed_by and is_keyed(path):
        row_iterator = keyed_rows(path, layout.keyed_by, SKIP_OR_FIX)
    licence = next(
        (candidate for candidate in (licence, file_licence) if candidate is not None),
        layout.licence,
    )
    translate = layout.translate(path) if layout.translate else _unchanged
    user_roots = [folder, *(folder / name for name in layout.folders)] if folder else []
    roots = [*user_roots, path.parent]
    where = _ReadContext(layout, images, roots, licence, translate)
    return in_batches(
        row_iterator,
        rows,
        skip_bad,
        lambda row, number, place: _read_row(row, number, place, where),
    )


def in_batches(
    row_iterator: Iterator[Row],
    rows: int,
    skip_bad: bool,
    make: Callable[[Fields, int, str], RowRecords],
) -> Iterator[Batch]:
    """The rows as records, `rows` at a time; `make` gets a row, its number and its name in errors.

    Raises:
        UserError: as `make`, or a row can't be read, unless `skip_bad`.
    """
    number = 0
    while chunk := list(islice(row_iterator, rows)):
        results = [
            _make_or_skip(result, number + place, make, skip_bad)
            for place, result in enumerate(chunk)
        ]
        by_row = {
            number + place: (*result.prompts, *result.pairs)
            for place, result in enumerate(results)
            if not isinstance(result, UserError) and result.pairs
        }
        number += len(chunk)
        readable = [result for result in results if not isinstance(result, UserError)]
        yield Batch(
            tuple(
                {prompt.key: prompt for result in readable for prompt in result.prompts}.values()
            ),
            tuple(pair for result in readable for pair in result.pairs),
            tuple(result for result in results if isinstance(result, UserError)),
            len(chunk),
            Counter(result.left_out for result in readable if result.left_out),
            by_row,
        )


def _unchanged(row: Fields) -> Fields:
    return row


def check_ending(layout: Files, path: Path) -> None:
    """Raise UserError if the file's name has none of the layout's endings."""
    endings = (*layout.endings, *layout.tables)
    if path.suffix not in endings and not (is_table(path) and path.suffix.lower() in endings):
        raise UserError(
            f"The {layout.title} layout has no files that end in {path.suffix or 'nothing'}.",
            str(path),
            f"Use a file whose name ends in {' or '.join(endings)}.",
        )


class _OurMetadata(BaseModel):
    """The part of a Parquet file's metadata from `write_rows` that is read here."""

    licences: list[str]


def licence_in(metadata: Mapping[bytes, bytes], path: Path) -> str | None:
    """The licence in the metadata of a Parquet file that we wrote; None for other files.

    Raises:
        UserError: the metadata are damaged.
    """
    metadata_json = metadata.get(b"groundtune")
    if metadata_json is None:
        return None
    try:
        return " AND ".join(filter(None, _OurMetadata.model_validate_json(metadata_json).licences))
    except ValidationError as error:
        raise UserError(
            "The file's metadata are damaged: they name no licences.",
            str(path),
            "Copy or export the file again.",
        ) from error


def open_rows(layout: Files, path: Path, rows: int) -> tuple[str | None, Iterator[Row]]:
    """The licence that the file names, and its rows."""
    if path.suffix != ".parquet":
        return sidecar(path), sheet_rows(path, SKIP_OR_FIX)
    with open_columns(path, layout.columns, layout.title, others=True) as file:
        file_licence = licence_in(file.metadata.metadata or {}, path)
    return file_licence, _parquet_rows(layout, path, rows)


def _parquet_rows(layout: Files, path: Path, rows: int) -> Iterator[Row]:
    number = 0
    with open_columns(path, layout.columns, layout.title, others=True) as file:
        schema = file.schema_arrow
        plain_names = [
            name
            for name in schema.names
            if name in layout.images or _is_plain(schema.field(name).type)
        ]
        others = [name for name in schema.names if name not in plain_names]
        if media := [name for name in others if name in MEDIA_COLUMNS]:
            raise UserError(
                "The file has videos or sounds, which pairs can't hold.",
                f"{path}, column {media[0]}",
                "Remove the column, and the rows that need it.",
            )
        if others:
            log.warning(
                "%s: columns left out because their types aren't supported: %s",
                path,
                ", ".join(others),
            )
        for plain in batches(file, path, plain_names, rows):
            for row in plain:
                number += 1
                yield Row(f"{path}, row {number}", number, row)


def _is_plain(kind: pa.DataType) -> bool:
    """Whether a column's values survive JSON unchanged."""
    if pa.types.is_struct(kind):
        return all(_is_plain(field.type) for field in kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_plain(kind.value_type)
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _make_or_skip(
    row: Row,
    number: int,
    make: Callable[[Fields, int, str], RowRecords],
    skip_bad: bool,
) -> RowRecords | UserError:
    try:
        refuse_media(row.fields, row.where)
        return make(row.fields, number, row.where)
    except DiskError:
        raise
    except UserError as error:
        if not skip_bad:
            raise
        return error


def refuse_media(row: Fields, place: str) -> None:
    """Raise a UserError for a row about a video or a sound, which a pair can't hold."""
    if column := media_in(row):
        what = "video" if column.startswith("video") else "sound"
        raise bad_row(LayoutError(f"The row is about a {what}, not an image", column), place)


_LABELS = ("kto_tag", "label")


def _refuse_label(row: Fields) -> None:
    """Raise LayoutError for a row in KTO's format: one answer, and whether it is good."""
    label = next((name for name in _LABELS if isinstance(row.get(name), bool)), "")
    if label and not any("reject" in name for name in row):
        raise LayoutError("The row has one answer and a label, as for KTO; a pair has two", label)


def bad_row(error: LayoutError, place: str) -> UserError:
    """The error of a row that doesn't fit a layout."""
    column = f", column {error.column}" if error.column else ""
    return UserError(f"{error.what}.", place + column, SKIP_OR_FIX)


def _read_row(row: Fields, number: int, place: str, where: _ReadContext) -> RowRecords:
    try:
        row = where.translate(row)
        rows = where.layout.split(row) if where.layout.split else (row,)
    except LayoutError as error:
        raise bad_row(error, place) from error
    records = [_read_pair(part, number, place, where) for part in rows]
    return RowRecords(
        tuple(prompt for part in records for prompt in part.prompts),
        tuple(pair for part in records for pair in part.pairs),
        records[0].left_out,
    )


def _read_pair(row: Fields, number: int, place: str, where: _ReadContext) -> RowRecords:
    layout = where.layout
    try:
        refuse_media(row, place)
        _refuse_label(row)
        if layout.leaves_out and (why := layout.leaves_out(row)):
            return RowRecords(left_out=why)
        content = layout.parse(row)
        check_answers(content)
        fresh, usual = layout.render(content, list(row)), list(layout.render(content, ()))
    except LayoutError as error:
        raise bad_row(error, place) from error
    hashes = [
        store_image(image, where.roots, where.images, place)
        for image in (*content.images, *content.further)
    ]
    dataset = content.dataset or layout.dataset or layout.name
    messages = messages_of(content, hashes)
    prompt = Prompt(
        key=key_of("prompt", messages),
        messages=messages,
        source=Source(dataset=dataset, licence=where.licence),
    )
    in_file = any(image.data is not None for image in (*content.images, *content.further))
    apart = layout.images if in_file else ()
    # A Parquet file's schema has the columns of all rows, so they are stored with each row.
    extra = {"layout": layout.name, **store_columns(row, fresh, () if in_file else usual, apart)}
    if layout.stale & set(row):
        extra["texts"] = fingerprint(content)
    if any(image.path is not None for image in (*content.images, *content.further)):
        extra["paths"] = dump([image.path for image in (*content.images, *content.further)])
    if content.further:
        extra["further"] = dump(hashes[len(content.images) :])
    source = Source(dataset=dataset, row=content.row, licence=where.licence, extra=extra)
    return RowRecords((prompt,), (_pair(content, prompt, number, source),))


def _pair(content: Content, prompt: Prompt, number: int, source: Source) -> Pair:
    texts = {"chosen": content.chosen, "rejected": content.rejected}
    pair = pair_from_texts(
        prompt.key,
        content.chosen,
        content.rejected,
        key=key_of("pair", source.extra["layout"], number, prompt.key, texts, source),
        source=source,
    )
    numbers = {
        "chosen_rating": content.chosen_rating,
        "rejected_rating": content.rejected_rating,
        "chosen_severity": content.chosen_severity,
        "rejected_severity": content.rejected_severity,
    }
    return pair.model_copy(update=numbers)


def fingerprint(content: Content) -> str:
    """A hash that shows whether a pair's texts are still those of its row."""
    return key_of(content.chosen, content.rejected)


def check_answers(content: Content) -> None:
    """Raise LayoutError for an empty answer."""
    why = why_no_pair(content.chosen, content.rejected)
    if why in ("empty_chosen", "empty_rejected"):
        raise LayoutError(f"The {why.removeprefix('empty_')!r} answer is empty")
