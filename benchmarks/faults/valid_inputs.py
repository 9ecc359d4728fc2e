"""Small valid inputs of each kind, and the command that reads each: what `inputs` breaks."""

import csv
import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.forks import call, run
from benchmarks.faults.odd_images import plain_image

TESTS = Path(__file__).parents[2] / "tests"
QUESTION = "Describe the image."
NO_REPLY = "http://127.0.0.1:9/v1"  # nobody listens on the port "discard"

Command = Callable[[Path, Path], Sequence[object]]
"""The words after `groundtune` for a folder of inputs and a folder to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One command, the folder that it reads, and which files there may be broken."""

    name: str
    folder: Path
    command: Command
    files: tuple[str, ...] = ("**/*",)
    """Glob patterns."""
    is_dry_run: bool = False
    """Whether the command only says what it would do, with any status."""

    def words(self, folder: Path, out: Path) -> list[str]:
        """Return the command's words."""
        return [str(word) for word in self.command(folder, out)]


def make_targets(at: Path) -> Iterator[Target]:
    """Write the valid inputs below `at`, and yield their targets."""
    sys.path += [str(TESTS), str(TESTS / "bench")]
    call(lambda: _models(at))
    yield from _prompts(at)
    yield from _model_targets(at)
    _world_runs(at)
    yield from _layouts(at)
    yield from _examples(at)
    yield from _recipes(at)
    yield from _benchmarks(at)
    yield from _judges(at)
    yield from _runs(at)


def must(words: Sequence[object], at: Path) -> None:
    """Run a command that makes a valid input."""
    outcome = run([str(word) for word in words], at / "logs")
    if outcome.status:
        sys.exit(f"{' '.join(map(str, words))} fails:\n{outcome.text}")


def _answers(model: object) -> list[object]:
    return [
        "--model",
        model,
        "--n",
        1,
        "--temperature",
        0,
        "--max-new-tokens",
        2,
        "--device",
        "cpu",
    ]


def _models(at: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import LlavaForConditionalGeneration

    import tiny_llava
    import tiny_processors

    tiny_llava.build_tiny_llava(at / "llava")
    model, processor = tiny_processors.with_model(tiny_processors.qwen2_5_vl)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(at / "qwen")
    processor.save_pretrained(at / "qwen")
    base: Any = LlavaForConditionalGeneration.from_pretrained(at / "llava")
    lora = LoraConfig(r=2, target_modules=r".*language_model.*q_proj")
    get_peft_model(base, lora).save_pretrained(at / "adapter")


ROWS = (
    {"image": "a.png", "question": QUESTION, "id": 1},
    {"image": "b/c.jpg", "question": "Is there a dog?", "id": 2},
)
TURNS = [
    {"role": "user", "content": "<image>\nIs there a dog?"},
    {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]},
    {"role": "user", "content": [{"type": "text", "text": "Which colour?"}]},
]


def _prompts(at: Path) -> Iterator[Target]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from openpyxl import Workbook

    folder, chance = at / "prompts", random.Random(0)
    (folder / "b").mkdir(parents=True)
    plain_image(chance).save(folder / "a.png")
    plain_image(chance).save(folder / "b" / "c.jpg")
    turns = {"images": ["a.png"], "messages": TURNS, "facts": ["a dog"], "options": ["A", "B"]}
    lines = [*ROWS, turns]
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines), "utf-8")
    (folder / "p.json").write_text(json.dumps(lines), "utf-8")
    for ending, separator in (("csv", ","), ("tsv", "\t")):
        with (folder / f"p.{ending}").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(ROWS[0]), delimiter=separator)
            writer.writeheader()
            writer.writerows(ROWS)
    book = Workbook()
    for row in (list(ROWS[0]), *(list(row.values()) for row in ROWS)):
        book.active.append(row)  # pyright: ignore[reportOptionalMemberAccess]
    book.save(folder / "p.xlsx")
    data = (folder / "a.png").read_bytes()
    rows = [{"image": {"bytes": data, "path": "a.png"}, "question": QUESTION, "n": 1}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "p.parquet")
    for ending in ("jsonl", "json", "csv", "tsv", "xlsx", "parquet"):
        for skip in (False, True) if ending in ("jsonl", "parquet") else (False,):
            yield _prompt_file(at, f"p.{ending}", skip)
    yield from _image_targets(at)


def _prompt_file(at: Path, name: str, skip: bool) -> Target:
    return Target(
        name=f"prompts {name}{' skipped' if skip else ''}",
        folder=at / "prompts",
        files=(name,),
        command=lambda folder, out: (
            "sample", "--prompts", folder / name, "--out", out, *_answers("world:base"),
            *(["--skip-bad"] if skip else []),
        ),
    )  # fmt: skip


