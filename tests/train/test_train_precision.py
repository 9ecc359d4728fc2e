"""What a recipe's dtype comes to."""

import logging

import pytest
import torch

from groundtune.train.precision import device_of, native_bf16, resolve_dtype, warn_if_slow

CPU = torch.device("cpu")


@pytest.fixture(params=[True, False])
def native(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Runs the test as on a CPU with and without native bfloat16."""
    monkeypatch.setattr("groundtune.train.precision.native_bf16", lambda device: request.param)
    return request.param


def test_auto_is_bfloat16_where_the_device_does_it_natively_else_float32(native: bool):
    assert resolve_dtype("auto", CPU) == ("bfloat16" if native else "float32")
    assert resolve_dtype("float32", CPU) == "float32"


def test_bfloat16_by_name_is_kept_with_a_warning_where_it_is_slow(
    native: bool, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        assert resolve_dtype("bfloat16", CPU) == "bfloat16"
        for dtype in ("bfloat16", "auto", "float32"):
            warn_if_slow(dtype, CPU)
    slow = [record.message for record in caplog.records]
    assert len(slow) == (0 if native else 1)
    assert all("dtype=auto" in line for line in slow)


def test_a_cpu_says_what_its_library_says():
    assert native_bf16(CPU) == torch.ops.mkldnn._is_mkldnn_bf16_supported()


def test_a_device_by_name_is_that_device():
    assert device_of("cpu") == CPU
    assert device_of("auto").type in {"cpu", "cuda", "mps", "xpu"}
