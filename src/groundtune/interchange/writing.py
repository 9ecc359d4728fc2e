"""Pairs to rows of any layout."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from groundtune.errors import UserError
from groundtune.interchange.columns import ROWS, write_rows
from groundtune.interchange.dialogue import turns_of
from groundtune.interchange.images import ending_of, image_file, place_image
from groundtune.interchange.layout import (
    IMAGE,
    Content,
    ExportResult,
    Layout,
    LayoutError,
    RowImage,
    ratings_of,
)
from groundtune.interchange.licences import forbids_commercial_use, write_sidecar
from groundtune.interchange.reading import check_ending, fingerprint
from groundtune.interchange.saved import order_of, renew, restore, stored_values, without
from groundtune.records import Pair, Prompt
from groundtune.store.files import write_atomic
from groundtune.store.images import ImageStore
from groundtune.store.json_writing import json_of
from groundtune.store.rows import Fields, write_json, write_keyed_json
from groundtune.store.sheets import SEPARATORS, is_table, write_table

log = logging.getLogger(__name__)

MIXED = pa.month_day_nano_interval()
"""Marks values of several types without a common one: a type that JSON never has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    layout: Layout
    path: Path
    prompts: Mapping[str, Prompt]
    images: ImageStore
    models: Mapping[str, str]
    placed_images: dict[tuple[str | None, str], str] = field(
        default_factory=dict[tuple[str | None, str], str]
    )
    """Names of images that were written next to the rows."""
    rendered_again: set[str] = field(default_factory=set[str])
    """Columns whose stored values don't fit the file's types."""


def write(
    layout: Layout,
    path: Path,
    pairs: Iterable[Pair],
    prompts: Mapping[str, Prompt],
    images: ImageStore,
    models: Mapping[str, str],
) -> ExportResult:
    """As `Format.write` says."""
    check_ending(layout, path)
    survey = _survey(layout, pairs)
    job = _Job(layout=layout, path=path, prompts=prompts, images=images, models=models)
    if survey.without_place:
        log.warning(
            "the numbers of %d of %d pairs are left out: the layout %s has %s",
            survey.without_place,
            survey.pairs,
            layout.title,
            f"{layout.numbers} only" if layout.numbers else "no columns for them",
        )
    rows = _rows(job, pairs)
    extra_files = layout.extra_files or _no_extra_files
    extra_files(path, ())  # raises its errors before any row is written
    if path.suffix == ".parquet":
        kinds, odd = _columns(layout, survey)
        job.rendered_again.update(odd)
        number = write_rows(path, rows, parquet_schema(kinds, layout.images, survey.licences))
        columns = dict.fromkeys(kinds)
    elif is_table(path):
        if path.suffix.lower() not in SEPARATORS:
            raise UserError(
                f"Tables are not written as {path.suffix}.",
                str(path),
                "Write .csv, which spreadsheet programs open.",
            )
        columns = dict.fromkeys([*survey.order, *layout.headers])
        number = write_table(path, rows, list(columns))
        write_sidecar(path, survey.licences)
    else:
        columns = {}
        arranged = layout.arrange(path, rows) if layout.arrange else rows
        collected = _collecting_columns(arranged, columns)
        if layout.writes_keyed and layout.writes_keyed(path):
            number = write_keyed_json(path, _with_keys(layout.keyed_by, collected))
        else:
            number = write_json(path, collected)
        write_sidecar(path, survey.licences)
    for other, data in extra_files(path, list(columns)):
        write_atomic(other, data)
    non_commercial = (licence for licence in survey.licences if forbids_commercial_use(licence))
    return ExportResult(number, tuple(non_commercial))


def _no_extra_files(path: Path, columns: Sequence[str]) -> Sequence[tuple[Path, bytes]]:
    return ()


def _collecting_columns(rows: Iterator[Fields], columns: dict[str, None]) -> Iterator[Fields]:
    """Yield the rows and collect their columns."""
    for row in rows:
        columns.update(dict.fromkeys(row))
        yield row


def _with_keys(name: str, rows: Iterator[Fields]) -> Iterator[tuple[str, Fields]]:
    """Yield each row's key, and the row without it."""
    for row in rows:
        yield str(row[name]), {key: value for key, value in row.items() if key != name}


def _rows(job: _Job, pairs: Iterable[Pair]) -> Iterator[Fields]:
    for number, pair in enumerate(pairs):
        try:
            yield _row(job, pair, number)
        except LayoutError as error:
            raise pair_error(error, pair) from error


