"""The Correct screen in a Chromium: keys, mouse, both sizes, offline, and difficult texts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation_items import TEXT, run_of
from annotation_page import (
    CONTROL,
    SHIFT,
    click,
    drag,
    open_screen,
    press,
    saved,
    shown,
    tap,
    type_text,
)
from groundtune.feedback.annotating import AnnotationState
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.annotate.results import finished_work
from groundtune.store.annotations import items
from headless import Page, chromium
from running_app import app_of

pytestmark = pytest.mark.web

HARD = [
    "\U0001f600 a dog \U0001f468\u200d\U0001f469\u200d\U0001f467 and a cat.",
    "Cafe\u0301 tables: a dog\r\nand a cat.",
    "\u05db\u05dc\u05d1 dog \u05d5\u05d7\u05ea\u05d5\u05dc cat.",
    "\u732b\u3068\u72ac dog \u304c\u3044\u308b\u3002 A cat.",
    "word " * 3999 + "dog cat.",
]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as found:
        yield found


def made(tmp_path: Path, texts: list[str]) -> Project:
    run_of(tmp_path / "run", [[text] for text in texts])
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run")
    return project


def state_of(project: Project, number: int = 0) -> AnnotationState:
    """What the server has of an item."""
    with project.database.reading() as connection:
        lines, _ = items.list_items(connection, "ada")
    work = project.work("ada", lines[number].key)
    assert work is not None
    return work.state


def test_an_answer_is_corrected_and_finished_by_keys_alone(page: Page, tmp_path: Path):
    project = made(tmp_path, [TEXT, "Second."])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct")
        press(page, "ArrowRight")  # A
        press(page, "ArrowRight")  # dog
        press(page, "2")
        type_text(page, "fox")
        assert shown(page, "#corrected").startswith("A fox and two")  # as it is typed
        press(page, "Enter")
        press(page, "ArrowRight")
        press(page, "ArrowRight")
        press(page, "ArrowRight", SHIFT)
        press(page, "3")
        type_text(page, "three birds")
        press(page, "Enter")
        assert shown(page, "#corrected") == "A fox and three birds sit on a red sofa."
        press(page, "Enter", CONTROL)
        page.until("document.getElementById('answer').textContent === 'Second.'")
        saved(page)
        (correction,) = finished_work(project).corrections
        assert correction.corrected == "A fox and three birds sit on a red sofa."
        assert [span.kind for span in correction.spans] == ["attribute", "number"]
        assert page.complaints == []


def test_words_are_chosen_by_mouse_from_either_side(page: Page, tmp_path: Path):
    project = made(tmp_path, [TEXT])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct")
        drag(page, "cats", "two")  # from the right
        press(page, "1")
        press(page, "Enter")
        drag(page, "red", "sofa")
        press(page, "Delete")
        saved(page)
        marks = [(s.text, s.replacement) for s in state_of(project).spans]
        assert marks == [("two cats", None), (" red sofa", "")]
        assert shown(page, "#corrected") == "A dog and two cats sit on a."


def test_a_deleted_sentence_takes_its_full_stop_and_its_blank(page: Page, tmp_path: Path):
    project = made(tmp_path, ["A dog. Two cats sleep. The end."])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct")
        drag(page, "Two", "sleep")
        press(page, "Delete")
        assert shown(page, "#corrected") == "A dog. The end."
        assert "ins" not in page.run("document.getElementById('answer').innerHTML")


@pytest.mark.parametrize("text", HARD)
def test_offsets_of_difficult_texts_are_code_points(page: Page, tmp_path: Path, text: str):
    project = made(tmp_path, [text])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct")
        for word, new in (("dog", "fox \U0001f98a"), ("cat", "cow")):
            drag(page, word, word)
            press(page, "1")
            type_text(page, new)
            press(page, "Enter")
        saved(page)
        state = state_of(project)
        assert [span.start for span in state.spans] == [text.index("dog"), text.index("cat")]
        expected = text.replace("dog", "fox \U0001f98a").replace("cat", "cow")
        assert shown(page, "#corrected") == expected
        assert page.run("document.getElementById('trouble').hidden")


def test_undo_and_redo_take_back_whole_actions_and_survive_a_reload(page: Page, tmp_path: Path):
    project = made(tmp_path, [TEXT])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct")
        for word in ("dog", "cats"):
            drag(page, word, word)
            press(page, "1")
            press(page, "Enter")
        drag(page, "dog", "cats")  # one mark that takes both in
        press(page, "3")
        press(page, "Enter")
        saved(page)
        assert [span.text for span in state_of(project).spans] == ["dog and two cats"]
        open_screen(page, f"{url}/task/correct")
        press(page, "u")
        saved(page)
        assert [span.text for span in state_of(project).spans] == ["dog", "cats"]
        press(page, "U", SHIFT)
        saved(page)
        assert [span.text for span in state_of(project).spans] == ["dog and two cats"]
        press(page, "z", CONTROL)
        press(page, "z", CONTROL)
        saved(page)
        assert [span.text for span in state_of(project).spans] == ["dog"]


def test_work_done_without_the_server_is_sent_once_it_is_back(page: Page, tmp_path: Path):
    project = made(tmp_path, [TEXT])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct")
    port = int(url.rpartition(":")[2])
    drag(page, "dog", "dog")
    press(page, "1")
    type_text(page, "fox")
    press(page, "Enter")
    page.until("document.getElementById('saved').textContent.startsWith('Offline')")
    again = open_project(tmp_path / "project")
    assert state_of(again).spans == ()
    with app_of(again, port=port):
        saved(page)
        (span,) = state_of(again).spans
        assert span.replacement == "fox"
        work = again.next_work("ada", "correct")
        assert work is not None
        assert len({each.id for each in work.events}) == len(work.events) == 2


def test_what_was_typed_and_not_saved_is_there_after_a_reload(page: Page, tmp_path: Path):
    project = made(tmp_path, [TEXT])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct")
        drag(page, "dog", "dog")
        press(page, "1")
        type_text(page, "a very long replacement")
        saved(page)
        open_screen(page, f"{url}/task/correct")
        page.until("Boolean(document.querySelector('.editor input'))")
        field = "document.querySelector('.editor input').value"
        assert page.run(field) == "a very long replacement"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_leaves_the_window_and_a_tap_marks_a_word(
    page: Page, tmp_path: Path, width: int, dark: bool
):
    project = made(tmp_path, [TEXT])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct", width=width, dark=dark)
        if width < 600:
            tap(page, "dog")
        else:
            drag(page, "dog", "dog")
        click(page, ".kinds button:nth-child(2)")
        type_text(page, "fox")
        click(page, ".editor .line .primary")
        click(page, "#finish")
        page.until("!document.getElementById('finished').hidden")
        saved(page)
        assert state_of(project).progress == "done"
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.complaints == []


def test_help_lists_the_keys_and_guidelines_are_one_key_away(page: Page, tmp_path: Path):
    project = made(tmp_path, [TEXT])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct")
        press(page, "?")
        assert "Undo, redo" in shown(page, "#help")
        click(page, "#help .close")
        press(page, "g")
        assert "nothing else" in shown(page, "#guidelines[open] h1")
        press(page, "Escape")


def test_a_comment_belongs_to_the_item_that_it_was_typed_on(page: Page, tmp_path: Path):
    project = made(tmp_path, [TEXT, "Second."])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct")
        press(page, "k")
        type_text(page, "A fine sofa.")
        press(page, "Enter", CONTROL)  # while the comment has the focus
        page.until("document.getElementById('answer').textContent === 'Second.'")
        assert page.run("document.querySelector('#notes textarea').value") == ""
        press(page, "k")
        type_text(page, "Short.")
        page.until("document.getElementById('saved').textContent === 'Saved'")
        page.tab.wait_for_timeout(1100)  # a pause in typing is enough: nothing was pressed
        saved(page)
        page.open("about:blank")
        assert [state_of(project, number).note for number in (0, 1)] == ["A fine sofa.", "Short."]
        assert state_of(project).progress == "done"


def test_on_a_phone_the_chosen_word_stays_above_the_editor(page: Page, tmp_path: Path):
    project = made(tmp_path, [f"{'A dog sits on a sofa. ' * 12}The end is near."])
    with app_of(project) as url:
        open_screen(page, f"{url}/task/correct", width=390)
        tap(page, "near")
        page.until("!document.getElementById('editor').hidden")
        page.until(
            "document.querySelector('#answer .sel').getBoundingClientRect().bottom"
            " <= document.getElementById('editor').getBoundingClientRect().top"
        )
