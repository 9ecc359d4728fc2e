"""How long an image of 40 megapixels takes until it is seen, and until it is sharp zoomed in.

    python -m benchmarks.annotate.large_images

Each format is stored in a fresh project, so that nothing was scaled or cut before but what adding
an image does. Times are taken in the page: from opening the Correct screen, in a browser that shows
the overview, until the image is drawn; and from zooming to one pixel per pixel until all tiles that
are seen have come, the first time and again elsewhere. docs/measured/annotation.md has the table.
"""

import threading
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from groundtune.pipeline.annotate.given import add_answers
from groundtune.pipeline.annotate.project import open_project
from groundtune.protocols import SilentProgress
from groundtune.web.access import Door
from groundtune.web.server import build_config

SIZE = (7744, 5184)
FORMATS: dict[str, dict[str, Any]] = {
    "photo.jpg": {"quality": 90},
    "scan.png": {"compress_level": 3},
    "scan.tif": {"compression": "tiff_lzw"},
}
SEEN = "document.querySelector('.canvas img')?.complete && document.getElementById('scale').value"
SHARP = (
    "document.querySelector('.tiles img') && "
    "[...document.querySelectorAll('.tiles img')].every((each) => each.complete)"
)


def write_image(path: Path, options: dict[str, Any]) -> None:
    """Noise on smooth colours, which compresses about as a photograph does."""
    x, y = np.meshgrid(np.linspace(0, 200, SIZE[0]), np.linspace(0, 200, SIZE[1]))
    noise = np.random.default_rng(0).normal(0, 4, x.shape)
    channels = [x + noise, y + noise, (x + y) / 2 + noise]
    image = np.stack([np.clip(each, 0, 255).astype(np.uint8) for each in channels], axis=-1)
    Image.fromarray(image).save(path, **options)


@contextmanager
def app_of(folder: Path, name: str) -> Any:
    """The address of the app over a project with the image."""
    (folder / "rows.csv").write_text(f"image,answer\n{name},A pattern.\n", "utf-8")
    project = open_project(folder / "project")
    project.join("ada", "Ada", "owner")
    add_answers(project, folder / "rows.csv", "correct", SilentProgress())
    server = uvicorn.Server(build_config(project, Door(person="ada"), log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(15)


def until(page: Page, condition: str, action: str = "") -> float:
    """When a condition holds after an action, in milliseconds since the page was opened."""
    return page.evaluate(
        f"""async () => {{
          {action}
          while (!({condition})) await new Promise((go) => setTimeout(go, 5));
          await document.querySelector('.canvas img').decode();
          return performance.now();
        }}"""
    )


def measure(page: Page, url: str) -> list[float]:
    """Milliseconds until the image is seen, until it is sharp, and until it is sharp elsewhere."""
    page.goto(url)  # the browser's first page takes longer, whatever it shows
    page.goto(f"{url}/task/correct", wait_until="domcontentloaded")
    seen = until(page, SEEN)
    start = until(page, "parseInt(document.getElementById('scale').value) < 15")
    for _ in range(7):
        page.keyboard.press("+")
    sharp = until(page, SHARP) - start
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    page.mouse.move(stage["x"] + 600, stage["y"] + 600)
    page.mouse.down()
    page.mouse.move(stage["x"] - 600, stage["y"] - 500)
    page.mouse.up()
    start = page.evaluate("performance.now()")
    page.wait_for_timeout(140)
    return [seen, sharp, until(page, SHARP) - start]


def main() -> None:
    """Print the table."""
    print("| file | MB | seen | sharp zoomed in | sharp elsewhere |\n|---|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for name, options in FORMATS.items():
            with TemporaryDirectory() as folder:
                write_image(Path(folder) / name, options)
                size = (Path(folder) / name).stat().st_size / 1e6
                with app_of(Path(folder), name) as url:
                    page = browser.new_page(viewport={"width": 1280, "height": 900})
                    times = " | ".join(f"{each / 1000:.2f} s" for each in measure(page, url))
                    print(f"| {name} | {size:.0f} | {times} |", flush=True)
                    page.close()
        browser.close()


if __name__ == "__main__":
    main()
