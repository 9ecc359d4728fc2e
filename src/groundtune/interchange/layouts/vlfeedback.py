"""VLFeedback: several answers to one image, rated; MMInstruction/VLFeedback, 80,258 rows.

Li et al. 2023, arXiv 2312.10665. Columns: id, prompt, models, img_path, and completions, whose
`model`, `response` and `annotations` are lists of one length (or a list of objects with these); an
annotation has a Rating, a text, and a Rationale for each aspect.

As in the authors' `run_dpo.py`, any two answers with different mean ratings are a pair; answers
without a number for every aspect make none. The full row is stored with its prompt, so that export
also restores answers without a pair. Any other pair is exported as a row of two answers, with its
ratings or, if it has none, 2 and 1.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from groundtune.feedback.corrections import why_no_pair
from groundtune.feedback.pairs import pair_from_texts
from groundtune.interchange.columns import ROWS, write_rows
from groundtune.interchange.dialogue import (
    image_question,
    list_of,
    messages_of,
    object_of,
    only_question,
    text_of,
    turns_of,
)
from groundtune.interchange.images import image_file, place_image, row_images, store_image
from groundtune.interchange.layout import (
    Batch,
    Content,
    ExportResult,
    Files,
    LayoutError,
    RowImage,
    ratings_of,
)
from groundtune.interchange.licences import forbids_commercial_use, write_sidecar
from groundtune.interchange.reading import (
    RowRecords,
    bad_row,
    check_ending,
    count,
    in_batches,
    open_rows,
)
from groundtune.interchange.saved import dump
from groundtune.interchange.writing import MIXED, learn, pair_error, parquet_schema, prompt_of
from groundtune.records import Pair, Prompt, Source
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of
from groundtune.store.rows import Fields, write_json

DATASET = "MMInstruction/VLFeedback"
_ASPECTS = ("Helpfulness", "Ethical Considerations", "Visual Faithfulness")

_ROW = "row"
"""Name of the row in a prompt's source."""
_PLACE = "answers"
"""Name, in a pair's source, of its answers' indices in the row, from 0: "CHOSEN,REJECTED"."""


_FILES = Files(name="vlfeedback", title="VLFeedback", endings=(".parquet", ".jsonl", ".json"))
_ANNOTATION = pa.struct(
    [(each, pa.struct([("Rating", pa.string()), ("Rationale", pa.string())])) for each in _ASPECTS]
)
_COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "prompt": pa.string(),
    "models": pa.list_(pa.string()),
    "completions": pa.struct(
        [
            ("annotations", pa.list_(_ANNOTATION)),
            ("model", pa.list_(pa.string())),
            ("response", pa.list_(pa.string())),
        ]
    ),
    "img_path": pa.string(),
}

_LISTS = ("annotations", "model", "response")


class _Answer(NamedTuple):
    text: str
    rating: float | None
    """Mean over all aspects; None if one isn't a number."""


def row_count(path: Path) -> int | None:
    """As `Format` says."""
    return count(_FILES, path)


def read(
    path: Path,
    images: ImageStore,
    *,
    folder: Path | None = None,
    licence: str | None = None,
    skip_bad: bool = False,
    rows: int = ROWS,
) -> Iterator[Batch]:
    """As `Format` says. A row has no pair if all ratings are equal; it may have several."""
    check_ending(_FILES, path)
    file_licence, row_iterator = open_rows(_FILES, path, rows)
    row_licence = next(
        (candidate for candidate in (licence, file_licence) if candidate is not None), ""
    )
    roots = [*([folder] if folder else []), path.parent]

    def make(row: Fields, number: int, place: str) -> RowRecords:
        try:
            answers = _answers(row)
            question = text_of(row, "prompt")
            (image,) = row_images(row.get("img_path"), "img_path") or (None,)
        except LayoutError as error:
            raise bad_row(error, place) from error
        if image is None:
            raise bad_row(LayoutError("The row has no image", "img_path"), place)
        sha256 = store_image(image, roots, images, place)
        prompt = _prompt(row, question, sha256, row_licence)
        return RowRecords((prompt,), _pairs(prompt, answers, number))

    return in_batches(row_iterator, rows, skip_bad, make)


