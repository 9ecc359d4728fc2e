"""Pairs as rows of any layout."""

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
from groundtune.interchange.images import check_there, ending_of, lay_beside
from groundtune.interchange.layout import (
    IMAGE,
    Content,
    Layout,
    Refused,
    RowImage,
    Written,
    ratings_of,
)
from groundtune.interchange.licences import forbids_commercial_use, write_sidecar
from groundtune.interchange.reading import check_ending, fingerprint
from groundtune.interchange.saved import kept_values, order_of, renew, restore, without
from groundtune.records import Pair, Prompt
from groundtune.store.files import write_atomic
from groundtune.store.images import ImageStore
from groundtune.store.json_writing import json_of
from groundtune.store.rows import Fields, write_json
from groundtune.store.sheets import SEPARATORS, is_table, write_table

log = logging.getLogger(__name__)

MIXED = pa.month_day_nano_interval()
"""Stands for values that no one type fits: a type that JSON never has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    layout: Layout
    path: Path
    prompts: Mapping[str, Prompt]
    images: ImageStore
    models: Mapping[str, str]
    laid: dict[tuple[str | None, str], str] = field(
        default_factory=dict[tuple[str | None, str], str]
    )
    """Names under which images were laid beside the rows."""
    afresh: set[str] = field(default_factory=set[str])
    """Columns whose kept values don't go into the file's types."""


def write(
    layout: Layout,
    path: Path,
    pairs: Iterable[Pair],
    prompts: Mapping[str, Prompt],
    images: ImageStore,
    models: Mapping[str, str],
) -> Written:
    """As `Format.write` says."""
    check_ending(layout, path)
    survey = _survey(layout, pairs)
    job = _Job(layout=layout, path=path, prompts=prompts, images=images, models=models)
    if survey.unplaced:
        log.warning(
            "the numbers of %d of %d pairs are left out: the layout %s has %s",
            survey.unplaced,
            survey.pairs,
            layout.title,
            f"{layout.numbers} only" if layout.numbers else "no place for them",
        )
    rows = _rows(job, pairs)
    beside = layout.beside or _nothing
    beside(path, ())  # what can't be written beside the rows is told before there are any
    if path.suffix == ".parquet":
        kinds, odd = _columns(layout, survey)
        job.afresh.update(odd)
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
        number = write_json(path, _noting(rows, columns))
        write_sidecar(path, survey.licences)
    for other, data in beside(path, list(columns)):
        write_atomic(other, data)
    forbidding = (each for each in survey.licences if forbids_commercial_use(each))
    return Written(number, tuple(forbidding))


def _nothing(path: Path, columns: Sequence[str]) -> Sequence[tuple[Path, bytes]]:
    return ()


def _noting(rows: Iterator[Fields], columns: dict[str, None]) -> Iterator[Fields]:
    """The rows; their columns are noted on the way."""
    for row in rows:
        columns.update(dict.fromkeys(row))
        yield row


def _rows(job: _Job, pairs: Iterable[Pair]) -> Iterator[Fields]:
    for number, pair in enumerate(pairs):
        try:
            yield _row(job, pair, number)
        except Refused as error:
            raise refused_pair(error, pair) from error


def _row(job: _Job, pair: Pair, number: int) -> dict[str, Any]:
    prompt = prompt_of(pair, job.prompts)
    layout, extra = job.layout, without(pair.source.extra, job.afresh)
    known = is_row_of(pair, layout.name)
    ratings = ratings_of(pair)
    content = Content(
        turns=turns_of(prompt),
        images=_images(job, pair, prompt.images, extra if known else {}, 0),
        chosen=pair.chosen,
        rejected=pair.rejected,
        chosen_rating=ratings[0],
        rejected_rating=ratings[1],
        chosen_severity=pair.chosen_severity,
        rejected_severity=pair.rejected_severity,
        dataset=pair.source.dataset,
        row=pair.source.row if known else str(number),
        model=next((job.models[each] for each in pair.parents if each in job.models), ""),
        kind=pair.source.split,
    )
    if not known:
        return layout.render(content, ())
    stored: list[str] = json.loads(extra.get("further", "[]"))
    further = _images(job, pair, stored, extra, len(prompt.images))
    return _row_again(layout, extra, replace(content, further=further))


def _row_again(layout: Layout, extra: Mapping[str, str], content: Content) -> dict[str, Any]:
    """The row that was read, with what has changed since: texts, or the names of images."""
    before = _with_paths(content, json.loads(extra.get("paths", "[]")))
    columns = order_of(extra) or [*layout.render(before, ())]
    was, now = layout.render(before, columns), layout.render(content, columns)
    row = restore(extra, was, columns)
    edited = extra.get("texts", "") not in ("", fingerprint(content))
    if edited or not _says(layout, row, before):
        return renew(extra, now, columns, layout.stale)
    if before.images == content.images and before.further == content.further:
        return row
    return {name: now[name] if was.get(name) != now.get(name) else row[name] for name in row}


def _with_paths(content: Content, paths: Sequence[str | None]) -> Content:
    """The content as it was read: its images under their first names."""
    images = (*content.images, *content.further)
    named = [each._replace(path=path) for each, path in zip(images, paths, strict=False)]
    split = len(content.images)
    if len(named) < len(images):  # images without names
        return content
    return replace(content, images=tuple(named[:split]), further=tuple(named[split:]))


def _says(layout: Layout, row: Fields, content: Content) -> bool:
    """Whether the row, read again, says what it should."""
    try:
        found = layout.parse(row)
    except Refused:
        return False
    return (
        found.turns == content.turns
        and (found.chosen, found.rejected) == (content.chosen, content.rejected)
        and (layout.numbers != "ratings" or _ratings(found) == _ratings(content))
        and (layout.numbers != "severities" or _severities(found) == _severities(content))
    )


def _ratings(content: Content) -> tuple[float | None, ...]:
    return content.chosen_rating, content.rejected_rating


def _severities(content: Content | Pair) -> tuple[float | None, ...]:
    return content.chosen_severity, content.rejected_severity


def refused_pair(error: Refused, pair: Pair) -> UserError:
    """The error of a pair that a layout can't hold."""
    fix = "Leave the pair out, or choose a layout that can hold it."
    return UserError(f"{error.what}.", f"pair {pair.key}", fix)


