"""A folder that doesn't exist is not looked up on the hub."""

from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.vlm.local_path import refuse_missing_folder


@pytest.mark.parametrize(
    "name",
    ["./x", "../x", "/no/x", "~/x", "x", "x/", "x/y/z", "runs/x", "here/x", ".cache/x", "a\\b/c"],
)
def test_a_path_that_does_not_exist_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no such folder") as raised:
        refuse_missing_folder(name)
    assert raised.value.where == name


def test_a_hub_name_and_a_folder_that_exists_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "model").mkdir(parents=True)
    for name in ("llava-hf/llava-1.5-7b-hf", "Qwen/Qwen2.5-VL-3B-Instruct", "runs/model", "runs"):
        refuse_missing_folder(name)


def test_the_nearest_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "ddpo").mkdir(parents=True)
    with pytest.raises(UserError, match="Did you mean runs/ddpo"):
        refuse_missing_folder("runs/dpdo")


COMMANDS = [
    "sample --model {} --prompts world:2 --out runs/o",
    "bench run {} world --out runs/o",
    "serve {}",
    "best-of prompts=world:2 --model {} --reference world:base",
    "best-of prompts=world:2 --model world:base --reference {}",
    "check {} --images photos --labeler world:labeler divider=world",
    "check world:base --images photos --labeler {} divider=world",
    "align world-align model={}",
    "demo model={}",
    "world claims model={}",
]


@pytest.mark.parametrize("name", ["./runs/x/model", "runs/x"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_so_in_three_lines_without_a_connection(
    command: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Image.new("RGB", (20, 16), "red").save("photos/red.png")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("socket.socket.connect", refuse)
    assert run(command.format(name).split()) == EXIT_INPUT
    lines = capsys.readouterr().err.splitlines()[-3:]
    assert lines[0] == "error: There is no such folder."
    assert lines[1] == f"where: {name}"
    assert not list(Path("runs").rglob("*.png"))  # nobody waits for images before


def refuse(*_: object) -> None:
    raise AssertionError("a connection was opened")
