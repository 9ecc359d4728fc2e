"""What differs between model families, as data: each file in `families/` says it for its own.

Nothing outside this room asks which family a model is of; the engine asks for positions, image
blocks and the reason why a model's answers can't share a row. Loads neither torch nor transformers.

Shapes: P tokens of a prompt, A axes of its rotary positions (1, or 3 where an image has time,
height and width).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal

from groundtune.errors import UserError
from groundtune.vlm.encoded import EncodedPrompt

if TYPE_CHECKING:
    from torch import Tensor


def counted_positions(model: Any, prompt: EncodedPrompt) -> "Tensor":
    """Positions 0, 1, 2, ... of a prompt's tokens, shape (1, P)."""
    import torch

    return torch.arange(len(prompt.ids))[None]


def no_blocks(prompt: EncodedPrompt) -> "Tensor | None":
    """All tokens are causal."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The capability line of a family, and the functions in which it differs from the others."""

    name: str
    """As its authors write it."""
    model_types: tuple[str, ...]
    """`config.model_type` of its checkpoints; none where transformers has no class for it."""
    separate_reason: str = ""
    """Why its answers are run as rows of their own; "" where answers to a prompt share one row."""
    note: str = ""
    """What else a person should know, for the table in the documentation."""
    positions: Callable[[Any, EncodedPrompt], "Tensor"] = counted_positions
    """Rotary positions of a prompt's tokens, (A, P), from the plain model and the prompt."""
    blocks: Callable[[EncodedPrompt], "Tensor | None"] = no_blocks
    """Tokens that see each other in both directions: the number of its block for each token of the
    prompt, -1 for causal ones, shape (P,); None where all are causal."""
    encoded: Literal["parts", "whole", ""] = "parts"
    """How its forward takes encoded images: as a sequence of tensors, as one tensor, or not."""
    states: "Callable[[Any, dict[str, Tensor]], dict[str, Tensor]] | None" = None
    """For a family that takes encoded images in a way of its own: forward's arguments of that kind,
    one prompt a place of dimension 0, from the plain model and its prompts' features."""
    along_tokens: tuple[str, ...] = ()
    """Features whose dimension 1 goes along the tokens; an answer's are those of the prompt's last
    token."""
    projector: tuple[str, ...] = ()
    """Modules inside the image encoder that are the projector; none where it stands beside it."""


@cache
def families() -> tuple[Family, ...]:
    """All families that were tested, or are refused for a reason, by name."""
    package = import_module("groundtune.vlm.families")
    files = [
        import_module(f"{package.__name__}.{each.name}") for each in iter_modules(package.__path__)
    ]
    return tuple(sorted((each for file in files for each in file.FAMILIES), key=lambda f: f.name))


def family_of(model: Any) -> Family:
    """The family of a plain transformers model; one that nobody tested runs answers alone."""
    kind: str = model.config.model_type
    for family in families():
        if kind in family.model_types:
            return family
    return Family(
        name=kind,
        model_types=(kind,),
        separate_reason="packed rows were never compared on this family",
        encoded="",
    )


def refuse_by_name(name: str) -> None:
    """Raises UserError if a model's name is that of a family that no class of transformers runs."""
    plain = _letters(name.rstrip("/").rsplit("/", 1)[-1])
    for family in families():
        if not family.model_types and _letters(family.name) in plain:
            raise UserError(
                f"{family.name} is not supported: {family.separate_reason}.",
                name,
                f"{family.note} docs/families.md lists the families that can be trained.",
            )


def _letters(name: str) -> str:
    return "".join(each for each in name.lower() if each.isalnum())
