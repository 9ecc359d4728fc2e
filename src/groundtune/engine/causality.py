"""Check that a model's log-probabilities of tokens don't depend on later tokens.

Everything trained or rewarded here is a sum of log p(token | earlier tokens). A model that reads an
answer in both directions, or through an encoder, gives other numbers without an error.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.errors import UserError
from groundtune.vlm.encoded import EncodedAnswer
from groundtune.vlm.family import family_of
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import plain_model

EXACT = 1e-3
"""Largest change of a log-probability in float32, nats: rounding is about 1e-5."""
ROUNDED = 0.05
"""The same in bfloat16 and float16."""

_FIX = "Use a family of docs/families.md, or another checkpoint."
_FAILURES = (
    TypeError,
    ValueError,
    RuntimeError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
)
"""What a forward raises that takes other arguments than a prompt with its answer."""


def needs_check(vlm: Vlm) -> bool:
    """Return whether the model's family is untested, or not causal without token marks."""
    family = family_of(plain_model(vlm.model))
    return not family.is_listed or bool(family.answer_marks)


def refuse_lookahead(vlm: Vlm, row: PromptRow) -> bool:
    """Raise UserError if the log-probabilities of an answer's tokens depend on later ones.

    Compares the first half of each answer's tokens with those of the same answer that ends there,
    and with those of the same answer with another second half. Return whether there was an answer
    of at least two tokens, so that something was compared.
    """
    family = family_of(plain_model(vlm.model)).name
    compared = [answer for answer in row.answers if len(answer.ids) >= 2]
    for answer in compared:
        half = len(answer.ids) // 2
        changed = _with_other_end(answer, half, row.answers, vlm.special_ids)
        answers = (answer, _of(answer.ids[:half]), *changed)
        full, *others = _logps(vlm, PromptRow(row.prompt, answers), family)
        whole = full[:half]
        moved = float(torch.stack([(whole - o[: len(whole)]).abs().max() for o in others]).max())
        bound = EXACT if _exact(vlm) else ROUNDED
        if not moved <= bound:
            raise UserError(
                f"Log-probabilities of an answer's tokens depend on later tokens: they move by "
                f"{moved:.2g} nats if only later tokens change (at most {bound}).",
                f"{vlm.name} ({family})",
                _FIX,
            )
    return bool(compared)


def _logps(vlm: Vlm, row: PromptRow, family: str) -> list[Tensor]:
    training = vlm.model.training
    vlm.model.eval()
    try:
        with torch.no_grad():
            return separate(vlm, [row])[0]
    except torch.OutOfMemoryError:
        raise
    except _FAILURES as error:
        line = next(iter(str(error).splitlines()), "")
        raise UserError(
            f"The model can't score an answer after its prompt: {type(error).__name__} {line}",
            f"{vlm.name} ({family})",
            _FIX,
        ) from error
    finally:
        vlm.model.train(training)


def _exact(vlm: Vlm) -> bool:
    """Return whether the model computes in float32."""
    return plain_model(vlm.model).dtype.itemsize >= 4 and not torch.is_autocast_enabled(
        vlm.device.type
    )


def _with_other_end(
    answer: EncodedAnswer,
    half: int,
    answers: Sequence[EncodedAnswer],
    special: frozenset[int],
) -> list[EncodedAnswer]:
    """Return the answer with other text tokens from `half` on; [] if there are no others."""
    text = sorted({i for each in answers for i in each.ids if i not in special})
    if len(text) < 2:
        return []
    others = [next(t for t in text if t != i) for i in answer.ids[half:]]
    return [_of((*answer.ids[:half], *others))]


def _of(ids: Sequence[int]) -> EncodedAnswer:
    return EncodedAnswer(ids=tuple(ids), offsets=((0, 0),) * len(ids))
