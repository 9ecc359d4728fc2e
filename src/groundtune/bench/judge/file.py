"""Judge settings in a YAML file, including those without a command-line option.

    url: http://127.0.0.1:8000/v1     # endpoint; without it the model runs on this machine
    model: the-judge
    repeats: 3                        # samples per reply, to measure the judge's variance
    swap: true                        # pairwise benchmarks: judge both orders
    prompt: my_prompt.txt             # a text file, a folder of them, or the official script
    prices: prices.yaml
    budget: 5.0
    dry_run: true                     # report the cost and send nothing

`replies: [replies.jsonl]` replaces url and model. Every field of `EndpointLimits` is allowed too.
Paths are relative to the file.
"""

from pathlib import Path

from pydantic import Field, ValidationError

from groundtune.errors import UserError
from groundtune.generate.endpoint import EndpointLimits
from groundtune.yaml_text import read_yaml


class JudgeFile(EndpointLimits):
    """Fields of the file."""

    url: str = ""
    """OpenAI-compatible endpoint; separate several servers of one model with commas."""
    model: str = ""
    """The judge's name at the endpoint or, without a URL, a model on this machine."""
    replies: tuple[Path, ...] = ()
    """Files of recorded replies, instead of a model."""
    temperature: float = Field(default=0.0, ge=0)
    max_tokens: int = Field(default=1024, ge=1)
    """Maximum tokens per reply."""
    concurrency: int = Field(default=4, ge=1, le=1024)
    """Requests in flight; fewer than for answers, because hosted judges have low rate limits."""
    repeats: int = Field(default=1, ge=1, le=100)
    swap: bool = False
    prompt: Path | None = None
    prices: Path | None = None
    """{model: {input: PRICE, output: PRICE}}, per million tokens."""
    budget: float | None = Field(default=None, gt=0)
    """Maximum cost, in the currency of the prices."""
    dry_run: bool = False
    device: str = "auto"
    """Device of a model on this machine: cpu, cuda, mps or auto."""
    dtype: str = "auto"
    """float32, bfloat16, float16 or auto."""
    batch_size: int = Field(default=16, ge=1)
    """Replies that a model on this machine generates in one batch."""


def read_judge(path: Path) -> JudgeFile:
    """Return the settings of a judge file, with resolved paths.

    Raises:
        UserError: the file can't be read, a field is unknown or wrong, or it names no judge or two.
    """
    settings = _read(path)
    if bool(settings.replies) == bool(settings.model or settings.url):
        raise UserError(
            "The file must name a model or recorded replies, not both.",
            str(path),
            "Write model: NAME (and url: for an endpoint), or replies: [FILE].",
        )
    if settings.url and not settings.model:
        raise UserError("The endpoint has no model name.", str(path), "Add model: NAME.")
    folder = path.parent
    return settings.model_copy(
        update={
            "replies": tuple(folder / file for file in settings.replies),
            "prompt": settings.prompt and folder / settings.prompt,
            "prices": settings.prices and folder / settings.prices,
        }
    )


def _read(path: Path) -> JudgeFile:
    try:
        return JudgeFile.model_validate(read_yaml(path).value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{where or 'The file'}: {first['msg']}.",
            str(path),
            f"Use only the fields {', '.join(JudgeFile.model_fields)}.",
        ) from error
