"""What packing can gain at the most: the matrix products of both sides, counted.

A product's backward pass costs as much as its forward pass for the gradient of its input, and again
for that of its weights; attention's 2.5 times its forward pass, since it makes its scores anew.
Frozen weights (with a LoRA the base, in every case the image tower) need no gradient of their own.
Norms, activations, the optimiser and all data are left out: they take time on both sides, so a
measured gain stays below the bound.

The baseline is counted as it works: every pair is two whole sequences, each with its image, through
the model and the reference, and the head's logits are made a second time in the backward pass. Ours
is what has to be done: image and prompt once, each distinct answer once without its last token, the
head once, and no reference, which is a pass of its own before the first epoch.
"""

from typing import NamedTuple

from train_cases import PROMPT_TOKENS, RANK, Case, Size


class Work(NamedTuple):
    """Multiplications of one forward pass, by what they are."""

    linear: float
    adapter: float
    attention: float
    head: float
    tower: float
    projector: float


class Bound(NamedTuple):
    """Ratios of the baseline's multiplications to ours."""

    step: float
    first_epoch: float
    """With the reference's pass, once for each step's pairs."""
    baseline: float
    """Multiplications of the baseline's step."""
    ours: float
    """Of ours, without the reference's pass."""


def bound(case: Case, size: Size) -> Bound:
    """The bound of a case on a model."""
    prompt = size.image_tokens + PROMPT_TOKENS
    theirs = _baseline(case, _separate(case, size, prompt))
    work = _packed(case, size, prompt)
    ours = _step(case, work)
    reference = sum(work) - work.adapter
    return Bound(theirs / ours, theirs / (ours + reference), theirs, ours)


def rl_bound(case: Case, size: Size) -> float:
    """The bound of reference and update: all answers with the image each, or in one row."""
    prompt = size.image_tokens + PROMPT_TOKENS
    length, answers = prompt + case.tokens, case.answers
    seen = answers * length * (length + 1) / 2
    separate = _work(case, size, answers * length, seen, answers * case.tokens, answers)
    packed = _packed(case, size, prompt)
    theirs, ours = (_step(case, work) + sum(work) - work.adapter for work in (separate, packed))
    return theirs / ours


def _separate(case: Case, size: Size, prompt: int) -> Work:
    sequences, length = 2 * len(case.pairs), prompt + case.tokens
    seen = sequences * length * (length + 1) / 2
    return _work(case, size, sequences * length, seen, sequences * case.tokens, sequences)


def _packed(case: Case, size: Size, prompt: int) -> Work:
    own = case.tokens - 1
    seen = prompt * (prompt + 1) / 2 + case.answers * (own * prompt + own * (own + 1) / 2)
    tokens = prompt + case.answers * own
    return _work(case, size, tokens, seen, case.answers * case.tokens, 1)


def _work(case: Case, size: Size, tokens: int, seen: float, predicted: int, images: int) -> Work:
    h, i, q, k = size.hidden, size.inner, size.queries, size.keys
    linear = 2 * h * q + 2 * h * k + 3 * h * i
    adapter = RANK * (2 * (h + q) + 2 * (h + k) + 3 * (h + i)) if case.lora else 0
    return Work(
        linear=tokens * size.layers * linear,
        adapter=tokens * size.layers * adapter,
        attention=seen * size.layers * 2 * q,
        head=predicted * h * size.vocabulary,
        tower=images * size.tower,
        projector=images * size.projector,
    )


def _step(case: Case, work: Work) -> float:
    """Forward and backward pass of what is trained."""
    times = 2 if case.lora else 3
    again = case.checkpointing
    return (
        work.linear * (times + again)
        + work.adapter * (3 + again)
        + work.attention * (3.5 + again)
        + work.head * times
        + work.tower
        + work.projector
    )


def _baseline(case: Case, work: Work) -> float:
    reference = sum(work) - work.adapter
    return _step(case, work) + work.head + reference