def is_row_of(pair: Pair, layout: str) -> bool:
    """Whether the pair was a row of this layout."""
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
    job: _Job, pair: Pair, stored: Sequence[str], extra: Mapping[str, str], skip: int
) -> tuple[RowImage, ...]:
    """Images as the file will have them: their bytes, or the names under which they now lie."""
    paths: list[str | None] = json.loads(extra.get("paths", "[]"))[skip:]
    named = [*paths, *([None] * (len(stored) - len(paths)))]
    kept = "layout" in extra
    made: list[RowImage] = []
    for name, sha256 in zip(named, stored, strict=False):
        file = check_there(job.images, sha256, f"pair {pair.key}")
        if job.path.suffix == ".parquet":
            own = name if kept else f"{sha256}{ending_of(file)}"
            made.append(RowImage(own, file.read_bytes()))
            continue
        if (name, sha256) not in job.laid:
            job.laid[name, sha256] = lay_beside(
                job.path, name, sha256, job.images, job.layout.ending
            )
        made.append(RowImage(job.laid[name, sha256]))
    return tuple(made)


class _Survey(NamedTuple):
    """What must be known of all pairs before the first is written."""

    pairs: int
    scored: bool
    """Whether any has numbers that the layout has a place for."""
    unplaced: int
    """How many have numbers of which none has a place in the layout."""
    licences: list[str]
    order: list[str]
    """Columns that rows of this layout had."""
    kept: Mapping[str, int]
    """How many rows have a kept value, by column."""
    types: Mapping[str, pa.DataType]
    """Of the kept values."""


