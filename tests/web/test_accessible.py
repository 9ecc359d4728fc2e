"""axe-core finds nothing on any page: phone and desktop, dark and light."""

from collections.abc import Iterator

import pytest

from annotation_items import TEXT, run_of
from annotation_page import click, drag, open_screen, press, violations
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.records import Claim, Correction, Producer, Span
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
