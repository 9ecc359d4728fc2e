"""reward.json: what a reward model is, next to its weights."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from groundtune.errors import UserError
from groundtune.pipeline.models.names import REWARD
from groundtune.pipeline.reward.accuracy import Accuracy
from groundtune.pipeline.reward.settings import JudgingSettings, Learn
from groundtune.records import Prompt, Record
from groundtune.train.reward_kinds import HeadKind, Readout

NAME = REWARD
HEAD = "head"


class Probe(Record):
    """A held-out answer with its score, which a loaded model must reproduce."""

    prompt: Prompt
    """As the model reads it, facts included."""
    answer: str
    request: str
    score: float
    """Its reward; of a token-level model, the mean value of its tokens."""


class Reading(Record):
    """How a reward is read from a model."""

    learn: Learn
    head: HeadKind
    readout: Readout
    judging: JudgingSettings
    seed: int
    """Of facts and their order."""
    threshold: float = 0.0
    """Value below which a token-level model calls a word wrong."""


class RewardSpec(Record):
    """A reward model."""

    format: Literal[1] = 1
    reading: Reading
    width: int
    """Of the decoder's states, which the head reads."""
    model: str
    revision: str
    processor: str
    """Hash of the tokenizer, the chat template and the image processor."""
    end_token: int | None = None
    """The token that ends an answer, which code that loads the model without Groundtune needs."""
    dtype: str
    accuracy: Accuracy
    """On the held-out examples."""
    spread: float
    """Standard deviation of the held-out scores."""
    probes: tuple[Probe, ...]
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])


def read_spec(folder: Path) -> RewardSpec:
    """Return the reward.json of a model's folder.

    Raises:
        UserError: it isn't there or can't be read.
    """
    file = folder / NAME
    if not file.is_file():
        raise UserError(
            "The folder has no reward model: reward.json is missing.",
            str(folder),
            "Give the folder `model` that groundtune reward train wrote.",
        )
    try:
        return RewardSpec.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"reward.json can't be read: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
            str(file),
            "Train the model again with this version.",
        ) from error


def processor_hash(processor: Any) -> str:
    """Return the hash of what turns text and images into a model's input."""
    import json

    from groundtune.store.keys import key_of

    pixels = json.loads(processor.image_processor.to_json_string())
    tokens: str = processor.tokenizer.backend_tokenizer.to_str()
    return key_of(pixels, tokens, str(processor.chat_template))
