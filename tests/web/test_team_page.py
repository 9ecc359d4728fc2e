"""A team's pages in Chromium: logins, invitations, sessions that end, and markup as text."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation_items import run_of
from annotation_page import click, drag, press, saved, shown, type_text, violations
from groundtune.pipeline.annotate import people
from groundtune.pipeline.annotate.people import add_account
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.annotate.removal import find_person
from groundtune.store.annotations import items
from groundtune.web.access import Door
from headless import Page, chromium
from running_app import app_of
from team import PASSWORD, team_project

pytestmark = pytest.mark.web
SCRIPT = "<script>document.title = 'broken'</script>"
IMAGE = '"><img src=x onerror="document.title = \'broken\'">'


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as found:
        yield found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return team_project(tmp_path)


@pytest.fixture
def url(page: Page, project: Project) -> Iterator[str]:
    page.look(1280, 900)
    with app_of(project, door=Door()) as found:
        yield found
    page.tab.context.clear_cookies()


def log_in(page: Page, name: str) -> None:
    """Fill in the login page, by keys alone."""
    page.until("document.activeElement?.id === 'name'")
    type_text(page, name)
    press(page, "Tab")
    type_text(page, PASSWORD)
    press(page, "Enter")


def answer_is_there(page: Page) -> None:
    page.until("Boolean(document.querySelector('#answer [data-u]'))")


def mark(page: Page, word: str, text: str) -> None:
    drag(page, word, word)
    press(page, "1")
    type_text(page, text)
    press(page, "Enter")


def test_work_waits_while_nobody_is_logged_in_and_is_saved_afterwards(
    page: Page, url: str, project: Project
):
    page.open(f"{url}/task/correct")
    log_in(page, "Bo")
    answer_is_there(page)  # the page that was asked for
    mark(page, "dog", "fox")
    saved(page)
    bo = find_person(project.database, "Bo").id
    assert people.end_sessions(project.database, None, bo) == 1
    mark(page, "sofa", "chair")
    page.until("!document.getElementById('trouble').hidden")
    assert "session has ended" in shown(page, "#trouble")
    assert shown(page, "#saved") == "Offline: kept here"
    page.tab.click("#trouble a")
    # Somebody else logs in first in this browser: Bo's work is not taken for theirs.
    log_in(page, "Cy")
    page.until("location.pathname === '/task/correct'")
    page.until("!document.getElementById('finished').hidden")  # Bo has both items
    assert spans_of(project, "Cy") == []
    page.open(f"{url}/account")
    page.until("document.querySelectorAll('#sessions li').length === 1")
    click(page, "#logout")
    page.until("location.pathname === '/login'")
    log_in(page, "Bo")
    page.until("location.pathname === '/'")
    page.open(f"{url}/task/correct")
    answer_is_there(page)
    saved(page)
    assert spans_of(project, "Bo") == ["fox", "chair"]


def spans_of(project: Project, name: str) -> list[str | None]:
    """The replacements of a person's marks on the first item."""
    with project.database.reading() as connection:
        key = items.all_items(connection)[0].key
    work = project.work(find_person(project.database, name).id, key)
    assert work is not None
    return [span.replacement for span in work.state.spans]


def test_somebody_joins_by_a_link_and_the_owner_removes_them(
    page: Page, url: str, project: Project
):
    page.open(f"{url}/login?to=%2Fpeople")
    log_in(page, "Ada")
    page.until("document.querySelectorAll('.person').length === 4")
    click(page, "#invite button")
    page.until("!document.getElementById('new-link').hidden")
    link = page.run("document.getElementById('link').value")
    page.tab.context.clear_cookies()
    page.open(link)
    page.until("document.activeElement?.id === 'name'")
    assert shown(page, "#title") == "Join farm-team"
    type_text(page, "Di")
    for text in (PASSWORD, "something else"):
        press(page, "Tab")
        type_text(page, text)
    press(page, "Enter")
    page.until("document.getElementById('message').textContent !== ''")
    assert "two passwords differ" in shown(page, "#message")
    page.tab.fill("#again", PASSWORD)
    press(page, "Enter")
    page.until("location.pathname === '/'")
    assert page.run("location.hash") == ""
    page.tab.context.clear_cookies()
    page.open(f"{url}/login?to=%2Fpeople")
    log_in(page, "Ada")
    page.until("document.querySelectorAll('.person').length === 5")
    click(page, ".person:nth-child(5) .danger")
    page.until("document.querySelectorAll('#has dt').length > 0")
    assert shown(page, "#removal-title") == "Remove the data of Di"
    click(page, "#delete")
    page.until("!document.getElementById('gone').hidden")
    assert "1name1password1sessions" in shown(page, "#deleted")
    press(page, "Escape")
    page.until("document.querySelectorAll('.person.closed').length === 1")
    assert "Di" not in shown(page, "#people").replace("Delete", "")
    assert page.complaints == []


