"""Files that pages take for granted: answers, data and judges of benchmarks, images."""

import base64
import csv
import importlib
import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from doc_pages import ROOT
from groundtune.pipeline.world.prompts import FIRST_SCENE
from groundtune.world.catalogue import CATEGORIES
from groundtune.world.render import render
from groundtune.world.scenes import SIDE_PX, scene, scenes
from reward_folder import fill_corrected

LOCAL_ONLY = ("prompt:", "prices:", "budget:", "dry_run:")
"""Lines of the judge's file that need more files, or send nothing."""


def _of_benchmarks(name: str) -> Any:
    """A module of the tests of benchmarks."""
    folder = str(ROOT / "tests" / "bench")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def pope(folder: Path) -> None:
    """Two models' answers to POPE questions, data, and images."""
    data = folder / "pope"
    data.mkdir()
    made = _of_benchmarks("small_data").pope(data)
    text = made.answers.read_text(encoding="utf-8")
    made.answers.unlink()
    rows = text.splitlines(keepends=True)
    for name in ("base", "tuned"):
        (folder / "answers" / name).mkdir(parents=True)
        for split, own in (("random", rows[:6]), ("popular", rows[6:])):
            file = folder / "answers" / name / f"{split}.jsonl"
            file.write_text("".join(own), encoding="utf-8")
    (folder / "answers.jsonl").write_text(text, encoding="utf-8")
    (folder / "val2014").mkdir()
    for at in range(2):
        Image.new("RGB", (24 + at, 16), "red").save(folder / "val2014" / f"{at}.jpg")


def mme(folder: Path) -> None:
    """Answers to MME in its own layout."""
    (folder / "results").mkdir()
    _of_benchmarks("small_data").mme(folder / "results")


def mmhal(folder: Path) -> None:
    """Answers to MMHal-Bench, its data, recorded replies, and the judge's file of the page."""
    (folder / "mmhal").mkdir()
    made = _of_benchmarks("small_data").mmhal(folder / "mmhal")
    (folder / "answers.json").write_text(made.answers.read_text("utf-8"), encoding="utf-8")
    assert made.replies is not None
    rows = [json.loads(line) for line in made.replies.read_text("utf-8").splitlines()]
    (folder / "replies.json").write_text(json.dumps(rows), encoding="utf-8")
    made.replies.unlink()
    page = (ROOT / "docs" / "judges.md").read_text(encoding="utf-8")
    shown = next(block for block in page.split("```yaml\n") if block.startswith("url:"))
    lines = [line for line in shown.partition("```")[0].splitlines() if line]
    kept = [line for line in lines if not line.startswith(LOCAL_ONLY)]
    (folder / "judge.yaml").write_text("\n".join(kept) + "\n", encoding="utf-8")


def people(folder: Path) -> None:
    """Data and answers of the custom benchmark, about the images in `photos`."""
    names = [path.name for path in sorted((folder / "photos").iterdir())]
    data = [json.dumps({"image": name, "people": at}) for at, name in enumerate(names)]
    said = [json.dumps({"image": name, "answer": f"{at} people"}) for at, name in enumerate(names)]
    (folder / "data.jsonl").write_text("\n".join(data), encoding="utf-8")
    (folder / "answers.jsonl").write_text("\n".join(said), encoding="utf-8")


def pictures(folder: Path) -> None:
    """A photograph and an answer about it in a table."""
    (folder / "pictures").mkdir()
    Image.new("RGB", (64, 48), "blue").save(folder / "pictures" / "beach.jpg")
    rows = [
        ["image", "question", "answer"],
        ["beach.jpg", "Describe the image.", "A dog runs along the beach. Two people swim."],
    ]
    with (folder / "answers.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def more_images(folder: Path) -> None:
    """Twelve images of the world in `images`, so that some can be held back."""
    for at, each in enumerate(scenes("development", 12)):
        render(each).save(folder / "images" / f"{at}.png")


def annotated(folder: Path) -> None:
    """COCO's annotations of the first scenes of `world:N` in `vg`."""
    categories = [{"id": at, "name": name} for at, name in enumerate(CATEGORIES)]
    images: list[dict[str, int]] = []
    boxes: list[dict[str, Any]] = []
    for number in range(FIRST_SCENE, FIRST_SCENE + 40):
        images.append({"id": number, "width": SIDE_PX, "height": SIDE_PX})
        boxes += [
            {"image_id": number, "category_id": list(CATEGORIES).index(thing.category)}
            | {"bbox": [box.x, box.y, box.side, box.side]}
            for thing in scene("train", number).things
            for box in thing.boxes
        ]
    (folder / "vg").mkdir()
    told = {"images": images, "categories": categories, "annotations": boxes}
    (folder / "vg" / "instances.json").write_text(json.dumps(told), encoding="utf-8")


def captions(folder: Path) -> None:
    """A caption per photograph in a table."""
    rows = [["image", "caption"], ["0.png", "A cup."], ["1.png", "Two cups."]]
    with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def compared(folder: Path) -> None:
    """Answers, comparisons and corrections that a tiny model learns in seconds."""
    fill_corrected(folder / "runs" / "compared")


def thumbs(folder: Path) -> None:
    """A thumb as an application sends it, and thumbs in a file."""
    image = base64.b64encode((folder / "photos" / "0.png").read_bytes()).decode()
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
        {"type": "text", "text": "Describe the image."},
    ]
    sent = {"messages": [{"role": "user", "content": content}], "answer": "A cup.", "good": False}
    (folder / "thumb.json").write_text(json.dumps(sent | {"user": "u17"}), encoding="utf-8")
    row = {"image": "0.png", "question": "Describe the image.", "answer": "A cup."}
    rows = [row | {"good": True}, row | {"image": "1.png", "good": False}]
    lines = "".join(json.dumps(each) + "\n" for each in rows)
    (folder / "thumbs.jsonl").write_text(lines, encoding="utf-8")


DATA: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (
        pope,
        mme,
        mmhal,
        people,
        pictures,
        more_images,
        annotated,
        captions,
        compared,
        thumbs,
    )
}


@contextmanager
def scripted_endpoint(folder: Path, place: str) -> Generator[str]:
    """An OpenAI-compatible server that grades everything 4; files of judges name it from now on."""
    server = _of_benchmarks("judge_server")

    def grade(body: dict[str, Any], number: int) -> Any:
        return server.ServerReply("Rating: 4")

    with server.served(grade) as found:
        for file in folder.glob("*.yaml"):
            text = file.read_text(encoding="utf-8")
            netloc = found.url.removeprefix("http://").removesuffix("/v1")
            file.write_text(text.replace(place, netloc), encoding="utf-8")
        yield found.url
