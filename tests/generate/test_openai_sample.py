import json
from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli.app import run
from groundtune.pipeline.folder import RunFolder
from scripted_endpoint import ScriptedEndpoint, fail, running


def test_the_sample_command_draws_from_an_endpoint_and_goes_on_after_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    images = tmp_path / "images"
    images.mkdir()
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(images / f"{colour}.png")
    scripted = ScriptedEndpoint(lambda body, index: f"A cup {body['seed']}")
    with running(scripted):
        argv = ["sample", "--model", f"openai:tiny@{scripted.url}", "--images", str(images)]
        argv += ["--ask", "Describe.", "--n", "3", "--batch-size", "2", "--json"]
        argv += ["--out", str(tmp_path / "run")]
        scripted.faults = [fail(429)] * 2 + [lambda handler: fail(400)(handler)]
        assert run(argv) == 2
        assert "HTTP 400" in capsys.readouterr().err
        assert run(argv) == 0
    told = json.loads(capsys.readouterr().out)
    answers = RunFolder(tmp_path / "run").answers.read()
    assert (told["prompts"], told["answers"], len({a.text for a in answers})) == (2, 6, 6)
    assert {(a.producer.name, a.producer.revision) for a in answers} == {
        ("openai:tiny", "org/tiny-7b")
    }


def test_an_endpoint_takes_no_adapter(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    argv = ["sample", "--model", "openai:tiny@http://127.0.0.1:9", "--images", str(tmp_path)]
    argv += ["--ask", "?", "--adapter", "there", "--out", str(tmp_path / "run")]
    assert run(argv) == 2
    assert "takes no adapter" in capsys.readouterr().err
