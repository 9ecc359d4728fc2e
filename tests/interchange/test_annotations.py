"""Annotations of images in COCO's and Visual Genome's layouts, and what is wrong in such files."""

import json
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.interchange.annotations import image_number, read_annotations, region_lines

COCO = {
    "images": [{"id": 42, "file_name": "000000000042.jpg", "width": 100, "height": 50}],
    "categories": [{"id": 1, "name": "person"}, {"id": 47, "name": "cup"}],
    "annotations": [{"id": 1, "image_id": 42, "category_id": 47, "bbox": [10, 5, 20, 20]}],
}
CAPTIONS = {
    "images": COCO["images"],
    "annotations": [{"id": 2, "image_id": 42, "caption": "A cup on a table."}],
}
REGIONS = [
    {
        "id": 7,
        "regions": [
            {"region_id": 1, "image_id": 7, "phrase": "a red cup", "x": 0, "y": 0}
            | {"width": 50, "height": 25}
        ],
    }
]
OBJECTS = [{"image_id": 7, "objects": [{"names": ["cup"], "x": 0, "y": 0, "w": 50, "h": 25}]}]
SIZES = [{"image_id": 7, "width": 100, "height": 50, "url": "https://x/VG_100K/7.jpg"}]


def saved(folder: Path, **files: object) -> Path:
    folder.mkdir(exist_ok=True)
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def test_coco_names_all_objects_of_its_classes(tmp_path: Path):
    told = read_annotations(saved(tmp_path / "a", instances_val=COCO, captions_val=CAPTIONS))
    image = told.of("COCO_val2014_000000000042.jpg")
    assert image is not None
    assert [box.phrase for box in image.objects] == ["cup"]
    assert image.captions == ["A cup on a table."]
    assert told.classes == {"person", "cup"}
    assert list(region_lines(image)) == ["- [0.10, 0.10, 0.30, 0.50]: cup", "- A cup on a table."]


def test_visual_genome_has_what_people_named(tmp_path: Path):
    files = {"region_descriptions": REGIONS, "objects": OBJECTS, "image_data": SIZES}
    told = read_annotations(saved(tmp_path / "a", **files))
    image = told.of("VG_100K/7.jpg")
    assert image is not None
    assert [box.phrase for box in image.regions] == ["a red cup"]
    assert told.classes == set()
    assert next(region_lines(image)) == "- [0.00, 0.00, 0.50, 0.50]: a red cup"


def test_without_sizes_boxes_are_left_out_of_the_lines(tmp_path: Path):
    told = read_annotations(saved(tmp_path / "a", region_descriptions=REGIONS))
    image = told.of("7")
    assert image is not None
    assert list(region_lines(image)) == ["- a red cup"]


@pytest.mark.parametrize(
    ("name", "number"), [("42", 42), ("a/0042.jpg", 42), ("x.jpg", None), ("img12_7.png", 7)]
)
def test_an_images_number_is_the_last_in_its_name(name: str, number: int | None):
    assert image_number(name) == number


def boxes(number: int, outside: int) -> object:
    rows = [
        {"id": i, "image_id": 42, "category_id": 47, "bbox": [0, 0, 9, 9]} for i in range(number)
    ]
    far = [{**rows[0], "bbox": [99, 0, 50, 9]} for _ in range(outside)]
    return {**COCO, "annotations": rows + far}


def test_a_few_boxes_outside_their_image_are_left_out_and_counted(tmp_path: Path):
    told = read_annotations(saved(tmp_path / "a", instances=boxes(19, 2)))
    assert (told.boxes, told.outside) == (21, 2)
    assert len(told.images[42].objects) == 19


def test_many_boxes_outside_are_annotations_of_other_images(tmp_path: Path):
    with pytest.raises(UserError, match="3 of 13 boxes lie outside") as error:
        read_annotations(saved(tmp_path / "a", instances=boxes(10, 3)))
    assert "image 42, 'cup'" in error.value.where


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"other": {"a": 1}},
        {"instances": {**COCO, "annotations": [{"image_id": "?", "category_id": 1}]}},
        {"objects": [{"image_id": 7, "objects": [{"x": 0}]}]},
    ],
)
def test_what_is_no_annotation_is_named(files: dict[str, object], tmp_path: Path):
    folder = saved(tmp_path / "a", **files)
    with pytest.raises(UserError) as error:
        read_annotations(folder)
    assert str(folder) in error.value.where


def test_a_file_that_is_not_json_is_named(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text("hello")
    with pytest.raises(UserError, match="not JSON"):
        read_annotations(path)
