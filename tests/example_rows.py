"""Small files of published sets that become examples."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundtune.interchange.registry import ExampleLayoutName
from training_folder import image_bytes

A_OKVQA: dict[str, Any] = {
    "split": "train",
    "image_id": 299207,
    "question_id": "22MexNkBPpdZGX6sxbxVBH",
    "question": "What is the man by the bags awaiting?",
    "choices": ["skateboarder", "train", "delivery", "cab"],
    "correct_choice_idx": 3,
    "direct_answers": ["ride", "cab"],
    "rationales": ["A train would not be on the street.", "He has luggage."],
}

FLICKR: dict[str, Any] = {
    "image_id": 1000092795,
    "sentence": "<ph_st>Two guys<ph_ed> look at <ph_st>a cup<ph_ed> .",
    "boxes": [[0, 0, 10, 8], [10, 8, 20, 16], [5, 0, 15, 16]],
    "boxes_seq": [[0, 1], [2]],
}

VQA = (
    {"id": 1, "image": 9, "question": "Is it red?", "answer": "yes"},
    {"id": 2, "image": 9, "question": "How many?", "answer": "2", "kind": "number"},
    {"id": 3, "image": 4, "question": "What is it?", "answer": "red cup", "kind": "other"},
    {"id": 4, "image": 9, "question": "Is it big? ", "answer": "no"},
)


def written(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def said(*values: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]


def vqa(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """VQA-v2's two files: rows of id, image, question, answer, and kind."""
    questions = [
        {"question_id": r["id"], "image_id": r["image"], "question": r["question"]} for r in rows
    ]
    annotations: list[dict[str, Any]] = [
        {
            "question_id": r["id"],
            "image_id": r["image"],
            "answer_type": r.get("kind", "yes/no"),
            "multiple_choice_answer": r["answer"],
            "answers": [],
        }
        for r in rows
    ]
    images(folder, *(f"COCO_train2014_{r['image']:012}.jpg" for r in rows))
    asked: dict[str, Any] = {"info": {}, "data_subtype": "train2014", "questions": questions}
    written(folder / "v2_OpenEnded_mscoco_train2014_questions.json", asked)
    told: dict[str, Any] = {"info": {}, "annotations": annotations}
    return written(folder / "v2_mscoco_train2014_annotations.json", told)


def images(folder: Path, *names: str) -> None:
    """Images of 20 x 16 pixels under these names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(image_bytes("red"))


def example_file(name: ExampleLayoutName, folder: Path) -> Path:
    """A valid file of a layout, with its images next to it."""
    folder.mkdir(parents=True, exist_ok=True)
    images(folder, "a.jpg", "1000092795.jpg", "000000299207.jpg")
    if name.startswith("vqav2"):
        return vqa(folder, VQA)
    turns = said("<image>\nWhat?", "A cup.", "Red?", "No.")
    rows: dict[str, Any] = {
        "a-okvqa": A_OKVQA,
        "flickr30k-phrases": FLICKR,
        "llava-instruct": {"id": "1", "image": "a.jpg", "conversations": turns},
        "captions": {"image": "a.jpg", "caption": "A cup."},
    }
    if name == "cc-sbu-align":
        images(folder, "image/2.jpg")
        aligned = {"annotations": [{"image_id": "2", "caption": "A cup.\n"}]}
        return written(folder / "filter_cap.json", aligned)
    return written(folder / "rows.json", [rows[name]])
