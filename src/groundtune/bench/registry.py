"""Every benchmark by name; its own file is imported when it is used.

Third parties add theirs through the entry point group `groundtune.bench`: its name is the
benchmark's, its object a `Benchmark`. A name of ours can't be taken.
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
    "vqav2": _TASKS + "vqav2:VQAV2",
    "mmbench": _TASKS + "choice.mmbench:MMBENCH",
    "mhumaneval": _TASKS + "mhumaneval:MHUMANEVAL",
    "overgeneral": _TASKS + "chair.overgeneral:OVERGENERAL",
    "world-captions": _WORLD + "WORLD_CAPTIONS",
    "world-questions": _WORLD + "WORLD_QUESTIONS",
    "world-knowing": _WORLD + "WORLD_KNOWING",
}
"""Name: "module:CONSTANT". A file that isn't there is left out."""
SUITES: dict[str, tuple[str, ...]] = {"world": ("world-captions", "world-questions")}
"""Names that stand for several benchmarks."""


def names() -> list[str]:
    """Ours that are there, in the order above, then third parties'."""
    ours = [name for name, target in TARGETS.items() if _is_there(target)]
    return [*ours, *_foreign()]


def find_name(name: str) -> str | None:
    """A benchmark's name as it is kept, however it is spelled: capitals, "-" for "_"; else None."""
    wanted = _plain(name)
    ours = next((each for each in TARGETS if _plain(each) == wanted), None)
    if ours is not None:
        return ours if _is_there(TARGETS[ours]) else None
    return next((each for each in _foreign() if _plain(each) == wanted), None)


def load(name: str) -> Benchmark[Any]:
    """The benchmark of a name.

    Raises:
        UserError: there is none, or a third party's isn't a Benchmark.
    """
    found = find_name(name)
    if found is None:
        listed = ", ".join([*SUITES, *names()])
        raise UserError(f"There is no benchmark {name!r}.", name, f"Use one of {listed}.")
    if found not in TARGETS:
        return _load_foreign(_foreign()[found])
    module, _, constant = TARGETS[found].partition(":")
    return getattr(importlib.import_module(module), constant)


def load_all(names: Iterable[str]) -> list[Benchmark[Any]]:
    """The benchmarks of names, suites included, each once.

    Raises:
        UserError: as `load`.
    """
    each = [one for name in names for one in SUITES.get(name, (name,))]
    return list({one.name: one for one in map(load, each)}.values())


def _load_foreign(point: "EntryPoint") -> Benchmark[Any]:
    found: object = point.load()
    if not isinstance(found, Benchmark):
        raise UserError(
            f"What the entry point {point.name} gives is not a Benchmark.",
            f"{point.group}: {point.name} = {point.value}",
            "Export a groundtune.bench.benchmark.Benchmark.",
        )
    return found  # pyright: ignore[reportUnknownVariableType]  # its data's type is its own


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


@lru_cache(maxsize=64)
def _is_there(target: str) -> bool:
    return importlib.util.find_spec(target.partition(":")[0]) is not None


@lru_cache(maxsize=1)
def _foreign() -> "dict[str, EntryPoint]":
    """Third parties' entry points by name, those with a name of ours left out."""
    from importlib.metadata import entry_points  # reads every installed package: for these alone

    ours = set(map(_plain, TARGETS))
    points = {_plain(point.name): point for point in entry_points(group=ENTRY_POINTS)}
    return {name: point for name, point in points.items() if name not in ours}
