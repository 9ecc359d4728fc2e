"""Commands of the pages are run as a reader types them, in a fresh folder.

The README's and the start page's run with all tests, the others with `make test-docs`. Numbers are
smaller, and stand-ins replace what a reader has: pages.yaml says which, and what is not run.
"""

import re
from pathlib import Path

import pytest

from doc_pages import PAGES, ROOT, Unrun, blocks_of, commands_of, lines_of
from page_reader import reader
from readers_folder import make_folder

ALWAYS = ("README.md", "docs/start.md")
OTHERS = [
    page
    for page in PAGES
    if page not in ALWAYS
    and "not_run" not in PAGES[page]
    and (commands_of(page)[0] or blocks_of(page))
]


@pytest.mark.parametrize("page", ALWAYS)
def test_the_commands_of_the_first_pages_work(
    page: str, tmp_path: Path, tiny_llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path, tiny_llava)
    monkeypatch.chdir(tmp_path)
    for name, value in PAGES[page].get("environment", {}).items():
        monkeypatch.setenv(name, value)
    with reader(tmp_path) as person:
        person.follow(page)


@pytest.mark.docs
@pytest.mark.parametrize("page", OTHERS)
def test_the_commands_of_a_page_work(
    page: str, tmp_path: Path, tiny_llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path, tiny_llava)
    monkeypatch.chdir(tmp_path)
    for name, value in PAGES[page].get("environment", {}).items():
        monkeypatch.setenv(name, value)
    with reader(tmp_path) as person:
        person.follow(page)


def test_a_page_with_python_blocks_alone_is_run() -> None:
    assert "docs/api.md" in OTHERS


def test_every_page_with_commands_is_in_the_table() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    names = [path.relative_to(ROOT).as_posix() for path in pages]
    records = {"docs/notebook.md", "docs/design.md", "docs/faults.md", "docs/benchmarks.md"}
    # rows of measurements there, and in docs/measured, name commands that ran once
    missing = [
        name
        for name in names
        if name not in {*PAGES, *records}
        and not name.startswith("docs/measured/")
        and lines_of(name)
    ]
    assert missing == []
    assert [name for name in PAGES if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_replacement_and_exception_is_of_a_line_that_is_there(page: str) -> None:
    text = "\n".join([*(line for _, line in lines_of(page)), (ROOT / page).read_text()])
    rules = PAGES[page]
    replaced = rules.get("replace", {})
    there = "\n".join([text, *map(str, replaced.values())])  # a stand-in may have one, too
    assert [word for word in replaced if word not in there] == []
    starts = rules.get("elsewhere", {})
    assert [s for s in starts if not re.search(rf"^{re.escape(s)}", text, re.MULTILINE)] == []


def test_what_is_not_run_has_a_reason() -> None:
    left = [each for page in PAGES for each in commands_of(page)[1]]
    assert all(isinstance(each, Unrun) and len(each.reason) > 7 for each in left)
