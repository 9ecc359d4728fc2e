"""Settings of all tests, which are the same on every machine.

One thread a process, no downloads, no accelerator, nothing that a person or a CI service has set
for the libraries or left in their caches; the same examples in CI every time. Time zone, locale,
umask, instruction set and order stay as they are: tests don't depend on them.
"""

import gc
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # for helpers that several tests share

FOREIGN = (
    *("ACCELERATE_", "LOCAL_RANK", "MASTER_", "RANK", "WORLD_SIZE"),  # of a launcher
    *("HF_", "HUGGING", "MLFLOW_", "OPENAI_", "TRACKIO_", "TRANSFORMERS_", "WANDB_", "XDG_"),
    *("CLICOLOR", "FORCE_COLOR", "TTY_"),
    "PYTHONDONTWRITEBYTECODE",  # a command's start is timed
    "GROUNDTUNE_",
)
"""How the names begin of variables that tests and the programs they start don't get."""


def unset_foreign() -> None:
    """Takes them away, and all proxies: servers of tests are on this machine."""
    for name in list(os.environ):
        ours = name in ("GROUNDTUNE_TEST_DATA", "GROUNDTUNE_TEST_LLM")
        if not ours and (name.startswith(FOREIGN) or name.lower().endswith("_proxy")):
            del os.environ[name]


# Before anything imports numpy, torch or transformers, which read these once.
CACHE = tempfile.mkdtemp(prefix="groundtune-tests-")
unset_foreign()
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "XDG_CACHE_HOME": CACHE,
}

FULL_COLLECTIONS = 100
"""After how many smaller ones garbage is collected everywhere: with torch's half a million objects,
that takes as long as many tests do together."""
gc.disable()  # what is imported stays

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --shuffle."""
    told = "runs files, and the tests of each, in an order drawn with SEED"
    parser.addoption("--shuffle", type=int, metavar="SEED", help=told)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffles them where that is asked for; a file's tests stay together, with its fixtures."""
    seed: int | None = config.getoption("shuffle")
    if seed is not None:
        draw = random.Random(seed)
        files = {item.path: draw.random() for item in items}
        items.sort(key=lambda item: (files[item.path], draw.random()))


def pytest_collection_finish() -> None:
    """Collects garbage from now on, but not among what was imported."""
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_COLLECTIONS)
    gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Hides accelerators from tests that aren't about them."""
    if "gpu" not in config.option.markexpr.replace("not gpu", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(scope="session", autouse=True)
def terminal() -> Iterator[None]:
    """A terminal of the same width everywhere, without colours; pytest's own stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "100")
        patch.setenv("NO_COLOR", "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def briefly_measured() -> Iterator[None]:
    """Plans measure this machine for a moment only: no test is about how fast it is."""
    from groundtune.train import estimate

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "MEASURED_S", 0.001)
        yield


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Random numbers that no seed was given for are the same whichever tests ran before.

    The seed is none that models are made with: a test's numbers aren't a model's.
    """
    random.seed(12_345)
    for name, seed in (("numpy", "random.seed"), ("torch", "manual_seed")):
        if name in sys.modules:
            attrgetter(seed)(sys.modules[name])(12_345)


def pytest_unconfigure() -> None:
    """Removes the cache folder."""
    shutil.rmtree(CACHE, ignore_errors=True)


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


@pytest.fixture
def hub(
    monkeypatch: pytest.MonkeyPatch,
    make_tiny_llava: Callable[..., Path],
    tiny_llava: Path,
    tmp_path: Path,
) -> str:
    """The name of a model on the hub whose cache has two revisions, the newer one `tiny_llava`."""
    from hub_models import hub_of  # its folder is on the path only now

    old = make_tiny_llava(tmp_path / "old", seed=1)
    return hub_of(monkeypatch, tmp_path / "hub", old, tiny_llava)
