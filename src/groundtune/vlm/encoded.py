"""Encoded prompts and answers: their tokens, image features and character offsets."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPrompt:
    """A prompt up to the start of the answer, its images expanded to image tokens."""

    ids: tuple[int, ...]
    features: "dict[str, Tensor]"
    """The forward's arguments for the images, batched over images or patches in dimension 0
    (pixel_values, image_grid_thw, ...). Empty without images."""
    marks: "dict[str, Tensor]" = field(default_factory=dict[str, "Tensor"])
    """The forward's arguments per token (token_type_ids, ...), shape (tokens,); 0 means text of the
    prompt. `Family.answer_marks` has the values of an answer's tokens."""
    images: tuple[str, ...] = ()
    """sha256 of each image, in order of appearance, as far as it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedAnswer:
    """An answer as its model would generate it after the prompt."""

    ids: tuple[int, ...]
    """Tokens, the end-of-sequence token last."""
    offsets: tuple[tuple[int, int], ...]
    """Characters [start, end) of the text for each token. Tokens that share a character (bytes of
    an emoji) have equal offsets; tokens before the text have (0, 0), the end of sequence has
    (len, len)."""
