"""axe-core finds nothing on any page: phone and desktop, dark and light."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from annotation_items import TEXT, event, marked, run_of, submit
from annotation_page import click, drag, open_screen, press, violations
from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.annotate.given import add_answers
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.records import Claim, Correction, Missing, Producer, Span
from groundtune.store.annotations import items
from groundtune.store.annotations.records import PutMissing, SetNote
from headless import Page, chromium
from running_app import app_of

pytestmark = pytest.mark.web


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One item of each task, with suggestions and facts."""
    folder = tmp_path_factory.mktemp("accessible")
    run = run_of(folder / "run", [[TEXT, "A fox."]], facts=("There is a fox.",))
    prompt = run.prompts.read()[0]
    answer = run.answers.read()[0]
    claim = Claim(key="c", answer=answer.key, start=0, end=5, text="A dog", status="rejected")
    run.claims.append([claim])
    by = Producer(kind="model", name="machine")
    edit = Span(start=2, end=5, replacement="fox", by="machine")
    corrected = TEXT.replace("dog", "fox")
    fields = {"prompt": prompt.key, "answer": answer.key, "text": TEXT, "by": by}
    run.corrections.append([Correction(key="k", spans=(edit,), corrected=corrected, **fields)])
    made = open_project(folder / "project", {"severity": True})
    made.join("ada", "Ada", "owner")
    for task in ("correct", "compare", "evaluate", "review"):
        made.add_run(folder / "run", task)
    return made


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_on_any_page(page: Page, project: Project, width: int, dark: bool):
    seen: list[str] = []

    def look_at(name: str) -> None:
        seen.extend(f"{name}: {each}" for each in violations(page))

    with app_of(project) as url:
        for path in ("/", "/rates"):
            page.look(width, 900, dark=dark)
            page.open(url + path)
            page.until("Boolean(document.querySelector('#total')?.textContent)")
            look_at(path)
        for task in ("correct", "compare", "evaluate", "review"):
            open_screen(page, f"{url}/task/{task}", width=width, dark=dark)
            page.until("Boolean(document.querySelector('.canvas img')?.complete)")
            look_at(task)
            if task != "review":
                drag(page, "A", "A")
                click(page, ".kinds:not([hidden]) button:nth-child(3)")
                look_at(f"{task}, with a mark")
                press(page, "Escape")
        for name in ("help", "guidelines"):  # the same on every screen
            click(page, f".top [data-do={name}]")  # a phone has no keys
            assert page.run(f"document.getElementById('{name}').open")
            look_at(name)
            press(page, "Escape")
    assert seen == []


@pytest.fixture
def differing(tmp_path: Path) -> Project:
    """An answer about three pages that two people judged, with all that they may say of it."""
    pages = [Image.new("RGB", (300, 400), color) for color in ("ivory", "white", "snow")]
    pages[0].save(tmp_path / "scan.pdf", save_all=True, append_images=pages[1:])
    (tmp_path / "rows.csv").write_text(f"image,answer\nscan.pdf,{TEXT}\n", "utf-8")
    made = open_project(tmp_path / "project", {"people_per_item": 2, "conflict_below": 1})
    assert add_answers(made, tmp_path / "rows.csv", "correct", SilentProgress()) == 1
    with made.database.writing() as connection:
        (scan,) = items.all_items(connection)
        prompt = scan.prompt.model_copy(update={"facts": ("There is a fox.",)})
        fields = {"key": "omits", "missing": (Missing(note="The fox.", facts=(0,)),)}
        items.add_items(connection, [scan.model_copy(update={**fields, "prompt": prompt})])
    made.join("ada", "Ada", "owner")
    for person in ("ben", "cleo"):
        made.join(person, person.title(), "annotator")
        missing = PutMissing(id="missing-1", missing=Missing(note="The third page."))
        bodies = [missing, SetNote(note="Hard to read."), marked("dog", person), marked("red")]
        made.record(person, [*(event(scan.key, body) for body in bodies), submit(scan.key)])
    return made


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_on_several_images_missing_notes_conflicts_and_figures(
    page: Page, differing: Project, width: int, dark: bool
):
    seen: list[str] = []

    def look_at(name: str) -> None:
        seen.extend(f"{name}: {each}" for each in violations(page))
        wide = page.run("document.documentElement.scrollWidth - innerWidth")
        seen.extend([f"{name}: {wide} pixels too wide"] if wide > 0 else [])

    with app_of(differing) as url:
        open_screen(page, f"{url}/task/correct?item=omits", width=width, dark=dark)
        page.until("Boolean(document.querySelector('.canvas img')?.complete)")
        page.until("!document.getElementById('pager').hidden")
        look_at("pager")
        click(page, ".notes .said button")
        press(page, "m")
        page.until("document.activeElement?.tagName === 'TEXTAREA'")
        look_at("missing")
        page.open(f"{url}/conflicts")
        page.until("document.querySelectorAll('.sides .card').length === 2")
        look_at("conflicts")
        click(page, ".sides .primary")
        page.until("!document.getElementById('finished').hidden")
        press(page, "u")
        page.until("document.querySelectorAll('.card.taken').length === 1")
        look_at("settled")
        page.open(f"{url}/quality")
        page.until("Boolean(document.querySelector('#tasks summary'))")
        click(page, "#tasks details summary")
        look_at("quality")
    assert seen == []
