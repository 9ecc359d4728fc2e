"""Words are chosen in Chromium and in Firefox, and their offsets are those of the exact text."""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from annotation_items import TEXT, answer_of, prompt_of, run_of
from annotation_page import SHIFT, drag, open_screen, press, saved, shown, type_text
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.store.annotations import items
from groundtune.store.annotations.records import AnnotationItem, PutSpan
from headless import Page, chromium, firefox
from running_app import app_of

pytestmark = pytest.mark.web
_NUMBERS = count()
BROWSERS = {"chromium": chromium, "firefox": firefox}

PIECES = [
    "dog",
    "Cafe\u0301",  # a combining mark
    "e\u0301\u0323\u0302",
    "\U0001f600",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family: one sign of five code points
    "\U0001f1e9\U0001f1ea",  # a flag
    "\u05db\u05dc\u05d1 \u05d7\u05ea\u05d5\u05dc",  # right to left
    "\u0643\u0644\u0628",
    "\u732b\u3068\u72ac",
    "\u0e41\u0e21\u0e27",
    "\u0928\u092e\u0938\u094d\u0924\u0947",
    "\U00020bb7",  # beyond the basic plane
    "don't",
    "3.5",
]
BETWEEN = [" ", " ", "\r\n", "\n\n", ", ", ". ", "\u00a0", "\t", "\u2028", " - "]


class Running(NamedTuple):
    page: Page
    project: Project
    url: str

    def open(self, text: str) -> str:
        """Add an answer, open it, and return its item's key."""
        prompt = prompt_of("p").model_copy(update={"facts": ("No image is needed.",)})
        prompt = prompt.model_copy(update={"messages": prompt.messages[:1]})
        item = AnnotationItem(
            key=f"item-{next(_NUMBERS)}", prompt=prompt, answers=(answer_of(prompt, text),)
        )
        with self.project.database.writing() as connection:
            items.add_items(connection, [item])
        open_screen(self.page, f"{self.url}/task/correct?item={item.key}")
        return item.key

    def spans(self, key: str) -> list[PutSpan]:
        """The marks that the server has."""
        saved(self.page)
        work = self.project.work("ada", key)
        assert work is not None
        return list(work.state.spans)

    def words(self) -> list[int]:
        """The places of words among the units of the answer."""
        return self.page.run(
            "[...document.querySelectorAll('#answer .word')].map(e => Number(e.dataset.u))"
        )

    def units(self) -> list[str]:
        """The texts of all units."""
        return self.page.run(
            "[...document.querySelectorAll('#answer [data-u]')].map(e => e.textContent)"
        )

    def middle(self, unit: int) -> tuple[float, float]:
        """Where a unit is on the screen."""
        x, y = self.page.run(
            f"(() => {{ const e = document.querySelector('#answer [data-u=\"{unit}\"]');"
            "e.scrollIntoView({block: 'center'}); const b = e.getClientRects()[0];"
            "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        return x, y


@pytest.fixture(scope="module", params=list(BROWSERS))
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("words")
    run_of(folder / "run", [[TEXT]])
    project = open_project(folder / "project")
    project.join("ada", "Ada", "owner")
    project.add_run(folder / "run")
    with BROWSERS[request.param]() as page, app_of(project) as url:
        yield Running(page, project, url)


@st.composite
def texts(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.sampled_from(PIECES), min_size=2, max_size=8))
    between = draw(st.lists(st.sampled_from(BETWEEN), min_size=len(pieces), max_size=len(pieces)))
    return "".join(piece + gap for piece, gap in zip(pieces, between, strict=True))


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # to shrink takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=texts(), ends=st.tuples(st.integers(0, 40), st.integers(0, 40)))
def test_what_is_dragged_over_is_what_is_stored(running: Running, text: str, ends: tuple[int, int]):
    key = running.open(text)
    words, units = running.words(), running.units()
    assert "".join(units) == text
    first, last = (words[end % len(words)] for end in ends)
    running.page.tab.mouse.move(*running.middle(first))
    running.page.tab.mouse.down()
    running.page.tab.mouse.move(*running.middle(last), steps=2)
    running.page.tab.mouse.up()
    low, high = sorted((first, last))
    start, end = len("".join(units[:low])), len("".join(units[: high + 1]))
    assert shown(running.page, "#editor q") == text[start:end]
    press(running.page, "1")
    type_text(running.page, "new \U0001f98a")
    press(running.page, "Enter")
    (span,) = running.spans(key)
    assert (span.start, span.end, span.text) == (start, end, text[start:end])
    expected = text[:start] + "new \U0001f98a" + text[end:]
    assert shown(running.page, "#corrected") == expected
    assert running.page.run("document.getElementById('trouble').hidden")


def test_twenty_thousand_characters_are_marked_at_their_end(running: Running):
    text = "\U0001f600 word\r\n" * 2500 + "dog cat."
    assert len(text) > 20_000
    key = running.open(text)
    drag(running.page, "dog", "dog")
    press(running.page, "1")
    type_text(running.page, "fox")
    press(running.page, "Enter")
    (span,) = running.spans(key)
    assert (span.start, span.replacement) == (text.index("dog"), "fox")
    assert shown(running.page, "#corrected") == text.replace("dog", "fox")


def test_words_are_chosen_from_either_side_and_a_double_click_takes_no_blank(running: Running):
    key = running.open("Une tr\u00e8s jolie maison e\u0301te\u0301 rouge.")
    drag(running.page, "maison", "tr\u00e8s")  # from the right
    assert shown(running.page, "#editor q") == "tr\u00e8s jolie maison"
    press(running.page, "Escape")
    words = running.words()
    running.page.tab.mouse.dblclick(*running.middle(words[4]))
    assert shown(running.page, "#editor q") == "e\u0301te\u0301"
    press(running.page, "2")
    press(running.page, "Enter")
    assert [span.text for span in running.spans(key)] == ["e\u0301te\u0301"]
    click_x, click_y = running.middle(words[1])
    running.page.tab.mouse.click(click_x, click_y)
    running.page.tab.keyboard.down("Shift")
    running.page.tab.mouse.click(*running.middle(words[2]))
    running.page.tab.keyboard.up("Shift")
    assert shown(running.page, "#editor q") == "tr\u00e8s jolie"


def test_words_are_chosen_by_keys_alone_and_marks_are_redone(running: Running):
    key = running.open("A small dog and two cats.")
    for name in ("ArrowRight", "ArrowRight"):
        press(running.page, name)
    press(running.page, "ArrowRight", SHIFT)
    assert shown(running.page, "#editor q") == "small dog"
    press(running.page, "ArrowLeft", SHIFT)
    press(running.page, "3")
    type_text(running.page, "large")
    press(running.page, "Enter")
    press(running.page, "End")
    press(running.page, "Delete")
    assert shown(running.page, "#corrected") == "A large dog and two."
    press(running.page, "u")
    press(running.page, "u")
    press(running.page, "U", SHIFT)
    saved(running.page)
    assert shown(running.page, "#corrected").startswith("A ")
    assert {span.start for span in running.spans(key)} <= {2, 19}
