"""SHR's images and facts, Visual Genome's regions, and descriptions by image."""

import json
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import by_id, find_files, one_file_per_name, refuse_duplicates
from groundtune.bench.files.inspect_logs import is_inspect_log
from groundtune.bench.item import ItemAnswer
from groundtune.errors import UserError
from groundtune.store.rows import Row, first_of, json_file, text_of
from groundtune.store.sheets import rows_of

IMAGES = "val_images_final.json"
FACTS = ("shr_factual_part1.jsonl", "shr_factual_part2.jsonl")
SIZES = "image_data.json"
REGIONS = "region_descriptions.json"


class ShrImage(NamedTuple):
    """An image with the facts that the judge sees."""

    item: str
    """Visual Genome's number."""
    facts: str
    """A line each."""
    regions: str | None
    """A line each, as the official code writes them; None without Visual Genome's files."""


def read_data(paths: Sequence[Path]) -> tuple[ShrImage, ...]:
    """The images with facts, and with regions if Visual Genome's files are given.

    Raises:
        UserError: SHR's files are incomplete, an image is repeated, or Visual Genome's files lack
            one.
    """
    files = find_files(paths, IMAGES, *FACTS, SIZES, REGIONS)
    files_by_name = one_file_per_name(files, lambda path: path.name)
    for name in (IMAGES, *FACTS):
        if name not in files_by_name:
            raise UserError(
                f"{name} is missing.", ", ".join(map(str, paths)), "Give SHR's three files."
            )
    rows = rows_of(files_by_name[IMAGES])
    image_ids = [first_of(row.fields, ("image_id",)) or "" for row in rows]
    refuse_duplicates(image_ids, files_by_name[IMAGES], "image_id")
    fact_pairs = [pair for part in FACTS for pair in _facts(files_by_name[part])]
    refuse_duplicates((name for name, _ in fact_pairs), ", ".join(FACTS), "image with fact")
    facts = dict(fact_pairs)
    regions = (
        _regions(files_by_name, image_ids)
        if SIZES in files_by_name and REGIONS in files_by_name
        else None
    )
    return tuple(
        ShrImage(name, facts.get(name, ""), None if regions is None else regions[name])
        for name in image_ids
    )


def _facts(path: Path) -> Iterator[tuple[str, str]]:
    for row in rows_of(path):
        for name, lines in list(row.fields.items())[:1]:
            if not isinstance(lines, list):
                raise UserError("The facts are not a list.", row.where, "Fix the row.")
            yield name, "".join(f"{line}\n" for line in cast("list[object]", lines))


def _regions(files: Mapping[str, Path], image_ids: Sequence[str]) -> dict[str, str]:
    """Regions of the given images; Visual Genome's large files are read row by row."""
    names = set(image_ids)
    size: dict[str, tuple[Any, Any]] = {}
    for row in rows_of(files[SIZES]):
        name = first_of(row.fields, ("image_id",)) or ""
        if name in names:
            size[name] = (row.fields.get("width"), row.fields.get("height"))
    text_of_image: dict[str, str] = {}
    for row in rows_of(files[REGIONS]):
        with _named(row):
            regions = cast("list[dict[str, Any]]", row.fields.get("regions") or [])
            name = str(regions[0]["image_id"]) if regions else ""
            if name in names and name in size:
                text_of_image[name] = "".join(_line(region, *size[name]) for region in regions)
    if lacking := [name for name in image_ids if name not in text_of_image]:
        raise UserError(
            f"{len(lacking)} images have no regions, the first is {lacking[0]}.",
            f"{files[SIZES]}, {files[REGIONS]}",
            "Give the files of Visual Genome that SHR was made with.",
        )
    return text_of_image


@contextmanager
def _named(row: Row) -> Generator[None]:
    """Name the row whose regions, or whose image's size, are not as Visual Genome has them."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"A region, or the size of its image, can't be used: {error!r}.",
            row.where,
            f"Give Visual Genome's {SIZES} and {REGIONS} as they were published.",
        ) from error


def _line(region: Mapping[str, Any], width: float, height: float) -> str:
    """The box as fractions with two decimals (left, top, right, bottom), and the phrase."""
    x, y, right = region["x"], region["y"], region["x"] + region["width"]
    corners = (x / width, y / height, right / width, (y + region["height"]) / height)
    if not all(map(math.isfinite, corners)):
        raise ValueError("a corner of a box is not finite")
    box = [float(f"{corner:.2f}") for corner in corners]
    return f"{box}: {region['phrase']}\n" if region["phrase"] else ""


def read_answers(path: Path, data: Sequence[ShrImage]) -> list[ItemAnswer]:
    """Descriptions by image.

    Raises:
        UserError: a description is missing, unknown or repeated.
    """
    id_columns = ("image_id", "question_id", "id")
    by_image = _object(path)
    if by_image is None:
        answers = list(answers_of(path, item=id_columns))
    else:
        answers = [
            ItemAnswer(text=str(text), item=name, row=row)
            for row, (name, text) in enumerate(by_image, start=1)
        ]
    return by_id(answers, [image.item for image in data], path)


class _Members(list[tuple[str, object]]):
    """The members of a JSON object, including those with a repeated name."""


def _object(path: Path) -> _Members | None:
    """The only JSON object that maps images to texts; None for any other layout."""
    try:
        content = json_file(path)
    except UserError:
        return None  # the reader of its rows says what is wrong
    if not isinstance(content, dict) or "image_id" in content or is_inspect_log(path):
        return None
    return json.loads(text_of(path), object_pairs_hook=_Members)
