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
from groundtune.world import annotations, exams
from groundtune.world.render import render
from groundtune.world.scenes import Difficulty, Scene, scenes
from groundtune.world.sheet import truth

SETTINGS = "world-data.json"
"""The file that says which scenes a folder holds."""


class WorldData(Record):
    """Which scenes become a data set."""

    split: Literal["development", "train"] = "development"
    scenes: int = Field(default=200, ge=1)
    start: int = Field(default=0, ge=0)
    """Index of the first scene."""
    difficulty: Difficulty = "clear"


class WrittenData(Record):
    """How much a data set holds."""

    images: int
    objects: int
    mme: int
    """Questions of all tasks."""
    mmhal: int
    """96, or 0 where the scenes are too few for twelve questions of each type."""


def write_data(settings: WorldData, out: Path, progress: Progress) -> WrittenData:
    """Writes the folder. One that was stopped is written again, by the same settings.

    Raises:
        UserError: the folder holds something else, another command writes there, or the disk is
            full.
    """
    drawn = scenes(
        settings.split, settings.scenes, start=settings.start, difficulty=settings.difficulty
    )
    seen = dict(enumerate(drawn, 1))
    tasks, asked = exams.mme(seen), exams.mmhal(seen)
    with hold(out):
        _begin(settings, out)
        _write_images(seen, out, progress)
        _write_annotations(seen, out)
        _write_mme(seen, tasks, out / "mme")
        if asked:
            write_object(out / "mmhal" / "response_template.json", asked, indent=1)
    return WrittenData(
        images=len(seen),
        objects=sum(thing.number for scene in seen.values() for thing in scene.things),
        mme=2 * sum(map(len, tasks.values())),
        mmhal=len(asked),
    )


def _begin(settings: WorldData, out: Path) -> None:
    """Notes whose folder it is."""
    note = out / SETTINGS
    told = json_of(settings)
    if note.exists() and note.read_text(encoding="utf-8") == told:
        return
    if any(not path.name.startswith(".") for path in out.iterdir()):
        raise UserError(
            "The folder holds something else.",
            str(out),
            "Give a new folder with --out DIR, or the settings that it was written with.",
        )
    write_atomic(note, told.encode())


def _write_images(seen: annotations.Scenes, folder: Path, progress: Progress) -> None:
    progress.start("draw scenes", total=len(seen))
    for image, scene in seen.items():
        write_atomic(folder / "images" / annotations.file_name(image), _png(scene), durable=False)
        progress.advance()


def _png(scene: Scene) -> bytes:
    stream = BytesIO()
    render(scene).save(stream, "PNG")
    return stream.getvalue()


def _write_annotations(seen: annotations.Scenes, folder: Path) -> None:
    listed, first, second = exams.shr(seen)
    files: dict[str, object] = {
        "coco/instances_world.json": annotations.instances(seen),
        "coco/captions_world.json": annotations.captions(seen),
        "genome/image_data.json": annotations.image_sizes(seen),
        "genome/region_descriptions.json": annotations.regions(seen),
        "shr/val_images_final.json": listed,
    }
    for name, value in files.items():
        write_object(folder / name, value)
    lines: dict[str, Iterable[annotations.Row]] = {
        "scenes.jsonl": ({"image": image} | truth(scene) for image, scene in seen.items()),
        "facts.jsonl": annotations.fact_rows(seen),
        "choices.jsonl": annotations.choices(seen),
        "shr/shr_factual_part1.jsonl": first,
        "shr/shr_factual_part2.jsonl": second,
    }
    for name, rows in lines.items():
        text = "".join(f"{json_of(row)}\n" for row in rows)
        write_atomic(folder / name, text.encode(), durable=False)


def _write_mme(seen: annotations.Scenes, tasks: dict[str, dict[int, str]], folder: Path) -> None:
    for task, texts in tasks.items():
        for image, text in texts.items():
            name = folder / task / annotations.file_name(image)
            write_atomic(name, _png(seen[image]), durable=False)
            write_atomic(name.with_suffix(".txt"), text.encode(), durable=False)
