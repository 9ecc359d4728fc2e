import json
import pickle
from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli.app import run
from groundtune.generate.client import EndpointRefusal
from groundtune.pipeline.runs.folder import RunFolder
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


def test_requests_that_a_server_refuses_are_skipped_and_listed_if_that_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    rows = [{"image": "a.png", "question": f"What is {i}?"} for i in range(5)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    scripted = ScriptedEndpoint(lambda body, index: "A cup.")
    scripted.refuse = lambda body: fail(413, "too long") if "is 3?" in json.dumps(body) else None
    with running(scripted):
        argv = ["sample", "--model", f"openai:tiny@{scripted.url}", "--n", "2", "--skip-bad"]
        argv += ["--prompts", str(tmp_path / "rows.jsonl"), "--json", "--out", f"{tmp_path}/run"]
        assert run(argv) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["answers"], told["skipped"]) == (8, 1)
        [listed] = (tmp_path / "run" / "skipped.jsonl").read_text().splitlines()
        assert "HTTP 413" in listed
        assert json.loads(listed)["row"] == "4"
        scripted.refuse = lambda body: fail(404, "no such model")
        assert run([*argv[:-1], f"{tmp_path}/other"]) == 2  # no prompt is to blame


def test_a_refusal_comes_back_whole_from_another_process():
    error = EndpointRefusal("It refuses.", "there", "Change it.", why="HTTP 400", status=400)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.parts(), copy.why, copy.status) == (
        EndpointRefusal,
        error.parts(),
        "HTTP 400",
        400,
    )
