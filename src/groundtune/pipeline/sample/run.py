"""Stage "sample": a model answers prompts, several times each.

Resumable: an answer's key follows from its prompt, its producer (model, revision, sampling, seed)
and its index, and only missing ones are drawn.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import Field, model_validator

from groundtune.errors import UnfitError, UserError
from groundtune.generate.thoughts import without_thoughts
from groundtune.pipeline.models.generators import close, open_generator
from groundtune.pipeline.models.prompt_sources import requested
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.models.workers.local import LocalWorkers, open_workers
from groundtune.pipeline.runs.folder import RunFolder, hash_of
from groundtune.pipeline.sample.prompts import PromptRows, SkippedRow, read_prompts
from groundtune.protocols import Generator, Progress, Workers
from groundtune.records import Answer, Producer, Prompt, Record, Sampling
from groundtune.store.contents import ChangedError
from groundtune.store.files import write_atomic
from groundtune.store.inputs import note_inputs
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of, seed_of
from groundtune.store.lock import one_writer

log = logging.getLogger(__name__)


class SampleSettings(ModelSettings):
    """Who is asked what, and how often."""

    prompts: str = ""
    """A file of rows, a run's folder, or a prompt source and a count: world:200 asks about so
    many images of the embedded world (by `seed`)."""
    images: str = ""
    """Folder of images: those of the prompts' rows or, without prompts, to be asked `ask`."""
    ask: str = ""
    """The instruction for each image of `images`."""
    limit: int = Field(default=0, ge=0)
    """The most rows or images that are read; 0 for all."""
    n: int = Field(default=10, ge=1)
    """Answers a prompt; 10 are RLAIF-V's candidates (arXiv 2405.17220)."""
    sampling: Sampling = Sampling()
    seed: int = 0
    """Each answer's own seed is made of this one, its prompt's key and its index."""
    skip_bad: bool = False
    """Leave bad rows out and list them, rather than stop at the first; so with prompts that the
    model doesn't take (too long, a special token, another number of images)."""

    @model_validator(mode="after")
    def _not_the_same_answer_again(self) -> Self:
        if self.n > 1 and self.sampling.temperature == 0:
            raise ValueError("greedy decoding (temperature 0) gives one answer, not several")
        return self


class SampleSummary(Record):
    """What was asked and answered."""

    prompts: int
    answers: int
    """Answers to these prompts that are there now."""
    drawn_now: int
    cut: int
    """Answers that were cut at the most new tokens."""
    empty: int
    thoughts: int
    """Answers that the model thought before: column `thoughts` has what, the text has not."""
    skipped: int
    """Bad rows, files and prompts left out; skipped.jsonl lists them."""
    repeated: int = 0
    """Rows with the images and texts of an earlier row, which were asked once."""


class SampleResult(NamedTuple):
    """What was drawn, and the revision of the model that answered."""

    summary: SampleSummary
    revision: str


class _AnswerBatch(NamedTuple):
    """The answers of a batch, and why the model doesn't take some of its prompts, by their keys."""

    answers: list[Answer]
    unfit: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Want:
    key: str
    prompt: Prompt
    index: int
    seed: int


@one_writer()
def run_sample(
    settings: SampleSettings, out: Path, progress: Progress, *, command: Sequence[str] = ()
) -> SampleSummary:
    """Reads the prompts, loads the model, and draws the answers that `out` lacks.

    `out` receives prompts/, images/, answers/ and, if rows were left out, skipped.jsonl.

    Raises:
        UserError: a bad row (without `skip_bad`), a model that can't be loaded, answers of another
            model or settings in `out`, or a full disk. All rows are read before the model is.
    """
    target = RunFolder(out)
    with open_workers(settings.engine) as workers:
        rows = find_prompts(settings, target, progress)
        result = answer_prompts(
            settings, rows.prompts, target, progress, workers, skipped=rows.skipped
        )
    target.note(
        target.answers,
        settings=settings,
        inputs={"prompts": hash_of(target.prompts), "model": result.revision},
        seeds={"sample": settings.seed},
        command=list(command),
    )
    return result.summary.model_copy(update={"repeated": rows.repeated})


