"""Several images per item, the pages of a document, in a Chromium."""

from pathlib import Path

import pytest
from PIL import Image

from annotation_page import click, open_screen, press
from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.annotate.given import add_answers
from groundtune.pipeline.annotate.project import open_project
from headless import chromium
from running_app import app_of

pytestmark = pytest.mark.web
SHOWN = "document.querySelector('.canvas img').naturalWidth"


def test_pages_are_turned_by_keys_and_by_mouse_and_zoomed(tmp_path: Path):
    sizes = [(1000 + number, 700 if number else 1400) for number in range(12)]
    pages = [Image.new("RGB", size, "ivory") for size in sizes]
    pages[0].save(tmp_path / "scan.pdf", save_all=True, append_images=pages[1:], resolution=200)
    (tmp_path / "rows.csv").write_text("image,answer\nscan.pdf,The total is 12.\n", "utf-8")
    project = open_project(tmp_path / "project", {"guidelines": "documents"})
    project.join("ada", "Ada", "owner")
    assert add_answers(project, tmp_path / "rows.csv", "correct", SilentProgress()) == 1
    with app_of(project) as url, chromium() as page:
        for width in (1280, 390):
            open_screen(page, f"{url}/task/correct", width=width)
            page.until(f"{SHOWN} === 1000")
            press(page, ",")  # there is none before
            press(page, ".")
            page.until(f"{SHOWN} === 1001")
            for _ in range(10):
                press(page, ".")
            page.until(f"{SHOWN} === 1011")
            pressed = "document.querySelector('#thumbs [aria-pressed=true]')"
            assert page.run(f"{pressed}.getAttribute('aria-label')") == "Image 12"
            box = page.run(f"{pressed}.getBoundingClientRect().right")
            assert 0 < box <= width
            click(page, "#thumbs button:nth-child(11)")
            page.until(f"{SHOWN} === 1010")
            before = page.run("document.getElementById('scale').value")
            press(page, "+")
            assert page.run("document.getElementById('scale').value") != before
            press(page, "0")
            assert page.run("document.getElementById('scale').value") == before
            assert page.run("document.documentElement.scrollWidth") <= width
            assert page.complaints == []
