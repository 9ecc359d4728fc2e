import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from groundtune.records import Claim, Prompt
from headless import chromium
from running_server import HTTP, ScriptedSpeaker, claims_of, png, service_of, serving
from waiting import wait_until

STATIC = Path(__file__).parents[2] / "src" / "groundtune" / "serve" / "static"


def test_the_page_is_served_whole_and_under_a_strict_policy():
    with serving(service_of(), token="t") as base:
        page = HTTP.get(base)
        linked = re.findall(r'(?:src|href)="([\w.]+)"', page.text)
        parts = {name: HTTP.get(f"{base}/{name}") for name in linked}
    assert set(parts) == {"chat.css", "chat.js"}
    assert parts["chat.js"].headers["content-type"].startswith("text/javascript")
    assert page.text == (STATIC / "index.html").read_text()
    for response in (page, *parts.values()):
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"


def test_the_page_loads_nothing_from_elsewhere_and_has_no_code_in_its_markup():
    page = (STATIC / "index.html").read_text()
    assert not re.search(
        r"https?://|<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src)", page
    )
    code = (STATIC / "chat.js").read_text()
    assert not re.search(r"https?://|innerHTML|eval\(|document\.write", code)


@pytest.mark.browser
def test_a_person_asks_about_a_image_and_sees_the_unsupported_words_marked(tmp_path: Path):
    (tmp_path / "red.png").write_bytes(png())
    text = "\U0001f600 A red cup & a <b>plate</b>."
    speaker = ScriptedSpeaker(lambda prompt, seed: text, pause_s=0.02)
    with serving(service_of(speaker, check=claims_of)) as base, chromium() as page:
        page.look(390, 800)
        page.open(base)
        page.until("document.querySelector('#model')?.textContent === 'tiny'")
        page.choose_file("#file", tmp_path / "red.png")
        page.until("!document.querySelector('#preview').hidden")
        page.run("document.querySelector('#send').click()")
        page.until("document.querySelector('.answer').textContent.startsWith('\U0001f600 A')")
        page.until("!!document.querySelector('.answer mark')")
        answer = "document.querySelector('.answer')"
        assert page.run(f"{answer}.textContent") == text
        assert page.run(f"[...{answer}.querySelectorAll('mark')].map(m => m.textContent)") == [
            "red"
        ]
        page.run(f"{answer}.querySelector('mark').focus()")
        assert page.run("document.querySelector('#tip').textContent") == "It is red. p(yes): 0.200"
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        speaker.text = lambda prompt, seed: "word " * 2000
        page.run("document.querySelector('#send').click()")
        page.until("document.querySelectorAll('article').length === 2")
        wait_until(lambda: len(speaker.asked) == 2)
        page.run("document.querySelector('#stop').click()")
        page.until("document.querySelector('article .note')?.textContent === 'Stopped.'")
        assert speaker.stopped.wait(20)
        assert page.complaints == []
    assert speaker.asked[0][0].images


@pytest.mark.browser
def test_a_question_without_an_image_says_that_nothing_could_be_checked():
    def unchecked(prompts: Sequence[Prompt], answers: Sequence[str]) -> list[list[Claim]]:
        change = {"p_yes": None, "p_no": None, "status": "unchecked"}
        return [[c.model_copy(update=change) for c in own] for own in claims_of(prompts, answers)]

    with serving(service_of(check=unchecked)) as base, chromium() as page:
        page.open(base)
        page.until("document.querySelector('#model')?.textContent === 'tiny'")
        page.run("document.querySelector('#send').click()")
        page.until("!!document.querySelector('article details')")
        note = page.run("document.querySelector('article .note').textContent")
        assert note == "Nothing could be checked: the request has no image."
        summary = page.run("document.querySelector('article summary').textContent")
        assert summary == "2 claims, none checked"
        assert page.complaints == []
