"""Feedback by claims as a user asks for it, on the embedded world's own labeler."""

import json
import shlex
from io import BytesIO
from math import log
from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.world.claims import ClaimStudy
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, TextPart
from groundtune.world.catalogue import CATEGORIES
from groundtune.world.simulated_people import scene_of
from scripted_endpoint import Body, ScriptedEndpoint, running


def asked_in(body: Body) -> str:
    """The text of a request."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study of the world's base that checks itself."""
    out = tmp_path_factory.mktemp("study")
    settings = ["scenes=3", "n=2", "labelers=[world:base]"]
    assert run(["world", "claims", *settings, "--out", str(out)]) == EXIT_DONE
    return out


def test_the_worlds_study_shows_verdicts_and_pairs_and_keeps_them(
    study: Path, capsys: pytest.CaptureFixture[str]
):
    settings = ["scenes=3", "n=2", "labelers=[world:base]"]
    assert run(["world", "claims", *settings, "--out", str(study), "--json"]) == EXIT_DONE
    measured = printed(capsys)
    assert measured["answers"] == 6
    kept = json.loads((study / "claims.json").read_text())
    assert kept["verdicts"] == measured["verdicts"]
    verdicts = {(row["kind"], row["counted"]): row for row in kept["verdicts"]}
    objects = verdicts["object", True]
    assert objects["true"] + objects["false"] > 20
    assert objects["balanced"][0] > 0.9
    assert {row["by"] for row in kept["pairs"]} >= {"claims", "one verdict", "one probability"}
    assert ClaimStudy().temperature == 1.0


def test_claims_are_checked_by_the_model_itself_and_pairs_made_of_them(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = RunFolder(study)
    prompt = folder.prompts.read()[0]
    seen = scene_of(prompt)
    there = seen.things[0].category
    gone = [name for name in CATEGORIES if seen.thing(name) is None][:2]
    by = Producer(kind="model", name="world:base")
    texts = {"right": f"There is a {there}.", "wrong": f"There is a {gone[0]} and a {gone[1]}."}
    run_folder = RunFolder(tmp_path / "run")
    run_folder.take_prompts(folder, [prompt])
    run_folder.answers.append(
        [Answer(key=k, prompt=prompt.key, text=t, producer=by) for k, t in texts.items()]
    )
    source = str(tmp_path / "run")
    assert run(["label", "--answers", source, "--by", "claims", "--json"]) == EXIT_DONE
    labelled = printed(capsys)
    assert labelled["kinds"]["object"] == {"rejected": 2, "supported": 1}  # type: ignore[index]
    assert run(["label", "--answers", source, "--by", "claims"]) == EXIT_DONE
    assert "object" in capsys.readouterr().out
    next_command = shlex.split(str(labelled["next"]))
    assert next_command[:3] == ["groundtune", "pairs", "--claims"]
    arguments = [*next_command[1:], "balance=none", "--out", str(tmp_path / "pairs")]
    assert run([*arguments, "--json"]) == EXIT_DONE
    counts = printed(capsys)
    assert (counts["made"], counts["candidates"]) == (1, 1)
    (pair,) = RunFolder(tmp_path / "pairs").pairs.read()
    assert (pair.chosen, pair.rejected) == (texts["right"], texts["wrong"])
    assert run(arguments) == EXIT_DONE
    assert "difference of scores" in capsys.readouterr().out


def test_self_is_refused_where_other_weights_answered_under_the_name(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder, copy = RunFolder(study), RunFolder(tmp_path)
    answer = folder.answers.read()[0]
    tuned = answer.producer.model_copy(update={"revision": "tuned"})
    copy.take_prompts(folder, folder.prompts.read())
    copy.answers.append([answer.model_copy(update={"producer": tuned})])
    assert run(["label", "--answers", str(tmp_path), "--by", "claims"]) == EXIT_INPUT
    assert "has different weights" in capsys.readouterr().err


def test_a_served_model_divides_and_labels_photographs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = RunFolder(tmp_path / "run")
    data = BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG")
    content = (ImagePart(image=folder.images.add(data.getvalue())), TextPart(text="Describe it."))
    folder.prompts.append([Prompt(key="p", messages=(Message(role="user", content=content),))])
    by = Producer(kind="model", name="someone")
    texts = ["A red dog.", "A cat.", "Blorp."]
    folder.answers.append(
        [Answer(key=f"a{i}", prompt="p", text=t, producer=by) for i, t in enumerate(texts)]
    )

    def divide(body: Body, index: int) -> str:
        noun = next((n for n in ("dog", "cat") if f"{n}." in asked_in(body)), "")
        return f"### Facts\n- A {noun}. | a {noun} | Is there a {noun}?" if noun else "What?"

    def likely(body: Body) -> list[tuple[str, float]]:
        return [("Yes", log(0.2)), ("No", log(0.7))] if "cat" in asked_in(body) else [("Yes", 0.0)]

    endpoint = ScriptedEndpoint(divide)
    endpoint.top = likely
    with running(endpoint):
        model = f"openai:tiny@{endpoint.url}"
        arguments = ["label", "--answers", str(folder.path), "--by", "claims", "--json"]
        assert run([*arguments, "--labeler", model, "--divider", model]) == EXIT_DONE
    made = printed(capsys)
    assert made["statuses"] == {"supported": 1, "rejected": 1, "unparsed": 1}
    assert made["unparsed_answers"] == 1
    dog, cat, _ = folder.claims.read()
    assert (dog.status, texts[0][dog.start : dog.end]) == ("supported", "dog")
    assert (cat.status, cat.p_yes, cat.p_no) == ("rejected", pytest.approx(0.2), pytest.approx(0.7))
    assert all(
        "Please answer yes or no." in q for q in map(asked_in, endpoint.bodies) if "cat?" in q
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["label", "--answers", "x", "--by", "claims", "--error-rate", "0.1"],
        ["label", "--answers", "x", "--labeler", "world:labeler"],
        ["label", "--answers", "x", "--by", "claims"],
        ["pairs"],
        ["pairs", "--claims", "x", "--corrections", "x"],
        ["pairs", "--claims", "x"],
        ["world", "claims", "scenes=1", "--out", "x"],
    ],
)
def test_what_cannot_be_meant_is_the_users_error(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == EXIT_INPUT
    assert len(capsys.readouterr().err.strip().splitlines()) == 3
    assert not any(tmp_path.iterdir())
