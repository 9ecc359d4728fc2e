"""Runs benchmarks on a generator: answers, then scores, both kept and resumed by key.

    OUT/prompts/   Prompt records: each once, whatever number of items it serves
    OUT/answers/   Answer records
    OUT/scores/    Score records of all that was run into the folder
    OUT/images/    pictures of the items, if the caller's store is there

The test split is closed: it opens with `final` alone, and each opening is a dated line in a
notebook.
"""

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from groundtune.bench.benchmark import DECODINGS, Benchmark, Given, Item, Wanted
from groundtune.bench.stats import estimate, tabulate
from groundtune.errors import UserError
from groundtune.protocols import Generator, Progress
from groundtune.records import Answer, Prompt, Sampling, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.files import write_atomic
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of, seed_of

log = logging.getLogger(__name__)

AT_ONCE = 256
"""Prompts handed to the generator between two writes: what a kill loses at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """That the test split is opened on purpose, and where it is written down."""

    notebook: Path
    command: Sequence[str] = ()


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


def refuse_closed_split(wanted: Wanted, final: Opening | None) -> None:
    """Raises UserError for the test split unless it is opened on purpose."""
    if wanted.split == "test" and final is None:
        raise UserError(
            "The test split is closed: nothing may be tuned on it.",
            "--split test",
            "Use --split development, or --final for the last measurement of all; it is noted.",
        )


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


def write_down(benchmarks: Sequence[Benchmark], scores: Sequence[Score], final: Opening) -> None:
    """Appends one dated line a model and benchmark to the notebook, once for the same scores."""
    notebook = final.notebook
    text = notebook.read_text() if notebook.exists() else ""
    for benchmark in benchmarks:
        for model in dict.fromkeys(score.model for score in scores):
            own = [s for s in scores if s.model == model and _belongs(s, benchmark)]
            mark = key_of(sorted(score.key for score in own))[:12]
            if own and f"scores {mark}" not in text:
                text += _line(benchmark, own, mark, final.command)
    write_atomic(notebook, text.encode())


def _belongs(score: Score, benchmark: Benchmark) -> bool:
    return score.benchmark.partition("/")[0] == benchmark.name


def _line(benchmark: Benchmark, scores: Sequence[Score], mark: str, command: Sequence[str]) -> str:
    metric = next(each for each in benchmark.metrics if each.name == benchmark.headline)
    parts: list[str] = []
    for name in dict.fromkeys(score.benchmark for score in scores):
        for decoding in dict.fromkeys(score.decoding for score in scores):
            own = [s for s in scores if (s.benchmark, s.decoding) == (name, decoding)]
            made = estimate(tabulate(own), metric, model="", benchmark="") if own else None
            if made is not None:
                low, value, high = (metric.scale * x for x in (made.low, made.value, made.high))
                parts.append(f"{name}/{decoding} {value:.1f} [{low:.1f}, {high:.1f}], n {made.n}")
    today = datetime.now(UTC).date().isoformat()
    asked = f" `{shlex.join(command)}`" if command else ""
    listed = "; ".join(parts)
    return f"- {today}: {scores[0].model}, {metric.name}: {listed}; scores {mark}.{asked}\n"