def test_a_link_to_another_site_is_not_followed_after_the_login(page: Page, url: str):
    for target in ("https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "javascript%3Aalert(1)"):
        page.tab.context.clear_cookies()
        page.open(f"{url}/login?to={target}")
        log_in(page, "Bo")
        page.until("location.pathname === '/' && Boolean(document.getElementById('items'))")
        assert page.run("location.origin") == url


def test_markup_wherever_a_person_can_put_it_is_text(page: Page, tmp_path: Path):
    run_of(tmp_path / "run", [[f"{SCRIPT}{IMAGE} A dog."]], facts=(IMAGE,))
    kinds = [{"name": IMAGE, "counts_as": "object", "hint": SCRIPT}]
    project = open_project(tmp_path / "farm <b>bold<b>", {"kinds": kinds})
    (project.path / "guidelines.md").write_text(f"# {SCRIPT}\n\n{IMAGE}\n", "utf-8")
    project.add_run(tmp_path / "run")
    project.add_run(tmp_path / "run", "evaluate")
    add_account(project.database, IMAGE, "owner", PASSWORD)
    add_account(project.database, SCRIPT, "annotator", PASSWORD)
    page.look(1280, 900)
    ready = {
        "/": "document.querySelectorAll('#items li').length > 0",
        "/task/correct": "Boolean(document.querySelector('#answer [data-u]'))",
        "/people": "document.querySelectorAll('.person').length === 2",
        "/audit": "document.querySelectorAll('#entries tr').length > 2",
        "/account": "document.querySelectorAll('#sessions li').length > 0",
        "/rates": "Boolean(document.getElementById('total').textContent)",
    }
    with app_of(project, door=Door()) as url:
        page.open(f"{url}/login")
        log_in(page, IMAGE)
        page.until("location.pathname === '/'")
        for path, condition in ready.items():
            page.open(url + path)
            page.until(condition)
            assert page.run("document.querySelectorAll('img[src=x], main script').length") == 0
            assert "broken" not in page.run("document.title").replace("'broken'", "")
            assert page.complaints == [], path
        page.open(f"{url}/task/correct")
        page.until(ready["/task/correct"])
        mark(page, "dog", f"{IMAGE}")
        saved(page)
        assert IMAGE in shown(page, "#corrected")
        assert page.complaints == []
    page.tab.context.clear_cookies()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_on_a_teams_pages(
    page: Page, url: str, project: Project, width: int, dark: bool
):
    page.look(width, 900, dark=dark)
    page.tab.context.clear_cookies()
    token = people.invite(project.database, None, "annotator", uses=2, days=1)
    seen: list[str] = []

    def look_at(name: str) -> None:
        seen.extend(f"{name}: {each}" for each in violations(page))
        wide = page.run("document.documentElement.scrollWidth - innerWidth")
        seen.extend([f"{name}: {wide} pixels too wide"] if wide > 0 else [])

    page.open(f"{url}/join#{token}")
    page.until("document.activeElement?.id === 'name'")
    look_at("join")
    page.open(f"{url}/login?to=%2Fpeople")
    page.until("document.activeElement?.id === 'name'")
    look_at("login")
    log_in(page, "Ada")
    page.until("document.querySelectorAll('.person').length === 4")
    click(page, "#invite button")
    page.until("!document.getElementById('new-link').hidden")
    look_at("people")
    click(page, ".person:nth-child(3) .danger")
    page.until("document.querySelectorAll('#has dt').length > 0")
    look_at("removal")
    for path, condition in (("/account", "#sessions li"), ("/audit", "#entries tr")):
        page.open(url + path)
        page.until(f"Boolean(document.querySelector('{condition}'))")
        look_at(path)
    assert seen == []
