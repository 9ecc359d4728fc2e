"""RLHF-V's probe on a handful of images whose annotations are written here."""

import json
from pathlib import Path

import pytest

from groundtune.bench.benchmark import Scoring
from groundtune.bench.metric import Metric
from groundtune.bench.stats.sums import tabulate, value_of
from groundtune.bench.tasks.chair.overgeneral import (
    OVERGENERAL,
    scenes_of,
    usual_objects,
)
from groundtune.errors import UserError
from groundtune.records import Score

THERE = {
    1: ("A kitchen.", ["oven", "sink"]),
    2: ("A small kitchen.", ["oven"]),
    3: ("A street with a car.", ["car"]),
    4: ("A field.", ["cow"]),
}
CLASSES = ("oven", "sink", "car", "cow")


def files(folder: Path) -> list[Path]:
    numbers = {name: i for i, name in enumerate(CLASSES, 1)}
    instances = {
        "images": [{"id": i} for i in THERE],
        "annotations": [
            {"image_id": i, "category_id": numbers[name]}
            for i, (_, names) in THERE.items()
            for name in names
        ],
        "categories": [{"id": i, "name": name} for name, i in numbers.items()],
    }
    captions = {"annotations": [{"image_id": i, "caption": said} for i, (said, _) in THERE.items()]}
    (folder / "instances_x.json").write_text(json.dumps(instances))
    (folder / "captions_x.json").write_text(json.dumps(captions))
    (folder / "synonyms.txt").write_text("\n".join(CLASSES))
    return [folder]


def scored(folder: Path, said: dict[int, str]) -> list[Score]:
    data = OVERGENERAL.read_data(files(folder))
    path = folder / "answers.jsonl"
    path.write_text(
        "\n".join(json.dumps({"image_id": i, "caption": text}) for i, text in said.items())
    )
    return OVERGENERAL.score(data, OVERGENERAL.read_answers(path, data), Scoring())


def metric(name: str) -> Metric:
    return next(each for each in OVERGENERAL.metrics if each.name == name)


def test_a_scene_is_found_by_its_words():
    assert scenes_of(["Two living-rooms.", "a Street"]) == ["living room", "street"]
    assert scenes_of(["streetlights", "a room for living"]) == []


def test_usual_objects_are_the_most_frequent_first(tmp_path: Path):
    found = usual_objects(OVERGENERAL.read_data(files(tmp_path)), strict=False)
    assert found["kitchen"] == ("oven", "sink")
    assert found["street"] == ("car",)
    assert found["bathroom"] == ()


def test_the_difference_by_hand(tmp_path: Path):
    said = {
        1: "An oven and a sink.",
        2: "An oven and a sink.",  # no sink there: invents a kitchen's usual object
        3: "A car and a cow.",  # a cow is usual nowhere
        4: "A cow and an oven.",  # an oven in a field
    }
    found = scored(tmp_path, said)
    table = tabulate(found)
    values = {each.name: value_of(table, each) for each in OVERGENERAL.metrics}
    # kitchen: 1 of 2 inside, 2 of 4 overall; street: 0 of 1, 0 of 4
    assert values["kitchen_delta"] == 0
    assert values["street_delta"] == 0
    assert values["in_scene"] == pytest.approx(0.25)
    assert values["overall"] == pytest.approx(0.25)
    assert values["bathroom_delta"] is None
    assert found[1].extracted == ("sink",)
    changed = {**said, 4: "A cow."}
    table = tabulate(scored(tmp_path, changed))
    assert value_of(table, metric("kitchen_delta")) == pytest.approx(1 / 2 - 1 / 4)
    assert value_of(table, metric("delta")) == pytest.approx(1 / 8)


def test_sets_without_captions_know_no_scenes(tmp_path: Path):
    folder = files(tmp_path)[0]
    data = OVERGENERAL.read_data([folder])
    data.images.captions.clear()
    with pytest.raises(UserError, match="the data has none"):
        usual_objects(data, strict=False)
