"""Write docs/licences.md: what Groundtune depends on, with licences from the packages' metadata.

python tools/make_licences_page.py docs/licences.md
"""

import re
import sys
import tomllib
from email.message import Message
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
READ = ("annotate", "documents", "serve", "tables", "hub")
"""Extras whose packages a development environment has: their licences are read."""
APART: dict[str, str] = {
    "psycopg": "LGPL-3.0-only",
    "bitsandbytes": "MIT",
    "deepspeed": "Apache-2.0",
    "ray": "Apache-2.0",
    "trackio": "MIT",
    "wandb": "MIT",
    "tensorboard": "Apache-2.0",
    "mlflow": "Apache-2.0",
    "ipykernel": "BSD-3-Clause",
    "nbclient": "BSD-3-Clause",
    "zensical": "MIT",
}
"""Packages that the other extras name, with licences from their own metadata."""
TOP = """\
# Licences

Groundtune is under Apache-2.0. It installs these packages; their licences are read from their
metadata (`make generated`, `pip show NAME`). Licences of models and data sets are in
[Recipes](recipes.md) and [Formats](formats.md): two of the sets forbid commercial use.

The glyphs of the embedded world are under the SIL Open Font License.

"""


def page() -> str:
    """The page's text."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(each for extra in READ for each in extras[extra])]
    found = closure(asked)
    lines = ["| package | licence |", "|---|---|"]
    lines += [f"| {name} | {licence} |" for name, licence in sorted(found.items())]
    lines += ["", "## Further extras", ""]
    lines += ["What these install next to the packages above is not listed.", ""]
    lines += ["| extra | package | licence |", "|---|---|---|"]
    for extra in extras:
        if extra not in (*READ, "dev"):
            names = [canonicalize_name(Requirement(each).name) for each in extras[extra]]
            lines += [f"| {extra} | {name} | {APART[name]} |" for name in names]
    return TOP + "\n".join(lines) + "\n"


def closure(asked: list[str]) -> dict[str, str]:
    """Licences of the packages that are asked for and of all that they need, by name."""
    found: dict[str, str] = {}
    waiting = [Requirement(each) for each in asked]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"{name} is not installed: run make test first") from None
        found[name] = licence_of(package)
        for text in package.requires or []:
            inner = Requirement(text)
            extras = [{"extra": extra} for extra in ("", *wanted.extras)]
            if inner.marker is None or any(inner.marker.evaluate(each) for each in extras):
                inner.marker = None
                waiting.append(inner)
    return found


def licence_of(package: Distribution) -> str:
    """The licence of a package: its expression, its short text, or its classifiers."""
    metadata = cast("Message", package.metadata)
    if expression := metadata.get("License-Expression"):
        return str(expression)
    marks = [
        each.rpartition(" :: ")[2]
        for each in metadata.get_all("Classifier") or []
        if each.startswith("License ::")
    ]
    text = str(metadata.get("License") or "").strip()
    if text and "\n" not in text and len(text) < 60:
        return text
    return ", ".join(marks) or re.split(r"\n", text)[0][:60] or "not stated"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