def _row(job: _Job, pair: Pair, number: int) -> dict[str, Any]:
    prompt = prompt_of(pair, job.prompts)
    layout, extra = job.layout, without(pair.source.extra, job.rendered_again)
    is_original = is_row_of(pair, layout.name)
    has_names = is_original or "layout" not in extra
    ratings = ratings_of(pair)
    content = Content(
        turns=turns_of(prompt),
        images=_images(job, pair, prompt.images, extra if has_names else {}, 0),
        chosen=pair.chosen,
        rejected=pair.rejected,
        chosen_rating=ratings[0],
        rejected_rating=ratings[1],
        chosen_severity=pair.chosen_severity,
        rejected_severity=pair.rejected_severity,
        dataset=pair.source.dataset,
        row=pair.source.row if is_original else str(number),
        model=next((job.models[parent] for parent in pair.parents if parent in job.models), ""),
        kind=pair.source.split,
    )
    if not is_original:
        return layout.render(content, ())
    hashes: list[str] = json.loads(extra.get("further", "[]"))
    further = _images(job, pair, hashes, extra, len(prompt.images))
    return _original_row(layout, extra, replace(content, further=further))


def _original_row(layout: Layout, extra: Mapping[str, str], content: Content) -> dict[str, Any]:
    """The original row, with what has changed since: texts, or the names of images."""
    before = _with_paths(content, json.loads(extra.get("paths", "[]")))
    columns = order_of(extra) or [*layout.render(before, ())]
    original, current = layout.render(before, columns), layout.render(content, columns)
    row = restore(extra, original, columns)
    edited = extra.get("texts", "") not in ("", fingerprint(content))
    if edited or not _parses_to(layout, row, before):
        return renew(extra, current, columns, layout.stale)
    if before.images == content.images and before.further == content.further:
        return row
    return {
        name: current[name] if original.get(name) != current.get(name) else row[name]
        for name in row
    }


def _with_paths(content: Content, paths: Sequence[str | None]) -> Content:
    """The content as it was imported: its images with their original names."""
    images = (*content.images, *content.further)
    renamed = [image._replace(path=path) for image, path in zip(images, paths, strict=False)]
    split = len(content.images)
    if len(renamed) < len(images):  # images without names
        return content
    return replace(content, images=tuple(renamed[:split]), further=tuple(renamed[split:]))


def _parses_to(layout: Layout, row: Fields, content: Content) -> bool:
    """Whether parsing the row gives this content."""
    try:
        content_again = layout.parse(row)
    except LayoutError:
        return False
    return (
        content_again.turns == content.turns
        and (content_again.chosen, content_again.rejected) == (content.chosen, content.rejected)
        and (layout.numbers != "ratings" or _ratings(content_again) == _ratings(content))
        and (layout.numbers != "severities" or _severities(content_again) == _severities(content))
    )


def _ratings(content: Content) -> tuple[float | None, ...]:
    return content.chosen_rating, content.rejected_rating


def _severities(content: Content | Pair) -> tuple[float | None, ...]:
    return content.chosen_severity, content.rejected_severity


def pair_error(error: LayoutError, pair: Pair) -> UserError:
    """The error of a pair that doesn't fit a layout."""
    fix = "Leave the pair out, or choose a layout that can hold it."
    return UserError(f"{error.what}.", f"pair {pair.key}", fix)


def is_row_of(pair: Pair, layout: str) -> bool:
    """Whether the pair was imported from this layout."""
    return pair.source.extra.get("layout") == layout and pair.origin == "dataset"


def prompt_of(pair: Pair, prompts: Mapping[str, Prompt]) -> Prompt:
    """The pair's prompt. Raises UserError if it is missing."""
    prompt = prompts.get(pair.prompt)
    if prompt is None:
        raise UserError(
            f"The pair's prompt {pair.prompt} is missing.",
            f"pair {pair.key}",
            "Use a folder that also has the pairs' prompts.",
        )
    return prompt


def _images(
    job: _Job, pair: Pair, hashes: Sequence[str], extra: Mapping[str, str], skip: int
) -> tuple[RowImage, ...]:
    """Images for the file: their bytes, or the names under which they were written."""
    paths: list[str | None] = json.loads(extra.get("paths", "[]"))[skip:]
    all_names = [*paths, *([None] * (len(hashes) - len(paths)))]
    is_imported = "layout" in extra
    row_images: list[RowImage] = []
    for name, sha256 in zip(all_names, hashes, strict=False):
        file = image_file(job.images, sha256, f"pair {pair.key}")
        if job.path.suffix == ".parquet":
            row_name = name if is_imported else f"{sha256}{ending_of(file)}"
            row_images.append(RowImage(row_name, file.read_bytes()))
            continue
        if (name, sha256) not in job.placed_images:
            job.placed_images[name, sha256] = place_image(
                job.path, name, sha256, job.images, job.layout.ending
            )
        row_images.append(RowImage(job.placed_images[name, sha256]))
    return tuple(row_images)


class _Survey(NamedTuple):
    """Properties of all pairs that are needed before the first is written."""

    pairs: int
    scored: bool
    """Whether any pair has numbers that the layout can hold."""
    without_place: int
    """Number of pairs whose numbers the layout can't hold."""
    licences: list[str]
    order: list[str]
    """Original columns of rows of this layout."""
    value_counts: Mapping[str, int]
    """Number of rows with a stored value, by column."""
    types: Mapping[str, pa.DataType]
    """Types of the stored values."""


