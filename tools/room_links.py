"""Count the files, places, import levels and links inside a room of the package.

python tools/room_links.py pipeline bench
"""

import ast
import sys
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


def links_of(room: str) -> tuple[int, set[str], set[tuple[str, str]]]:
    """Files of a room, its places (a file or folder directly in it), and (importer, imported)."""
    package = f"groundtune.{room}"
    files = [path for path in (SOURCE / "groundtune" / room).rglob("*.py") if path.stem != room]
    links: set[tuple[str, str]] = set()
    places: set[str] = set()
    for path in files:
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        place = name.removeprefix(package + ".").split(".")[0]
        if place == "__init__":
            continue
        places.add(place)
        links |= {(place, other) for other in _imports(path, package) if other != place}
    return len(files), places, {(a, b) for a, b in links if b in places}


def _imports(path: Path, package: str) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = [
        f"{node.module}.{alias.name}" if node.module == package else str(node.module)
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    inside = (name for name in names if name.startswith(f"{package}."))
    return {name.removeprefix(f"{package}.").split(".")[0] for name in inside}


def levels(places: set[str], links: set[tuple[str, str]]) -> int:
    """The longest chain of imports between places."""

    @cache
    def level(place: str) -> int:
        return 1 + max((level(b) for a, b in links if a == place), default=0)

    return max(map(level, places))


if __name__ == "__main__":
    for room in sys.argv[1:]:
        files, places, links = links_of(room)
        print(
            f"{room}: {files} files in {len(places)} places, "
            f"{levels(places, links)} levels, {len(links)} links"
        )