def _prompt(row: Fields, question: str, sha256: str, licence: str) -> Prompt:
    content = Content(turns=image_question(question), images=(), chosen="", rejected="")
    messages = messages_of(content, [sha256])
    extra = {"layout": _FILES.name, _ROW: dump(row)}
    source = Source(dataset=DATASET, row=str(row.get("id") or ""), licence=licence, extra=extra)
    # The row is part of the key: two rows may ask the same.
    return Prompt(key=key_of("prompt", messages, source), messages=messages, source=source)


def _pairs(prompt: Prompt, answers: Sequence[_Answer], number: int) -> tuple[Pair, ...]:
    pairs: list[Pair] = []
    for one, other in combinations(range(len(answers)), 2):
        first, second = answers[one].rating, answers[other].rating
        if first is None or second is None or first == second:
            continue
        better, worse = (one, other) if first > second else (other, one)
        chosen, rejected = answers[better], answers[worse]
        if why_no_pair(chosen.text, rejected.text) in ("empty_chosen", "empty_rejected"):
            continue
        extra = {"layout": _FILES.name, _PLACE: f"{better},{worse}"}
        source = prompt.source.model_copy(update={"extra": extra})
        key = key_of("pair", _FILES.name, number, prompt.key, better, worse)
        pair = pair_from_texts(prompt.key, chosen.text, rejected.text, key=key, source=source)
        ratings = {"chosen_rating": chosen.rating, "rejected_rating": rejected.rating}
        pairs.append(pair.model_copy(update=ratings))
    return tuple(pairs)


def _answers(row: Fields) -> list[_Answer]:
    """The answers of either form of completions. Raises LayoutError."""
    column = "completions"
    objects = _as_objects(row.get(column))
    return [
        _Answer(text_of(completion, "response", column), _rating(completion.get("annotations")))
        for completion in objects
    ]


def _as_objects(completions: object) -> list[Mapping[str, Any]]:
    """Completions of either form as a list of objects. Raises LayoutError."""
    column = "completions"
    if isinstance(completions, Mapping):
        lists = [list_of(object_of(completions, column).get(name), column) for name in _LISTS]
        if len({len(column_list) for column_list in lists}) != 1:
            raise LayoutError("Its lists differ in length", column)
        completions = [
            dict(zip(_LISTS, column_list, strict=True)) for column_list in zip(*lists, strict=True)
        ]
    return [object_of(column_list, column) for column_list in list_of(completions, column)]


def _as_lists(completions: object) -> dict[str, list[Any]]:
    objects = _as_objects(completions)
    return {name: [completion.get(name) for completion in objects] for name in _LISTS}


def _rating(value: object) -> float | None:
    annotations = value if isinstance(value, Mapping) else {}
    try:
        ratings = [
            float(object_of(annotation, "")["Rating"]) for annotation in annotations.values()
        ]
    except (KeyError, TypeError, ValueError, OverflowError, LayoutError):
        return None
    mean = sum(ratings) / len(ratings) if ratings else math.nan
    return mean if math.isfinite(mean) else None


def write(
    path: Path,
    pairs: Iterable[Pair],
    prompts: Mapping[str, Prompt],
    images: ImageStore,
    *,
    models: Mapping[str, str] | None = None,
) -> ExportResult:
    """As `Format` says: first the imported rows, then one per other pair."""
    check_ending(_FILES, path)
    sources = (prompt.source for prompt in prompts.values() if _is_row(prompt.source))
    licences = sorted({source.licence for source in (*sources, *(pair.source for pair in pairs))})
    if path.suffix == ".parquet":
        schema = _schema(_rows(path, pairs, prompts, images, models or {}), licences)
        rows = _rows(path, pairs, prompts, images, models or {})
        if not pa.types.is_struct(schema.field("completions").type):
            rows = (row | {"completions": _as_objects(row["completions"])} for row in rows)
        else:
            rows = (row | {"completions": _as_lists(row["completions"])} for row in rows)
        number = write_rows(path, rows, schema)
    else:
        number = write_json(path, _rows(path, pairs, prompts, images, models or {}))
        write_sidecar(path, licences)
    return ExportResult(
        number, tuple(source for source in licences if forbids_commercial_use(source))
    )


