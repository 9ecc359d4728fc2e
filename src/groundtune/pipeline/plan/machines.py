"""Rates of machines: measured on this one, or from a small labelled table.

Rates of the table are peaks from the makers' data sheets (dense bfloat16), of which a run reaches
a share. Prices are rounded rental prices per hour, for an order of magnitude: give your own.
"""

from collections.abc import Callable
from typing import NamedTuple

from groundtune.errors import UserError

HERE = "here"
"""The name of this machine."""
TRAINING_SHARE = 0.35
"""Share of the peak that training and reading prompts reach. An assumption."""
DECODING_SHARE = 0.3
"""Share of the peak memory bandwidth that decoding reaches. An assumption."""


class Machine(NamedTuple):
    """An accelerator, by its data sheet."""

    flop_rate: float
    """FLOP per second of dense bfloat16 matrix products."""
    bandwidth: float
    """Bytes per second of its memory."""
    memory_gb: float
    dollars_per_hour: float


MACHINES: dict[str, Machine] = {
    "a100-80gb": Machine(312e12, 2.04e12, 80, 1.8),
    "h100-80gb": Machine(989e12, 3.35e12, 80, 3.0),
    "h200-141gb": Machine(989e12, 4.8e12, 141, 3.5),
    "l40s-48gb": Machine(362e12, 0.864e12, 48, 1.2),
    "rtx-4090-24gb": Machine(165e12, 1.008e12, 24, 0.5),
}


class Rates(NamedTuple):
    """What one machine reaches."""

    name: str
    source: str
    """Where the rates are from."""
    flop_rate: float
    """FLOP per second of training and of reading prompts."""
    decoding: Callable[[int, float], float]
    """Seconds of one decoding step, from its rows and the model's weights."""
    memory_gb: float
    dollars_per_hour: float


def rates_of(name: str, width: int, inner: int) -> Rates:
    """Return the rates of a machine of the table, or measure this one.

    Args:
        name: A name of the table, or "here".
        width: The model's width; this machine is measured on matrices of its shape.
        inner: The model's inner width.

    Raises:
        UserError: the table has no such machine.
    """
    if name == HERE:
        return _measured(width, inner)
    if name not in MACHINES:
        raise UserError(
            f"There is no machine {name!r}.",
            name,
            f"The machines are {HERE}, {', '.join(MACHINES)}.",
        )
    machine = MACHINES[name]
    rate = machine.flop_rate * TRAINING_SHARE

    def decoding(rows: int, weights: float) -> float:
        return max(2 * weights / (machine.bandwidth * DECODING_SHARE), 2 * weights * rows / rate)

    source = f"data sheet, at {TRAINING_SHARE:.0%} of its peak ({DECODING_SHARE:.0%} of bandwidth)"
    return Rates(name, source, rate, decoding, machine.memory_gb, machine.dollars_per_hour)


def _measured(width: int, inner: int) -> Rates:
    import torch

    from groundtune.train.estimate import EFFICIENCY, measure
    from groundtune.train.precision import device_of, resolve_dtype
    from groundtune.vlm.device import memory_here

    device = device_of("auto")
    dtype = getattr(torch, resolve_dtype("auto", device))
    rate = EFFICIENCY * measure(device, dtype, 2048, width, inner)
    few = {rows: EFFICIENCY * measure(device, dtype, rows, width, inner) for rows in (1, 16, 64)}

    def decoding(rows: int, weights: float) -> float:
        return 2 * weights * rows / few[min(few, key=lambda size: abs(size - rows))]

    source = "matrix products of the model's width, measured now on this machine"
    return Rates(HERE, source, rate, decoding, memory_here(device), 0.0)
