"""The next command that each step of the loop prints can be parsed, and most of them are run."""

import json
import shlex
from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli.app import build_app, run
from groundtune.cli.next_steps import after_answers, after_pairs, after_training
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, TextPart


def parse(line: str) -> None:
    words = shlex.split(line)
    assert words[0] == "groundtune"
    build_app(words[1:]).parse_args(words[1:], exit_on_error=False, print_error=False)


def next_of(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The next command of one that is run; it can be parsed."""
    assert run([*shlex.split(line), "--json"]) == 0, capsys.readouterr().err
    command = json.loads(capsys.readouterr().out).get("next", "")
    if command:
        parse(command)
    return command.removeprefix("groundtune ")


@pytest.mark.slow
def test_the_next_commands_lead_through_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sample = "sample --model world:base --prompts world:4 --n 2 --out 'runs/my answers'"
    label = next_of(f"{sample} --max-new-tokens 40", capsys)
    assert label == "label --answers 'runs/my answers'"
    pairs = next_of(label, capsys)
    assert pairs == "pairs --corrections 'runs/my answers'"
    train = next_of(pairs, capsys)
    assert train == "train world-ddpo --pairs 'runs/my answers'"
    short = f"{train} max_steps=1 --out 'runs/my model'"
    again = next_of(f"{short} --dry-run", capsys)
    assert shlex.split(again) == shlex.split(
        "train world-ddpo max_steps=1 --pairs 'runs/my answers' --out 'runs/my model'"
    )
    bench = next_of(again, capsys)
    assert bench == "bench run 'runs/my model/model' world --out 'runs/my model-bench'"
    report = next_of(f"{bench} --n 2", capsys)
    assert report == "report 'runs/my model-bench'"
    assert next_of(report, capsys) == ""
    next_of("bench run world:base world --n 2 --out runs/before", capsys)
    compare = next_of("compare runs/before 'runs/my model-bench'", capsys)
    assert compare == "compare runs/before 'runs/my model-bench' --out runs/comparison"
    assert next_of(compare, capsys) == ""


def test_what_follows_pairs_of_another_model_is_its_training(tmp_path: Path) -> None:
    folder = filled(tmp_path / "my answers", answers=1)
    assert after_pairs(folder, folder) == [
        *["groundtune", "train", "--model", "./my model"],
        *["--pairs", str(folder), "--dry-run"],
    ]
    assert after_training(tmp_path / "model", folder, tmp_path) == [
        *["groundtune", "sample", "--model", str(tmp_path / "model")],
        *["--prompts", str(folder), "--out", f"{tmp_path}-answers"],
    ]


def test_a_splitter_is_scored_after_its_training(tmp_path: Path) -> None:
    (tmp_path / "held-out").mkdir()
    command = after_training(tmp_path / "model", tmp_path, tmp_path)
    assert command[1:3] == ["splitter", "score"]
    parse(shlex.join(command))


@pytest.mark.parametrize(
    ("answers", "words"), [(1, ["report"]), (2, ["label", "--by", "claims"])], ids=["one", "two"]
)
def test_answers_about_own_images_are_shown_or_checked(
    answers: int, words: list[str], tmp_path: Path
) -> None:
    command = after_answers(filled(tmp_path / "run", answers=answers))
    assert set(words) < set(command)
    parse(shlex.join(command))


@pytest.mark.parametrize(
    "line",
    [
        "recipes list",
        "recipes copy world-dpo --out 'my recipe.yaml'",
        "world show --count 2",
        "world data --scenes 2 --out 'my data'",
        "world examples --scenes 2 --out 'my examples'",
    ],
)
def test_other_commands_end_with_one_that_parses(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert next_of(line, capsys)


def filled(path: Path, *, answers: int) -> Path:
    """A run's folder with one prompt about an image of one's own, and answers to it."""
    run = RunFolder(path)
    Image.new("RGB", (8, 8)).save(path.parent / "a.png")
    image = run.images.add((path.parent / "a.png").read_bytes())
    content = (ImagePart(image=image), TextPart(text="What is it?"))
    run.prompts.append([Prompt(key="p", messages=(Message(role="user", content=content),))])
    producer = Producer(kind="model", name="./my model")
    run.answers.append(
        [Answer(key=f"a{i}", prompt="p", text="A cup.", producer=producer) for i in range(answers)]
    )
    return path
