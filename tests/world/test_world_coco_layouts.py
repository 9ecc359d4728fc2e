"""Scenes as published layouts: what they say is worked out again from the scene."""

from typing import Any, cast

from groundtune.world.catalogue import CATEGORIES
from groundtune.world.coco_layouts import (
    CATEGORY_IDS,
    captions,
    choices,
    fact_rows,
    image_sizes,
    instances,
    regions,
)
from groundtune.world.exams import MMHAL_ROWS, MMHAL_TYPES, mme, mmhal, shr
from groundtune.world.questions import facts
from groundtune.world.read import read
from groundtune.world.scenes import scenes
from groundtune.world.truth import findings

SEEN = dict(enumerate(scenes("development", 130), 1))


def rows(value: object) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", value)


def test_every_category_has_the_id_that_coco_gives_it() -> None:
    assert CATEGORY_IDS.keys() == CATEGORIES.keys()
    known = {"person": 1, "stop sign": 13, "cat": 17, "backpack": 27, "cup": 47, "bed": 65}
    known |= {"tv": 72, "cell phone": 77, "book": 84, "toothbrush": 90}
    assert {name: CATEGORY_IDS[name] for name in known} == known


def test_instances_hold_every_object_of_every_scene_once() -> None:
    names = {number: name for name, number in CATEGORY_IDS.items()}
    told = [
        (each["image_id"], names[each["category_id"]], *each["bbox"])
        for each in rows(instances(SEEN)["annotations"])
    ]
    there = [
        (image, thing.category, box.x, box.y, box.side, box.side)
        for image, scene in SEEN.items()
        for thing in scene.things
        for box in thing.boxes
    ]
    assert sorted(told) == sorted(there)


def test_captions_are_true_and_five_an_image() -> None:
    told = rows(captions(SEEN)["annotations"])
    assert len(told) == 5 * len(SEEN)
    assert not [each for each in told if findings(SEEN[each["image_id"]], each["caption"])]
    assert len({each["id"] for each in told}) == len(told)


def test_a_region_says_what_is_in_its_box() -> None:
    for row in regions(SEEN):
        scene = SEEN[cast(int, row["id"])]
        whole, *objects = rows(row["regions"])
        assert not findings(scene, whole["phrase"])
        assert len(objects) == sum(thing.number for thing in scene.things)
        for each in objects:
            (mention,) = read(each["phrase"]).mentions
            thing = scene.thing(mention.category)
            assert thing is not None
            boxes = dict(zip(thing.cells, thing.boxes, strict=True))
            assert mention.cell is not None
            box = boxes[mention.cell]
            assert (box.x, box.y, box.side) == (each["x"], each["y"], each["width"])


def test_sizes_and_facts_name_every_image() -> None:
    assert [row["image_id"] for row in image_sizes(SEEN)] == list(SEEN)
    assert list(fact_rows(SEEN)) == [{str(i): list(facts(scene))} for i, scene in SEEN.items()]
    listed, first, second = shr(SEEN)
    assert [row["image_id"] for row in listed] == list(SEEN)
    assert [*first, *second] == list(fact_rows(SEEN))


def test_a_choice_has_one_option_that_is_there() -> None:
    letters: set[str] = set()
    for row in map(cast("Any", dict), choices(SEEN)):
        scene = SEEN[row["index"]]
        named = {letter: read(row[letter]).mentions[0].category for letter in "ABCD"}
        assert [k for k, name in named.items() if name in scene.categories] == [row["answer"]]
        letters.add(row["answer"])
    assert letters == set("ABCD")


def test_mme_asks_two_questions_of_which_the_first_is_true() -> None:
    asked = mme(SEEN)
    assert asked.keys() == {"existence", "count", "position", "color", "scene"}
    for image, text in asked["existence"].items():
        (first, yes), (second, no) = (line.split("\t") for line in text.splitlines())
        there = [
            read(line).mentions[0].category in SEEN[image].categories for line in (first, second)
        ]
        assert (there, yes, no) == ([True, False], "Yes", "No")
    for image, text in asked["count"].items():
        first, second = (read(line).mentions[0] for line in text.splitlines())
        thing = SEEN[image].thing(first.category)
        assert thing is not None
        assert first.number == thing.number != second.number
        assert first.category == second.category
    for image, text in asked["scene"].items():
        said = [read(line) for line in text.splitlines()]
        places = [each.context.value for each in said if each.context]
        assert places[0] == SEEN[image].context != places[1]


def test_mmhal_has_twelve_questions_of_each_type_about_different_images() -> None:
    asked = mmhal(SEEN)
    assert [row["question_type"] for row in asked] == list(MMHAL_TYPES) * 12
    assert len({row["image_id"] for row in asked}) == MMHAL_ROWS
    for row in asked:
        scene = SEEN[int(cast(str, row["image_id"]))]
        if row["question_type"] != "comparison":
            assert not findings(scene, cast(str, row["gt_answer"]))
    assert mmhal(dict(list(SEEN.items())[:90])) == []
