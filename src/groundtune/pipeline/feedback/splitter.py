"""A custom splitter: lessons of recorded divisions, and how it agrees with them afterwards.

    OUT/prompts pairs           the lessons, for groundtune train with method.type=sft
    OUT/held-out/               prompts, answers and division of the images that are not taught

Lessons and held-out answers never share an image.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from groundtune.bench.stats.bootstrap import interval, resamples
from groundtune.errors import UserError
from groundtune.feedback.claims import by_answer
from groundtune.feedback.divide import SAMPLING, InstructedDivider
from groundtune.feedback.instructions import instruction_by_name
from groundtune.feedback.lessons import Agreement, agreement, lesson, pair_of
from groundtune.pipeline.feedback.claims import divide_answers, refuse_other_division
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.models.workers.local import open_workers
from groundtune.pipeline.runs.folder import RunFolder, hash_of, read_some
from groundtune.protocols import Generator, Progress
from groundtune.records import Answer, Claim, Pair, Prompt, Record
from groundtune.store.lock import one_writer

HELD_OUT = "held-out"
PLACES = ("question", "answer")


class LessonSettings(Record):
    """What is taught, and what is kept to ask about afterwards."""

    instruction: str = "split-1"
    """The splitter's instruction: a shipped one, or a file with the places ${question}
    and ${answer}. Short, for a splitter learns the form from its lessons."""
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """Share of the images."""
    seed: int = 0
    """Which images those are."""


class LessonCounts(Record):
    """What became of the recorded divisions."""

    answers: int
    lessons: int
    held_out: int
    """Answers about images that are not taught."""
    left_out: int
    """Answers whose claims can't be written as a reply, or couldn't be read."""


class SplitterSettings(ModelSettings):
    """Which splitter is asked, and how."""

    instruction: str = "split-1"
    """The one that it was taught with."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """A reply that is longer is unparsed: what can't end by itself has no form."""
    seed: int = 0
    """Of the resampled images."""


class Share(NamedTuple):
    """A share with its 95% interval."""

    value: float
    low: float
    high: float


class SplitterScore(Record):
    """How a splitter's claims agree with the recorded ones, on held-out answers.

    Claims are the same where their words are: another wording of the same fact counts as wrong.
    """

    answers: int
    images: int
    recorded: int
    """Facts."""
    found: int
    agreement: Share
    """2 * both / (recorded + found): Dice's coefficient, or F1."""
    recall: Share
    """Recorded facts that the splitter finds."""
    precision: Share
    """Its facts that are recorded."""
    questions: Share
    """Of the facts of both, those with the same question."""
    places: Share
    """Of the facts of both, those with the same characters of the answer."""
    unread: Share
    """Answers whose reply couldn't be read."""