def answer_prompts(
    settings: SampleSettings,
    prompts: Sequence[Prompt],
    target: RunFolder,
    progress: Progress,
    workers: Workers,
    *,
    name: str = "",
    skipped: Sequence[SkippedRow] = (),
) -> SampleResult:
    """Open the model that the settings name, and draw the answers to `prompts` that `target` lacks.

    Answers are by `name`, or else by the model's. `skipped` is what was left out before.

    Raises:
        UserError: the model can't be loaded, or as `draw_answers`.
    """
    progress.start(f"load {name or settings.model}")
    generator = open_generator(settings, target.images, name=name)
    try:
        summary = draw_answers(
            generator, prompts, target, progress, settings, workers=workers, skipped=skipped
        )
    finally:
        close([generator])
    return SampleResult(summary, generator.producer(settings.sampling, 0).revision)


def find_prompts(settings: SampleSettings, target: RunFolder, progress: Progress) -> PromptRows:
    """Return the prompts that the settings name, and list what was skipped; images go to `target`.

    Raises:
        UserError: a bad row (without `skip_bad`), or there is no such file, folder or source.
    """
    if (request := requested(settings.prompts)) is not None:
        prompts = request.source.prompts(
            target.images, request.number, progress, part="learning", seed=settings.seed
        )
        return PromptRows(prompts, [])
    rows = read_prompts(
        target,
        progress,
        prompts=Path(settings.prompts) if settings.prompts else None,
        images=Path(settings.images) if settings.images else None,
        ask=settings.ask,
        limit=settings.limit,
        skip_bad=settings.skip_bad,
    )
    _log_skipped(rows.skipped)
    _list_skipped(target.path, rows.skipped)
    return rows


def draw_answers(
    generator: Generator,
    prompts: Sequence[Prompt],
    target: RunFolder,
    progress: Progress,
    settings: SampleSettings,
    *,
    workers: Workers = LocalWorkers(),  # noqa: B008  # it holds nothing
    skipped: Sequence[SkippedRow] = (),
) -> SampleSummary:
    """Draw the answers that `target` lacks, n per prompt; each batch is kept once it is drawn.

    The generator has the prompts' images; the prompts are added to `target`. A batch is one call of
    the generator, by any of the workers. With `settings.skip_bad`, prompts that the model doesn't
    take are added to `skipped` in skipped.jsonl.

    Raises:
        UserError: `target` has answers of another model or other settings, the model takes none of
            the prompts, or the disk is full.
        UnfitError: without `settings.skip_bad`, the model doesn't take a prompt.
    """
    sampling, size = settings.sampling, settings.batch_size
    _refuse_mixing(target, generator, sampling)
    _refuse_edited(target, prompts)
    note_inputs(target.answers.path, {"prompts": prompts})
    target.prompts.add(prompts)
    requests = {
        key: _Want(key, prompt, index, row_seed)
        for prompt in prompts
        for index in range(settings.n)
        for row_seed in [seed_of(settings.seed, prompt.key, index)]
        for key in [_answer_key(prompt.key, generator.producer(sampling, row_seed), index)]
    }
    missing = sorted(target.answers.missing(requests), key=lambda key: _size(requests[key].prompt))
    batches = [
        [requests[key] for key in missing[first : first + size]]
        for first in range(0, len(missing), size)
    ]
    progress.start("sample", total=len(missing))
    unfit: dict[str, str] = {}
    draw = _draw_what_fits if settings.skip_bad else _draw
    for number, batch in workers.run(partial(draw, generator, sampling), batches):
        target.answers.append(batch.answers)
        unfit |= batch.unfit
        progress.advance(len(batches[number]))
    target.answers.compact(order=requests)
    refused = _left_out(unfit, prompts, settings)
    _log_skipped(refused)
    left_out = [*skipped, *refused]
    _list_skipped(target.path, left_out)
    counts = _summary(target, set(requests), len(prompts), len(missing))
    return counts.model_copy(update={"skipped": len(left_out)})


def by_another_name(answer: Answer, name: str) -> Answer:
    """Return the answer as one that a model of equal weights, called `name`, would have drawn."""
    by = answer.producer.model_copy(update={"name": name})
    key = _answer_key(answer.prompt, by, answer.index)
    return answer.model_copy(update={"key": key, "producer": by})


def _answer_key(prompt: str, by: Producer, index: int) -> str:
    return key_of(prompt, by, index)


def _draw(generator: Generator, sampling: Sampling, requests: Sequence[_Want]) -> _AnswerBatch:
    replies = generator.generate(
        [want.prompt for want in requests], sampling, [want.seed for want in requests]
    )
    answers = [
        Answer(
            key=want.key,
            prompt=want.prompt.key,
            text=reply.text,
            producer=generator.producer(sampling, want.seed),
            index=want.index,
            tokens=reply.tokens,
            finish="stop" if reply.finished else "length",
            thoughts=reply.thoughts,
        )
        for want, reply in zip(requests, map(without_thoughts, replies), strict=True)
    ]
    return _AnswerBatch(answers, {})


