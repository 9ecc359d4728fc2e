"""Prompts and answers as their tokens: what `encode` makes, and what a family's file speaks of."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPrompt:
    """A prompt up to where the answer starts, its images expanded to their tokens."""

    ids: tuple[int, ...]
    features: "dict[str, Tensor]"
    """What else the model's forward takes for the images, batched over images or patches in
    dimension 0 (pixel_values, image_grid_thw, ...). Empty without images."""
    marks: "dict[str, Tensor]" = field(default_factory=dict[str, "Tensor"])
    """What the model takes for each token (token_type_ids, ...), shape (tokens,); 0 stands for
    text."""
    images: tuple[str, ...] = ()
    """sha256 of each image, in order of appearance, as far as it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedAnswer:
    """An answer as its model would generate it after the prompt."""

    ids: tuple[int, ...]
    """Tokens, the end-of-sequence token last."""
    offsets: tuple[tuple[int, int], ...]
    """Characters [start, end) of the text for each token. Tokens that share a character (bytes of
    an emoji) have the same; tokens before the text have (0, 0), the end of sequence has (len,
    len)."""