def _image_targets(at: Path) -> Iterator[Target]:
    for model in ("world:base", "llava", "qwen"):
        yield Target(
            name=f"images {model}",
            folder=at / "prompts",
            files=("a.png", "b/c.jpg"),
            command=lambda folder, out, model=model: (
                "sample", "--images", folder, "--ask", QUESTION, "--out", out,
                *_answers(model if ":" in model else at / model),
            ),
        )  # fmt: skip
        yield Target(
            name=f"images in rows {model}",
            folder=at / "prompts",
            files=("a.png", "b/c.jpg"),
            command=lambda folder, out, model=model: (
                "sample", "--prompts", folder / "p.jsonl", "--out", out, "--skip-bad",
                *_answers(model if ":" in model else at / model),
            ),
        )  # fmt: skip


def _model_targets(at: Path) -> Iterator[Target]:
    for name in ("llava", "qwen"):
        yield Target(
            name=f"model {name}",
            folder=at / name,
            files=("*.json", "*.safetensors", "*.jinja"),
            command=lambda folder, out: (
                "sample", "--prompts", at / "prompts" / "p.jsonl", "--out", out, *_answers(folder),
            ),
        )  # fmt: skip
    yield Target(
        name="adapter",
        folder=at / "adapter",
        files=("*.json", "*.safetensors"),
        command=lambda folder, out: (
            "sample", "--prompts", at / "prompts" / "p.jsonl", "--out", out, "--adapter", folder,
            *_answers(at / "llava"),
        ),
    )  # fmt: skip


def _world_runs(at: Path) -> None:
    """Make pairs, corrections and scores of the embedded world."""
    world, settings = at / "world", ["--n", 2, "--out", at / "world"]
    must(["sample", "--model", "world:base", "--prompts", "world:4", *settings], at)
    must(["label", "--answers", world], at)
    must(["pairs", "--corrections", world], at)
    bench = ["bench", "run", "world:base", "world-captions", "--n", 4, "--out", at / "bench"]
    must(bench, at)


FEEDBACK = {
    "question": "Who won?",
    "passages": [["Cup", "Ada won the cup.", "Bo came second."], ["Prize", "It was a vase."]],
    "gold": "Ada won a vase.",
    "prediction 1": "Bo won. The cup was red.",
    "prediction 2": "Ada won.",
    "prediction 3": "Nobody won.",
    "prediction 4": "Ada and Bo.",
    "feedback": {
        "errors": [{"error type": "Unverifiable", "explanation": "", "start": 8, "end": 24}],
        "missing-info": [{"error type": "Missing-Answer", "passage_id": 2, "sentence_id": [0]}],
        "corrected-prediction": "Ada won. She got a vase.",
    },
    "preference": [2, 1, 0, 1, 2, 0],
}
"""A row of FG-RLHF's layout, which the embedded world's pairs can't fill."""
THUMBS = [
    {"image": "a.png", "question": "Is there a dog?", "answer": answer, "good": good}
    for answer, good in (("No.", True), ("Yes, a big one.", False))
]
"""Rows about single answers, which pairs of two answers can't fill either."""


def _layouts(at: Path) -> Iterator[Target]:
    from groundtune.interchange.registry import FEEDBACK_TITLES, TITLES

    for layout in (*TITLES, *FEEDBACK_TITLES):
        ending = "parquet" if layout in ("rlhf-v", "rlaif-v", "trl") else "jsonl"
        whole = (
            "llama-factory",
            "llama-factory-alpaca",
            "vlfeedback",
            "llava-rlhf",
            "ha-dpo",
            "fg-rlhf",
        )
        name = f"rows.{'json' if layout in whole else ending}"
        folder = at / "layouts" / layout
        folder.mkdir(parents=True)
        if layout == "fg-rlhf":
            (folder / name).write_text(json.dumps([FEEDBACK]), "utf-8")
        elif layout == "thumbs":
            plain_image(random.Random(0)).save(folder / "a.png")
            (folder / name).write_text("\n".join(map(json.dumps, THUMBS)), "utf-8")
        else:
            must(["export", layout, at / "world", "--out", folder / name], at)
        for skip in (False, True):
            yield Target(
                name=f"import {layout}{' skipped' if skip else ''}",
                folder=folder,
                command=lambda folder, out, layout=layout, name=name, skip=skip: (
                    "import", layout, folder / name, "--out", out, *(["--skip-bad"] * skip),
                ),
            )  # fmt: skip


