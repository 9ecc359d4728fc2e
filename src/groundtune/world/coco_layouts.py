"""The truth of scenes in the layouts of COCO and Visual Genome, as captions, facts and choices.

Names, ids and fields are those of the published files, so that code for them reads these too.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from groundtune.world.captions import caption
from groundtune.world.catalogue import CATEGORIES, CELLS, CONTEXTS
from groundtune.world.grammar import NounPhrase, phrase
from groundtune.world.questions import facts, negatives
from groundtune.world.scenes import SIDE_PX, Box, Scene, Thing

Row = dict[str, object]
Scenes = Mapping[int, Scene]
"""Scenes by the number of their image."""

_COCO = """
person bicycle car motorcycle airplane bus train truck boat traffic_light
fire_hydrant - stop_sign parking_meter bench bird cat dog horse sheep
cow elephant bear zebra giraffe - backpack umbrella - -
handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat baseball_glove
skateboard surfboard tennis_racket bottle - wine_glass cup fork knife spoon
bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut
cake chair couch potted_plant bed - dining_table - - toilet
- tv laptop mouse remote keyboard cell_phone microwave oven toaster
sink refrigerator - book clock vase scissors teddy_bear hair_drier toothbrush
"""
CATEGORY_IDS: dict[str, int] = {
    name.replace("_", " "): number
    for number, name in enumerate(_COCO.split(), 1)
    if name.replace("_", " ") in CATEGORIES
}
"""COCO's ids, 1 to 90, of the categories that the world has."""
CAPTIONS = 5
"""Captions an image, as COCO has."""


def file_name(image: int) -> str:
    """The name of an image's file."""
    return f"{image}.png"


def instances(scenes: Scenes) -> Row:
    """COCO's instances_*.json: every object with its category and box."""
    objects = [
        (image, thing.category, box)
        for image, scene in scenes.items()
        for thing in scene.things
        for box in thing.boxes
    ]
    return {
        "images": _images(scenes),
        "annotations": [_object(i, *each) for i, each in enumerate(objects, 1)],
        "categories": [{"id": number, "name": name} for name, number in CATEGORY_IDS.items()],
    }


def captions(scenes: Scenes) -> Row:
    """COCO's captions_*.json: five true captions an image."""
    captions_of_images = [
        (image, caption(scene, np.random.default_rng([scene.seed, turn])))
        for image, scene in scenes.items()
        for turn in range(CAPTIONS)
    ]
    rows = [
        {"id": i, "image_id": image, "caption": text}
        for i, (image, text) in enumerate(captions_of_images)
    ]
    return {"images": _images(scenes), "annotations": rows}


def image_sizes(scenes: Scenes) -> list[Row]:
    """Visual Genome's image_data.json."""
    return [
        {"image_id": image, "url": file_name(image), "width": SIDE_PX, "height": SIDE_PX}
        for image in scenes
    ]


def regions(scenes: Scenes) -> list[Row]:
    """Visual Genome's region_descriptions.json: the whole image, and every object in its box."""
    rows: list[Row] = []
    number = 0
    for image, scene in scenes.items():
        rows_of_image: list[Row] = []
        for box, text in _described(scene):
            number += 1
            rows_of_image.append(
                {"region_id": number, "image_id": image, "phrase": text} | _corner(box)
            )
        rows.append({"id": image, "regions": rows_of_image})
    return rows


def fact_rows(scenes: Scenes) -> Iterator[Row]:
    """The facts of every image, a line each."""
    return ({str(image): list(facts(scene))} for image, scene in scenes.items())


def choices(scenes: Scenes) -> Iterator[Row]:
    """A question with four options about every image, in the columns of MMBench's tables.

    One of the options is there, the others would be usual in such a place.
    """
    for image, scene in scenes.items():
        rng = np.random.default_rng([scene.seed, 4])
        right = scene.things[int(rng.integers(len(scene.things)))].category
        names = [right, *negatives(scene, rng, "adversarial", 3)]
        order = [names[int(i)] for i in rng.permutation(4)]
        options = {letter: a(name) for letter, name in zip("ABCD", order, strict=True)}
        yield {
            "index": image,
            "question": "Which of these is in the image?",
            **options,
            "answer": "ABCD"[order.index(right)],
            "category": "existence",
        }


def a(category: str) -> str:
    """A category with its article."""
    return phrase(NounPhrase(category=category))


def _images(scenes: Scenes) -> list[Row]:
    return [
        {"id": image, "file_name": file_name(image), "width": SIDE_PX, "height": SIDE_PX}
        for image in scenes
    ]


def _object(number: int, image: int, category: str, box: Box) -> Row:
    left, top, right, bottom = box.x, box.y, box.x + box.side, box.y + box.side
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORY_IDS[category],
        "bbox": [box.x, box.y, box.side, box.side],
        "area": box.side**2,
        "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
        "iscrowd": 0,
    }


def _corner(box: Box) -> Row:
    return {"x": box.x, "y": box.y, "width": box.side, "height": box.side}


def _described(scene: Scene) -> Iterator[tuple[Box, str]]:
    context = CONTEXTS[scene.context]
    backdrop = f"{'with a' if context.surface == 'wall' else 'under a'} {scene.background}"
    yield Box(x=0, y=0, side=SIDE_PX), f"{context.phrase} {backdrop} {context.surface}"
    for thing in scene.things:
        for cell, box in zip(thing.cells, thing.boxes, strict=True):
            yield box, _one(thing, cell)


def _one(thing: Thing, cell: int) -> str:
    return f"{phrase(NounPhrase(category=thing.category, colour=thing.colour))} {CELLS[cell]}"
