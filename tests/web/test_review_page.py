"""The Review screen in a Chromium: a machine's correction, sentence by sentence."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation_items import run_of
from annotation_page import CONTROL, click, open_screen, press, saved, shown
from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.annotate.results import ProjectPairSettings, finished_work, project_pairs
from groundtune.pipeline.annotate.suggestions import SuggestionCounts
from groundtune.records import Correction, Missing, Producer, Span
from headless import Page, chromium
from running_app import app_of

pytestmark = pytest.mark.web

TEXT = "A dog \U0001f600 sits here. Two cats sleep. The sofa is red, and new. The end."


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as found:
        yield found


def edit(words: str, replacement: str) -> Span:
    start = TEXT.index(words)
    return Span(start=start, end=start + len(words), replacement=replacement, by="machine")


def made(tmp_path: Path, **settings: object) -> Project:
    """A project with a machine's correction: three of four sentences are changed."""
    run = run_of(tmp_path / "run", [[TEXT]], facts=("There is a fox.", "One cat."))
    (prompt,) = run.prompts.read()
    (answer,) = run.answers.read()
    edits = (edit("dog", "fox"), edit(" Two cats sleep.", ""), edit("red", "blue"))
    corrected = "A fox \U0001f600 sits here. The sofa is blue, and new. The end."
    by = Producer(kind="model", name="machine")
    row = Correction(
        key="k",
        prompt=prompt.key,
        answer=answer.key,
        text=TEXT,
        spans=edits,
        corrected=corrected,
        by=by,
        missing=(Missing(label="Missing-Answer", facts=(1,)), Missing(note="The weather.")),
    )
    run.corrections.append([row])
    project = open_project(tmp_path / "project", settings)
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run", "review")
    return project


@pytest.mark.parametrize("width", [390, 1280])
def test_sentences_are_accepted_edited_and_rejected_by_keys(page: Page, tmp_path: Path, width: int):
    project = made(tmp_path)
    with app_of(project) as url:
        open_screen(page, f"{url}/task/review", width=width)
        assert page.run("document.querySelectorAll('.sentence').length") == 4
        assert shown(page, ".sentence[aria-current] .words") == "A dogfox \U0001f600 sits here."
        assert "There is a fox." in shown(page, "#facts")
        press(page, "y")
        press(page, "n")
        assert shown(page, ".sentence[aria-current] .words") == "The sofa is redblue, and new."
        press(page, "e")
        page.tab.fill("#edited", "The sofa is green, and old.")
        press(page, "Enter")
        states = "[...document.querySelectorAll('.sentence .state')].map(e => e.textContent)"
        assert page.run(states) == ["accepted", "rejected", "edited", ""]
        expected = (
            "A fox \U0001f600 sits here. Two cats sleep. The sofa is green, and old. The end."
        )
        assert shown(page, "#corrected") == expected
        assert page.run("document.documentElement.scrollWidth") <= width
        press(page, "u")
        assert page.run(states) == ["accepted", "rejected", "to decide", ""]
        assert page.run("document.getElementById('finish').disabled")
        press(page, "U", "Shift")
        press(page, "Enter", CONTROL)
        page.until("!document.getElementById('finished').hidden")
        saved(page)
        assert page.complaints == []
        (correction,) = finished_work(project).corrections
        assert correction.corrected == expected
        counts = finished_work(project).suggestions
        assert counts == SuggestionCounts(accepted=1, edited=1, rejected=1)
        page.open(url)
        page.until("!document.getElementById('suggestions').hidden")
        assert "1accepted1accepted with another text1rejected" in shown(page, "#suggestion-counts")
    made_pairs = project_pairs(project, tmp_path / "pairs", ProjectPairSettings(), SilentProgress())
    assert (made_pairs.made, made_pairs.suggestions) == (1, counts)
    assert (tmp_path / "pairs" / "suggestions.json").is_file()


def test_a_sentence_that_the_machine_left_alone_is_edited_by_mouse(page: Page, tmp_path: Path):
    project = made(tmp_path)
    with app_of(project) as url:
        open_screen(page, f"{url}/task/review")
        click(page, ".sentence:nth-child(4)")
        click(page, ".sentence:nth-child(4) [data-do=edit]")
        page.tab.fill("#edited", "This is the end.")
        open_screen(page, f"{url}/task/review")  # what was typed is still there
        assert page.run("document.getElementById('edited').value") == "This is the end."
        click(page, ".sentence .kinds button:nth-child(5)")
        click(page, ".sentence [data-do=save]")
        for place in (1, 2, 3):
            click(page, f".sentence:nth-child({place})")
            click(page, f".sentence:nth-child({place}) [data-do=reject]")
        click(page, "#finish")
        page.until("!document.getElementById('finished').hidden")
        saved(page)
        (correction,) = finished_work(project).corrections
        assert correction.corrected == TEXT.replace("The end.", "This is the end.")
        assert [span.kind for span in correction.spans] == ["action"]


def test_a_planted_suggestion_looks_like_any_other_and_is_counted(page: Page, tmp_path: Path):
    project = made(tmp_path, planted=1)
    with app_of(project) as url:
        open_screen(page, f"{url}/task/review")
        assert "planted" not in page.tab.content()
        for _ in range(4):
            press(page, "y")
        assert shown(page, "#corrected") == "A fox \U0001f600 sits here. The sofa is blue, and new."
        press(page, "Enter", CONTROL)
        page.until("!document.getElementById('finished').hidden")
        saved(page)
    counts = finished_work(project).suggestions
    assert counts == SuggestionCounts(accepted=3, planted_accepted=1)


@pytest.mark.parametrize("width", [390, 1280])
def test_what_others_call_missing_is_shown_with_its_facts_and_taken_over(
    page: Page, tmp_path: Path, width: int
):
    project = made(tmp_path)
    with app_of(project) as url:
        open_screen(page, f"{url}/task/review", width=width)
        said = page.run("[...document.querySelectorAll('.said')].map((each) => each.innerText)")
        assert [each.split("\n")[0] for each in said] == [
            "Said to be missing (Missing-Answer)",
            "Said to be missing",
        ]
        assert "One cat." in said[0]
        assert "The weather." in said[1]
        click(page, ".said:nth-of-type(1) button")
        page.until("document.querySelector('.said textarea')")
        page.tab.fill(".said textarea", "It was one cat.")
        for _ in range(3):
            click(page, ".sentence.open [data-do=accept]")
        page.tab.fill("#notes > label textarea", "Fine.")
        press(page, "Enter", CONTROL)
        page.until("!document.getElementById('finished').hidden")
        saved(page)
        assert page.complaints == []
    (correction,) = finished_work(project).corrections
    assert correction.missing == (
        Missing(label="Missing-Answer", note="It was one cat.", facts=(1,)),
    )
    assert correction.note == "Fine."


def test_a_blind_project_does_not_say_what_is_missing(page: Page, tmp_path: Path):
    project = made(tmp_path, blind=True)
    with app_of(project) as url:
        open_screen(page, f"{url}/task/review")
        assert page.run("document.querySelectorAll('.said').length") == 0