def _examples(at: Path) -> Iterator[Target]:
    from example_rows import example_file
    from groundtune.interchange.registry import EXAMPLE_TITLES

    for layout in EXAMPLE_TITLES:
        file = example_file(layout, at / "examples" / layout)
        for skip in (False, True):
            yield Target(
                name=f"import examples {layout}{' skipped' if skip else ''}",
                folder=file.parent,
                files=("*.json", "*.jpg"),
                command=lambda folder, out, layout=layout, name=file.name, skip=skip: (
                    "import", layout, folder / name, "--out", out, *(["--skip-bad"] * skip),
                ),
            )  # fmt: skip


def _recipes(at: Path) -> Iterator[Target]:
    folder = at / "recipes"
    shutil.copytree(TESTS.parent / "recipes", folder)
    yield Target(
        name="recipes",
        folder=folder,
        files=("world-ddpo.yaml",),
        command=lambda folder, out: (
            "train", folder / "world-ddpo.yaml", "--pairs", at / "world", "--out", out,
            "max_steps=1", "epochs=1", "batch_size=2", "micro_batch=2",
        ),
    )  # fmt: skip
    yield Target(
        name="recipes shown",
        folder=folder,
        command=lambda folder, out: (
            "recipes", "show", folder / _broken(folder, "world-align.yaml"), "--resolved",
        ),
    )  # fmt: skip


def _broken(folder: Path, default: str) -> str:
    """Return the name that `inputs` left in a folder for the file that it broke."""
    note = folder / ".broken"
    return note.read_text("utf-8") if note.exists() else default


def _benchmarks(at: Path) -> Iterator[Target]:
    from small_data import SMALL

    for name, make in SMALL.items():
        folder = at / "benchmarks" / name
        folder.mkdir(parents=True)
        small = make(folder)

        def command(
            here: Path, out: Path, *, name: str = name, small: Any = small, was: Path = folder
        ) -> list[object]:
            def moved(path: Path) -> Path:
                return here / path.relative_to(was)

            data = [word for path in small.data for word in ("--data", moved(path))]
            replies = ["--judge-replies", moved(small.replies)] if small.replies else []
            benchmark = name.partition(" ")[0]
            return [
                "bench",
                "score",
                benchmark,
                moved(small.answers),
                *data,
                *replies,
                "--out",
                out,
            ]

        yield Target(name=f"score {name}", folder=folder, command=command)
    yield Target(
        name="score world-captions",
        folder=at / "bench",
        command=lambda folder, out: (
            "bench",
            "score",
            "world-captions",
            folder,
            "--n",
            4,
            "--out",
            out,
        ),
    )


JUDGE = f"""url: {NO_REPLY}
model: judge
temperature: 0.5
max_tokens: 100
concurrency: 2
prices: prices.yaml
budget: 1.5
dry_run: true
"""
PRICES = "judge: {input: 2.5, output: 10}\nother: {input: 1, output: 2}\n"


def _judges(at: Path) -> Iterator[Target]:
    folder = at / "judge"
    shutil.copytree(at / "benchmarks" / "mmhal", folder)
    (folder / "judge.yaml").write_text(JUDGE, "utf-8")
    (folder / "prices.yaml").write_text(PRICES, "utf-8")
    yield Target(
        name="judge",
        folder=folder,
        files=("*.yaml",),
        is_dry_run=True,
        command=lambda folder, out: (
            "bench", "score", "mmhal", folder / "mmhal.json", "--data", folder / "mmhal.json",
            "--judge", folder / "judge.yaml", "--out", out,
        ),
    )  # fmt: skip


def _runs(at: Path) -> Iterator[Target]:
    for label in ("first", "second"):
        bench = ["bench", "run", "world:base", "world-captions", "--n", 4, "--label", label]
        must([*bench, "--out", at / "compared" / label], at)
    yield Target(
        name="compare",
        folder=at / "compared",
        files=("second/**/*",),
        command=lambda folder, out: ("compare", folder / "first", folder / "second", "--out", out),
    )
    yield Target(
        name="pairs of a run",
        folder=at / "world",
        command=lambda folder, out: ("pairs", "--corrections", folder, "--out", out),
    )
    run_words = ["bench", "run", "world:base", "world-captions", "--n", 4, "--start", 1]
    must([*run_words, "--out", at / "resumed"], at)
    yield Target(
        name="bench run resumed",
        folder=at / "resumed",
        command=lambda folder, out: (*run_words, "--out", folder),
    )
