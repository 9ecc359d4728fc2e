"""German, Chinese and Arabic answers through the whole labelling, by an endpoint over HTTP."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from groundtune.cli.app import run
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, TextPart
from scripted_endpoint import ScriptedEndpoint, running

GERMAN = (
    "Auf dem Tisch stehen zwei rote Tassen. Daneben liegt ein Löffel.",
    "### Facts\n"
    "- Auf dem Tisch stehen zwei Tassen. | stehen zwei rote Tassen | Stehen dort zwei Tassen?\n"
    "- Da ist ein Löffel. | ein Löffel | Gibt es einen Löffel?\n"
    "### Opinions\n- none",
    {"stehen zwei rote Tassen": "supported", "ein Löffel": "rejected"},
)
CHINESE = (
    "桌子上有两个红色的杯子。旁边有一把勺子。",
    "### Facts：\n"  # noqa: RUF001
    "- 桌子上有两个杯子。 ｜ 两个红色的杯子 ｜ 桌子上有两个杯子吗？\n"  # noqa: RUF001
    "- 有一把勺子。 | 一把勺子 | 有一把勺子吗？\n"  # noqa: RUF001
    "### Opinions\n- none",
    {"两个红色的杯子": "supported", "一把勺子": "rejected"},
)
ARABIC = (
    "يوجد كوب أحمر على الطاولة.",
    "### Facts\n- يوجد كوب. | كوب أحمر | هل يوجد كوب؟\n### Opinions\n- none",
    {"كوب أحمر": "supported"},
)


def folder_of(path: Path, text: str) -> RunFolder:
    Image.new("RGB", (32, 24), "red").save(path / "red.png")
    folder = RunFolder(path / "run")
    content = (ImagePart(image=folder.images.add(path / "red.png")), TextPart(text="?"))
    prompt = Prompt(key="p", messages=(Message(role="user", content=content),))
    by = Producer(kind="model", name="m")
    folder.prompts.append([prompt])
    folder.answers.append([Answer(key="a", prompt="p", text=text, producer=by)])
    return folder


def asked_in(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


@pytest.mark.parametrize(
    ("text", "division", "verdicts"),
    [GERMAN, CHINESE, ARABIC],
    ids=["German", "Chinese", "Arabic"],
)
def test_each_claim_gets_a_verdict_about_its_own_words(
    text: str,
    division: str,
    verdicts: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    def answer(body: dict[str, Any], index: int) -> str:
        return division if "### Facts" in asked_in(body) else "yes"

    def top(body: dict[str, Any]) -> list[tuple[str, float]]:
        spoon = any(word in asked_in(body) for word in ("Löffel", "勺子"))
        return [("No", -0.1), ("Yes", -3.0)] if spoon else [("Yes", -0.1), ("No", -3.0)]

    folder = folder_of(tmp_path, text)
    with running(ScriptedEndpoint(answer)) as served:
        served.top = top
        model = f"openai:tiny@{served.url}"
        line = ["label", f"divider={model}", "--answers", str(folder.path), "--by", "claims"]
        line += ["--labeler", model, "--out", str(tmp_path / "out"), "--json"]
        assert run(line) == 0
    counts = json.loads(capsys.readouterr().out)
    claims = RunFolder(tmp_path / "out").claims.read()
    assert {text[each.start : each.end]: each.status for each in claims} == verdicts
    assert counts.get("unparsed", 0) == 0
