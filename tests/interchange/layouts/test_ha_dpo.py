"""HA-DPO's published files, in the folders of its authors' data_preparation.md."""

import json
from pathlib import Path
from typing import Any

import pytest
from layout_rows import images, read_all

from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.exchange.run import import_layout
from groundtune.store.images import ImageStore

POPE = {"image_id": 2, "question": "A dog?", "chosen": "No.", "reject": "Yes.", "correct": False}
TEXTS = {"chosen": ["A cup.", "One cup."], "rejected": ["Two cups.", "A dog."]}


def published(folder: Path, rows: object) -> Path:
    images(folder / "VG", "VG_100K/2.jpg", "VG_100K_2/51.jpg")
    path = folder / "data" / "desc_data.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows, indent=2))
    return path


def test_images_are_in_the_two_folders_of_visual_genome(tmp_path: Path):
    path = published(tmp_path, [POPE, {**POPE, "image_id": 51}])
    store = ImageStore(tmp_path / "store")
    prompts, pairs, _ = read_all("ha-dpo", path, store, folder=tmp_path / "VG")
    for pair, name in zip(pairs, ("VG_100K/2.jpg", "VG_100K_2/51.jpg"), strict=True):
        (sha256,) = prompts[pair.prompt].images
        assert store.read(sha256) == (tmp_path / "VG" / name).read_bytes()


@pytest.mark.parametrize(
    "rows", [[{"image_id": 51, **TEXTS}], {"51": TEXTS}], ids=["minigpt4", "llava"]
)
def test_lists_of_rewrites_are_pairs_of_the_rewrites_in_order(tmp_path: Path, rows: object):
    path = published(tmp_path, rows)
    _, pairs, _ = read_all("ha-dpo", path, ImageStore(tmp_path / "store"), folder=tmp_path / "VG")
    assert [(each.chosen, each.rejected) for each in pairs] == [
        ("A cup.", "Two cups."),
        ("One cup.", "A dog."),
    ]
    assert len({each.key for each in pairs}) == 2


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({"chosen": ["A.", "B.", "C."]}, ["A./Two cups.", "B./A dog.", "C./Two cups."]),
        ({"chosen": "A."}, ["A./Two cups.", "A./A dog."]),
        ({"chosen": ["A.", "A."], "rejected": ["B.", "B."]}, ["A./B."]),
    ],
)
def test_the_shorter_list_of_rewrites_begins_again_and_equal_pairs_are_one(
    tmp_path: Path, change: dict[str, Any], texts: list[str]
):
    path = published(tmp_path, [{"image_id": 51, **TEXTS, **change}])
    _, pairs, _ = read_all("ha-dpo", path, ImageStore(tmp_path / "store"), folder=tmp_path / "VG")
    assert [f"{each.chosen}/{each.rejected}" for each in pairs] == texts


@pytest.mark.parametrize("bad", [[], ["A.", 3]])
def test_a_list_that_is_no_list_of_texts_is_a_bad_row_with_its_key(tmp_path: Path, bad: object):
    path = published(tmp_path, {"2": TEXTS, "51": {**TEXTS, "chosen": bad}})
    with pytest.raises(UserError, match="not a list of texts") as error:
        read_all("ha-dpo", path, ImageStore(tmp_path / "store"), folder=tmp_path / "VG")
    assert error.value.where == f"{path}, row 2 ('51'), column chosen"


def test_rows_with_correct_true_are_left_out_and_counted_unless_all_rows_are_wanted(
    tmp_path: Path,
):
    path = published(tmp_path, [POPE, {**POPE, "question": "A cat?", "correct": True}])
    default = import_layout(
        "ha-dpo", path, tmp_path / "one", SilentProgress(), images=tmp_path / "VG"
    )
    assert (default.rows, default.pairs, default.left_out) == (2, 1, {"correct: true": 1})
    whole = import_layout(
        "ha-dpo", path, tmp_path / "two", SilentProgress(), images=tmp_path / "VG", all_rows=True
    )
    assert (whole.rows, whole.pairs, whole.left_out) == (2, 2, {})
