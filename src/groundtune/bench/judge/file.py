"""A judge described in a YAML file, for what a command line has no options for.

    url: http://127.0.0.1:8000/v1     # of an endpoint; without it the model runs on this machine
    model: the-judge
    repeats: 3                        # samples of each reply, for the judge's variance
    swap: true                        # pairwise benchmarks: both orders
    prompt: my_prompt.txt             # a text file, a folder of them, or the official script
    prices: prices.yaml
    budget: 5.0
    dry_run: true                     # says what it would cost, and asks nothing

or `replies: [replies.jsonl]` in place of url and model, and every field of `EndpointLimits`. Paths
are relative to the file.
"""

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from groundtune.errors import UserError
from groundtune.generate.endpoint import EndpointLimits


class JudgeFile(EndpointLimits):
    """The fields of the file."""

    url: str = ""
    """Of an OpenAI-compatible endpoint; several servers of one model, with commas."""
    model: str = ""
    """The endpoint's name for the judge or, without a URL, a model on this machine."""
    replies: tuple[Path, ...] = ()
    """Recorded replies instead."""
    temperature: float = Field(default=0.0, ge=0)
    max_tokens: int = Field(default=1024, ge=1)
    """The longest reply."""
    concurrency: int = Field(default=4, ge=1, le=1024)
    """Fewer requests in flight than for answers: hosted judges have narrow limits."""
    repeats: int = Field(default=1, ge=1, le=100)
    swap: bool = False
    prompt: Path | None = None
    prices: Path | None = None
    """{model: {input: PRICE, output: PRICE}}, per million tokens."""
    budget: float | None = Field(default=None, gt=0)
    """In the currency of the prices."""
    dry_run: bool = False
    device: str = "auto"
    """Of a model on this machine: cpu, cuda, mps or auto."""
    dtype: str = "auto"
    """float32, bfloat16, float16 or auto."""
    batch_size: int = Field(default=16, ge=1)
    """Replies that a model on this machine writes at once."""


def read_judge(path: Path) -> JudgeFile:
    """Return what the file says, its paths resolved.

    Raises:
        UserError: the file can't be read, a field is unknown or wrong, or it names no judge or two.
    """
    said = _read(path)
    if bool(said.replies) == bool(said.model or said.url):
        raise UserError(
            "The file must name a model or recorded replies, and not both.",
            str(path),
            "Give model: NAME, with url: for an endpoint; or replies: [FILE].",
        )
    if said.url and not said.model:
        raise UserError("The endpoint's model isn't named.", str(path), "Add model: NAME.")
    there = path.parent
    return said.model_copy(
        update={
            "replies": tuple(there / each for each in said.replies),
            "prompt": said.prompt and there / said.prompt,
            "prices": said.prices and there / said.prices,
        }
    )


def _read(path: Path) -> JudgeFile:
    try:
        fields: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(
            "The judge's file can't be read.", str(path), "Give a YAML file."
        ) from error
    try:
        return JudgeFile.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{where or 'The file'}: {first['msg']}.",
            str(path),
            f"The fields are {', '.join(JudgeFile.model_fields)}.",
        ) from error
