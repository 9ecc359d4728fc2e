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
    queries: int
    """Width of all queries of a layer."""
    keys: int
    """Width of all keys of a layer: less than `queries` where heads share them."""
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
        queries=512,
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
        queries=512,
        keys=256,
        vocabulary=VOCABULARY,
        image_tokens=1200,
        # three of its four layers attend in windows of 64 patches
        tower=4800 * (3 * 2 * 14 * 14 * 64 + 4 * (4 * 64**2 + 3 * 64 * 192))
        + (4800 + 3 * 64) * 4800 * 2 * 64,
        projector=1200 * (256 * 256 + 256 * 512),
    ),
}
"""Of the models that are trained on a CPU: like LLaVA-1.5, like Qwen2.5-VL (1120 x 840 pixels)."""

LLAVA_7B = Size(
    layers=32,
    hidden=4096,
    inner=11008,
    queries=4096,
    keys=4096,
    vocabulary=32064,
    image_tokens=576,
    tower=577 * 0.303e9,
    projector=576 * 21.0e6,
)
"""LLaVA-1.5-7B with CLIP's ViT-L/14 at 336 pixels."""

QWEN3_VL_4B = Size(
    layers=36,
    hidden=2560,
    inner=9728,
    queries=4096,
    keys=1024,
    vocabulary=151_936,
    image_tokens=1200,
    tower=4800 * (24 * 12 * 1024**2 + 3 * 2 * 16**2 * 1024) + 24 * 2 * 4800**2 * 1024,
    # the merger, and three more for the layers that get features of the tower's middle
    projector=4 * 1200 * (4096**2 + 4096 * 2560),
)
"""Qwen3-VL-4B at 1280 x 960 pixels."""

GPU_SIZES = {"llava-7b": LLAVA_7B, "qwen3-vl-4b": QWEN3_VL_4B}
GPU_LABELS = {"llava-7b": "LLaVA-1.5-7B", "qwen3-vl-4b": "Qwen3-VL-4B"}

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


def _on_gpu(model: str) -> tuple[Case, ...]:
    """A model's cases: every shape with a LoRA, and one pair with full weights too."""
    name = GPU_LABELS[model]
    one = replace(
        _OTHER, name=f"{model}-one-lora", label=f"{name}, one pair of 100", model=model, blocks=4
    )
    return (
        *_both(one),
        replace(
            one,
            name=f"{model}-checkpointing-lora",
            label=f"{name}, one pair of 100, checkpointing",
            checkpointing=True,
        ),
        replace(
            one,
            name=f"{model}-two-pairs-lora",
            label=f"{name}, two pairs of 100 a prompt",
            answers=4,
            pairs=TWO,
            goals=Goals(step=3.0),
        ),
        replace(
            one,
            name=f"{model}-six-pairs-lora",
            label=f"{name}, four answers of 100 in six pairs",
            answers=4,
            pairs=SIX,
            goals=Goals(step=5.0),
        ),
    )


GPU_CASES: tuple[Case, ...] = tuple(case for model in GPU_SIZES for case in _on_gpu(model))
"""Of models as large as those that are used, with random weights (`make bench-train-gpu`)."""


_RL = Case(
    name="rl-llava-100-lora",
    label="576 image tokens, 8 answers of 100",
    model="llava",
    answers=8,
    tokens=100,
    pairs=(),
    lora=True,
    goals=Goals(step=3.0, memory=1.3),
)
RL_CASES: tuple[Case, ...] = (
    _RL,
    replace(_RL, name="rl-llava-100-full", lora=False),
    replace(
        _RL,
        name="rl-qwen-100-lora",
        label="1,200 image tokens, 8 answers of 100",
        model="qwen",
    ),
)
"""Of reinforcement learning, one prompt a step. `goals.step` is for the reference and the update
together, `goals.memory` against one model with adapters (`make bench-rl`)."""


def rl_case_of(name: str) -> Case:
    """The case of reinforcement learning of that name."""
    return next(case for case in RL_CASES if case.name == name)


def case_of(name: str) -> Case:
    """The case of that name."""
    return next(case for case in (*CASES, *GPU_CASES) if case.name == name)
