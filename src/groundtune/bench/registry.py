"""All benchmarks by name; the file of each is imported on first use.

Other packages add benchmarks through the entry point group `groundtune.bench`: the name of the
entry point is the benchmark's, its object a `Benchmark`. They cannot replace a built-in one.
"""

import importlib
import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from groundtune.bench.benchmark import Benchmark
from groundtune.errors import UserError
from groundtune.plugins import PluginFault, Plugins

ENTRY_POINTS = "groundtune.bench"
_TASKS = "groundtune.bench.tasks."
_WORLD = "groundtune.bench.world.benchmarks:"
TARGETS: dict[str, str] = {
    "pope": _TASKS + "pope.pope:POPE",
    "mme": _TASKS + "mme.mme:MME",
    "chair": _TASKS + "chair.chair:CHAIR",
    "object_halbench": _TASKS + "chair.object_halbench:OBJECT_HALBENCH",
    "amber": _TASKS + "amber.amber:AMBER",
    "mmhal": _TASKS + "mmhal:MMHAL",
    "hallusionbench": _TASKS + "hallusionbench.hallusionbench:HALLUSIONBENCH",
    "llava_bench": _TASKS + "llava_bench.llava_bench:LLAVA_BENCH",
    "shr": _TASKS + "shr.shr:SHR",
    "refomb": _TASKS + "refomb:REFOMB",
    "mmstar": _TASKS + "choice.mmstar:MMSTAR",
    "vl_rewardbench": _TASKS + "vl_rewardbench.vl_rewardbench:VL_REWARDBENCH",
    "vqav2": _TASKS + "vqav2:VQAV2",
    "mmbench": _TASKS + "choice.mmbench:MMBENCH",
    "mhumaneval": _TASKS + "mhumaneval:MHUMANEVAL",
    "overgeneral": _TASKS + "chair.overgeneral:OVERGENERAL",
    "world-captions": _WORLD + "WORLD_CAPTIONS",
    "world-questions": _WORLD + "WORLD_QUESTIONS",
    "world-hard-captions": _WORLD + "WORLD_HARD_CAPTIONS",
    "world-hard-questions": _WORLD + "WORLD_HARD_QUESTIONS",
    "world-self-knowledge": _WORLD + "WORLD_SELF_KNOWLEDGE",
    "world-hard-self-knowledge": _WORLD + "WORLD_HARD_SELF_KNOWLEDGE",
}
"""Name: "module:CONSTANT". A missing file is ignored."""
SUITES: dict[str, tuple[str, ...]] = {
    "world": ("world-captions", "world-questions"),
    "world-hard": ("world-hard-captions", "world-hard-questions"),
}
"""Names for groups of benchmarks."""
DEFAULT = ("world",)
"""What `bench run` runs if no benchmark is named."""


def names() -> list[str]:
    """Return the built-in names in the order above, then those of other packages."""
    built_in = [name for name, target in TARGETS.items() if _exists(target)]
    return [*built_in, *_foreign()]


def find_name(name: str) -> str | None:
    """Return the registered spelling of a name, ignoring case and "-" or "_"; None if unknown."""
    plain = _plain(name)
    built_in = next((target for target in TARGETS if _plain(target) == plain), None)
    if built_in is not None:
        return built_in if _exists(TARGETS[built_in]) else None
    return next((foreign for foreign in _foreign() if _plain(foreign) == plain), None)


def load(name: str) -> Benchmark[Any]:
    """Return the benchmark of a name.

    Raises:
        UserError: there is none, or the object of an entry point is not a Benchmark.
    """
    key = find_name(name)
    if key is None:
        choices = ", ".join([*SUITES, *names()])
        raise UserError(f"There is no benchmark {name!r}.", name, f"Use one of {choices}.")
    if key not in TARGETS:
        return PLUGINS.load(_foreign()[key])
    module, _, constant = TARGETS[key].partition(":")
    return getattr(importlib.import_module(module), constant)


def load_all(names: Iterable[str]) -> list[Benchmark[Any]]:
    """Return the benchmarks of names and suites, each once.

    Raises:
        UserError: as `load`.
    """
    members = [member for name in names for member in SUITES.get(name, (name,))]
    return list({benchmark.name: benchmark for benchmark in map(load, members)}.values())


def _fault_of(name: str, target: object) -> PluginFault | None:
    """Return what an object lacks to be the benchmark with this name."""
    if not isinstance(target, Benchmark):
        return PluginFault(
            f"The object of the entry point {name} is not a Benchmark.",
            "Export a groundtune.bench.benchmark.Benchmark.",
        )
    benchmark = cast("Benchmark[Any]", target)
    if _plain(benchmark.name) != _plain(name):
        return PluginFault(
            f"The Benchmark of the entry point {name} is called {benchmark.name}.",
            f'Write name="{name}" in the Benchmark, or rename the entry point.',
        )
    if benchmark.headline not in {metric.name for metric in benchmark.metrics}:
        return PluginFault(
            f"The headline of {name}, {benchmark.headline!r}, is not one of its metrics.",
            "Name one of the metrics as the headline.",
        )
    return None


PLUGINS: Plugins[Benchmark[Any]] = Plugins(ENTRY_POINTS, _fault_of)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


@lru_cache(maxsize=64)
def _exists(target: str) -> bool:
    return importlib.util.find_spec(target.partition(":")[0]) is not None


def _foreign() -> dict[str, str]:
    """Return the names of other packages' entry points by plain name, without built-in names."""
    built_in = set(map(_plain, TARGETS))
    return {plain: name for name in PLUGINS.names() if (plain := _plain(name)) not in built_in}
