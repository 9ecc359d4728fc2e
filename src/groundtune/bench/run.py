"""Answer the items of a benchmark with a generator; store answers and scores, resumable by key.

OUT/prompts/   Prompt records, each once, even if several items share it
OUT/answers/   Answer records
OUT/scores/    Score records of every model and benchmark of the folder
OUT/images/    images of the items, if the caller's image store is there
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.replaced import group_of
from groundtune.errors import UserError
from groundtune.generate.thoughts import without_thoughts
from groundtune.protocols import Generator, Progress
from groundtune.records import Answer, Prompt, Sampling, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.inputs import note_inputs
from groundtune.store.keys import key_of, seed_of

log = logging.getLogger(__name__)

AT_ONCE = 256
"""Prompts per write: an interruption loses at most the answers to these."""


def ask(
    benchmark: Benchmark[Any],
    items: Sequence[Item],
    generator: Generator,
    seed: int,
    out: Path,
    progress: Progress,
) -> list[ItemAnswer]:
    """Return an answer per item and decoding of the benchmark, in the order of the items.

    The generator must have access to the items' images; `seed` is the seed of sampling.

    Raises:
        UserError: a full disk.
    """
    answers: list[ItemAnswer] = []
    for decoding in benchmark.decodings:
        by_prompt = draw(
            generator,
            items,
            benchmark.protocol.sampling(decoding),
            seed=seed,
            out=out,
            progress=progress,
            task=f"answer {benchmark.name} ({decoding})",
        )
        for item in items:
            answer = by_prompt[item.prompt.key]
            answers.append(
                ItemAnswer(
                    text=answer.text,
                    item=item.key,
                    decoding=decoding,
                    cut=answer.finish == "length",
                    thoughts=answer.thoughts,
                )
            )
    return answers


def draw(
    generator: Generator,
    items: Sequence[Item],
    sampling: Sampling,
    *,
    seed: int,
    out: Path,
    progress: Progress,
    task: str,
) -> dict[str, Answer]:
    """Return the answer to each prompt by its key; only those missing in `out` are generated."""
    kept, asked = RecordSet(out / "answers", Answer), RecordSet(out / "prompts", Prompt)
    prompts = {item.prompt.key: item.prompt for item in items}
    note_inputs(kept.path, {"prompts": list(prompts.values())}, only=("messages",))
    asked.append([prompts[key] for key in asked.missing(prompts)])
    seeds = {key: seed_of(seed, key, 0) if sampling.temperature else 0 for key in prompts}
    wanted = {
        key_of(key, generator.producer(sampling, seeds[key]), 0): prompt
        for key, prompt in prompts.items()
    }
    missing = kept.missing(wanted)
    answers = kept.read() if len(missing) < len(wanted) else []
    progress.start(task, total=len(missing))
    for first in range(0, len(missing), AT_ONCE):
        some = {key: wanted[key] for key in missing[first : first + AT_ONCE]}
        drawn = _answers(generator, some, sampling, seeds)
        kept.append(drawn)
        answers += drawn
        progress.advance(len(some))
    return {answer.prompt: answer for answer in answers if answer.key in wanted}


def _answers(
    generator: Generator, prompts: dict[str, Prompt], sampling: Sampling, seeds: dict[str, int]
) -> list[Answer]:
    asked = list(prompts.values())
    replies = generator.generate(asked, sampling, [seeds[prompt.key] for prompt in asked])
    return [
        Answer(
            key=key,
            prompt=prompt.key,
            text=reply.text,
            producer=generator.producer(sampling, seeds[prompt.key]),
            tokens=reply.tokens,
            finish="stop" if reply.finished else "length",
            thoughts=reply.thoughts,
        )
        for (key, prompt), reply in zip(
            prompts.items(), map(without_thoughts, replies), strict=True
        )
    ]


def store_scores(scores: Sequence[Score], out: Path, *, may_replace: bool = False) -> None:
    """Store scores in OUT/scores, replacing those of the same model, benchmark and decoding.

    Raises:
        UserError: it has a different score of one of the items, and not `may_replace`.
    """
    kept = RecordSet(out / "scores", Score)
    there = kept.read()
    keys = {_item_of(score): score.key for score in there}
    for score in scores:
        if not may_replace and keys.get(_item_of(score), score.key) != score.key:
            raise UserError(
                f"The folder has different scores of a model with the same name, {score.model}.",
                f"{kept.path}, item {score.item} of {score.benchmark}",
                "Choose another folder with --out DIR, or another name for the model.",
            )
    new = set(map(group_of, scores))
    wanted = [*(score for score in there if group_of(score) not in new), *scores]
    if wanted != there:
        _replace(kept, wanted)


def remove_scores(out: Path, model: str, benchmark: str) -> None:
    """Remove the scores of a model on a benchmark, named as in `Score.benchmark`."""
    kept = RecordSet(out / "scores", Score)
    there = kept.read()
    others = [s for s in there if (s.model, s.benchmark.partition("/")[0]) != (model, benchmark)]
    if len(others) < len(there):
        _replace(kept, others)


def _replace(kept: RecordSet[Score], scores: Sequence[Score]) -> None:
    old = kept.parts()
    kept.append(scores)
    for part in old:
        part.unlink()


def _item_of(score: Score) -> tuple[str, str, str, str]:
    return score.model, score.benchmark, score.decoding, score.item


def read_scores(out: Path) -> list[Score]:
    """Return all scores of a folder.

    Raises:
        UserError: there are none, or a part is damaged.
    """
    scores = RecordSet(out / "scores", Score).read()
    if not scores:
        raise UserError(
            "The folder has no scores.", str(out), "Give a folder that groundtune bench wrote."
        )
    return scores
