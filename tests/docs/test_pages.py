"""Pages are short, are in the navigation, and their links lead somewhere."""

import posixpath
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
OTHERS = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
LONG = {"notebook.md", "results.md"}
"""Records that grow. All other pages are read from top to bottom."""
GENERATED = {"methods.md", "bench-metrics.md", "commands.md", "settings.md"}
"""Reference tables that tools write from the code."""
LINES = 200
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+?)\s*$", re.MULTILINE)
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def nav_pages(entries: list[Any]) -> list[str]:
    """The pages of the navigation, in its order."""
    found: list[str] = []
    for entry in entries:
        (value,) = entry.values()
        found += [value] if isinstance(value, str) else nav_pages(value)
    return found


@cache
def anchors_of(path: Path) -> frozenset[str]:
    """The ids that the site gives to a page's headings."""
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", title) for title in HEADING.findall(text))
    return frozenset(
        re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in plain
    )


def broken_links(path: Path, root: Path = ROOT) -> list[str]:
    """Links of a page to files of the repository, or to headings, that are not there."""
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    broken: list[str] = []
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        page, _, anchor = target.partition("#")
        file = path if not page else Path(posixpath.normpath(path.parent / page))
        there = file.is_file() and file.is_relative_to(root)
        if not there or (anchor and anchor not in anchors_of(file)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("name", [page for page in PAGES if page not in LONG | GENERATED])
def test_a_page_that_a_person_wrote_is_short(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES


def test_the_navigation_has_every_page_once() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(nav_pages(settings["nav"])) == PAGES


@pytest.mark.parametrize("name", [*OTHERS, *(f"docs/{page}" for page in PAGES)])
def test_the_links_of_a_page_lead_somewhere(name: str) -> None:
    assert broken_links(ROOT / name) == []


def test_a_page_of_the_site_links_to_pages_of_the_site_alone() -> None:
    outside = [
        (page, target)
        for page in PAGES
        for target in LINK.findall(FENCED.sub("", (DOCS / page).read_text(encoding="utf-8")))
        if not re.match(r"[a-z]+:|#", target)
        and posixpath.normpath(posixpath.join(posixpath.dirname(page), target)).startswith("..")
    ]
    assert outside == []


def test_the_check_of_links_finds_a_lost_page_and_a_lost_heading(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "# One, `two`\n[x](b.md) [y](#one-two) [z](a.md#three)\n", "utf-8"
    )
    assert broken_links(tmp_path / "a.md", tmp_path) == ["b.md", "a.md#three"]
