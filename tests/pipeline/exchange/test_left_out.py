"""What is left out of an import or of prompts is named and counted, or refused."""

import json
from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.prompts import PromptRows, read_prompts
from groundtune.protocols import SilentProgress
from groundtune.store.images import ImageStore

SAID = {"chosen": "There is a red ball.", "rejected": "There is a blue ball."}
CONVERSATION = {
    "conversations": [{"from": "human", "value": "What happens?"}],
    **{side: {"from": "gpt", "value": text} for side, text in SAID.items()},
}
SWIFT = {
    "messages": [
        {"role": "user", "content": "What?"},
        {"role": "assistant", "content": SAID["chosen"]},
    ],
    "rejected_response": SAID["rejected"],
}


def lines(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def image(path: Path, colour: str = "red", kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path, kind)
    return path


def prompts(tmp_path: Path, file: Path, images: Path | None = None) -> PromptRows:
    target = RunFolder(tmp_path / "target")
    return read_prompts(target, SilentProgress(), prompts=file, images=images)


@pytest.mark.parametrize("column", ["video", "videos", "audio", "audios"])
@pytest.mark.parametrize(
    ("layout", "row"),
    [
        ("llama-factory", CONVERSATION),
        ("llama-factory-alpaca", {"instruction": "What?", **SAID}),
        ("ms-swift", SWIFT),
        ("trl", {"prompt": "What?", **SAID}),
    ],
)
def test_rows_about_videos_and_sounds_are_refused_and_counted(
    layout: str,
    row: dict[str, object],
    column: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = lines(tmp_path / "rows.jsonl", row, {**row, column: ["a.mp4"]})
    command = ["import", layout, str(file), "--out", str(tmp_path / "out"), "--json"]
    assert run(command) == 2
    assert f"rows.jsonl:2, column {column}" in capsys.readouterr().err
    assert run([*command, "--skip-bad"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["rows"], summary["pairs"], summary["skipped"].__len__()) == (2, 1, 1)


def test_a_video_column_of_another_name_is_refused_too(tmp_path: Path) -> None:
    info = {"x": {"file_name": "rows.json", "formatting": "sharegpt"}}
    info["x"] |= {"ranking": True, "columns": {"videos": "clips"}}  # type: ignore[dict-item]
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    (tmp_path / "rows.json").write_text(json.dumps([{**CONVERSATION, "clips": ["a.mp4"]}]))
    command = ["import", "llama-factory", str(tmp_path / "rows.json")]
    assert run([*command, "--out", str(tmp_path / "out")]) == 2


def test_an_import_of_no_pair_is_an_error_that_names_the_first_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    bad = lines(tmp_path / "bad.jsonl", {"prompt": "What?", "chosen": 5, "rejected": "A cup."})
    empty = lines(tmp_path / "empty.jsonl")
    for file, says in ((bad, "1 rows, 1 skipped, the first"), (empty, "0 rows, 0 skipped")):
        assert run(["import", "trl", str(file), "--skip-bad", "--out", str(out)]) == 2
        assert f"No pair could be read: {says}" in capsys.readouterr().err
        assert not out.exists()


def test_images_of_a_folder_that_can_t_be_read_are_named_and_jfif_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    image(folder / "a.png")
    image(folder / "b.jfif", "blue", "JPEG")
    for name in ("c.heic", "d.JP2", "e.mp4", "README"):
        (folder / name).write_bytes(b"?")
    image(folder / "without")
    (folder / "notes.txt").write_text("not an image")
    target = RunFolder(tmp_path / "target")
    found = read_prompts(target, SilentProgress(), images=folder, ask="What?")
    assert [prompt.source.dataset for prompt in found.prompts] == ["a.png", "b.jfif"]
    assert [Path(each.file).name for each in found.skipped] == [
        "c.heic",
        "d.JP2",
        "e.mp4",
        "without",
    ]


def test_a_row_that_asks_the_same_again_is_named_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image(tmp_path / "a.png")
    rows = [{"id": str(i), "image": "a.png", "question": "What?"} for i in (1, 2)]
    found = prompts(tmp_path, lines(tmp_path / "rows.jsonl", *rows))
    assert (len(found.prompts), found.repeated) == (1, 1)
    assert "rows.jsonl: row 2 is the same prompt as row 1" in caplog.text


def test_a_prompt_about_a_video_is_refused(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    row = {"image": "a.png", "question": "What?", "video": "a.mp4"}
    with pytest.raises(UserError, match="column video"):
        prompts(tmp_path, lines(tmp_path / "rows.jsonl", row))


@pytest.mark.parametrize("name", ["cats/1.png", "dogs/1.png", "/nope/data/1.png"])
def test_a_file_of_the_same_name_next_to_the_rows_is_not_the_image(
    name: str, tmp_path: Path
) -> None:
    image(tmp_path / "1.png")
    row = {"image": name, "question": "What?"}
    with pytest.raises(UserError, match="image doesn't exist"):
        prompts(tmp_path, lines(tmp_path / "rows.jsonl", row))


def test_two_names_are_never_one_image(tmp_path: Path) -> None:
    image(tmp_path / "photos" / "1.png")
    rows = [{"image": name, "question": name} for name in ("cats/1.png", "dogs/1.png")]
    with pytest.raises(UserError, match="Two names fit one file") as error:
        prompts(tmp_path, lines(tmp_path / "rows.jsonl", *rows), tmp_path / "photos")
    assert "rows.jsonl:2" in error.value.where


def test_different_files_that_fit_one_name_are_refused_and_copies_are_not(tmp_path: Path) -> None:
    row = {"image": "/data/coco/a/1.png", "question": "What?"}
    file, photos = lines(tmp_path / "rows.jsonl", row), tmp_path / "photos"
    image(photos / "a" / "1.png")
    image(photos / "1.png")
    assert len(prompts(tmp_path, file, photos).prompts) == 1
    image(photos / "1.png", "blue")
    with pytest.raises(UserError, match="Several different files fit"):
        prompts(tmp_path, file, photos)


def test_the_authors_folders_are_dropped_where_the_rest_is_there(tmp_path: Path) -> None:
    image(tmp_path / "train2017" / "1.png")
    image(tmp_path / "train2017" / "2.png", "blue")
    store = ImageStore(tmp_path / "store")
    names = ["/data/coco/train2017/1.png", "./coco/train2017/2.png"]
    roots = ([tmp_path], [tmp_path / "train2017"], [tmp_path / "train2017", tmp_path / "rows"])
    found = [[store.add_named(name, each, "row") for name in names] for each in roots]
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 2
