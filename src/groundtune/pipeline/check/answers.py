"""The answers that are to be checked: a run's folder, a file of answers, or a model's own.

A file has a row an answer: JSON lines, a JSON list, or a table. Its columns are those that other
files of answers have (`bench/files/answers.py`), with the image in `image`, `image_path` or
`file_name`, a question if there was one, and the model's name if there are several.
"""

import os
from collections import Counter
from collections.abc import Set as AbstractSet
from pathlib import Path

from groundtune.bench.files.answers import ANSWER_COLUMNS
from groundtune.errors import UserError
from groundtune.generate.thoughts import split_thoughts
from groundtune.pipeline.folder import RunFolder, read_some
from groundtune.pipeline.sample.run import SampleSettings, run_sample
from groundtune.protocols import Progress
from groundtune.records import (
    Answer,
    ImagePart,
    Message,
    Producer,
    Prompt,
    Source,
    TextPart,
)
from groundtune.store.images import printable_name
from groundtune.store.keys import key_of
from groundtune.store.rows import Row, first_of, media_in, text_field
from groundtune.store.sheets import ENDINGS, rows_of

IMAGE_COLUMNS = ("image", "image_path", "file_name")
QUESTION_COLUMNS = ("question", "prompt", "instruction")


def is_file(what: str) -> bool:
    """Whether a file of answers is meant."""
    return Path(what).suffix.lower() in ENDINGS


def is_folder(what: str) -> bool:
    """Whether a run's folder with answers is meant."""
    return bool(RunFolder(Path(what)).answers.parts())


def import_answers(
    what: str,
    target: RunFolder,
    images: Path | None,
    ask: str,
    model: SampleSettings | None,
    progress: Progress,
) -> None:
    """Puts the answers that `what` names into `target`, with their prompts and images.

    `model` says how a model answers, where `what` is one.

    Raises:
        UserError: there are no answers, an image is missing, or a row can't be read.
    """
    if is_folder(what):
        source = RunFolder(Path(what))
        prompts, answers = source.prompts_by_key(), read_some(source.answers)
        _refuse_others(target, {answer.key for answer in answers})
        wanted = {answer.prompt: prompts[answer.prompt] for answer in answers}
        target.take_prompts(source, wanted.values())
        target.take_answers(source, answers)
        return
    if is_file(what):
        _read(Path(what), target, images, ask, progress)
        return
    assert model is not None
    if images is None:
        raise UserError(
            "There are no images to ask the model about.",
            what,
            "Give a folder with --images DIR, or a file or folder of answers instead of a model.",
        )
    run_sample(model, target.path, progress)


def _read(file: Path, target: RunFolder, images: Path | None, ask: str, progress: Progress) -> None:
    prompts: dict[str, Prompt] = {}
    answers: dict[str, Answer] = {}
    seen: Counter[tuple[str, str]] = Counter()
    rows = list(rows_of(file))
    progress.start("read answers", total=len(rows))
    for row in rows:
        prompt = _prompt(file, row, target, images, ask)
        column = next((name for name in ANSWER_COLUMNS if name in row.fields), ANSWER_COLUMNS[1])
        text = text_field(row, column)
        name = first_of(row.fields, ("model",)) or file.stem
        index = seen[prompt.key, name]
        seen[prompt.key, name] += 1
        by = Producer(kind="model", name=name)
        key = key_of("given", prompt.key, by, index, text)
        prompts[prompt.key] = prompt
        thought = split_thoughts(text)
        answers[key] = Answer(
            key=key,
            prompt=prompt.key,
            text=thought.answer,
            producer=by,
            index=index,
            thoughts=thought.thoughts,
        )
        progress.advance()
    if not answers:
        raise UserError("The file holds no answers.", str(file), "Give one with a row an answer.")
    _refuse_others(target, answers.keys())
    target.prompts.add(list(prompts.values()))
    target.answers.add(list(answers.values()))


def _prompt(file: Path, row: Row, target: RunFolder, images: Path | None, ask: str) -> Prompt:
    where = row.where
    if column := media_in(row.fields):
        raise UserError(
            f"The row is about a video or a sound (column {column}), not an image.",
            where,
            "Remove the row.",
        )
    named = first_of(row.fields, IMAGE_COLUMNS)
    if not named:
        raise UserError(
            f"The row names no image: none of {', '.join(IMAGE_COLUMNS)}.",
            where,
            "Give the row one of these columns.",
        )
    roots = [root for root in (images, file.parent) if root is not None]
    path = next((root / named for root in roots if os.path.isfile(root / named)), None)
    if path is None:
        raise UserError(
            f"The image {printable_name(named)} is missing.",
            where,
            "Give its folder with --images DIR.",
        )
    question = first_of(row.fields, QUESTION_COLUMNS) or ask
    parts = (ImagePart(image=target.images.add(path)), TextPart(text=question))
    messages = (Message(role="user", content=parts),)
    return Prompt(
        key=key_of([message.model_dump() for message in messages]),
        messages=messages,
        source=Source(dataset=file.name, row=named),
    )


def _refuse_others(target: RunFolder, keys: AbstractSet[str]) -> None:
    """A folder is for one check: other answers in it would be taken for these."""
    others = target.answers.keys() - keys
    if others:
        raise UserError(
            f"The folder has {len(others)} answers that aren't among these.",
            str(target.answers.path),
            "Choose another folder with --out DIR.",
        )