def _draw_what_fits(
    generator: Generator, sampling: Sampling, requests: Sequence[_Want]
) -> _AnswerBatch:
    """Draw a batch; if the model doesn't take it, each prompt's answers apart."""
    try:
        return _draw(generator, sampling, requests)
    except UnfitError as error:
        keys = dict.fromkeys(want.prompt.key for want in requests)
        if len(keys) == 1:
            return _AnswerBatch([], dict.fromkeys(keys, error.what))
        groups = [[want for want in requests if want.prompt.key == key] for key in keys]
    batch = _AnswerBatch([], {})
    for group in groups:
        one = _draw_what_fits(generator, sampling, group)
        batch.answers.extend(one.answers)
        batch.unfit.update(one.unfit)
    return batch


def _left_out(
    unfit: Mapping[str, str], prompts: Sequence[Prompt], settings: SampleSettings
) -> list[SkippedRow]:
    """Prompts that the model doesn't take, as rows that were left out."""
    if unfit and len(unfit) == len(prompts):
        first = prompts[0]
        raise UserError(
            f"The model takes none of the {len(prompts)} prompts. The first: {unfit[first.key]}",
            f"{settings.model}, prompt {first.key}",
            "Change the prompts, or choose another model.",
        )
    return [
        SkippedRow(file=each.source.dataset or each.key, row=each.source.row, what=unfit[each.key])
        for each in prompts
        if each.key in unfit
    ]


def _size(prompt: Prompt) -> tuple[int, int]:
    """Images and letters: prompts of similar length make a batch with little padding."""
    parts = (part for message in prompt.messages for part in message.content)
    return len(prompt.images), sum(len(part.text) for part in parts if part.type == "text")


def _refuse_mixing(target: RunFolder, generator: Generator, sampling: Sampling) -> None:
    """Answers of two models or settings in one folder would be taken for one model's."""
    producer = generator.producer(sampling, 0)
    for answer in target.answers.read():
        if answer.producer.model_copy(update={"seed": 0}) != producer:
            raise UserError(
                "The folder holds answers of another model or with other settings.",
                f"{target.answers.path}, answer {answer.key} by {answer.producer.name}",
                "Choose another folder with --out DIR.",
            )


def _refuse_edited(target: RunFolder, prompts: Sequence[Prompt]) -> None:
    """Refuse rows of a file in place of other rows of it that have answers already.

    A file may grow, and fewer of its rows may be read.
    """
    stored, keys = target.prompts.read(), {prompt.key for prompt in prompts}
    before = {prompt.key for prompt in stored}
    new = [prompt for prompt in prompts if prompt.key not in before]
    files = {prompt.source.dataset for prompt in new} - {""}
    changed = [each for each in stored if each.key not in keys and each.source.dataset in files]
    if not changed:
        return
    first = changed[0]
    place = ", row ".join(filter(None, (first.source.dataset, first.source.row)))
    # The same words about another image: its file was replaced.
    replaced = any(each.question == first.question for each in new)
    raise ChangedError(
        f"{len(changed)} prompts changed since the folder's answers were drawn, the first: "
        f"{place} ({'its image' if replaced else 'its messages'}).",
        str(target.prompts.path),
        "Choose another folder with --out DIR, or restore the prompts and images.",
    )


def _summary(target: RunFolder, keys: set[str], prompts: int, number: int) -> SampleSummary:
    answers = [answer for answer in target.answers.read() if answer.key in keys]
    return SampleSummary(
        prompts=prompts,
        answers=len(answers),
        drawn_now=number,
        cut=sum(answer.finish == "length" for answer in answers),
        empty=sum(not answer.text for answer in answers),
        thoughts=sum(bool(answer.thoughts) for answer in answers),
        skipped=0,
    )


def _list_skipped(out: Path, skipped: Sequence[SkippedRow]) -> None:
    path = out / "skipped.jsonl"
    if not skipped:
        path.unlink(missing_ok=True)
        return
    write_atomic(path, "".join(json_of(each) + "\n" for each in skipped).encode())


def _log_skipped(skipped: Sequence[SkippedRow]) -> None:
    for each in skipped:
        log.warning("skipped: %s: %s", ":".join(filter(None, (each.file, each.row))), each.what)
