"""From a world answer to an exported pair, each stage as a user runs it."""

import json
import shlex
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, Source, TextPart
from groundtune.world import DATASET
from groundtune.world.catalogue import CATEGORIES
from groundtune.world.scenes import scene


@pytest.fixture
def sampled(tmp_path: Path) -> Path:
    """A folder with one answer about one scene, which names something that isn't there."""
    seen = scene("development", 0)
    wrong = next(name for name in CATEGORIES if seen.thing(name) is None)
    data = BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG")
    folder = RunFolder(tmp_path / "run")
    content = (ImagePart(image=folder.images.add(data.getvalue())), TextPart(text="Describe it."))
    prompt = Prompt(
        key="p",
        messages=(Message(role="user", content=content),),
        source=Source(dataset=DATASET, row=seen.key),
    )
    folder.prompts.append([prompt])
    base = Producer(kind="model", name="base")
    answer = Answer(key="a", prompt="p", text=f"There is a {wrong}.", producer=base)
    folder.answers.append([answer])
    return tmp_path / "run"


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out)


def test_label_pairs_and_export_hand_on_to_each_other(
    sampled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["label", "--answers", str(sampled), "--json"]) == EXIT_DONE
    labelled = printed(capsys)
    assert (labelled["corrected"], labelled["kinds"]) == (1, {"object": 1})
    next_command = shlex.split(str(labelled["next"]))
    assert next_command[:2] == ["groundtune", "pairs"]
    assert run([*next_command[1:], "--json"]) == EXIT_DONE
    assert printed(capsys)["made"] == 1
    out = tmp_path / "out.parquet"
    assert run(["export", "rlhf-v", str(sampled), "--out", str(out)]) == EXIT_DONE
    (row,) = pq.read_table(out).to_pylist()
    assert json.loads(row["origin_split"])["model"] == "base"
    assert row["origin_dataset"] == DATASET


def test_a_recipe_and_settings_say_who_labels(
    sampled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    recipe = tmp_path / "label.yaml"
    recipe.write_text("error_rate: 0.5\nseed: 3\n")
    arguments = ["label", str(recipe), "seed=4", "--answers", str(sampled)]
    assert run([*arguments, "--out", str(tmp_path / "out")]) == EXIT_DONE
    capsys.readouterr()
    (correction,) = RunFolder(tmp_path / "out").corrections.read()
    assert correction.by.seed == 4
    assert "error rate 0.5" in correction.by.revision
    assert RunFolder(sampled).corrections.read() == []


@pytest.mark.parametrize("setting", ["error_rate=2", "errorrate=0.1", "annotator=nobody"])
def test_a_setting_that_is_none_is_the_users_error(
    sampled: Path, setting: str, capsys: pytest.CaptureFixture[str]
):
    assert run(["label", setting, "--answers", str(sampled)]) == EXIT_INPUT
    assert len(capsys.readouterr().err.strip().splitlines()) == 3
