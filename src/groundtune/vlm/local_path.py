"""Distinguish a model's folder from a Hugging Face hub name, before loading anything."""

import difflib
from pathlib import Path

from groundtune.errors import UserError

_OUR_RUNS = "runs"
"""Where commands write; not an owner on the hub."""


def refuse_missing_folder(name: str) -> None:
    """Check that a name is an existing folder or a hub name, OWNER/NAME.

    A name is a path if it starts with ".", "/" or "~", does not have exactly two parts, or if its
    first part is a folder here. A path that doesn't exist is never looked up on the hub.

    Raises:
        UserError: the path doesn't exist.
    """
    path = Path(name)
    parts = name.split("/")
    hub = len(parts) == 2 and all(parts) and "\\" not in name and name[0] not in ".~"
    if path.exists() or (hub and parts[0] != _OUR_RUNS and not Path(parts[0]).is_dir()):
        return
    fix = "Check the path. A name on the Hugging Face hub is OWNER/NAME"
    fix += f", if there is no folder {parts[0]} here." if hub else "."
    if near := _near(path):
        fix = f"Did you mean {near}? {fix}"
    raise UserError("There is no such folder.", name, fix)


def _near(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    names = [each.name for each in path.parent.iterdir() if each.is_dir()]
    near = difflib.get_close_matches(path.name, names, n=1)
    return str(path.with_name(near[0])) if near else ""
