"""What is measured: the shapes, and what FLOPs say of each.

Nothing here needs torch, so that the process which starts the others stays small.
"""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A model as far as its matrix products go; widths are numbers of features."""

    layers: int
    hidden: int
    inner: int
    """Width of the MLP."""
    keys: int
    """Width of all keys of a layer: less than `hidden` where heads share them."""
    vocabulary: int
    image_tokens: int
    tower: float
    """Multiplications of one pass of an image through the tower."""
    projector: float
    """The same of the projector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """What is aimed at; None where no goal was set for the shape."""

    step: float | None = None
    first_epoch: float | None = None
    share: float = 0.85
    """Of the bound."""
    memory: float = 0.55


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of the table: a model, the pairs of a step, and which weights are trained."""

    name: str
    label: str
    model: str
    answers: int
    """Distinct answers to the step's one prompt."""
    tokens: int
    """Of an answer, its end token included."""
    pairs: tuple[tuple[int, int], ...]
    """Chosen and rejected of each pair of a step, as numbers of answers."""
    lora: bool
    checkpointing: bool = False
    blocks: int = 2
    """A block is two steps of each side: A B B A."""
    checked: int = 2
    """Steps that each side takes alone, to be compared and for its memory."""
    goals: Goals = field(default_factory=Goals)


PROMPT_TOKENS = 50
"""Of text, what the chat template puts around it included."""
RANK = 16
VOCABULARY = 32_000

SIZES = {
    "llava": Size(
        layers=6,
        hidden=512,
        inner=1376,
        keys=512,
        vocabulary=VOCABULARY,
        image_tokens=576,
        tower=577 * (3 * 14 * 14 * 128 + 4 * 12 * 128**2) + 4 * 577**2 * 2 * 128,
        projector=576 * (128 * 512 + 512 * 512),
    ),
    "qwen": Size(
        layers=6,
        hidden=512,
        inner=1376,
        keys=256,
        vocabulary=VOCABULARY,
        image_tokens=1200,
        # three of its four layers attend in windows of 64 patches
        tower=4800 * (3 * 2 * 14 * 14 * 64 + 4 * (4 * 64**2 + 3 * 64 * 192))
        + (4800 + 3 * 64) * 4800 * 2 * 64,
        projector=1200 * (256 * 256 + 256 * 512),
    ),
}
"""Of the models that are trained here: like LLaVA-1.5, and like Qwen2.5-VL (1120 x 840 pixels)."""

ONE = ((0, 1),)
TWO = ((0, 1), (2, 3))
SIX = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))


def _both(lora: Case) -> tuple[Case, Case]:
    """With a LoRA and with full weights."""
    full = replace(
        lora,
        name=lora.name.replace("lora", "full"),
        lora=False,
        goals=replace(lora.goals, step=None),
    )
    return lora, full


_LLAVA = Case(
    name="llava-100-lora",
    label="576 image tokens, one pair of 100",
    model="llava",
    answers=2,
    tokens=100,
    pairs=ONE,
    lora=True,
    goals=Goals(step=2.2, first_epoch=1.5),
)
_OTHER = replace(_LLAVA, goals=Goals(first_epoch=1.5))

CASES: tuple[Case, ...] = (
    *_both(_LLAVA),
    *_both(
        replace(
            _OTHER, name="llava-200-lora", label="576 image tokens, one pair of 200", tokens=200
        )
    ),
    *_both(
        replace(
            _OTHER,
            name="qwen-100-lora",
            label="1,200 image tokens, one pair of 100",
            model="qwen",
        )
    ),
    *_both(
        replace(
            _OTHER,
            name="two-pairs-lora",
            label="576 image tokens, two pairs of 100 a prompt",
            answers=4,
            pairs=TWO,
            goals=Goals(step=3.0),
        )
    ),
    replace(
        _OTHER,
        name="six-pairs-lora",
        label="576 image tokens, four answers of 100 in six pairs",
        answers=4,
        pairs=SIX,
        goals=Goals(step=5.0),
    ),
    replace(
        _OTHER,
        name="checkpointing-lora",
        label="576 image tokens, one pair of 100, checkpointing on both sides",
        checkpointing=True,
    ),
)


def case_of(name: str) -> Case:
    """The case of that name."""
    return next(case for case in CASES if case.name == name)
