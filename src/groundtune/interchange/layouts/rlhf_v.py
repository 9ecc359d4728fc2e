"""The layout of RLHF-V's pairs: openbmb/RLHF-V-Dataset, one Parquet file.

Yu et al. 2023, arXiv 2312.00849; 5,733 rows, cc-by-nc-4.0. Columns, as its card says:

    ds_name str | image struct{bytes, path} | text str | origin_dataset str | origin_split str
    idx int64 | image_path str

`text` is JSON: question, chosen, rejected, and, once the authors' trainer has cached the
reference's log-probs, logps. `origin_split` is JSON too (model and type of the question). There are
no spans: they come from a diff. Export writes every imported column byte for byte: columns without
a field of ours are in the pair's `source.extra`, where a null is an absent name.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa

from groundtune.errors import UserError
from groundtune.feedback.corrections import why_no_pair
from groundtune.feedback.pairs import pair_from_texts
from groundtune.interchange.columns import ROWS, batches, open_columns, write_rows
from groundtune.interchange.images import image_file
from groundtune.interchange.layout import IMAGE, Batch, ExportResult
from groundtune.interchange.licences import forbids_commercial_use
from groundtune.interchange.reading import licence_in
from groundtune.interchange.writing import parquet_schema
from groundtune.records import ImagePart, Message, Pair, Prompt, Source, TextPart
from groundtune.store.images import ImageStore
from groundtune.store.json_text import fault_in, why_not_json
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of

DATASET = "openbmb/RLHF-V-Dataset"
LICENCE = "cc-by-nc-4.0"
LAYOUT = "rlhf_v"

_STRINGS = ("ds_name", "origin_dataset", "origin_split", "image_path")
_COLUMNS: dict[str, pa.DataType] = {
    "ds_name": pa.string(),
    "image": IMAGE,
    "text": pa.string(),
    "origin_dataset": pa.string(),
    "origin_split": pa.string(),
    "idx": pa.int64(),
    "image_path": pa.string(),
}


class _Source(NamedTuple):
    path: Path
    images: ImageStore
    roots: Sequence[Path]
    """Folders to which image paths are relative."""


def row_count(path: Path) -> int:
    """Number of rows of a file in this layout. Raises UserError as `read`."""
    with open_columns(path, _COLUMNS, "RLHF-V") as file:
        return int(file.metadata.num_rows)


def read(
    path: Path,
    images: ImageStore,
    *,
    folder: Path | None = None,
    licence: str | None = None,
    skip_bad: bool = False,
    rows: int = ROWS,
) -> Iterator[Batch]:
    """Yield the file's pairs with their prompts, `rows` at a time; its images go into `images`.

    An image without bytes is a file, named by the image's path or by image_path, relative to
    `folder` or to the file's folder.

    The licence is `licence`, else the one in the metadata of a file that we wrote, else the
    published set's.

    Raises:
        UserError: not Parquet; a column is missing or of another type; or, naming row and column, a
            row has no readable image, or a text that isn't JSON with three texts. With `skip_bad`
            such a row is skipped, and its error is in `skipped`.
    """
    number = 0
    source = _Source(path, images, [*([folder] if folder else []), path.parent])
    with open_columns(path, _COLUMNS, "RLHF-V") as file:
        file_licence = licence_in(file.metadata.metadata or {}, path)
        licence = next(
            (result for result in (licence, file_licence) if result is not None), LICENCE
        )
        for plain in batches(file, path, _COLUMNS, rows):
            results = [
                _read_or_skip(row, number + i, source, licence, skip_bad)
                for i, row in enumerate(plain)
            ]
            by_row = {
                number + i: result
                for i, result in enumerate(results)
                if not isinstance(result, UserError)
            }
            number += len(plain)
            good = [result for result in results if not isinstance(result, UserError)]
            prompts = {prompt.key: prompt for prompt, _ in good}
            skipped = (result for result in results if isinstance(result, UserError))
            pairs = tuple(pair for _, pair in good)
            yield Batch(tuple(prompts.values()), pairs, tuple(skipped), len(plain), by_row=by_row)


def write(
    path: Path,
    pairs: Iterable[Pair],
    prompts: Mapping[str, Prompt],
    images: ImageStore,
    *,
    models: Mapping[str, str] | None = None,
) -> ExportResult:
    """Write the pairs, which are iterated twice, to one file, completely or not at all.

    Unchanged pairs from `read` become their original rows. Others get ds_name "groundtune", a
    running idx, and as origin_split the model in `models` by the key of their answer. The file's
    metadata makes `datasets` show the images, and names the licences.

    Raises:
        UserError: a pair's prompt or image is missing, or has more than the layout holds (one
            image and one question); the disk is full; the folder can't be written.
    """
    licences = sorted({pair.source.licence for pair in pairs})
    rows = (
        _write_row(number, pair, prompts, images, models or {}) for number, pair in enumerate(pairs)
    )
    number = write_rows(path, rows, parquet_schema(_COLUMNS, frozenset({"image"}), licences))
    return ExportResult(
        number, tuple(licence for licence in licences if forbids_commercial_use(licence))
    )


def _read_or_skip(
    row: Mapping[str, Any],
    number: int,
    source: _Source,
    licence: str,
    skip_bad: bool,
) -> tuple[Prompt, Pair] | UserError:
    try:
        return _read_row(row, number, source, licence)
    except UserError as error:
        # A full disk is not the row's fault, and its error doesn't name a row.
        if not skip_bad or not error.where.startswith(_row(source.path, number)):
            raise
        return error


def _row(path: Path, number: int) -> str:
    return f"{path}, row {number + 1}"


def _read_row(
    row: Mapping[str, Any], number: int, file: _Source, licence: str
) -> tuple[Prompt, Pair]:
    place = _row(file.path, number)
    texts = _texts(row["text"], f"{place}, column text")
    sha256 = _image(row, file, f"{place}, column image")
    dataset, idx = row["ds_name"] or DATASET, row["idx"]
    messages = (
        Message(role="user", content=(ImagePart(image=sha256), TextPart(text=texts["question"]))),
    )
    prompt = Prompt(
        key=key_of("prompt", messages),
        messages=messages,
        source=Source(dataset=dataset, licence=licence),
    )
    extra = {"layout": LAYOUT} | {name: row[name] for name in _STRINGS if row[name] is not None}
    if row["image"] is not None and row["image"]["path"] is not None:
        extra["image.path"] = row["image"]["path"]
    if row["text"] != _dump(texts):
        extra["text"] = row["text"]
    source = Source(
        dataset=dataset, row="" if idx is None else str(idx), licence=licence, extra=extra
    )
    key = key_of("pair", LAYOUT, number, prompt.key, texts, source)
    pair = pair_from_texts(prompt.key, texts["chosen"], texts["rejected"], key=key, source=source)
    return prompt, pair


def _texts(text: str | None, where: str) -> dict[str, str]:
    """The row's question, chosen and rejected text."""
    fix = "Fix the row, or leave it out with --skip-bad."
    try:
        value_ = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise UserError(f"The text is not JSON: {why_not_json(error)}.", where, fix) from error
    if fault := fault_in(value_, text or ""):
        raise UserError(f"The text {fault}.", where, fix)
    if not isinstance(value_, dict):
        raise UserError("The text is JSON, but not an object.", where, fix)
    values = cast("dict[str, object]", value_)
    texts: dict[str, str] = {}
    for name in ("question", "chosen", "rejected"):
        value = values.get(name)
        if not isinstance(value, str):
            raise UserError(f"The field {name!r} is missing or is not text.", where, fix)
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise UserError(f"The {name!r} has half a character (a lone surrogate).", where, fix)
        texts[name] = value
    why = why_no_pair(texts["chosen"], texts["rejected"])
    if why in ("empty_chosen", "empty_rejected"):
        raise UserError(f"The {why.removeprefix('empty_')!r} answer is empty.", where, fix)
    return texts


