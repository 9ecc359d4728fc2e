"""Scenes as data sets: a folder in the layouts of published annotations and benchmarks.

DIR/images/N.png         image N, from 1
DIR/scenes.jsonl         the whole truth of each image
DIR/coco/                instances_world.json, captions_world.json
DIR/genome/              image_data.json, region_descriptions.json
DIR/facts.jsonl          {N: [fact, ...]}
DIR/choices.jsonl        a question with four options about each image
DIR/mme/TASK/            N.png, and N.txt with two questions
DIR/mmhal/               response_template.json, for 96 of the images
DIR/shr/                 val_images_final.json, shr_factual_part1.jsonl and _part2.jsonl
"""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Literal

from pydantic import Field

from groundtune.errors import UserError
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of, write_object
from groundtune.store.lock import hold
from groundtune.world import coco_layouts, exams
from groundtune.world.render import render
from groundtune.world.scenes import Difficulty, Scene, scenes
from groundtune.world.sheet import truth

SETTINGS = "world-data.json"
"""The file with the settings of the folder's scenes."""


class WorldData(Record):
    """Scenes of a data set."""

    split: Literal["development", "train"] = "development"
    scenes: int = Field(default=200, ge=1)
    start: int = Field(default=0, ge=0)
    """Index of the first scene."""
    difficulty: Difficulty = "clear"


class WrittenData(Record):
    """Sizes of a data set."""

    images: int
    objects: int
    mme: int
    """Number of questions of all tasks."""
    mmhal: int
    """96, or 0 if there are too few scenes for twelve questions of each type."""


def write_data(settings: WorldData, out: Path, progress: Progress) -> WrittenData:
    """Write the folder. An interrupted one is written again with the same settings.

    Raises:
        UserError: the folder holds something else, another command writes there, or the disk is
            full.
    """
    new_scenes = scenes(
        settings.split, settings.scenes, start=settings.start, difficulty=settings.difficulty
    )
    scenes_by_number = dict(enumerate(new_scenes, 1))
    tasks, mmhal_items = exams.mme(scenes_by_number), exams.mmhal(scenes_by_number)
    with hold(out):
        _begin(settings, out)
        _write_images(scenes_by_number, out, progress)
        _write_annotations(scenes_by_number, out)
        _write_mme(scenes_by_number, tasks, out / "mme")
        if mmhal_items:
            write_object(out / "mmhal" / "response_template.json", mmhal_items, indent=1)
    return WrittenData(
        images=len(scenes_by_number),
        objects=sum(thing.number for scene in scenes_by_number.values() for thing in scene.things),
        mme=2 * sum(map(len, tasks.values())),
        mmhal=len(mmhal_items),
    )


def _begin(settings: WorldData, out: Path) -> None:
    """Write the settings to the folder."""
    note = out / SETTINGS
    text = json_of(settings)
    if note.exists() and note.read_text(encoding="utf-8") == text:
        return
    if any(not path.name.startswith(".") for path in out.iterdir()):
        raise UserError(
            "The folder holds something else.",
            str(out),
            "Give a new folder with --out DIR, or the settings that it was written with.",
        )
    write_atomic(note, text.encode())


def _write_images(scenes_by_number: coco_layouts.Scenes, folder: Path, progress: Progress) -> None:
    progress.start("draw scenes", total=len(scenes_by_number))
    for image, scene in scenes_by_number.items():
        write_atomic(folder / "images" / coco_layouts.file_name(image), _png(scene), durable=False)
        progress.advance()


def _png(scene: Scene) -> bytes:
    stream = BytesIO()
    render(scene).save(stream, "PNG")
    return stream.getvalue()


def _write_annotations(scenes_by_number: coco_layouts.Scenes, folder: Path) -> None:
    images, first, second = exams.shr(scenes_by_number)
    files: dict[str, object] = {
        "coco/instances_world.json": coco_layouts.instances(scenes_by_number),
        "coco/captions_world.json": coco_layouts.captions(scenes_by_number),
        "genome/image_data.json": coco_layouts.image_sizes(scenes_by_number),
        "genome/region_descriptions.json": coco_layouts.regions(scenes_by_number),
        "shr/val_images_final.json": images,
    }
    for name, value in files.items():
        write_object(folder / name, value)
    lines: dict[str, Iterable[coco_layouts.Row]] = {
        "scenes.jsonl": (
            {"image": image} | truth(scene) for image, scene in scenes_by_number.items()
        ),
        "facts.jsonl": coco_layouts.fact_rows(scenes_by_number),
        "choices.jsonl": coco_layouts.choices(scenes_by_number),
        "shr/shr_factual_part1.jsonl": first,
        "shr/shr_factual_part2.jsonl": second,
    }
    for name, rows in lines.items():
        text = "".join(f"{json_of(row)}\n" for row in rows)
        write_atomic(folder / name, text.encode(), durable=False)


def _write_mme(
    scenes_by_number: coco_layouts.Scenes, tasks: dict[str, dict[int, str]], folder: Path
) -> None:
    for task, texts in tasks.items():
        for image, text in texts.items():
            name = folder / task / coco_layouts.file_name(image)
            write_atomic(name, _png(scenes_by_number[image]), durable=False)
            write_atomic(name.with_suffix(".txt"), text.encode(), durable=False)