def _schema(rows: Iterable[Fields], licences: Sequence[str]) -> pa.Schema:
    """The published columns, and others in the types of their values."""
    types: dict[str, pa.DataType] = {}
    for row in rows:
        learn(types, [row])
    columns = {**{name: kind for name, kind in types.items() if kind != MIXED}, **_COLUMNS}
    completions = types.get("completions", pa.null())
    if pa.types.is_list(completions):  # the other form, in every row
        columns["completions"] = completions
    names = [name for name in dict.fromkeys([*types, *columns]) if name in columns]
    return parquet_schema({name: columns[name] for name in names}, frozenset(), licences)


def _rows(
    path: Path,
    pairs: Iterable[Pair],
    prompts: Mapping[str, Prompt],
    images: ImageStore,
    models: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    imported = {
        key: imported_prompt
        for key, imported_prompt in prompts.items()
        if _is_row(imported_prompt.source)
    }
    for prompt in imported.values():
        row = json.loads(prompt.source.extra[_ROW])
        name = _image_name(path, row["img_path"], prompt, images)
        yield row if name == row["img_path"] else {**row, "img_path": name}
    number = 0
    for pair in pairs:
        if not (pair.prompt in imported and _is_in_row(pair, imported[pair.prompt])):
            yield _new_row(path, pair, prompt_of(pair, prompts), images, models, number)
            number += 1


def _is_row(source: Source) -> bool:
    return source.extra.get("layout") == _FILES.name


def _is_in_row(pair: Pair, prompt: Prompt) -> bool:
    """Whether the pair still equals its answers in the prompt's row."""
    place = pair.source.extra.get(_PLACE)
    if not _is_row(pair.source) or place is None or pair.origin != "dataset":
        return False
    answers = _answers(json.loads(prompt.source.extra[_ROW]))
    chosen, rejected = (answers[int(index)] for index in place.split(","))
    return (pair.chosen, pair.rejected) == (chosen.text, rejected.text) and (
        pair.chosen_rating,
        pair.rejected_rating,
    ) == (chosen.rating, rejected.rating)


def _image_name(path: Path, name: str | None, prompt: Prompt, images: ImageStore) -> str:
    (sha256,) = prompt.images
    image_file(images, sha256, f"prompt {prompt.key}")
    return place_image(path, name, sha256, images)


def _new_row(
    path: Path,
    pair: Pair,
    prompt: Prompt,
    images: ImageStore,
    models: Mapping[str, str],
    number: int,
) -> dict[str, Any]:
    row_image_refs = tuple(RowImage(parent) for parent in prompt.images)
    content = Content(
        turns=turns_of(prompt), images=row_image_refs, chosen=pair.chosen, rejected=pair.rejected
    )
    try:
        question = only_question(content, "VLFeedback")
    except LayoutError as error:
        raise pair_error(error, pair) from error
    high, low = ratings_of(pair)
    if high is None or low is None or high <= low:  # in this layout, more is better
        high, low = 2.0, 1.0
    names = [
        "groundtune",
        next((models[parent] for parent in pair.parents if parent in models), "unknown"),
    ]
    return {
        "id": f"groundtune-{number}",
        "prompt": question,
        "models": names,
        "completions": {
            "annotations": [_annotation(high), _annotation(low)],
            "model": names,
            "response": [pair.chosen, pair.rejected],
        },
        "img_path": _image_name(path, None, prompt, images),
    }


def _annotation(rating: float) -> dict[str, dict[str, str]]:
    text = str(int(rating)) if rating.is_integer() else repr(rating)
    return {aspect: {"Rating": text, "Rationale": ""} for aspect in _ASPECTS}
