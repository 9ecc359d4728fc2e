"""Parquet files of layouts, and images that lie beside files of JSON."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layout_rows import (
    Rows,
    image_bytes,
    images,
    json_file,
    read_all,
    round_trip,
    rows_of,
    write_all,
)

from groundtune.errors import UserError
from groundtune.store.images import ImageStore

ANSWERS = {"chosen": "A cat sits.", "rejected": "A dog sits."}
ROW = {"image": "a.jpg", "prompt": "What?", **ANSWERS}

PARQUET = {
    "ds_name": "RLAIF-V",
    "image": {"bytes": image_bytes(), "path": None},
    "question": "What?",
    **ANSWERS,
    "origin_dataset": "COCO",
    "origin_split": '{"model": "LLaVA15", "type": "detail_description"}',
    "idx": "0",
    "image_path": "COCO/1.jpg",
}


def parquet(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def test_every_column_of_rlaif_v_comes_back_the_cached_log_probs_and_others_too(tmp_path: Path):
    logps = '{"logps": [[-1.5, -0.1, [-0.25]], [-2.5]]}'
    rows = [
        {**PARQUET, "logps": logps, "mine": 3},
        {**PARQUET, "idx": None, "ds_name": None, "image_path": "", "logps": None, "mine": None},
        {
            **PARQUET,
            "image": {"bytes": image_bytes("blue"), "path": "x"},
            "logps": "x",
            "mine": 2**40,
        },
    ]
    path = parquet(tmp_path / "in" / "set.parquet", rows)
    out = round_trip("rlaif-v", path, tmp_path)
    assert rows_of(out) == rows
    assert pq.read_schema(out).names == [*PARQUET, "logps", "mine"]
    assert pq.read_schema(out).field("mine").type == pa.int64()
    features = json.loads(pq.read_schema(out).metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["idx"] == {"dtype": "string", "_type": "Value"}


def test_an_edited_row_of_rlaif_v_loses_its_log_probs_only(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    path = parquet(tmp_path / "set.parquet", [{**PARQUET, "logps": "[1]"}])
    prompts, (pair,), _ = read_all("rlaif-v", path, store)
    edited = pair.model_copy(update={"chosen": "A cow sits."})
    write_all("rlaif-v", tmp_path / "out.parquet", [edited], prompts, store)
    assert rows_of(tmp_path / "out.parquet") == [
        {**PARQUET, "chosen": "A cow sits.", "logps": None}
    ]


def parts(*texts: str | None) -> list[dict[str, str | None]]:
    return [{"text": t, "type": "image" if t is None else "text"} for t in texts]


def test_every_column_of_trls_parquet_comes_back(tmp_path: Path):
    rows = [
        {
            "images": [{"bytes": image_bytes(c), "path": None} for c in ("red", "blue")],
            "prompt": [
                {"content": parts(None, "This?"), "role": "user"},
                {"content": parts("A cup."), "role": "assistant"},
                {"content": parts("And ", None, " here?"), "role": "user"},
            ],
            "chosen": [{"content": parts("A cat."), "role": "assistant"}],
            "rejected": [{"content": parts("A dog."), "role": "assistant"}],
            "source": "mine",
        }
    ]
    path = parquet(tmp_path / "in" / "set.parquet", rows)
    out = round_trip("trl", path, tmp_path)
    assert rows_of(out) == rows
    features = json.loads(pq.read_schema(out).metadata[b"huggingface"])["info"]["features"]
    assert features["images"] == {"feature": {"_type": "Image"}, "_type": "List"}


def test_trls_parquet_with_plain_texts_stays_so(tmp_path: Path):
    rows = [
        {"image": {"bytes": image_bytes(), "path": "a.png"}, "prompt": "What?", **ANSWERS},
        {"image": {"bytes": image_bytes(), "path": "a.png"}, "prompt": "Who?", **ANSWERS},
    ]
    path = parquet(tmp_path / "in" / "set.parquet", rows)
    assert rows_of(round_trip("trl", path, tmp_path)) == rows


def mixed(folder: Path) -> Path:
    """Rows of TRL in several of the forms that they may have."""
    images(folder, "a.jpg")
    said = [{"role": "user", "content": "What?"}]
    answers = {side: [{"role": "assistant", "content": ANSWERS[side]}] for side in ANSWERS}
    rows = [
        {"images": ["a.jpg"], "prompt": said, **answers},
        {"image": "a.jpg", "prompt": "What?", **ANSWERS, "score_chosen": 8.5, "score_rejected": 8},
        {"images": ["a.jpg"], **{side: [*said, *answers[side]] for side in ANSWERS}},
    ]
    return json_file(folder / "set.jsonl", rows)


def test_rows_of_both_kinds_go_into_one_parquet_of_trl(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    prompts, pairs, _ = read_all("trl", mixed(tmp_path / "in"), store)
    write_all("trl", tmp_path / "out.parquet", pairs, prompts, store)
    found, back, _ = read_all("trl", tmp_path / "out.parquet", store)
    assert [each.chosen for each in back] == [each.chosen for each in pairs]
    assert [found[each.prompt].messages for each in back] == [
        prompts[each.prompt].messages for each in pairs
    ]


def test_images_are_found_where_the_authors_folders_are_missing(tmp_path: Path):
    images(tmp_path / "elsewhere", "b.jpg")
    row = {**ROW, "image": "/mnt/data/imgs/b.jpg"}
    path = json_file(tmp_path / "set.jsonl", [row])
    store = ImageStore(tmp_path / "store")
    with pytest.raises(UserError, match="image doesn't exist"):
        read_all("mm-rlhf", path, store)
    _, pairs, _ = read_all("mm-rlhf", path, store, folder=tmp_path / "elsewhere")
    assert len(pairs) == 1


@pytest.mark.parametrize(
    "name", ["../../x.jpg", "/etc/x.jpg", ".git/x.jpg", "set.jsonl", "a/../../x.jpg"]
)
def test_a_image_never_lands_outside_the_folder_of_its_rows(tmp_path: Path, name: str):
    store = ImageStore(tmp_path / "store")
    images(tmp_path / "in", "x.jpg", "set.jsonl")
    path = json_file(tmp_path / "in" / "rows.jsonl", [{**ROW, "image": name}])
    prompts, pairs, _ = read_all("mm-rlhf", path, store, folder=tmp_path / "in")
    out = tmp_path / "a" / "b" / "c" / "rows.jsonl"
    write_all("mm-rlhf", out, pairs, prompts, store)
    (row,) = rows_of(out)
    sha256 = prompts[pairs[0].prompt].images[0]
    assert row == {**ROW, "image": f"images/{sha256}.jpg"}
    everything = {each.relative_to(tmp_path / "a") for each in (tmp_path / "a").rglob("*.*")}
    assert everything == {
        Path("b/c/rows.jsonl"),
        Path("b/c/rows.jsonl.licences.json"),
        Path(f"b/c/images/{sha256}.jpg"),
    }


def test_two_images_of_one_name_do_not_overwrite_each_other(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    both: list[Any] = []
    known: dict[str, Any] = {}
    for folder, colour in (("one", "red"), ("two", "blue")):
        path = json_file(tmp_path / folder / "rows.jsonl", [ROW])
        (path.parent / "a.jpg").write_bytes(image_bytes(colour, "JPEG"))
        prompts, pairs, _ = read_all("mm-rlhf", path, store)
        known, both = known | prompts, both + pairs
    write_all("mm-rlhf", tmp_path / "out" / "rows.jsonl", both, known, store)
    named = [
        (tmp_path / "out" / row["image"]).read_bytes()
        for row in rows_of(tmp_path / "out" / "rows.jsonl")
    ]
    assert named == [image_bytes("red", "JPEG"), image_bytes("blue", "JPEG")]


@pytest.mark.parametrize("name", ["a" * 5000 + ".jpg", "a.jpg/x.jpg", ".", "no.jpg", ""])
def test_a_path_that_is_no_image_is_a_bad_row(tmp_path: Path, name: str):
    images(tmp_path, "a.jpg")
    path = json_file(tmp_path / "set.jsonl", [{**ROW, "image": name}, ROW])
    _, pairs, skipped = read_all("mm-rlhf", path, ImageStore(tmp_path / "store"), skip_bad=True)
    assert (len(pairs), len(skipped)) == (1, 1)
    assert skipped[0].where.startswith(f"{path}:1")
    assert len(skipped[0].where) < 500