def _survey(layout: Layout, pairs: Iterable[Pair]) -> _Survey:
    order: dict[str, None] = {}
    types: dict[str, pa.DataType] = {}
    value_counts: Counter[str] = Counter()
    licences: set[str] = set()
    remaining, number, has_numbers, without_place = iter(pairs), 0, False, 0
    while chunk := list(islice(remaining, ROWS)):
        placeable = [_has_place(layout, pair) for pair in chunk]
        has_numbers = has_numbers or True in placeable
        without_place += placeable.count(False)
        extras = [pair.source.extra for pair in chunk if is_row_of(pair, layout.name)]
        order.update(dict.fromkeys(name for extra in extras for name in order_of(extra)))
        values = [stored_values(extra) for extra in extras]
        value_counts.update(name for row in values for name in row)
        licences.update(pair.source.licence for pair in chunk)
        if ".parquet" in layout.endings:
            learn(types, values)
        number += len(chunk)
    return _Survey(
        number, has_numbers, without_place, sorted(licences), list(order), value_counts, types
    )


def _has_place(layout: Layout, pair: Pair) -> bool | None:
    """Whether the layout can hold the pair's numbers; None if the pair has none."""
    ratings, severities = ratings_of(pair), _severities(pair)
    if ratings == (None, None):  # severities would also give ratings
        return None
    numbers = {"ratings": ratings, "severities": severities}.get(layout.numbers, ())
    return any(number is not None for number in numbers)


def _columns(layout: Layout, survey: _Survey) -> tuple[dict[str, pa.DataType], set[str]]:
    """The layout's columns, and its rows' further original columns, in the types of their values.

    If every row's value of a layout column has another type, that type is used; if only some have,
    the column is also returned, to be rendered again.
    """
    types, order = survey.types, survey.order
    columns = dict(layout.schema(order) if layout.schema else layout.columns)
    if not survey.scored:
        columns = {name: kind for name, kind in columns.items() if name not in layout.scores}
    misfits = {
        name for name in types if name in columns and not _goes_into(types[name], columns[name])
    }
    for name in [name for name in misfits if survey.value_counts[name] == survey.pairs]:
        if types[name] != MIXED:
            columns[name] = types[name]
            misfits.remove(name)
    columns |= {name: types.get(name, pa.null()) for name in order if name not in columns}
    if mixed_names := [name for name, kind in columns.items() if kind == MIXED]:
        log.warning(
            "columns left out because their values have several types: %s", ", ".join(mixed_names)
        )
    columns = {name: kind for name, kind in columns.items() if kind != MIXED}
    names = [name for name in dict.fromkeys([*order, *columns]) if name in columns]
    return {name: columns[name] for name in names}, misfits


def _goes_into(actual: pa.DataType, target: pa.DataType) -> bool:
    """Whether values of the type `actual` can be written as `target`."""
    if pa.types.is_struct(target) and pa.types.is_struct(actual):
        names = {field.name for field in target}
        return all(field.name in names for field in actual) and all(
            _goes_into(field.type, target.field(field.name).type) for field in actual
        )
    if pa.types.is_list(target) and pa.types.is_list(actual):
        return _goes_into(actual.value_type, target.value_type)
    return pa.types.is_null(actual) or bool(actual.equals(target))


def learn(types: dict[str, pa.DataType], rows: Sequence[Mapping[str, Any]]) -> None:
    """Widen the types so that the rows' values fit; MIXED if no type fits all."""
    for name in {name for row in rows for name in row}:
        known_schema = pa.schema([(name, types.get(name, pa.null()))])
        try:
            row_schema = pa.schema([(name, pa.array([row.get(name) for row in rows]).type)])
            types[name] = pa.unify_schemas(
                [known_schema, row_schema], promote_options="permissive"
            )[0].type
        except pa.ArrowException:
            types[name] = MIXED


def parquet_schema(
    columns: Mapping[str, pa.DataType], images: frozenset[str], licences: Sequence[str]
) -> pa.Schema:
    """A schema with metadata that makes `datasets` show the images, and names the licences."""
    features = {name: _feature(kind, name in images) for name, kind in columns.items()}
    metadata = {
        "huggingface": json_of({"info": {"features": features}}, ascii=True),
        "groundtune": json_of({"licences": list(licences)}, ascii=True),
    }
    return pa.schema(list(columns.items()), metadata=metadata)


def _feature(kind: pa.DataType, image: bool) -> object:
    """A column's type as a feature of `datasets`."""
    if image and kind.equals(IMAGE):
        return {"_type": "Image"}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return {"feature": _feature(kind.value_type, image), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type, image) for field in kind}
    return {
        "dtype": {"double": "float64", "float": "float32"}.get(str(kind), str(kind)),
        "_type": "Value",
    }
