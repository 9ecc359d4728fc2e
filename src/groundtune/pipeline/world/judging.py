"""The rule judge of the world's MMHal-Bench and SHR; its replies are stored like recorded ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from groundtune.bench import registry
from groundtune.bench.benchmark import Benchmark
from groundtune.bench.files.checks import by_id
from groundtune.bench.item import ItemAnswer
from groundtune.bench.judge.replies import RecordedReply
from groundtune.bench.tasks.shr.shr import sentences
from groundtune.bench.world.images import find_scene
from groundtune.bench.world.rule_judge import grade, mmhal_reply, shr_reply
from groundtune.errors import UserError
from groundtune.records import Answer, Prompt
from groundtune.store.dataset import RecordSet
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of
from groundtune.store.keys import seed_of
from groundtune.store.lock import hold
from groundtune.store.rows import json_rows
from groundtune.world.scenes import Scene

JUDGED = ("mmhal", "shr")


class RepliesSummary(NamedTuple):
    """Result of the judge."""

    replies: int
    model: str
    """The model of the answers; empty if a file doesn't name it."""


def write_replies(
    name: str, data: Path, answers: Path, out: Path, *, error_rate: float = 0.0, seed: int = 0
) -> RepliesSummary:
    """Write the replies of `judge_answers` to a file.

    Raises:
        UserError: as `judge_answers`, the error rate isn't a share, or the disk is full.
    """
    if not 0 <= error_rate <= 1:
        raise UserError("The error rate isn't a share.", f"{error_rate:g}", "Give 0 to 1.")
    with hold(out, is_file=True):
        replies = judge_answers(name, data, answers, error_rate=error_rate, seed=seed)
        lines = (json_of(reply.model_dump(exclude_defaults=True)) for reply in replies)
        write_atomic(out, "".join(f"{line}\n" for line in lines).encode())
    answer_set = RecordSet(answers / "answers", Answer) if answers.is_dir() else None
    model = next((answer.producer.name for answer in answer_set.read()), "") if answer_set else ""
    return RepliesSummary(len(replies), model)


def judge_answers(
    name: str, data: Path, answers: Path, *, error_rate: float = 0.0, seed: int = 0
) -> list[RecordedReply]:
    """Return the rule judge's replies about answers to a data set's MMHal-Bench or SHR.

    Raises:
        UserError: the data or answers can't be read, or another benchmark is named.
    """
    if name not in JUDGED:
        raise UserError(
            f"The rules don't judge {name!r}.", name, f"Use one of {', '.join(JUDGED)}."
        )
    benchmark = registry.load(name)
    assert benchmark.read_data is not None  # both have data
    items = benchmark.read_data([data / name, *([data / "genome"] if name == "shr" else [])])
    scenes = _scenes(data / "scenes.jsonl")
    replies: list[RecordedReply] = []
    for item, text in zip(items, _texts(benchmark, answers, items), strict=True):
        rng = np.random.default_rng(seed_of("rule judge", seed, item.item, text))
        if name == "mmhal":
            item_grade = grade(scenes[item.image], item.type, item.reference, text)
            reply = mmhal_reply(item_grade, rng, error_rate)
        else:
            parts = [(part.start, part.end) for part in sentences(text)]
            reply = shr_reply(scenes[item.item], text, parts, rng, error_rate)
        replies.append(RecordedReply(id=item.item, reply=reply, answer=text, model="world-rules"))
    return replies


def _texts(benchmark: Benchmark[Any], answers: Path, bench_items: Sequence[Any]) -> list[str]:
    """Return the answers to a benchmark's items, of a file or of the folder of `bench run`."""
    if not (answers / "prompts").is_dir():
        assert benchmark.read_answers is not None
        return [answer.text for answer in benchmark.read_answers(answers, bench_items)]
    items = {
        prompt.key: prompt.source.row
        for prompt in RecordSet(answers / "prompts", Prompt).read()
        if prompt.source.dataset == benchmark.name
    }
    stored_answers = RecordSet(answers / "answers", Answer).read()
    item_answers = [
        ItemAnswer(text=a.text, item=items[a.prompt]) for a in stored_answers if a.prompt in items
    ]
    return [
        answer.text for answer in by_id(item_answers, [item.item for item in bench_items], answers)
    ]


def _scenes(path: Path) -> dict[str, Scene]:
    rows = json_rows(path, "Give a folder that groundtune world data wrote.")
    return {str(row.fields["image"]): find_scene(str(row.fields["key"])) for row in rows}
