"""Custom rewards: from a Python caller, or from other packages by their entry points.

The entry point group is `groundtune.rewarders`; the name of an entry point is the component's name
in `rewards.more`, its object a function that takes the images and returns a `Rewarder`.
"""

from collections.abc import Callable, Mapping

from groundtune.errors import UserError
from groundtune.plugins import PluginFault, Plugins
from groundtune.protocols import Images, Rewarder

ENTRY_POINTS = "groundtune.rewarders"


def open_rewarders(
    weights: Mapping[str, float], given: Mapping[str, Rewarder], images: Images
) -> dict[str, Rewarder]:
    """Return the rewarders that have a weight, by their names.

    Raises:
        UserError: a name is neither given nor registered, or one that is given has no weight.
    """
    unused = sorted(given.keys() - weights.keys())
    if unused:
        raise UserError(
            f"The rewarder {unused[0]} has no weight.", "rewards.more", f"Set {unused[0]}: 1."
        )
    found: dict[str, Rewarder] = {}
    for name, weight in weights.items():
        if not weight:
            continue
        if name in given:
            found[name] = given[name]
        elif name in REWARDERS.names():
            found[name] = REWARDERS.load(name)(images)
        else:
            known = ", ".join(REWARDERS.names()) or "none is registered"
            raise UserError(
                f"There is no rewarder {name!r}.",
                "rewards.more",
                f"Install the package that registers it ({known}), or pass it from Python: "
                "rl(..., rewarders={...}).",
            )
    return found


def _fault_of(name: str, found: object) -> PluginFault | None:
    """Tell what an object lacks to be the rewarder of a name."""
    if callable(found):
        return None
    return PluginFault(
        f"The object of the entry point {name} is not a function.",
        "Export a function that takes the images and returns a groundtune.protocols.Rewarder.",
    )


REWARDERS: Plugins[Callable[[Images], Rewarder]] = Plugins(ENTRY_POINTS, _fault_of)
