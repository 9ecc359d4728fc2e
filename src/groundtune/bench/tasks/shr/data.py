"""SHR's images and facts, Visual Genome's regions, and descriptions by image."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import by_id, find_files, one_file_per_name, refuse_duplicates
from groundtune.bench.files.inspect_logs import is_inspect_log
from groundtune.bench.item import ItemAnswer
from groundtune.errors import UserError
from groundtune.store.rows import first_of, json_file, text_of
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
    """The images with facts, and with regions where Visual Genome's files are given.

    Raises:
        UserError: SHR's files are not all there, an image is there twice, or Visual Genome's
            files lack one.
    """
    files = find_files(paths, IMAGES, *FACTS, SIZES, REGIONS)
    found = one_file_per_name(files, lambda path: path.name)
    for name in (IMAGES, *FACTS):
        if name not in found:
            raise UserError(
                f"{name} is missing.", ", ".join(map(str, paths)), "Give SHR's three files."
            )
    rows = rows_of(found[IMAGES])
    wanted = [first_of(row.fields, ("image_id",)) or "" for row in rows]
    refuse_duplicates(wanted, found[IMAGES], "image_id")
    told = [pair for part in FACTS for pair in _facts(found[part])]
    refuse_duplicates((name for name, _ in told), ", ".join(FACTS), "image with fact")
    facts = dict(told)
    regions = _regions(found, wanted) if SIZES in found and REGIONS in found else None
    return tuple(
        ShrImage(name, facts.get(name, ""), None if regions is None else regions[name])
        for name in wanted
    )


def _facts(path: Path) -> Iterator[tuple[str, str]]:
    for row in rows_of(path):
        for name, told in list(row.fields.items())[:1]:
            if not isinstance(told, list):
                raise UserError("The facts are not a list.", row.where, "Fix the row.")
            yield name, "".join(f"{each}\n" for each in cast("list[object]", told))


def _regions(found: Mapping[str, Path], wanted: Sequence[str]) -> dict[str, str]:
    """Regions of the images wanted; Visual Genome's large files are read row by row."""
    names = set(wanted)
    size: dict[str, tuple[float, float]] = {}
    for row in rows_of(found[SIZES]):
        name = first_of(row.fields, ("image_id",)) or ""
        if name in names:
            size[name] = (row.fields["width"], row.fields["height"])
    told: dict[str, str] = {}
    for row in rows_of(found[REGIONS]):
        regions = cast("list[dict[str, Any]]", row.fields.get("regions") or [])
        name = str(regions[0]["image_id"]) if regions else ""
        if name in names and name in size:
            told[name] = "".join(_line(region, *size[name]) for region in regions)
    if lacking := [name for name in wanted if name not in told]:
        raise UserError(
            f"{len(lacking)} images have no regions, the first is {lacking[0]}.",
            f"{found[SIZES]}, {found[REGIONS]}",
            "Give the files of Visual Genome that SHR was made with.",
        )
    return told


def _line(region: Mapping[str, Any], width: float, height: float) -> str:
    """The box as fractions with two decimals (left, top, right, bottom), and the phrase."""
    x, y, right = region["x"], region["y"], region["x"] + region["width"]
    corners = (x / width, y / height, right / width, (y + region["height"]) / height)
    box = [float(f"{each:.2f}") for each in corners]
    return f"{box}: {region['phrase']}\n" if region["phrase"] else ""


def read_answers(path: Path, data: Sequence[ShrImage]) -> list[ItemAnswer]:
    """Descriptions by image.

    Raises:
        UserError: missing, further or doubled ones.
    """
    named = ("image_id", "question_id", "id")
    whole = _object(path)
    if whole is None:
        told = list(answers_of(path, item=named))
    else:
        told = [
            ItemAnswer(text=str(text), item=name, row=row)
            for row, (name, text) in enumerate(whole, start=1)
        ]
    return by_id(told, [image.item for image in data], path)


class _Members(list[tuple[str, object]]):
    """The members of a JSON object, also those whose name is there twice."""


def _object(path: Path) -> _Members | None:
    """The one JSON object that maps images to texts; None for any other layout."""
    try:
        found = json_file(path)
    except UserError:
        return None  # whoever reads its rows says what is wrong
    if not isinstance(found, dict) or "image_id" in found or is_inspect_log(path):
        return None
    return json.loads(text_of(path), object_pairs_hook=_Members)
