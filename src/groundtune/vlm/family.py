"""What differs between model families, as data; each file in `families/` describes its families.

Code outside this package never checks a model's family. The engine asks for positions, image
blocks and the reason why answers can't share a row. Imports neither torch nor transformers.

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
from groundtune.vlm.positions import sequential_positions

if TYPE_CHECKING:
    from torch import Tensor


def no_blocks(prompt: EncodedPrompt) -> "Tensor | None":
    """Return None: all tokens are causal."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The capabilities of a model family, and the functions in which it differs from others."""

    name: str
    """Its name as its authors spell it."""
    model_types: tuple[str, ...]
    """`config.model_type` of its checkpoints; empty if transformers has no class for it."""
    separate_reason: str = ""
    """Why each answer needs a separate row; "" if answers to a prompt can share one."""
    note: str = ""
    """A note for users, for the table in the documentation."""
    positions: Callable[[Any, EncodedPrompt], "Tensor"] = sequential_positions
    """Return rotary positions of a prompt's tokens, (A, P), from the plain model and the prompt."""
    blocks: Callable[[EncodedPrompt], "Tensor | None"] = no_blocks
    """Return the block index of each token of the prompt, shape (P,): tokens of a block see each
    other in both directions; -1 for causal tokens. None if all are causal."""
    encoded: Literal["parts", "whole", ""] = "parts"
    """How its forward takes encoded images: as a sequence of tensors, as one tensor, or not."""
    states: "Callable[[Any, dict[str, Tensor]], dict[str, Tensor]] | None" = None
    """For a family with special arguments for encoded images: return these arguments of forward,
    one prompt per index of dimension 0, from the plain model and its prompts' features."""
    along_tokens: tuple[str, ...] = ()
    """Features whose dimension 1 runs along the tokens; answers repeat the prompt's last entry."""
    projector: tuple[str, ...] = ()
    """Modules inside the image encoder that are the projector; empty if it is outside."""
    answer_marks: tuple[tuple[str, int], ...] = ()
    """Values of marks (EncodedPrompt.marks) on an answer's tokens, if they are not 0."""
    one_image: bool = False
    """Whether every prompt must have exactly one image."""
    prompt_end: str = ""
    """Text that the processor adds at the end of the rendered prompt."""
    packages: tuple[str, ...] = ()
    """Packages that its processor needs."""
    is_listed: bool = True
    """False for a family that is not in vlm/families, so that nothing about it is tested."""


@cache
def families() -> tuple[Family, ...]:
    """Return all families that are tested or refused, by name."""
    package = import_module("groundtune.vlm.families")
    files = [
        import_module(f"{package.__name__}.{each.name}") for each in iter_modules(package.__path__)
    ]
    return tuple(sorted((each for file in files for each in file.FAMILIES), key=lambda f: f.name))


def family_of(model: Any) -> Family:
    """Return the family of a plain transformers model; an untested one uses separate rows."""
    return family_of_type(model.config.model_type)


def family_of_type(kind: str) -> Family:
    """Return the family of a model_type; an untested one uses separate rows."""
    for family in families():
        if kind in family.model_types:
            return family
    return Family(
        name=kind,
        model_types=(kind,),
        separate_reason="packed rows are not tested for this family",
        encoded="",
        projector=("merger", "deepstack_merger_list"),  # as all relatives of Qwen-VL call theirs
        is_listed=False,
    )


def refuse_by_name(name: str) -> None:
    """Raise UserError if a model's name is that of a family without a transformers class."""
    plain = _letters(name.rstrip("/").rsplit("/", 1)[-1])
    for family in families():
        if not family.model_types and _letters(family.name) in plain:
            raise UserError(
                f"{family.name} is not supported: {family.separate_reason}.",
                name,
                f"{family.note} docs/families.md lists the supported families.",
            )


def _letters(name: str) -> str:
    return "".join(each for each in name.lower() if each.isalnum())
