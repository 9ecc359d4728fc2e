"""Every benchmark that is scored from files, by name; its own file is imported when it is used.

Third parties add theirs through the entry point group `groundtune.bench`: its name is the
benchmark's, its object a `FileBenchmark`. A name of ours can't be taken.
"""

import importlib
import importlib.util
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from groundtune.bench.benchmark import FileBenchmark
from groundtune.errors import UserError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "groundtune.bench"
_HERE = "groundtune.bench.tasks."
TARGETS: dict[str, str] = {
    "pope": _HERE + "pope.pope:POPE",
    "mme": _HERE + "mme.mme:MME",
    "chair": _HERE + "chair.chair:CHAIR",
    "object_halbench": _HERE + "chair.object_halbench:OBJECT_HALBENCH",
    "amber": _HERE + "amber.amber:AMBER",
    "mmhal": _HERE + "mmhal:MMHAL",
    "hallusionbench": _HERE + "hallusionbench.hallusionbench:HALLUSIONBENCH",
    "llava_bench": _HERE + "llava_bench.llava_bench:LLAVA_BENCH",
    "shr": _HERE + "shr.shr:SHR",
    "refomb": _HERE + "refomb:REFOMB",
    "mmstar": _HERE + "choice.mmstar:MMSTAR",
    "vqav2": _HERE + "vqav2:VQAV2",
    "mmbench": _HERE + "choice.mmbench:MMBENCH",
    "mhumaneval": _HERE + "mhumaneval:MHUMANEVAL",
    "overgeneral": _HERE + "chair.overgeneral:OVERGENERAL",
}
"""Name: "module:CONSTANT". A file that isn't there is left out."""


def names() -> list[str]:
    """Ours that are there, in the order above, then third parties'."""
    ours = [name for name, target in TARGETS.items() if _is_there(target)]
    return [*ours, *(name for name in _foreign() if name not in TARGETS)]


def is_file_benchmark(name: str) -> bool:
    """Whether a name is one of `names`; "-" is the same as "_"."""
    name = spelled(name)
    return _is_there(TARGETS[name]) if name in TARGETS else name in _foreign()


def spelled(name: str) -> str:
    """A name as it is kept: lower case, "_" between words."""
    return name.lower().replace("-", "_")


def load(name: str) -> FileBenchmark[Any]:
    """The benchmark of a name.

    Raises:
        UserError: there is none, or a third party's isn't a FileBenchmark.
    """
    name = spelled(name)
    if name in TARGETS and _is_there(TARGETS[name]):
        module, _, constant = TARGETS[name].partition(":")
        return getattr(importlib.import_module(module), constant)
    if name in _foreign() and name not in TARGETS:
        return _load_foreign(name, _foreign()[name])
    raise UserError(
        f"There is no benchmark {name!r}.", name, f"Use one of {', '.join(names())}, world."
    )


def _load_foreign(name: str, point: "EntryPoint") -> FileBenchmark[Any]:
    found: object = point.load()
    if not isinstance(found, FileBenchmark):
        raise UserError(
            f"What the entry point {name} gives is not a FileBenchmark.",
            f"{point.group}: {name} = {point.value}",
            "Export a groundtune.bench.benchmark.FileBenchmark.",
        )
    return found  # pyright: ignore[reportUnknownVariableType]  # its data's type is its own


@lru_cache(maxsize=64)
def _is_there(target: str) -> bool:
    return importlib.util.find_spec(target.partition(":")[0]) is not None


@lru_cache(maxsize=1)
def _foreign() -> "dict[str, EntryPoint]":
    from importlib.metadata import entry_points  # reads every installed package: for these alone

    return {spelled(point.name): point for point in entry_points(group=ENTRY_POINTS)}
