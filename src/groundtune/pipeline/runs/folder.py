"""A run's folder: the data sets that the stages hand on, by the names under which they find them.

    prompts/  answers/  corrections/  comparisons/  thumbs/  division/  claims/  pairs/
                Parquet parts, each with the run.json of its stage
    images/     images by sha256

A stage that writes into the folder that it reads adds its data set there. If it writes into
another, it also copies the prompts and images that its rows reference: each folder is whole.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from groundtune.errors import UserError
from groundtune.records import Answer, Claim, Comparison, Correction, Pair, Prompt, Record, Thumb
from groundtune.store.contents import hashes_of
from groundtune.store.dataset import RecordSet
from groundtune.store.files import write_atomic
from groundtune.store.images import ImageStore
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of
from groundtune.store.run_json import write_run

R = TypeVar("R", bound=Record)

DATABASE = "annotations.sqlite"
"""In the folder of an annotation project, whose images are where a run has them."""

_MADE_BY = {
    "prompts": "groundtune sample or groundtune import",
    "answers": "groundtune sample",
    "corrections": "groundtune label",
    "comparisons": "groundtune annotate or groundtune import",
    "thumbs": "groundtune pairs --thumbs",
    "division": "groundtune label --by claims",
    "claims": "groundtune label --by claims",
    "pairs": "groundtune pairs or groundtune import",
    "scores": "groundtune reward score",
}


def is_project(path: Path) -> bool:
    """Whether a folder is an annotation project."""
    return (path / DATABASE).is_file()


class RunFolder:
    """The data sets under `path`; nothing is made until something is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.prompts = RecordSet(path / "prompts", Prompt)
        self.answers = RecordSet(path / "answers", Answer)
        self.corrections = RecordSet(path / "corrections", Correction)
        self.comparisons = RecordSet(path / "comparisons", Comparison)
        self.thumbs = RecordSet(path / "thumbs", Thumb)
        self.division = RecordSet(path / "division", Claim)
        """Claims as they were divided, before a labeler is asked."""
        self.claims = RecordSet(path / "claims", Claim)
        self.pairs = RecordSet(path / "pairs", Pair)
        self.images = ImageStore(path / "images")

    def same_as(self, other: "RunFolder") -> bool:
        """Whether both are one folder on the disk."""
        return self.path.resolve() == other.path.resolve()

    def prompts_by_key(self) -> dict[str, Prompt]:
        """All prompts. Raises UserError if there are none."""
        return {prompt.key: prompt for prompt in read_some(self.prompts)}

    def take_prompts(self, source: "RunFolder", prompts: Iterable[Prompt]) -> None:
        """Prompts of another folder, with their images, as far as they aren't here yet.

        The images are hard links where the disk allows it, else copies.

        Raises:
            UserError: a prompt is here with other contents, or an image is missing.
        """
        if self.same_as(source):
            return
        rows = list(prompts)
        for sha256 in dict.fromkeys(image for prompt in rows for image in prompt.images):
            _link(source.images, self.images, sha256)
        self.prompts.add(rows)

    def take_answers(self, source: "RunFolder", answers: Iterable[Answer]) -> None:
        """Answers of another folder, as far as they aren't here yet.

        Raises:
            UserError: an answer is here with other contents.
        """
        if not self.same_as(source):
            self.answers.add(list(answers))

    def note(
        self,
        data: RecordSet[Any],
        *,
        settings: Record,
        inputs: dict[str, str],
        seeds: dict[str, int],
        command: list[str],
    ) -> None:
        """Write the run.json of the stage that made a data set, next to its parts."""
        write_run(data.path, settings.model_dump(mode="json"), inputs, seeds, command)


def read_some(data: RecordSet[R]) -> list[R]:
    """All rows of a data set. Raises UserError, naming a command, if there are none."""
    rows = data.read()
    if not rows:
        name = data.path.name
        raise UserError(
            f"The folder holds no {name}.",
            str(data.path.parent),
            f"Give a folder that {_MADE_BY.get(name, 'an earlier stage')} wrote.",
        )
    return rows


def prompt_of(answer: Answer, prompts: Mapping[str, Prompt]) -> Prompt:
    """Return an answer's prompt, of prompts by key. Raises UserError if it is missing."""
    if answer.prompt not in prompts:
        raise UserError(
            f"The prompt {answer.prompt} of an answer is missing.",
            f"answer {answer.key}",
            "Use a folder with both the answers and their prompts.",
        )
    return prompts[answer.prompt]


def hash_of(data: RecordSet[Any]) -> str:
    """Hash of a data set's rows in any order: what a stage's run.json names as its input."""
    return key_of(sorted([row.key, hashes_of(row)] for row in data.read()))


def _link(source: ImageStore, target: ImageStore, sha256: str) -> None:
    path = target.path(sha256)
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(source.path(sha256), path)
    except OSError:
        target.add(source.path(sha256))  # another disk, or one without links; says if it is missing


def write_rows(path: Path, rows: Sequence[Record]) -> Path:
    """Records as a JSON list."""
    text = json_of(rows, where=str(path), indent=1)
    write_atomic(path, text.encode() + b"\n")
    return path
