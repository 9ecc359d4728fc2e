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
from groundtune.bench.run.replaced import group_of
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
                    truncated=answer.finish == "length",
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
    """Return the answer to each prompt by its key; generate only those missing in `out`."""
    answer_set, prompt_set = RecordSet(out / "answers", Answer), RecordSet(out / "prompts", Prompt)
    prompts = {item.prompt.key: item.prompt for item in items}
    note_inputs(answer_set.path, {"prompts": list(prompts.values())}, only=("messages",))
    prompt_set.append([prompts[key] for key in prompt_set.missing(prompts)])
    seeds = {key: seed_of(seed, key, 0) if sampling.temperature else 0 for key in prompts}
    prompt_of_key = {
        key_of(key, generator.producer(sampling, seeds[key]), 0): prompt
        for key, prompt in prompts.items()
    }
    missing = answer_set.missing(prompt_of_key)
    answers = answer_set.read() if len(missing) < len(prompt_of_key) else []
    progress.start(task, total=len(missing))
    for first in range(0, len(missing), AT_ONCE):
        chunk = {key: prompt_of_key[key] for key in missing[first : first + AT_ONCE]}
        new_answers = _answers(generator, chunk, sampling, seeds)
        answer_set.append(new_answers)
        answers += new_answers
        progress.advance(len(chunk))
    return {answer.prompt: answer for answer in answers if answer.key in prompt_of_key}


def _answers(
    generator: Generator, prompts: dict[str, Prompt], sampling: Sampling, seeds: dict[str, int]
) -> list[Answer]:
    prompt_list = list(prompts.values())
    replies = generator.generate(
        prompt_list, sampling, [seeds[prompt.key] for prompt in prompt_list]
    )
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
        UserError: the folder has a different score of an item, and `may_replace` is False.
    """
    score_set = RecordSet(out / "scores", Score)
    stored_scores = score_set.read()
    keys = {_item_of(score): score.key for score in stored_scores}
    for score in scores:
        if not may_replace and keys.get(_item_of(score), score.key) != score.key:
            raise UserError(
                f"The folder has different scores of a model with the same name, {score.model}.",
                f"{score_set.path}, item {score.item} of {score.benchmark}",
                "Choose another folder with --out DIR, or another name for the model.",
            )
    new = set(map(group_of, scores))
    new_scores = [*(score for score in stored_scores if group_of(score) not in new), *scores]
    if new_scores != stored_scores:
        _replace(score_set, new_scores)


def remove_scores(out: Path, model: str, benchmark: str) -> None:
    """Remove the scores of a model on a benchmark, named as in `Score.benchmark`."""
    score_set = RecordSet(out / "scores", Score)
    stored_scores = score_set.read()
    others = [
        s for s in stored_scores if (s.model, s.benchmark.partition("/")[0]) != (model, benchmark)
    ]
    if len(others) < len(stored_scores):
        _replace(score_set, others)


def _replace(score_set: RecordSet[Score], scores: Sequence[Score]) -> None:
    old = score_set.parts()
    score_set.append(scores)
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
