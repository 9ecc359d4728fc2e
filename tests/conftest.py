"""Settings of all tests: one thread a process, no downloads, the same examples in CI every time."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

# Before anything imports numpy or torch, which read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # for helpers that several tests share

settings.register_profile("here", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data sets' files that GROUNDTUNE_TEST_DATA names."""
    named = os.environ.get("GROUNDTUNE_TEST_DATA", "")
    if not named:
        pytest.skip("GROUNDTUNE_TEST_DATA is not set: no real data sets to read")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"GROUNDTUNE_TEST_DATA names {named}, which is not a folder")
    return folder


@pytest.fixture(scope="session")
def make_tiny_llava() -> Callable[..., Path]:
    """Builds and saves a random LLaVA: `make(path, seed=0)`."""
    from tiny_llava import build_tiny_llava

    return build_tiny_llava


@pytest.fixture(scope="session")
def tiny_llava(
    make_tiny_llava: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Folder of a random LLaVA (CLIP tower, two Llama layers) with its processor."""
    return make_tiny_llava(tmp_path_factory.mktemp("tiny_llava"))
