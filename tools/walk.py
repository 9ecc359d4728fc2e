"""The files between a command and a function that it calls, from the call stack.

python tools/walk.py MODULE:FUNCTION -- COMMAND WORDS

Runs the command in this process until the function is called for the first time, prints the files
of the package that are on the stack then, in order, and stops. Of a method: MODULE:CLASS.METHOD.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import groundtune

PACKAGE = Path(groundtune.__file__).parent


class Reached(BaseException):
    """The function was called; no command may catch this."""


def walk_to(target: str, words: list[str]) -> list[str]:
    """Return the files on the stack when a command first calls a function, each once, in order.

    Raises:
        LookupError: the command ends without calling it.
    """
    module, _, path = target.partition(":")
    holder: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        holder = getattr(holder, part)
    code = getattr(holder, name).__code__
    files: dict[str, None] = {}

    def look(frame: Any, event: str, _: object) -> None:
        if event != "call" or frame.f_code is not code:
            return
        sys.setprofile(None)
        stack: list[str] = []
        while frame is not None:
            stack.append(frame.f_code.co_filename)
            frame = frame.f_back
        inside = [Path(file) for file in reversed(stack) if PACKAGE in Path(file).parents]
        files.update(dict.fromkeys(str(file.relative_to(PACKAGE)) for file in inside))
        raise Reached

    from groundtune.cli.app import run

    sys.setprofile(look)
    try:
        run(words)
    except Reached:
        return list(files)
    finally:
        sys.setprofile(None)
    raise LookupError(f"the command never calls {target}")


if __name__ == "__main__":
    place, _, *command = sys.argv[1:]
    found = walk_to(place, command)
    print(f"{len(found)} files: {' > '.join(found)}")
