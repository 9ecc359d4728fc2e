"""Labelers that are no models: the truth of a prompt source."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.pipeline.prompt_sources import named_in, truth_scorer
from groundtune.protocols import NamedYesNo
from groundtune.records import Prompt

if TYPE_CHECKING:
    from groundtune.store.images import ImageStore

TRUTH = "truth"


def is_oracle(name: str) -> bool:
    """Whether a labeler's name is none of a model."""
    source = named_in(name)
    return source is not None and name == f"{source.name}:{TRUTH}"


def open_oracle(name: str, images: "ImageStore", prompts: Sequence[Prompt]) -> NamedYesNo:
    """Return the labeler of a name for which `is_oracle` holds.

    Raises:
        UserError: the source does not know the truth, or not of these prompts.
    """
    source = named_in(name)
    assert source is not None
    if source.oracle is None:
        raise UserError(
            f"The prompt source {source.name} doesn't answer questions by its truth.",
            name,
            "Name a model as the labeler.",
        )
    if any(prompt.source.dataset != source.dataset for prompt in prompts):
        truth_scorer(None, name, "Name a model as the labeler")
    return source.oracle(images, prompts)
