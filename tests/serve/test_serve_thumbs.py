"""Thumbs: people's word on single answers, stored by the server, and pairs of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.pipeline.feedback.thumbs import LOG, ThumbLog, read_log
from groundtune.pipeline.runs.folder import RunFolder
from headless import chromium
from running_server import HTTP, ScriptedSpeaker, body, data_url, png, service_of, serving


def thumb(answer: str, *, good: bool, image: bytes | None = None, **own: Any) -> dict[str, Any]:
    asked = body("Which?", data_url(image or png()))
    return {"messages": asked["messages"], "answer": answer, "good": good, **own}


def sent_to(base: str, *thumbs: dict[str, Any]) -> list[dict[str, Any]]:
    replies = [HTTP.post(f"{base}/v1/thumbs", json=each) for each in thumbs]
    assert [reply.status_code for reply in replies] == [200] * len(thumbs)
    return [reply.json() for reply in replies]


def test_thumbs_are_stored_with_their_images_and_become_rated_pairs(tmp_path: Path):
    with serving(service_of(thumbs=ThumbLog(tmp_path))) as base:
        assert HTTP.get(f"{base}/v1/models").json()["data"][0]["thumbs"]
        up, down, turned = sent_to(
            base,
            thumb("A cup.", good=True, user="ada"),
            thumb("A dog.", good=False, user="ada", note="no dog"),
            thumb("A dog.", good=False, user="ada"),
        )
        metrics = HTTP.get(f"{base}/metrics").text
    assert 'thumbs_total{good="false"} 2' in metrics
    assert (up["good"], down["good"]) == (True, False)
    assert len({each["id"] for each in (up, down, turned)}) == 3
    assert len((tmp_path / LOG).read_text().splitlines()) == 3  # nothing is overwritten
    assert [row.thumb.note for row in read_log(tmp_path)] == ["", ""]
    assert run(["pairs", "--thumbs", str(tmp_path), "--json"]) == 0
    folder = RunFolder(tmp_path)
    rated = {
        (p.chosen, p.chosen_rating, p.rejected, p.rejected_rating): p for p in folder.pairs.read()
    }
    assert set(rated) == {("A cup.", 1, "-", 0), ("-", 0, "A dog.", -1)}
    (prompt,) = folder.prompts.read()
    assert folder.images.read(prompt.images[0]) == png()
    assert {answer.key for answer in folder.answers.read()} == {
        parent for pair in rated.values() for parent in pair.parents
    }


def test_a_log_goes_on_after_a_restart_and_a_turned_thumb_replaces_its_pair(tmp_path: Path):
    log, out = tmp_path / "log", tmp_path / "out"
    with serving(service_of(thumbs=ThumbLog(log))) as base:
        sent_to(base, thumb("A cup.", good=True, user="ada"))
    assert run(["pairs", "--thumbs", str(log), "--out", str(out)]) == 0
    with (log / LOG).open("a", encoding="utf-8") as file:
        file.write('{"prompt": {"key"')  # of a killed server
    with serving(service_of(thumbs=ThumbLog(log))) as base:
        sent_to(base, thumb("A cup.", good=False, user="ada"))
    assert run(["pairs", "--thumbs", str(log), "--out", str(out)]) == 0
    (pair,) = RunFolder(out).pairs.read()
    assert (pair.chosen, pair.rejected) == ("-", "A cup.")


def test_as_many_up_as_down_is_a_tie_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with serving(service_of(thumbs=ThumbLog(tmp_path))) as base:
        said = [("A cup.", True, "ada"), ("A cup.", False, "bo"), ("A cat.", True, "ada")]
        sent_to(base, *(thumb(text, good=good, user=user) for text, good, user in said))
        sent_to(base, thumb("A cat.", good=True, user="bo"))
    assert run(["pairs", "--thumbs", str(tmp_path), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["made"], counts["tie"], counts["duplicate"]) == (1, 2, 1)


def test_kto_trains_on_thumbs_and_other_methods_refuse_them(
    tmp_path: Path, tiny_llava: Path, capsys: pytest.CaptureFixture[str]
):
    log = tmp_path / "log"
    with serving(service_of(thumbs=ThumbLog(log))) as base:
        sent_to(base, thumb("A cup.", good=True), thumb("A dog.", good=False))
    assert run(["pairs", "--thumbs", str(log)]) == 0
    assert "method.type=kto method.thumbs=true" in capsys.readouterr().out
    train = ["train", "--model", str(tiny_llava), "--pairs", str(log)]
    kto = ["method.type=kto", "method.thumbs=true", "max_steps=1", "batch_size=2"]
    assert run([*train, *kto, "--out", str(tmp_path / "kto")]) == 0
    assert run([*train, "method.type=dpo", "--out", str(tmp_path / "dpo")]) == EXIT_INPUT
    assert "method.type=kto method.thumbs=true" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"answer": " "}, "invalid_value"),
        ({"good": "yes"}, "invalid_value"),
        ({"good": None}, "missing_required_parameter"),
        ({"messages": []}, "invalid_value"),
        ({"stars": 5}, "unknown_parameter"),
        ({"answer": "a" * 200_001}, "limit_exceeded"),
        (body("Which?", "http://there/a.png"), "invalid_image_url"),
    ],
)
def test_a_bad_thumb_is_refused_and_nothing_is_stored(
    changes: dict[str, Any], code: str, tmp_path: Path
):
    log = ThumbLog(tmp_path)
    with serving(service_of(thumbs=log)) as base:
        reply = HTTP.post(f"{base}/v1/thumbs", json=thumb("A cup.", good=True) | changes)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    assert log.count == 0


def test_without_a_folder_thumbs_are_not_available():
    with serving(service_of()) as base:
        reply = HTTP.post(f"{base}/v1/thumbs", json=thumb("A cup.", good=True))
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "not_available")


def test_a_folder_without_thumbs_and_a_damaged_log_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["pairs", "--thumbs", str(tmp_path)]) == EXIT_INPUT
    assert "groundtune serve --thumbs" in capsys.readouterr().err
    with serving(service_of(thumbs=ThumbLog(tmp_path))) as base:
        sent_to(base, thumb("A cup.", good=True))
    path = tmp_path / LOG
    path.write_text(path.read_text().replace("A cup.", "A cat."))
    assert run(["pairs", "--thumbs", str(tmp_path)]) != 0
    assert f"{path}:1" in capsys.readouterr().err


@pytest.mark.browser
def test_a_visitor_gives_a_thumb_and_changes_their_mind(tmp_path: Path):
    log = ThumbLog(tmp_path / "log")
    (tmp_path / "red.png").write_bytes(png())
    pressed = "[...document.querySelectorAll('.thumb')].map(b => b.getAttribute('aria-pressed'))"
    speaker = ScriptedSpeaker(lambda prompt, seed: "A red cup.")
    with serving(service_of(speaker, thumbs=log)) as base, chromium() as page:
        page.look(390, 800)
        page.open(base)
        page.until("document.querySelector('#model')?.textContent === 'tiny'")
        page.choose_file("#file", tmp_path / "red.png")
        page.until("!document.querySelector('#preview').hidden")
        page.run("document.querySelector('#send').click()")
        page.until("document.querySelectorAll('.thumb').length === 2")
        for number, expected in ((0, ["true", "false"]), (1, ["false", "true"])):
            page.run(f"document.querySelectorAll('.thumb')[{number}].click()")
            page.until(
                f"JSON.stringify({pressed}) === '{json.dumps(expected, separators=(',', ':'))}'"
            )
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        assert page.complaints == []
    assert log.count == 2
    (row,) = read_log(tmp_path / "log")
    assert (row.thumb.good, row.answer.text, len(row.prompt.images)) == (False, "A red cup.", 1)
    assert len(row.thumb.by.name) == 16
