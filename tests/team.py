"""Teams for tests of the annotation app: people with passwords, and browsers that are logged in."""

from pathlib import Path

import httpx

from annotation_items import TEXT, run_of
from groundtune.pipeline.annotate.people import add_account
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.store.annotations.items import Role

PASSWORD = "four words in a row"
TEAM: dict[str, Role] = {"Ada": "owner", "Rev": "reviewer", "Bo": "annotator", "Cy": "annotator"}


def team_project(folder: Path) -> Project:
    """A project with two answers, and a person of each role who can log in."""
    run_of(folder / "run", [[TEXT], ["A cat and a bird sit on a green chair."]])
    made = open_project(folder / "farm-team")
    made.add_run(folder / "run")
    for name, role in TEAM.items():
        add_account(made.database, name, role, PASSWORD)
    return made


def browser(url: str) -> httpx.Client:
    """A client with its own cookies, such as one browser's."""
    closing = {"connection": "close"}  # no socket outlives its test
    return httpx.Client(base_url=url, verify=False, trust_env=False, timeout=20, headers=closing)


def logged_in(url: str, name: str, password: str = PASSWORD) -> httpx.Client:
    """A browser in which a person has logged in."""
    made = browser(url)
    response = made.post("/api/login", json={"name": name, "password": password})
    assert response.status_code == 200, response.text
    return made