def _image(row: Mapping[str, Any], file: _Source, where: str) -> str:
    image: Mapping[str, Any] = row["image"] or {}
    if image.get("bytes") is not None:
        return file.images.add(image["bytes"], name=where)
    name = image.get("path") or row["image_path"]
    if not name:
        raise UserError(
            "The row has neither an image nor an image_path.",
            where,
            "Add its bytes or its path, or leave the row out with --skip-bad.",
        )
    return file.images.add_named(name, file.roots, where)


def _dump(texts: Mapping[str, str]) -> str:
    return json_of({name: texts[name] for name in ("question", "chosen", "rejected")}, ascii=True)


def _write_row(
    number: int,
    pair: Pair,
    prompts: Mapping[str, Prompt],
    images: ImageStore,
    models: Mapping[str, str],
) -> dict[str, object]:
    prompt = prompts.get(pair.prompt)
    if prompt is None:
        raise UserError(
            f"The pair's prompt {pair.prompt} is missing.",
            f"pair {pair.key}",
            "Use a folder that also has the pairs' prompts.",
        )
    sha256 = _only_image(prompt, pair)
    data = _image_bytes(images, sha256, pair)
    texts = {"question": prompt.question, "chosen": pair.chosen, "rejected": pair.rejected}
    extra = pair.source.extra
    if extra.get("layout") != LAYOUT or pair.origin != "dataset":
        extra = _new_columns(pair, sha256, models)
        idx: int | None = number
    else:
        idx = int(pair.source.row) if pair.source.row else None
    return {
        **{name: extra.get(name) for name in _STRINGS},
        "image": {"bytes": data, "path": extra.get("image.path")},
        "text": _same_text(extra.get("text"), texts) or _dump(texts),
        "idx": idx,
    }


def _new_columns(pair: Pair, sha256: str, models: Mapping[str, str]) -> dict[str, str]:
    model = next((models[parent] for parent in pair.parents if parent in models), "")
    return {
        "ds_name": "groundtune",
        "origin_dataset": pair.source.dataset,
        "origin_split": json_of({"model": model, "type": pair.source.split}, ascii=True),
        "image_path": sha256,
        "image.path": sha256,
    }


def _same_text(original: str | None, texts: Mapping[str, str]) -> str | None:
    """The original text column if it has these texts; the pair may have been edited."""
    if original is None:
        return None
    original_texts = json.loads(original)
    return original if all(original_texts[name] == text for name, text in texts.items()) else None


def _only_image(prompt: Prompt, pair: Pair) -> str:
    if len(prompt.images) != 1 or [message.role for message in prompt.messages] != ["user"]:
        raise UserError(
            "The prompt isn't one image with one question, which the RLHF-V layout requires.",
            f"prompt {prompt.key} of pair {pair.key}",
            "Only export pairs whose prompt has one image and one turn.",
        )
    return prompt.images[0]


def _image_bytes(images: ImageStore, sha256: str, pair: Pair) -> bytes:
    image_file(images, sha256, f"pair {pair.key}")
    return images.read(sha256)
