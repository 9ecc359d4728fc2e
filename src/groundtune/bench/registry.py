"""All benchmarks by name; the file of each is imported on first use.

Other packages add benchmarks through the entry point group `groundtune.bench`: the name of the
entry point is the benchmark's, its object a `Benchmark`. They cannot replace a built-in one.
"""

import importlib
import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from groundtune.bench.benchmark import Benchmark
from groundtune.errors import UserError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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
    "world-knowing": _WORLD + "WORLD_KNOWING",
}
"""Name: "module:CONSTANT". A missing file is left out."""
SUITES: dict[str, tuple[str, ...]] = {"world": ("world-captions", "world-questions")}
"""Names that stand for several benchmarks."""


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
        known = ", ".join([*SUITES, *names()])
        raise UserError(f"There is no benchmark {name!r}.", name, f"Use one of {known}.")
    if key not in TARGETS:
        return _load_foreign(_foreign()[key])
    module, _, constant = TARGETS[key].partition(":")
    return getattr(importlib.import_module(module), constant)


def load_all(names: Iterable[str]) -> list[Benchmark[Any]]:
    """Return the benchmarks of names and suites, each once.

    Raises:
        UserError: as `load`.
    """
    members = [member for name in names for member in SUITES.get(name, (name,))]
    return list({benchmark.name: benchmark for benchmark in map(load, members)}.values())


def _load_foreign(point: "EntryPoint") -> Benchmark[Any]:
    benchmark: object = point.load()
    if not isinstance(benchmark, Benchmark):
        raise UserError(
            f"The object of the entry point {point.name} is not a Benchmark.",
            f"{point.group}: {point.name} = {point.value}",
            "Export a groundtune.bench.benchmark.Benchmark.",
        )
    return benchmark  # pyright: ignore[reportUnknownVariableType]  # the type of its data is free


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


@lru_cache(maxsize=64)
def _exists(target: str) -> bool:
    return importlib.util.find_spec(target.partition(":")[0]) is not None


@lru_cache(maxsize=1)
def _foreign() -> "dict[str, EntryPoint]":
    """Return other packages' entry points by name, without those that have a built-in name."""
    from importlib.metadata import entry_points  # slow: reads every installed package

    built_in = set(map(_plain, TARGETS))
    points = {_plain(point.name): point for point in entry_points(group=ENTRY_POINTS)}
    return {name: point for name, point in points.items() if name not in built_in}
