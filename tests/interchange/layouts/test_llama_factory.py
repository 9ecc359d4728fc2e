import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layout_rows import image_bytes, images, json_file, own_pair, read_all, rows_of, write_all

from groundtune.errors import UserError
from groundtune.interchange.registry import LayoutName
from groundtune.store.images import ImageStore


def info(folder: Path, **entries: object) -> None:
    (folder / "dataset_info.json").write_text(json.dumps(entries))


def test_a_new_file_gets_its_entry_and_others_stay(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store)
    info(tmp_path, other={"file_name": "other.json"})
    write_all("llama-factory", tmp_path / "mine.json", [pair], prompts, store)
    found = json.loads((tmp_path / "dataset_info.json").read_bytes())
    assert found["other"] == {"file_name": "other.json"}
    assert found["mine"] == {
        "file_name": "mine.json",
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {
            "messages": "conversations",
            "chosen": "chosen",
            "rejected": "rejected",
            "images": "images",
        },
    }
    (row,) = rows_of(tmp_path / "mine.json")
    assert row["conversations"] == [{"from": "human", "value": "<image>What?"}]


def test_an_entry_that_cannot_be_written_is_reported_before_any_row(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store)
    (tmp_path / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        write_all("llama-factory", tmp_path / "mine.json", [pair], prompts, store)
    assert not (tmp_path / "mine.json").exists()


def test_columns_and_tags_are_those_of_the_entry(tmp_path: Path):
    images(tmp_path, "a.jpg")
    row = {
        "dialogue": [{"role": "user", "content": "<image>What?"}],
        "good": {"role": "assistant", "content": "A cat."},
        "bad": {"role": "assistant", "content": "A dog."},
        "shots": ["a.jpg"],
    }
    path = json_file(tmp_path / "set.json", [row])
    info(
        tmp_path,
        set={
            "file_name": "set.json",
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {
                "messages": "dialogue",
                "chosen": "good",
                "rejected": "bad",
                "images": "shots",
            },
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
            },
        },
    )
    store = ImageStore(tmp_path / "store")
    prompts, (pair,), _ = read_all("llama-factory", path, store)
    assert (pair.chosen, pair.rejected) == ("A cat.", "A dog.")
    assert prompts[pair.prompt].question == "What?"
    with pytest.raises(UserError, match="sharegpt, not alpaca"):
        read_all("llama-factory-alpaca", path, store)


def test_the_published_rlaif_v_entry_is_read_as_alpaca(tmp_path: Path):
    images(tmp_path, "a.jpg")
    row = {"question": "What?", "chosen": "A cat.", "rejected": "A dog.", "image": "a.jpg"}
    path = json_file(tmp_path / "set.json", [row])
    columns = {"prompt": "question", "chosen": "chosen", "rejected": "rejected", "images": "image"}
    info(tmp_path, rlaif_v={"file_name": "set.json", "ranking": True, "columns": columns})
    _, (pair,), _ = read_all("llama-factory-alpaca", path, ImageStore(tmp_path / "store"))
    assert (pair.chosen, pair.rejected) == ("A cat.", "A dog.")


def parquet_of(folder: Path, **columns: object) -> Path:
    images = [[{"bytes": image_bytes(), "path": "a.png"}]]
    table = pa.table({**columns, "images": images})
    pq.write_table(table, folder / "set.parquet")
    return folder / "set.parquet"


SPOKEN = {
    "conversations": [[{"from": "human", "value": "<image>What?"}]],
    "chosen": [{"from": "gpt", "value": "A cup."}],
    "rejected": [{"from": "gpt", "value": "A dog."}],
    "note": ["kept"],
}
WRITTEN = {
    "instruction": ["<image>What?"],
    "input": [""],
    "history": [[["Hi", "Hello"]]],
    "chosen": ["A cup."],
    "rejected": ["A dog."],
}


@pytest.mark.parametrize(
    ("name", "columns"), [("llama-factory", SPOKEN), ("llama-factory-alpaca", WRITTEN)]
)
def test_parquet_with_images_inside_is_read_and_written_again(
    tmp_path: Path, name: LayoutName, columns: dict[str, object]
):
    path = parquet_of(tmp_path, **columns)
    store = ImageStore(tmp_path / "store")
    prompts, (pair,), _ = read_all(name, path, store)
    assert (pair.chosen, pair.rejected) == ("A cup.", "A dog.")
    assert store.read(prompts[pair.prompt].images[0]) == image_bytes()
    write_all(name, tmp_path / "out" / "set.parquet", [pair], prompts, store)
    assert rows_of(tmp_path / "out" / "set.parquet") == rows_of(path)
    entry = json.loads((tmp_path / "out" / "dataset_info.json").read_bytes())["set"]
    assert entry["file_name"] == "set.parquet"
    assert entry["columns"]["images"] == "images"


@pytest.mark.parametrize("name", ["llama-factory", "llama-factory-alpaca"])
def test_a_pair_of_ours_goes_into_parquet_and_comes_back(tmp_path: Path, name: LayoutName):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store)
    write_all(name, tmp_path / "set.parquet", [pair], prompts, store)
    again, (back,), _ = read_all(name, tmp_path / "set.parquet", store)
    assert again[back.prompt].messages == prompts["p"].messages
    assert (back.chosen, back.rejected) == (pair.chosen, pair.rejected)
