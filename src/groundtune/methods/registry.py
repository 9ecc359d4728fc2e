"""Methods of other packages, by the entry point group `groundtune.methods`.

The name of an entry point is the method's `type` in a recipe, its object a class: a `Pairwise` with
its own `type` and parameters. A built-in method cannot be replaced. `pipeline/train/settings.py`
lists those.
"""

import inspect
from typing import get_args

from groundtune.methods.pairwise import Pairwise
from groundtune.plugins import PluginFault, Plugins

ENTRY_POINTS = "groundtune.methods"
VALUES = ("needs", "views")
"""Hooks that are properties."""


def _fault_of(name: str, plugin: object) -> PluginFault | None:
    """Tell what a class lacks to be the method of a name."""
    if not (isinstance(plugin, type) and issubclass(plugin, Pairwise)):
        return PluginFault(
            f"The object of the entry point {name} is not a method.",
            "Export a class that inherits from groundtune.methods.pairwise.Pairwise.",
        )
    kind = plugin.model_fields.get("type")
    if kind is None or (get_args(kind.annotation), kind.default) != ((name,), name):
        return PluginFault(
            f"The method {plugin.__name__} does not have its name, {name}, as its type.",
            f'Write in the class: type: Literal["{name}"] = "{name}"',
        )
    missing = sorted(plugin.__abstractmethods__)
    if missing:
        return PluginFault(
            f"The method {plugin.__name__} lacks the hook {' and '.join(missing)}.",
            f"Define {' and '.join(missing)} in the class, as methods/pairwise.py documents.",
        )
    for hook in VALUES:
        if inspect.isfunction(inspect.getattr_static(plugin, hook)):
            return PluginFault(
                f"The hook {hook} of the method {plugin.__name__} is a function.",
                f"Write @property above def {hook}(self).",
            )
    return None


METHODS: Plugins[type[Pairwise]] = Plugins(ENTRY_POINTS, _fault_of)
