"""Try a method of another package on two small pairs before a run, and refuse a hook that is wrong.

Built-in methods have tests instead. Shapes: B = 2 pairs, T = 3 tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from groundtune.errors import UserError
from groundtune.methods.pairwise import AnswerLogProbs, PairLogProbs, Pairwise
from groundtune.methods.registry import METHODS

if TYPE_CHECKING:
    from torch import Tensor

PAIRS, TOKENS = 2, 3


class _Hook(NamedTuple):
    """A hook and its results by their names, each of which must have a shape."""

    name: str
    results: Callable[[], Mapping[str, object]]
    shape: tuple[int, ...] = (PAIRS,)


def refuse_wrong_hooks(method: Pairwise) -> None:
    """Call the hooks of another package's method; do nothing for a built-in one.

    Raises:
        UserError: a hook fails on the small pairs, its result has a wrong shape, or the loss has no
            gradient; the error names the hook.
    """
    name = str(getattr(method, "type", ""))
    if type(method) is not METHODS.loaded.get(name):
        return
    where = METHODS.where(name)
    pairs = _pairs(method)
    for hook in _hooks(method, pairs):
        with _named(hook.name, where):
            results = dict(hook.results())
        for part, value in results.items():
            _check(hook, part, value, where)
    with _named("loss", where):
        value_B = method.loss(pairs).value_B
    if not value_B.requires_grad:
        raise UserError(
            f"The loss of {name} has no gradient: nothing would be trained.",
            where,
            "Compute score and terms from logp_BT, without detach() and no_grad().",
        )


def _hooks(method: Pairwise, pairs: PairLogProbs) -> Iterator[_Hook]:
    sides = {"chosen": pairs.chosen, "rejected": pairs.rejected}

    def of_each(hook: Callable[[AnswerLogProbs], object]) -> Callable[[], Mapping[str, object]]:
        return lambda: {name: hook(side) for name, side in sides.items()}

    yield _Hook("weights", of_each(method.weights), (PAIRS, TOKENS))
    yield _Hook("score", of_each(method.score))
    yield _Hook("rewards", lambda: dict(zip(sides, method.rewards(pairs), strict=True)))
    yield _Hook("preference", lambda: {"": method.preference(_margin(method, pairs))})
    yield _Hook("terms", lambda: method.terms(pairs))
    yield _Hook("loss", lambda: {"value_B": method.loss(pairs).value_B})
    yield _Hook("loss", lambda: method.loss(pairs).metrics)


def _margin(method: Pairwise, pairs: PairLogProbs) -> Tensor:
    chosen_B, rejected_B = method.rewards(pairs)
    return chosen_B - rejected_B


def _check(hook: _Hook, part: str, value: object, where: str) -> None:
    import torch

    if isinstance(value, torch.Tensor) and tuple(value.shape) == hook.shape:
        return
    shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
    per = "per token" if len(hook.shape) == 2 else "per pair"
    raise UserError(
        f"The hook {hook.name}{f' ({part})' if part else ''} returns {shape} for {PAIRS} pairs of "
        f"{TOKENS} tokens.",
        where,
        f"Return a tensor with one value {per}, here of shape {hook.shape}.",
    )


@contextmanager
def _named(hook: str, where: str) -> Generator[None]:
    """Name the hook that fails; the cause keeps the traceback of its code."""
    try:
        yield
    except (
        AttributeError,
        IndexError,
        KeyError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise UserError(
            f"The hook {hook} fails on a small batch: {type(error).__name__}: {_first_line(error)}",
            where,
            "Fix the hook. ref_BT, severity_B and rating_B are None unless the method's needs "
            "include them.",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


def _pairs(method: Pairwise) -> PairLogProbs:
    """Two pairs with what the method needs, and no more."""
    return PairLogProbs(
        chosen=_answers(method, 0.0, chosen=True),
        rejected=_answers(method, 0.5, chosen=False),
        chosen_views={view.name: _answers(method, 0.25, chosen=True) for view in method.views},
    )


def _answers(method: Pairwise, shift: float, *, chosen: bool) -> AnswerLogProbs:
    import torch

    logp_BT = torch.tensor([[-1.0, -2.0, -3.0], [-2.0, -0.5, -4.0]]) - shift
    one_B = torch.ones(PAIRS, dtype=torch.float64)
    severities = frozenset({"severities"} if chosen else {"severities", "severity"})
    return AnswerLogProbs(
        logp_BT=logp_BT.requires_grad_(),
        ref_BT=logp_BT.detach() - 0.125 if "reference" in method.needs else None,
        mask_BT=torch.tensor([[True, True, True], [True, True, False]]),
        changed_BT=torch.tensor([[False, True, False], [True, False, False]]),
        severity_B=one_B if severities & method.needs else None,
        rating_B=one_B * (2 if chosen else 1) if "ratings" in method.needs else None,
    )
