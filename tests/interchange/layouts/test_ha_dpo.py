"""HA-DPO's published files, in the folders of its authors' data_preparation.md."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_rows import images, read_all

from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.interchange.loading import load
from groundtune.pipeline.exchange.run import import_layout
from groundtune.store.images import ImageStore
from training_folder import fill_folder

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


def written(source: Path, store: ImageStore, out: Path, *, folder: Path) -> Any:
    prompts, pairs, _ = read_all("ha-dpo", source, store, folder=folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    load("ha-dpo").write(out, pairs, prompts, store)
    return json.loads(out.read_text())


PUBLISHED = [
    {"image_id": 2, "chosen": ["A.", "B.", "C."], "rejected": ["D.", "E.", "F."]},
    {"image_id": 51, **TEXTS},
]


@pytest.mark.parametrize("name", ["desc_data.json", "rows.json"])
def test_descriptions_go_out_as_the_published_lists(tmp_path: Path, name: str):
    store, folder = ImageStore(tmp_path / "store"), tmp_path / "VG"
    source = published(tmp_path, PUBLISHED)
    assert written(source, store, tmp_path / "out" / name, folder=folder) == PUBLISHED


def test_llavas_descriptions_go_out_as_one_object(tmp_path: Path):
    store, folder = ImageStore(tmp_path / "store"), tmp_path / "VG"
    rows = {str(row["image_id"]): {k: row[k] for k in ("chosen", "rejected")} for row in PUBLISHED}
    source = published(tmp_path, rows)
    out = tmp_path / "hadpo" / "llava-v1.5" / "desc_data.json"
    assert written(source, store, out, folder=folder) == rows


TEXT = st.text(alphabet="ABC", min_size=1, max_size=2)


@given(
    chosen=st.lists(TEXT, min_size=1, max_size=4), rejected=st.lists(TEXT, min_size=1, max_size=4)
)
def test_pairs_come_back_from_the_lists_whatever_their_lengths(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[str], rejected: list[str]
):
    tmp_path = tmp_path_factory.mktemp("lists")
    store, folder = ImageStore(tmp_path / "store"), tmp_path / "VG"
    source = published(
        tmp_path, [{"image_id": 2, "chosen": chosen, "rejected": [f"no {t}" for t in rejected]}]
    )
    _, before, _ = read_all("ha-dpo", source, store, folder=folder)
    written(source, store, tmp_path / "out" / "desc_data.json", folder=folder)
    again = tmp_path / "out" / "desc_data.json"
    _, after, _ = read_all("ha-dpo", again, store, folder=folder)
    texts = [[(pair.chosen, pair.rejected) for pair in pairs] for pairs in (before, after)]
    assert texts[0] == texts[1]


def test_descriptions_of_ours_go_out_without_their_questions_which_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    store = ImageStore(tmp_path / "store")
    pairs = fill_folder(tmp_path / "pairs", 3)
    out = tmp_path / "desc_data.json"
    one_image = [pair for pair in pairs.pairs.read() if pair.key != "pair0"]  # it has two images
    load("ha-dpo").write(out, one_image, pairs.prompts_by_key(), pairs.images)
    rows = json.loads(out.read_text())
    assert [sorted(row) for row in rows] == [["chosen", "image_id", "rejected"]] * 2
    assert "those of 2 pairs" in caplog.text
    _, found, _ = read_all("ha-dpo", out, store, folder=tmp_path)
    assert [(each.chosen, each.rejected) for each in found] == [
        (each.chosen, each.rejected) for each in one_image
    ]


def test_yes_no_questions_are_no_descriptions(tmp_path: Path):
    store, folder = ImageStore(tmp_path / "store"), tmp_path / "VG"
    source = published(tmp_path, [POPE])
    with pytest.raises(UserError, match="answers a yes/no question"):
        written(source, store, tmp_path / "out" / "desc_data.json", folder=folder)
    assert written(source, store, tmp_path / "out" / "pope_data.json", folder=folder) == [POPE]
