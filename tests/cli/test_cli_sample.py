import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli import app


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for colour in ("red", "blue"):
        Image.new("RGB", (20, 16), colour).save(folder / f"{colour}.png")
    return folder


def test_options_go_over_settings_and_settings_over_the_recipe(
    tiny_llava: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    recipe = tmp_path / "sample.yaml"
    recipe.write_text(
        f"model: {tiny_llava}\nn: 5\nseed: 5\nask: What?\nsampling: {{max_new_tokens: 3}}\n"
    )
    out = tmp_path / "run"
    command = ["sample", str(recipe), "n=4", "seed=4", "--images", str(images), "--n", "2"]
    assert app.run([*command, "--out", str(out), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["prompts"], done["answers"], done["wrote"]) == (2, 4, str(out))
    assert shlex.split(done["next"]) == [
        "groundtune",
        "label",
        "--answers",
        str(out),
        "--by",
        "claims",
    ]
    used = json.loads((out / "answers" / "run.json").read_text())["recipe"]
    assert (used["n"], used["seed"], used["sampling"]["max_new_tokens"]) == (2, 4, 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ask", "What?"], "model is missing"),
        (["--model", "./nowhere", "--ask", "What?"], "no such folder"),
        (["--model", "./nowhere"], "no instruction"),
        (["--model", "./nowhere", "--ask", "What?", "--n", "0"], "n is 0"),
        (["--model", "./nowhere", "tempreture=1"], "tempreture"),
        (["a.yaml", "b.yaml"], "'b.yaml' is not a setting"),
    ],
)
def test_bad_input_is_three_lines_and_exit_2(
    arguments: list[str],
    says: str,
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    out = ["--out", str(tmp_path / "run")]
    assert app.run(["sample", *arguments, "--images", str(images), *out]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert says in next(line for line in lines if line.startswith("error: "))
    assert [line.split(":")[0].strip() for line in lines[-3:]] == ["error", "where", "fix"]


def test_reading_prompts_and_drawing_from_a_script_need_no_torch():
    script = (
        "import sys, groundtune.cli.sample, groundtune.pipeline.sample.run, groundtune.generate.hf;"
        "import groundtune.generate.scripted; print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
