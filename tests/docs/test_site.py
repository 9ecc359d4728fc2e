"""The site builds offline without warnings, and axe-core finds nothing on its pages."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from headless import CHROMIUM, Page, chromium

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[2]
PAGES = ("", "start/", "concepts/", "judges/", "training/", "measured/rounds/")
"""The front page, and pages with code, images, wide tables and many headings."""
OFFLINE = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files without a log."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning, or a builder that is not installed, is an error."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), **OFFLINE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    """The site's address on this machine."""
    files = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), files) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_address[1]}/"
        web.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A browser; without one the tests fail."""
    assert any(map(shutil.which, CHROMIUM)), "these tests need Chromium: apt-get install chromium"
    with chromium() as found:
        yield found


def test_every_page_of_the_navigation_is_built(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix("") for path in _markdown()]
    names = [Path() if each.name == "index" else each for each in pages]
    assert [name for name in names if not (site / name / "index.html").exists()] == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    page: Page, url: str, width: int, dark: bool
) -> None:
    found: list[str] = []
    for name in PAGES:
        page.look(width, 900, dark=dark)
        page.open(url + name)
        page.until("document.readyState === 'complete'")
        page.tab.wait_for_timeout(500)  # the site's script completes the theme's markup
        for each in Axe().run(page.tab).response["violations"]:
            found += [f"{name}: {each['id']}: {node['html'][:200]}" for node in each["nodes"]]
        if page.run("document.documentElement.scrollWidth") > width:
            found.append(f"{name}: wider than {width} pixels")
    assert found == []


def _markdown() -> list[Path]:
    return sorted((ROOT / "docs").rglob("*.md"))
