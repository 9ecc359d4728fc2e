"""Several images per item, the pages of a document, in a Chromium."""

from pathlib import Path

import pytest
from PIL import Image

from annotation_page import click, open_screen, press, shown
from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.annotate.given import add_answers
from groundtune.pipeline.annotate.project import open_project
from headless import chromium
from running_app import app_of

pytestmark = pytest.mark.web
SHOWN = "document.querySelector('.canvas img').naturalWidth"
CHOSEN = "document.querySelector('#number').selectedOptions[0]"


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
            assert page.run(f"{CHOSEN}.textContent") == "Page 12"
            assert page.run("document.querySelector('.canvas img').alt") == "Page 12"
            box = page.run("document.getElementById('pager').getBoundingClientRect().toJSON()")
            assert 0 <= box["left"] < box["right"] <= width
            click(page, "#pager [data-do=previous-image]")
            page.until(f"{SHOWN} === 1010")
            page.tab.select_option("#number", "Page 4")
            page.until(f"{SHOWN} === 1003")
            if width == 1280:
                pressed = "document.querySelector('#thumbs [aria-pressed=true]')"
                assert page.run(f"{pressed}.getAttribute('aria-label')") == "Page 4"
                click(page, "#thumbs button:nth-child(6)")
                page.until(f"{SHOWN} === 1005")
            assert shown(page, "#turns") == "Pages 1 to 12Describe the image."
            click(page, "#turns button")
            page.until(f"{SHOWN} === 1000")
            before = page.run("document.getElementById('scale').value")
            press(page, "+")
            assert page.run("document.getElementById('scale').value") != before
            press(page, "0")
            assert page.run("document.getElementById('scale').value") == before
            assert page.run("document.documentElement.scrollWidth") <= width
            assert page.complaints == []


def test_pages_and_photographs_have_the_names_that_a_question_means(tmp_path: Path):
    pages = [Image.new("RGB", (1000 + number, 700), "ivory") for number in range(5)]
    pages[0].save(tmp_path / "scan.pdf", save_all=True, append_images=pages[1:], resolution=200)
    Image.new("RGB", (600, 400), "teal").save(tmp_path / "photo.png")
    rows = "photo.png|scan.pdf#page=3-5|scan.pdf#page=2|photo.png,Which page is the photo on?,Two."
    (tmp_path / "rows.csv").write_text(f"image,question,answer\n{rows}\n", "utf-8")
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    assert add_answers(project, tmp_path / "rows.csv", "correct", SilentProgress()) == 1
    with app_of(project) as url, chromium() as page:
        open_screen(page, f"{url}/task/correct")
        assert page.run(
            "[...document.querySelectorAll('#turns button')].map((e) => e.textContent)"
        ) == [
            "Image 1",
            "Document 1, pages 3 to 5",
            "Document 2, page 2",
            "Image 6",
        ]
        click(page, "#turns button:nth-of-type(3)")
        page.until(f"{SHOWN} === 1001")
        assert page.run(f"{CHOSEN}.textContent") == "Document 2, page 2"
        assert page.complaints == []


LARGE = (7744, 5184)
BLOCK = 1024


def colour_of(column: int, row: int) -> tuple[int, int, int]:
    return 30 * column + 10, 40 * row + 10, 128


def large_image() -> Image.Image:
    """40 megapixels, each block of a tile's size in its own colour."""
    image = Image.new("RGB", LARGE)
    for column in range(8):
        for row in range(6):
            box = (column * BLOCK, row * BLOCK, (column + 1) * BLOCK, (row + 1) * BLOCK)
            image.paste(colour_of(column, row), box)
    return image


TILES = """[...document.querySelectorAll('.tiles img')].map((tile) => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d');
  canvas.drawImage(tile, 9, 9, 1, 1, 0, 0, 1, 1);
  const {left, top, width} = tile.getBoundingClientRect();
  return {
    src: new URL(tile.src).pathname.split('/tiles/')[1],
    loaded: tile.complete && tile.naturalWidth,
    colour: [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3),
    left, top, width,
  };
})"""


def test_a_large_image_is_shown_at_once_and_sharp_where_someone_looks(tmp_path: Path):
    large_image().save(tmp_path / "large.jpg", quality=90)
    (tmp_path / "rows.csv").write_text("image,answer\nlarge.jpg,A pattern.\n", "utf-8")
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    assert add_answers(project, tmp_path / "rows.csv", "correct", SilentProgress()) == 1
    with app_of(project) as url, chromium() as page:
        for width in (1280, 390):
            open_screen(page, f"{url}/task/correct", width=width)
            page.until(f"{SHOWN} === 1600")
            # of the image's own pixels, not of the copy's
            page.until("parseInt(document.getElementById('scale').value) < 15")
            fit = page.run("document.getElementById('scale').value")
            assert page.run("document.querySelectorAll('.tiles img').length") == 0
            for _ in range(8):
                press(page, "+")
            page.until("document.querySelectorAll('.tiles img').length > 0")
            page.until(f"{TILES}.every((tile) => tile.loaded)")
            image = page.run(
                "(({left, top, width}) => ({left, top, scale: width / 7744}))"
                "(document.querySelector('.canvas img').getBoundingClientRect())"
            )
            assert image["scale"] > 0.5
            finest = [tile for tile in page.run(TILES) if tile["src"].startswith("0/")]
            for tile in finest:
                column, row = map(int, tile["src"].split("/")[1:])
                near = zip(tile["colour"], colour_of(column, row), strict=True)
                assert all(abs(one - other) < 6 for one, other in near)
                assert abs(tile["left"] - image["left"] - column * BLOCK * image["scale"]) < 1
                assert abs(tile["top"] - image["top"] - row * BLOCK * image["scale"]) < 1
            stage = page.run("document.getElementById('stage').getBoundingClientRect().toJSON()")
            across = (
                min(tile["left"] for tile in finest),
                max(tile["left"] + tile["width"] for tile in finest),
            )
            assert across[0] <= stage["left"]
            assert across[1] >= stage["right"]
            press(page, "0")
            assert page.run("document.getElementById('scale').value") == fit
            assert page.run("document.querySelector('.tiles').hidden")
            assert page.complaints == []
