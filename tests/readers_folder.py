"""The folder of a reader who follows a page: images, tables and published files."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

from groundtune.world.render import render
from groundtune.world.scenes import scenes
from hub_data import corrections_set


def make_folder(folder: Path, tiny_llava: Path) -> None:
    """Write what the pages take for granted into a folder."""
    shutil.copytree(tiny_llava, folder / "tiny")
    for name in ("photos", "images"):
        (folder / name).mkdir()
        for at, scene in enumerate(scenes("development", 2)):
            render(scene).save(folder / name / f"{at}.png")
    asked = [
        json.dumps({"question": question, "image": f"{at}.png"}) + "\n"
        for question in ("Describe the image.", "What do you see?")
        for at in range(2)
    ]
    (folder / "asked.jsonl").write_text("".join(asked))
    corrections_set(folder / "set")
    shutil.copy(folder / "set" / "train.parquet", folder / "RLHF-V-Dataset.parquet")
    _corrections(folder)
    _rlaif_v(folder)


def _corrections(folder: Path) -> None:
    """A table of corrections, as .csv and as .xlsx."""
    from openpyxl import Workbook

    (folder / "scans").mkdir()
    Image.new("RGB", (24, 16), "red").save(folder / "scans" / "1.jpg")
    heads = ["question", "image", "answer", "corrected answer"]
    row = ["What is here?", "scans/1.jpg", "Two cups on a table.", "One cup on a table."]
    with (folder / "corrections.csv").open("w", newline="") as file:
        csv.writer(file).writerows([heads, row])
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(heads)
    sheet.append(["What is here?", "1.jpg", *row[2:]])
    book.save(folder / "corrections.xlsx")


def _rlaif_v(folder: Path) -> None:
    """A pair as RLAIF-V's pipeline writes it."""
    (folder / "rlaif_v_examples").mkdir()
    Image.new("RGB", (24, 16), "blue").save(folder / "rlaif_v_examples" / "a.jpg")
    infos: dict[str, list[str]] = {"facts": [], "changed_facts": []}
    row: dict[str, Any] = {
        "image_id": "a",
        "image_path": "a.jpg",
        "ds_question_id": "a",
        "question": "What is here?",
        "chosen": "A blue sheet.",
        "rejected": "A blue dog.",
        "org_infos": {
            "ds_question_id": "a",
            "reference": "",
            "origin_file": "x",
            "chosen_infos": infos,
            "rejected_infos": infos,
            "scores": {
                "chosen": {"judge": {}, "score": 0},
                "rejected": {"judge": {}, "score": -1},
            },
        },
    }
    (folder / "pairs.jsonl").write_text(json.dumps(row) + "\n")
