"""Generalised advantages against the sum that defines them, and against a filter of scipy."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import lfilter  # pyright: ignore

from groundtune.methods.advantages import gae

Floats = NDArray[np.float64]


def array(values: torch.Tensor) -> Floats:
    return values.numpy()  # pyright: ignore[reportUnknownMemberType]


@given(
    seed=st.integers(0, 2**32 - 1),
    gamma=st.floats(0, 1),
    lam=st.floats(0, 1),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
)
def test_gae_equals_a_filter_over_the_errors_and_the_sum_of_its_definition(
    seed: int, gamma: float, lam: float, lengths: list[int]
) -> None:
    draw = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    reward, value = (torch.randn(shape, generator=draw).double() for _ in range(2))
    mask = torch.arange(shape[1])[None] < torch.tensor(lengths)[:, None]
    found = gae(reward, value, mask, gamma=gamma, lam=lam)
    for row, length in enumerate(lengths):
        r, v = (array(each[row, :length]) for each in (reward, value))
        errors = r + gamma * np.append(v[1:], 0.0) - v
        # scipy's recursive filter, backwards: y_t = x_t + gamma lam y_{t+1}
        filtered = lfilter([1.0], [1.0, -gamma * lam], errors[::-1])[::-1]
        steps = range(length)
        defined = [
            sum((gamma * lam) ** k * errors[t + k] for k in range(length - t)) for t in steps
        ]
        own = array(found.advantage_BT[row])
        np.testing.assert_allclose(own[:length], filtered, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(own[:length], defined, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(array(found.return_BT[row, :length]), own[:length] + v)
        assert not own[length:].any()
        assert not found.return_BT[row, length:].any()