def _survey(layout: Layout, pairs: Iterable[Pair]) -> _Survey:
    order: dict[str, None] = {}
    types: dict[str, pa.DataType] = {}
    kept: Counter[str] = Counter()
    licences: set[str] = set()
    left, number, scored, unplaced = iter(pairs), 0, False, 0
    while some := list(islice(left, ROWS)):
        placed = [_has_place(layout, each) for each in some]
        scored = scored or True in placed
        unplaced += placed.count(False)
        extras = [each.source.extra for each in some if is_row_of(each, layout.name)]
        order.update(dict.fromkeys(name for extra in extras for name in order_of(extra)))
        values = [kept_values(extra) for extra in extras]
        kept.update(name for row in values for name in row)
        licences.update(each.source.licence for each in some)
        if ".parquet" in layout.endings:
            learn(types, values)
        number += len(some)
    return _Survey(number, scored, unplaced, sorted(licences), list(order), kept, types)


def _has_place(layout: Layout, pair: Pair) -> bool | None:
    """Whether the layout has a place for numbers that the pair has; None if it has none."""
    ratings, severities = ratings_of(pair), _severities(pair)
    if ratings == (None, None):  # nor severities, of which ratings would be made
        return None
    numbers = {"ratings": ratings, "severities": severities}.get(layout.numbers, ())
    return any(each is not None for each in numbers)


def _columns(layout: Layout, survey: _Survey) -> tuple[dict[str, pa.DataType], set[str]]:
    """The layout's columns, and those that rows of it had besides, in the types of their values.

    Where every row's value of one of the layout's columns was of another type, that type it is;
    where only some were, those columns are named too, to be written afresh.
    """
    found, order = survey.types, survey.order
    columns = dict(layout.schema(order) if layout.schema else layout.columns)
    if not survey.scored:
        columns = {name: kind for name, kind in columns.items() if name not in layout.scores}
    odd = {name for name in found if name in columns and not _goes_into(found[name], columns[name])}
    for name in [name for name in odd if survey.kept[name] == survey.pairs]:
        if found[name] != MIXED:
            columns[name] = found[name]
            odd.remove(name)
    columns |= {name: found.get(name, pa.null()) for name in order if name not in columns}
    if mixed := [name for name, kind in columns.items() if kind == MIXED]:
        log.warning(
            "columns left out because their values have several types: %s", ", ".join(mixed)
        )
    columns = {name: kind for name, kind in columns.items() if kind != MIXED}
    names = [name for name in dict.fromkeys([*order, *columns]) if name in columns]
    return {name: columns[name] for name in names}, odd


def _goes_into(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of the one type can be written as the other's."""
    if pa.types.is_struct(wanted) and pa.types.is_struct(found):
        names = {each.name for each in wanted}
        return all(each.name in names for each in found) and all(
            _goes_into(each.type, wanted.field(each.name).type) for each in found
        )
    if pa.types.is_list(wanted) and pa.types.is_list(found):
        return _goes_into(found.value_type, wanted.value_type)
    return pa.types.is_null(found) or bool(found.equals(wanted))


def learn(types: dict[str, pa.DataType], rows: Sequence[Mapping[str, Any]]) -> None:
    """Widens the types so that the rows' values fit; MIXED where no type fits all."""
    for name in {name for row in rows for name in row}:
        known = pa.schema([(name, types.get(name, pa.null()))])
        try:
            found = pa.schema([(name, pa.array([row.get(name) for row in rows]).type)])
            types[name] = pa.unify_schemas([known, found], promote_options="permissive")[0].type
        except pa.ArrowException:
            types[name] = MIXED


def parquet_schema(
    columns: Mapping[str, pa.DataType], images: frozenset[str], licences: Sequence[str]
) -> pa.Schema:
    """A schema whose metadata makes `datasets` show the images, and names the licences."""
    features = {name: _feature(kind, name in images) for name, kind in columns.items()}
    metadata = {
        "huggingface": json_of({"info": {"features": features}}, ascii=True),
        "groundtune": json_of({"licences": list(licences)}, ascii=True),
    }
    return pa.schema(list(columns.items()), metadata=metadata)


def _feature(kind: pa.DataType, image: bool) -> object:
    """A column's type in the words of `datasets`."""
    if image and kind.equals(IMAGE):
        return {"_type": "Image"}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return {"feature": _feature(kind.value_type, image), "_type": "List"}
    if pa.types.is_struct(kind):
        return {each.name: _feature(each.type, image) for each in kind}
    return {
        "dtype": {"double": "float64", "float": "float32"}.get(str(kind), str(kind)),
        "_type": "Value",
    }