@one_writer()
def make_lessons(
    source: Path,
    out: Path,
    settings: LessonSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> LessonCounts:
    """Makes lessons of the answers and their division in `source`, and keeps some answers back.

    Raises:
        UserError: there is no division; nothing can be taught or kept back; or `out` has lessons
            that these settings don't give.
    """
    folder, target, held_folder = RunFolder(source), RunFolder(out), RunFolder(out / HELD_OUT)
    answers, prompts = read_some(folder.answers), folder.prompts_by_key()
    claims = by_answer(read_some(folder.division))
    instruction = instruction_by_name(settings.instruction, PLACES)
    divided = [answer for answer in answers if answer.key in claims]
    held_keys = _held_out(divided, prompts, settings)
    progress.start("lessons", total=len(divided))
    lessons: dict[str, Prompt] = {}
    pairs: dict[str, Pair] = {}
    left_out = 0
    for answer in divided:
        progress.advance()
        example = lesson(prompts[answer.prompt], answer, claims[answer.key], instruction)
        if example is None:
            left_out += 1
        elif answer.key not in held_keys:
            lessons.setdefault(example.prompt.key, example.prompt)
            pair = pair_of(example, answer)
            pairs.setdefault(pair.key, pair)
    if not pairs or not held_keys:
        raise UserError(
            f"The division of {len(divided)} answers gives {len(pairs)} lessons and "
            f"{len(held_keys)} held-out answers; both must be above 0.",
            str(source),
            "Add answers about more images, or change held_out.",
        )
    _refuse_others(target, pairs)
    _write(target, lessons, pairs)
    _keep(folder, held_folder, [a for a in divided if a.key in held_keys], prompts, claims)
    target.note(
        target.pairs,
        settings=settings,
        inputs={"division": hash_of(folder.division), "instruction": instruction.hash},
        seeds={"lessons": settings.seed},
        command=list(command),
    )
    return LessonCounts(
        answers=len(answers), lessons=len(pairs), held_out=len(held_keys), left_out=left_out
    )


@one_writer()
def score_splitter(
    generator: Generator,
    folder: Path,
    out: Path,
    settings: SplitterSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> SplitterScore:
    """Has the splitter divide the held-out answers of `folder` into `out`, and compares; resumable.

    Raises:
        UserError: there is nothing held out, or `out` has another splitter's division.
    """
    held_folder, target = RunFolder(folder / HELD_OUT), RunFolder(out)
    answers, prompts = read_some(held_folder.answers), held_folder.prompts_by_key()
    recorded = by_answer(read_some(held_folder.division))
    sampling = SAMPLING.model_copy(update={"max_new_tokens": settings.max_new_tokens})
    instruction = instruction_by_name(settings.instruction, PLACES)
    divider = InstructedDivider(generator, instruction, sampling=sampling)
    refuse_other_division(target, divider.producer())
    target.take_prompts(held_folder, prompts.values())
    target.take_answers(held_folder, answers)
    about = {answer.key: prompts[answer.prompt] for answer in answers}
    with open_workers(settings.engine) as workers:
        divide_answers(target, answers, about, divider, progress, workers)
    target.note(
        target.division,
        settings=settings,
        inputs={"answers": hash_of(held_folder.answers), "recorded": hash_of(held_folder.division)},
        seeds={},
        command=list(command),
    )
    divided = by_answer(target.division.read())
    each = [agreement(recorded[answer.key], divided[answer.key]) for answer in answers]
    images = [prompts[answer.prompt].images or (answer.prompt,) for answer in answers]
    return summary_of(each, images, settings.seed)


def summary_of(
    each: Sequence[Agreement], images: Sequence[tuple[str, ...]], seed: int = 0
) -> SplitterScore:
    """The rates over all answers; intervals resample images (`images[i]` of answer i)."""
    place = {image: number for number, image in enumerate(dict.fromkeys(images))}
    sums_IC = np.zeros((len(place), len(Agreement._fields) + 1))
    for counts, image in zip(each, images, strict=True):
        sums_IC[place[image]] += (*counts, 1)
    names = (*Agreement._fields, "answers")
    draws_RC = resamples(len(place), seed) @ sums_IC
    whole_1C = sums_IC.sum(0, keepdims=True)

    def share(above: str, *below: str, times: float = 1.0) -> Share:
        with np.errstate(invalid="ignore", divide="ignore"):
            over, under = names.index(above), [names.index(name) for name in below]
            value, draws = (
                times * sums[:, over] / sums[:, under].sum(1) for sums in (whole_1C, draws_RC)
            )
        rate = float(np.nan_to_num(value[0]))
        bounds = interval(draws, rate, images=len(place), share=True)
        return Share(*(round(number, 4) for number in (rate, bounds.low, bounds.high)))

    total = dict(zip(names, map(int, whole_1C[0]), strict=True))
    return SplitterScore(
        answers=len(each),
        images=len(place),
        recorded=total["recorded"],
        found=total["divided"],
        agreement=share("both", "recorded", "divided", times=2),
        recall=share("both", "recorded"),
        precision=share("both", "divided"),
        questions=share("same_questions", "both"),
        places=share("same_places", "both"),
        unread=share("unread", "answers"),
    )


def _held_out(
    answers: Sequence[Answer], prompts: Mapping[str, Prompt], settings: LessonSettings
) -> set[str]:
    """Keys of the answers about the images that are not taught."""
    about = {answer.key: prompts[answer.prompt].images or (answer.prompt,) for answer in answers}
    images = sorted(set(about.values()))
    random.Random(f"held out/{settings.seed}").shuffle(images)
    held_images = set(images[: round(settings.held_out * len(images))])
    return {key for key, image in about.items() if image in held_images}


def _write(target: RunFolder, lessons: Mapping[str, Prompt], pairs: Mapping[str, Pair]) -> None:
    target.prompts.add(list(lessons.values()))
    target.pairs.add(list(pairs.values()))


def _keep(
    source: RunFolder,
    target: RunFolder,
    answers: Sequence[Answer],
    prompts: Mapping[str, Prompt],
    claims: Mapping[str, Sequence[Claim]],
) -> None:
    """The answers that are asked about afterwards, with what they stand on."""
    target.take_prompts(source, {a.prompt: prompts[a.prompt] for a in answers}.values())
    target.take_answers(source, answers)
    target.division.add([claim for answer in answers for claim in claims[answer.key]])


def _refuse_others(target: RunFolder, pairs: Mapping[str, Pair]) -> None:
    others = target.pairs.keys() - pairs.keys()
    if others:
        raise UserError(
            f"The folder already has {len(others)} lessons from other settings.",
            str(target.pairs.path),
            "Choose another folder with --out DIR, or use the settings of the first run.",
        )
