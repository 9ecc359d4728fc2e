"""A judge described in a YAML file, for what a command line has no options for.

    url: http://127.0.0.1:8000/v1     # or replies: [replies.jsonl]
    model: the-judge
    repeats: 3                        # samples of each reply, for the judge's variance
    swap: true                        # pairwise benchmarks: both orders
    prompt: my_prompt.txt             # a text file, a folder of them, or the official script
    prices: prices.yaml
    budget: 5.0
    dry_run: true                     # tells what it would cost, and asks nothing

and every field of `judge_http.Endpoint`. Paths are relative to the file.
"""

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from groundtune.bench.judge.cost import read_price
from groundtune.bench.judge.endpoint import EndpointJudge
from groundtune.bench.judge.http import Endpoint
from groundtune.bench.judge.judge import Judging
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.errors import UserError
from groundtune.protocols import Progress


class JudgeFile(Endpoint):
    """The fields of the file."""

    url: str = ""
    model: str = ""
    replies: tuple[Path, ...] = ()
    """Recorded replies instead of an endpoint."""
    repeats: int = Field(default=1, ge=1, le=100)
    swap: bool = False
    prompt: Path | None = None
    prices: Path | None = None
    """{model: {input: PRICE, output: PRICE}}, a million tokens."""
    budget: float | None = Field(default=None, gt=0)
    """In the currency of the prices."""
    dry_run: bool = False


def read_judge(path: Path, cache: Path, progress: Progress) -> Judging:
    """The judging that a file describes; an endpoint's replies are kept in `cache`.

    Raises:
        UserError: the file or one that it names can't be read, a field is unknown or missing.
    """
    told = _read(path)
    if bool(told.replies) == bool(told.url):
        raise UserError(
            "The file must name an endpoint or recorded replies, and not both.",
            str(path),
            "Give url and model, or replies.",
        )
    prompt = None if told.prompt is None else path.parent / told.prompt
    if told.replies:
        by = RecordedJudge(*(path.parent / each for each in told.replies))
        return Judging(
            by=by, repeats=told.repeats, swap=told.swap, prompt=prompt, progress=progress
        )
    if not told.model:
        raise UserError("The endpoint's model isn't named.", str(path), "Add model: NAME.")
    price = None if told.prices is None else read_price(path.parent / told.prices, told.model)
    settings = told.model_dump(include=set(Endpoint.model_fields))
    judge = EndpointJudge(
        Endpoint.model_validate(settings),
        cache,
        price=price,
        budget=told.budget,
        dry_run=told.dry_run,
    )
    return Judging(by=judge, repeats=told.repeats, swap=told.swap, prompt=prompt, progress=progress)


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
