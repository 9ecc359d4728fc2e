import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from groundtune.cli import app
from groundtune.errors import UserError
from groundtune.vlm.load import revision_of


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """A reader of a pipe would wait for ever."""
    signal.alarm(60)
    yield
    signal.alarm(0)


def sample(*words: object) -> int:
    model = ["sample", "--model", "world:base", "--n", "1", "--temperature", "0"]
    return app.run([*model, *map(str, words)])


def pipe(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def refused(capsys: pytest.CaptureFixture[str], name: Path | str) -> None:
    what, where, fix = capsys.readouterr().err.splitlines()[-3:]
    assert what == "error: This is a pipe or a device, not a file."
    assert str(name) in where
    assert fix == "fix: Save its output to a file, and name that file."


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv", "xlsx", "parquet"])
def test_a_pipe_is_no_file_of_prompts(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = pipe(tmp_path / f"p.{ending}")
    assert sample("--prompts", file, "--out", tmp_path / "out") == 2
    refused(capsys, file)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_as_an_image_is_named_and_can_be_skipped(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "good.png")
    bad = folder / "bad.png"
    bad.symlink_to("/dev/zero") if kind == "device" else pipe(bad)
    words = ["--images", folder, "--ask", "What?", "--max-new-tokens", 2]
    assert sample(*words, "--out", tmp_path / "out") == 2
    refused(capsys, bad)
    rows = [{"image": name, "question": "What?"} for name in ("good.png", "bad.png")]
    prompts = tmp_path / "p.jsonl"
    prompts.write_text("\n".join(map(json.dumps, rows)))
    words = ["--images", folder, "--max-new-tokens", 2, "--skip-bad", "--json"]
    assert sample("--prompts", prompts, *words, "--out", tmp_path / "rows") == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["prompts"], done["skipped"]) == (1, 1)


@pytest.mark.parametrize("benchmark", ["world-captions", "pope", "mmhal"])
def test_a_pipe_is_no_file_of_answers(
    benchmark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = pipe(tmp_path / "answers.jsonl")
    data = [] if benchmark == "world-captions" else ["--data", str(file)]
    assert app.run(["bench", "score", benchmark, str(file), *data]) == 2
    refused(capsys, file)


def test_a_pipe_in_a_model_s_folder_is_named(tiny_llava: Path, tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    for each in tiny_llava.iterdir():
        (folder / each.name).symlink_to(each)
    pipe(folder / "preprocessor_config.json")
    with pytest.raises(UserError) as caught:
        revision_of(str(folder))
    assert caught.value.where == str(folder / "preprocessor_config.json")


def test_damaged_metadata_of_a_parquet_file_name_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    row = {"images": [b""], "prompt": "q", "chosen": "c", "rejected": "r"}
    file = tmp_path / "rows.parquet"
    table = pa.Table.from_pylist([row]).replace_schema_metadata({"groundtune": "{licences"})
    pq.write_table(table, file)
    out = str(tmp_path / "out")
    assert app.run(["import", "trl", str(file), "--out", out]) == 2
    what, where, _ = capsys.readouterr().err.splitlines()[-3:]
    assert what == "error: The file's metadata are damaged: they name no licences."
    assert where == f"where: {file}"


@pytest.mark.parametrize("command", ["import", "import to", "sample to", "annotate"])
def test_links_in_a_circle_are_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    loop, rows = tmp_path / "loop.jsonl", tmp_path / "rows.jsonl"
    loop.symlink_to(loop)
    rows.write_text("{}\n")
    words = {
        "import": ["import", "trl", loop, "--out", tmp_path / "out"],
        "import to": ["import", "trl", rows, "--out", loop],
        "sample to": ["sample", "--model", "world:base", "--prompts", "world:2", "--out", loop],
        "annotate": ["annotate", loop],
    }
    assert app.run(list(map(str, words[command]))) == 2
    what, where, _ = capsys.readouterr().err.splitlines()[-3:]
    assert what.startswith("error: The file can't be ")
    assert where == f"where: {loop}"
