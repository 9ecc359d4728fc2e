"""A small set of data, answers and judge's replies for each benchmark that is scored from files."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import hallusion_rows

from groundtune.bench.judge.archives import hallusion_id
from groundtune.bench.tasks.mmhal import TYPES

Rows = Iterable[Mapping[str, object]]


class Small(NamedTuple):
    """What `bench score` is given."""

    answers: Path
    data: tuple[Path, ...] = ()
    replies: Path | None = None


def lines(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pope(at: Path) -> Small:
    labels = ("yes", "no", "no", "yes", "yes", "no")
    for split in ("random", "popular"):
        asked = [
            {"question_id": i, "image": f"{i // 3}.jpg", "text": f"Is {i} there?", "label": label}
            for i, label in enumerate(labels)
        ]
        lines(at / f"my_pope_{split}.json", asked)
    said = [{"answer": "Yes" if i % 4 else "No, it isn't."} for i in range(2 * len(labels))]
    return Small(lines(at / "said.jsonl", said), (at,))


def mme(at: Path) -> Small:
    for task in ("existence", "OCR"):
        rows = [
            f"{i:04}.png\tIs {what} {i} there?\t{label}\t{said}\n"
            for i, said in enumerate(("Yes", "No", "Perhaps"))
            for what, label in (("a cat", "Yes"), ("a dog", "No"))
        ]
        (at / f"{task}.txt").write_text("".join(rows))
    return Small(at)


def mme_with_data(at: Path) -> Small:
    (at / "answers").mkdir()
    for task in ("existence", "OCR"):
        asked = at / "data" / task / "questions_answers_YN"
        asked.mkdir(parents=True)
        for i in range(3):
            text = f"Is a cat {i} there?\tYes\nIs a dog {i} there?\tNo"
            (asked / f"{i:04}.txt").write_text(text)
    return Small(mme(at / "answers").answers, (at / "data",))


def coco(at: Path, synonyms: str) -> tuple[Path, ...]:
    there = {1: ("A kitchen.", ["oven"]), 2: ("A street with a man.", ["car"]), 3: ("A", ["dog"])}
    names = ("oven", "car", "dog", "person")
    instances = {
        "images": [{"id": i} for i in there],
        "annotations": [
            {"image_id": i, "category_id": names.index(name)}
            for i, (_, some) in there.items()
            for name in some
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
    }
    told = {"annotations": [{"image_id": i, "caption": text} for i, (text, _) in there.items()]}
    (at / "instances_val2014.json").write_text(json.dumps(instances))
    (at / "captions_val2014.json").write_text(json.dumps(told))
    (at / synonyms).write_text("oven, stove\ncar\ndog, puppy\nperson, man")
    return (at,)


CAPTIONS = {2: "A car, a dog and a man.", 1: "A stove.", 3: "A puppy and an oven."}


def chair(at: Path) -> Small:
    said = [{"image_id": i, "caption": text} for i, text in CAPTIONS.items()]
    return Small(lines(at / "said.jsonl", said), coco(at, "synonyms.txt"))


def object_halbench(at: Path) -> Small:
    rows = [{"image_id": i, "question": "What?", "answer": text} for i, text in CAPTIONS.items()]
    return Small(lines(at / "said.jsonl", rows), coco(at, "synonyms_refine.txt"))


def amber(at: Path) -> Small:
    rows: list[dict[str, object]] = [
        {"type": "generative", "truth": ["tree", "person"], "hallu": ["dog"]},
        {"type": "discriminative-attribute-state", "truth": "yes"},
        {"type": "discriminative-hallucination", "truth": "no"},
        *[{"type": "relation", "truth": "no"}] * 15_217,
    ]
    (at / "annotations.json").write_text(
        json.dumps([{"id": i} | row for i, row in enumerate(rows, 1)])
    )
    (at / "relation.json").write_text(json.dumps({"tree": ["bush"], "person": [], "dog": []}))
    (at / "safe_words.txt").write_text("sky\n")
    asked = [{"id": i, "image": "AMBER_1.jpg", "query": f"Query {i}?"} for i in range(1, 7)]
    (at / "query_all.json").write_text(json.dumps(asked))
    said = ["A bush and a dog.", "Yes", "Yes", "No", "no"]
    rows = [
        {"image": "AMBER_1", "question": f"query {i}?", "prediction": text}
        for i, text in enumerate(said, 1)
    ]
    return Small(lines(at / "said.jsonl", rows), (at,))


def mmhal(at: Path) -> Small:
    asked = [
        {
            "question_type": TYPES[i % 8],
            "image_id": f"id{i}",
            "image_src": f"https://example.org/{i}_o.jpg",
            "image_content": ["Cat"],
            "question": f"What is {i}?",
            "gt_answer": f"It is {i}.",
            "model_answer": f"I say {i}.",
        }
        for i in range(96)
    ]
    (at / "mmhal.json").write_text(json.dumps(asked))
    replies = [{"id": str(i), "reply": f"Rating: {i % 7}"} for i in range(96)]
    return Small(at / "mmhal.json", (at / "mmhal.json",), lines(at / "replies.jsonl", replies))


def hallusionbench(at: Path) -> Small:
    rows = hallusion_rows.rows()
    said = [row | {"model_prediction": f"answer {i}"} for i, row in enumerate(rows)]
    (at / "HallusionBench.json").write_text(json.dumps(rows))
    pairs = zip(rows, hallusion_rows.replies(len(rows)), strict=True)
    replies = [
        {"id": hallusion_id(row), "part": part, "reply": reply}
        for row, both in pairs
        for part, reply in zip(("", "same"), both, strict=True)
    ]
    data, judged = at / "HallusionBench.json", lines(at / "replies.jsonl", replies)
    return Small(lines(at / "said.jsonl", said), (data,), judged)


def llava_bench(at: Path) -> Small:
    data, kinds, numbers = at / "data", ("conv", "detail", "complex"), range(90)
    data.mkdir()
    rules = {kind: {"role": "Assistant", "prompt": f"Judge {kind}."} for kind in kinds}
    (data / "rule.json").write_text(json.dumps(rules))
    asked = [
        {"question_id": i, "image": f"{i}.jpg", "text": f"What is {i}?", "category": kinds[i % 3]}
        for i in numbers
    ]
    lines(data / "questions.jsonl", asked)
    lines(data / "answers_gpt4.jsonl", [{"question_id": i, "text": f"GPT: {i}."} for i in numbers])
    told = [
        {"image": f"{i}.jpg", "captions": ["A cat."], "instances": [{"category": "", "bbox": []}]}
        for i in numbers
    ]
    lines(data / "context.jsonl", told)
    said = lines(at / "said.jsonl", [{"question_id": i, "text": f"I say {i}."} for i in numbers])
    replies = [{"id": str(i), "reply": f"{9 - i % 3} {i % 10}\nSo."} for i in numbers]
    return Small(said, (data,), lines(at / "replies.jsonl", replies))


def shr(at: Path) -> Small:
    golden = json.loads((Path(__file__).parent / "tasks" / "golden" / "shr.json").read_text())
    names = list(golden["answers"])
    (at / "val_images_final.json").write_text(json.dumps([{"image_id": int(n)} for n in names]))
    for part in (1, 2):
        facts = [{name: [f"Fact of {name}."]} for name in names[part - 1 :: 2]]
        lines(at / f"shr_factual_part{part}.jsonl", facts)
    (at / "said.json").write_text(json.dumps(golden["answers"]))
    replies = [{"id": name, "reply": reply} for name, reply in golden["replies"].items()]
    return Small(at / "said.json", (at,), lines(at / "replies.jsonl", replies))


def shr_with_regions(at: Path) -> Small:
    small = shr(at)
    names = [row["image_id"] for row in json.loads((at / "val_images_final.json").read_text())]
    sizes = [{"image_id": name, "width": 300, "height": 200} for name in names]
    (at / "image_data.json").write_text(json.dumps(sizes))
    region = {"phrase": "a cat", "x": 10, "y": 20, "width": 33, "height": 47}
    regions = [{"id": name, "regions": [{"image_id": name, **region}]} for name in names]
    (at / "region_descriptions.json").write_text(json.dumps(regions))
    return small


def refomb(at: Path) -> Small:
    asked = [
        {
            "image_url": f"https://example.org/{i // 2}.jpg",
            "question": f"What is {i}?",
            "description": f"It is {i}.",
            "type": ("OCR", "Creative generation")[i % 2],
            "answer": f"GPT-4V says {i}.",
        }
        for i in range(99)
    ]
    said = [
        {"image_url": row["image_url"], "prompt": row["question"], "text": f"I say {i}."}
        for i, row in enumerate(asked)
    ]
    replies = [
        {"id": str(i), "part": part, "reply": f"[[{'ABC'[(i + len(part)) % 3]}]]"}
        for i in range(99)
        for part in ("", "hallucination")
    ]
    data = lines(at / "gpt4v_RefoMB_dev.jsonl", asked)
    return Small(lines(at / "said.jsonl", said), (data,), lines(at / "replies.jsonl", replies))


def table(at: Path, ids: Iterable[int]) -> Small:
    rows: list[dict[str, Any]] = [
        {"index": i, "question": f"What is {i}?", "A": "a cat", "B": "a dog", "answer": "AB"[i % 2]}
        for i in ids
    ]
    said = [{"index": row["index"], "prediction": "A"} for row in rows]
    return Small(lines(at / "said.jsonl", said), (lines(at / "asked.jsonl", rows),))


def mmstar(at: Path) -> Small:
    return table(at, range(6))


def mmbench(at: Path) -> Small:
    return table(at, [*range(4), *range(1_000_000, 1_000_004)])


def vl_rewardbench(at: Path) -> Small:
    names = ("RLAIF-1", "mmmu_2", "wild-3")
    rows = [
        {"id": name, "query": "Which?", "response": ["A cat.", "A dog."], "human_ranking": [0, 1]}
        for name in names
    ]
    said = [
        {"item": f"{name}/{number}", "answer": f"Overall Judgment: Answer {number} is better."}
        for name in names
        for number in (1, 2)
    ]
    return Small(lines(at / "said.jsonl", said), (lines(at / "pairs.jsonl", rows),))


def vqav2(at: Path) -> Small:
    told = [
        {
            "question_id": i,
            "image_id": 10 + i,
            "question_type": "is the",
            "answer_type": "yes/no",
            "answers": [{"answer": "yes", "answer_id": k} for k in range(10)],
        }
        for i in range(3)
    ]
    (at / "v2_annotations.json").write_text(json.dumps({"annotations": told}))
    said = [{"question_id": i, "answer": text} for i, text in enumerate(("yes", "no", "yes"))]
    return Small(lines(at / "said.jsonl", said), (at / "v2_annotations.json",))


SMALL: dict[str, Callable[[Path], Small]] = {
    "pope": pope,
    "mme": mme,
    "mme with data": mme_with_data,
    "chair": chair,
    "object_halbench": object_halbench,
    "amber": amber,
    "mmhal": mmhal,
    "hallusionbench": hallusionbench,
    "llava_bench": llava_bench,
    "shr": shr,
    "shr with regions": shr_with_regions,
    "refomb": refomb,
    "mmstar": mmstar,
    "vl_rewardbench": vl_rewardbench,
    "vqav2": vqav2,
    "mmbench": mmbench,
    "overgeneral": chair,
}
"""By benchmark, for some twice."""
