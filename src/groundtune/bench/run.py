"""Runs benchmarks on a generator: answers, then scores, both kept and resumed by key.

    OUT/prompts/   Prompt records: each once, whatever number of items it serves
    OUT/answers/   Answer records
    OUT/scores/    Score records of all that was run into the folder
    OUT/images/    pictures of the items, if the caller's store is there

The test split is closed: it opens with `final` alone, and each opening is a dated line in a
notebook.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.item import DECODINGS, Given, Item, Wanted
from groundtune.bench.opening import Opening, refuse_closed_split, write_down
from groundtune.errors import UserError
from groundtune.protocols import Generator, Progress
from groundtune.records import Answer, Prompt, Sampling, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of, seed_of

log = logging.getLogger(__name__)

AT_ONCE = 256
"""Prompts handed to the generator between two writes: what a kill loses at the most."""


def run(
    benchmarks: Sequence[Benchmark],
    generator: Generator,
    *,
    model: str,
    wanted: Wanted,
    out: Path,
    images: ImageStore,
    progress: Progress,
    decodings: Sequence[str] = tuple(DECODINGS),
    final: Opening | None = None,
) -> list[Score]:
    """Answers and scores every item under every decoding; returns the scores in the items' order.

    `images` must be where the generator looks for pictures. `wanted.seed` is also that of the
    draws.

    Raises:
        UserError: the test split without `final`; the folder has scores of another model under this
            name; no such split; or a full disk.
    """
    refuse_closed_split(wanted, final)
    scores: list[Score] = []
    for benchmark in benchmarks:
        progress.start(f"pictures for {benchmark.name}")
        items = benchmark.load(wanted, images)
        for decoding in decodings:
            sampling = benchmark.protocol.sampling(decoding)
            task = f"answer {benchmark.name} ({decoding})"
            answers = draw(
                generator, items, sampling, seed=wanted.seed, out=out, progress=progress, task=task
            )
            scores += [
                benchmark.score(
                    item, _given(answers[item.prompt.key], model=model, decoding=decoding)
                )
                for item in items
            ]
    keep(scores, out)
    if final is not None and wanted.split == "test":
        write_down(benchmarks, scores, final)
    return scores


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
    """The answer to each prompt, by the prompt's key; only what `out` lacks is drawn."""
    kept, asked = RecordSet(out / "answers", Answer), RecordSet(out / "prompts", Prompt)
    prompts = {item.prompt.key: item.prompt for item in items}
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
        for (key, prompt), reply in zip(prompts.items(), replies, strict=True)
    ]


def _given(answer: Answer, *, model: str, decoding: str) -> Given:
    return Given(text=answer.text, model=model, decoding=decoding, cut=answer.finish == "length")


def keep(scores: Sequence[Score], out: Path) -> None:
    """Adds the scores to OUT/scores as far as they aren't there.

    Raises:
        UserError: it holds another score of one of the items for a model of the same name.
    """
    kept = RecordSet(out / "scores", Score)
    there = {_place(score): score.key for score in kept.read()}
    for score in scores:
        if there.get(_place(score), score.key) != score.key:
            raise UserError(
                f"The folder holds other scores of a model that is also called {score.model}.",
                f"{kept.path}, item {score.item} of {score.benchmark}",
                "Choose another folder with --out DIR, or another name for the model.",
            )
    kept.append([score for score in scores if _place(score) not in there])


def _place(score: Score) -> tuple[str, str, str, str]:
    return score.model, score.benchmark, score.decoding, score.item


def read_scores(out: Path) -> list[Score]:
    """All scores that were kept in a folder.

    Raises:
        UserError: there are none, or a part is damaged.
    """
    scores = RecordSet(out / "scores", Score).read()
    if not scores:
        raise UserError(
            "The folder holds no scores.", str(out), "Give a folder that groundtune bench wrote."
        )
    return scores
