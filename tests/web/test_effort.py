"""Keys and clicks per item, counted in the page while a script works as a person does.

`pytest -m web -s tests/web/test_effort.py` prints the table of docs/measured/annotation.md. A
script's seconds say nothing about a person's and are not measured.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from annotation_page import CONTROL, SHIFT, click, open_screen, press, saved
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.feedback.corrections import label_answers
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Correction, Span
from groundtune.store.annotations.records import Task
from groundtune.world.simulated_people import annotator
from headless import Page, chromium
from running_app import app_of
from world_answers import world_run

pytestmark = pytest.mark.web
ITEMS = 8
COUNT = """
  window.effort = { keys: 0, characters: 0, clicks: 0 };
  addEventListener('keydown', (event) => {
    if (!['Shift', 'Control', 'Alt'].includes(event.key)) window.effort.keys += 1;
  }, true);
  addEventListener('pointerdown', () => { window.effort.clicks += 1; }, true);
"""


class Effort(NamedTuple):
    keys: int
    clicks: int
    typed: int


class Work(NamedTuple):
    """An answer on screen, and what a person does with it."""

    page: Page
    text: str
    spans: tuple[Span, ...]

    def units(self) -> list[tuple[int, int]]:
        texts = self.page.run(
            "[...document.querySelectorAll('.answer [data-u]')].map(e => e.textContent)"
        )
        ends, found = 0, list[tuple[int, int]]()
        for text in texts:
            found.append((ends, ends + len(text)))
            ends += len(text)
        return found

    def choose_by_keys(self, span: Span) -> None:
        """Arrows to the first word, then Shift and arrows to the last."""
        units = self.units()
        for _ in range(200):
            if self.cursor() is not None and units[self.cursor() or 0][1] > span.start:
                break
            press(self.page, "ArrowRight")
        for _ in range(200):
            if units[self.cursor() or 0][1] >= span.end:
                break
            press(self.page, "ArrowRight", SHIFT)

    def cursor(self) -> int | None:
        found = self.page.run("document.querySelector('.answer .cursor')?.dataset.u ?? null")
        return None if found is None else int(found)

    def choose_by_mouse(self, span: Span) -> None:
        """One drag from the first word to the last."""
        inside = [n for n, (_, end) in enumerate(self.units()) if end > span.start]
        first = inside[0]
        last = next(n for n in inside if self.units()[n][1] >= span.end)
        places = [
            self.page.run(
                f"(() => {{ const e = document.querySelector('.answer [data-u=\"{unit}\"]');"
                "e.scrollIntoView({block: 'center'}); const b = e.getClientRects()[0];"
                "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
            )
            for unit in (first, last)
        ]
        self.page.tab.mouse.move(*places[0])
        self.page.tab.mouse.down()
        self.page.tab.mouse.move(*places[1])
        self.page.tab.mouse.up()

    def replace(self, span: Span, *, mouse: bool) -> None:
        """Mark the chosen words and type what is right."""
        if not span.replacement:
            click(self.page, "#editor .more button") if mouse else press(self.page, "Delete")
            return
        if mouse:
            click(self.page, ".kinds:not([hidden]) button:nth-child(1)")
        else:
            press(self.page, "1")
        self.page.tab.keyboard.insert_text(span.replacement)
        press(self.page, "Enter")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """World answers with the corrections of a simulated person."""
    folder = world_run(tmp_path_factory.mktemp("effort") / "run", ITEMS)
    person, by = annotator(0.0, 3)
    label_answers(folder.path, folder.path, person, by, SilentProgress())
    return folder


def correct_by_keys(work: Work) -> None:
    for span in work.spans:
        work.choose_by_keys(span)
        work.replace(span, mouse=False)
    press(work.page, "Enter", CONTROL)


def correct_by_mouse(work: Work) -> None:
    for span in work.spans:
        work.choose_by_mouse(span)
        work.replace(span, mouse=True)
    click(work.page, "#finish")


def evaluate_by_keys(work: Work) -> None:
    for span in work.spans:
        work.choose_by_keys(span)
        press(work.page, "1")
    press(work.page, "Enter", CONTROL)


def evaluate_by_mouse(work: Work) -> None:
    for span in work.spans:
        work.choose_by_mouse(span)
        click(work.page, ".kinds:not([hidden]) button:nth-child(1)")
    click(work.page, "#finish")


def review_by_keys(work: Work) -> None:
    while work.page.run("Boolean(document.querySelector('.sentence.open'))"):
        press(work.page, "y")
    press(work.page, "Enter", CONTROL)


def review_by_mouse(work: Work) -> None:
    while work.page.run("Boolean(document.querySelector('.sentence.open'))"):
        click(work.page, ".sentence[aria-current] [data-do=accept]")
    click(work.page, "#finish")


def compare_by_keys(work: Work) -> None:
    press(work.page, "a")
    press(work.page, "b")
    press(work.page, "Enter", CONTROL)


def compare_by_mouse(work: Work) -> None:
    click(work.page, "#hallucinates_more button:nth-child(1)")
    click(work.page, "#better button:nth-child(2)")
    click(work.page, "#finish")


WAYS: list[tuple[Task, Callable[[Work], None]]] = [
    ("correct", correct_by_keys),
    ("correct", correct_by_mouse),
    ("compare", compare_by_keys),
    ("compare", compare_by_mouse),
    ("evaluate", evaluate_by_keys),
    ("evaluate", evaluate_by_mouse),
    ("review", review_by_keys),
    ("review", review_by_mouse),
]
MOST_KEYS = {"correct": 80, "compare": 3, "evaluate": 80, "review": 8}
MOST_CLICKS = {"correct": 8, "compare": 3, "evaluate": 8, "review": 8}


def two_each(run: RunFolder, path: Path) -> RunFolder:
    """The same prompts with the corrected texts as second answers."""
    made = RunFolder(path)
    made.take_prompts(run, run.prompts.read())
    fixed = {row.answer: row.corrected for row in run.corrections.read()}
    answers = run.answers.read()
    better = [
        each.model_copy(update={"key": f"{each.key[:-1]}x", "text": fixed[each.key] + " Yes."})
        for each in answers
    ]
    made.answers.append([*answers, *better])
    return made


@pytest.mark.parametrize(("task", "way"), WAYS, ids=[way.__name__ for _, way in WAYS])
def test_few_keys_and_clicks_are_needed(
    page: Page, run: RunFolder, tmp_path: Path, task: Task, way: Callable[[Work], None]
):
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    source = two_each(run, tmp_path / "two").path if task == "compare" else run.path
    number = project.add_run(source, task)
    corrections = {row.text: row for row in run.corrections.read()}
    effort = worked(page, project, task, way, corrections, number)
    edits = sum(len(row.spans) for row in corrections.values())
    print(
        f"| {way.__name__.replace('_', ' ')} | {number} | {edits} | "
        f"{effort.keys / number:.1f} | {effort.clicks / number:.1f} |"
    )
    by_mouse = way.__name__.endswith("mouse")
    most = MOST_CLICKS[task] if by_mouse else MOST_KEYS[task]
    assert (effort.clicks if by_mouse else effort.keys) / number <= most
    if not by_mouse:
        assert effort.clicks == 0


def worked(
    page: Page,
    project: Project,
    task: Task,
    way: Callable[[Work], None],
    corrections: dict[str, Correction],
    number: int,
) -> Effort:
    """Work through all items, and what it took."""
    with app_of(project) as url:
        open_screen(page, f"{url}/task/{task}")
        page.run(f"(() => {{ {COUNT} }})()")
        for done in range(number):
            text = page.run("(document.querySelector('.answer') ?? {textContent: ''}).textContent")
            known = corrections.get(text)
            way(Work(page, text, known.spans if known else ()))
            page.until(
                f"document.getElementById('progress').textContent === '{done + 1} of {number} done'"
            )
        page.until("!document.getElementById('finished').hidden")
        saved(page)
        found = page.run("window.effort")
    return Effort(found["keys"], found["clicks"], 0)
