"""Instructions for models that divide and ask: text files with a version in their name.

A changed text gets a new number. The hash of the text that was used is a part of the claims'
lineage (`Producer.prompt_hash`), so that a folder never mixes claims made under two instructions.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.store.files import refuse_special
from groundtune.store.keys import key_of

_PLACE = re.compile(r"\$\{(\w+)\}")


class Instruction(NamedTuple):
    """A text with places such as ${answer}."""

    name: str
    text: str

    @property
    def hash(self) -> str:
        """12 hex digits of the text's hash."""
        return key_of("instruction", self.text)[:12]

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with each place filled, in one go: what is filled in is not looked at again."""
        return _PLACE.sub(lambda match: values[match[1]], self.text)


def shipped(name: str) -> Instruction:
    """One of this package: "divide-1", "divide-and-ask-1", "split-1", "ask-1" or "whole-1"."""
    path = files("groundtune.feedback") / "prompts" / f"{name}.txt"
    return Instruction(name, path.read_text(encoding="utf-8").strip())


def named(name: str, places: tuple[str, ...]) -> Instruction:
    """An instruction of this package by its name, else one from a file of the user's.

    Raises:
        UserError: as `own`.
    """
    path = files("groundtune.feedback") / "prompts" / f"{name}.txt"
    return shipped(name) if path.is_file() else own(Path(name), places)


def own(path: Path, places: tuple[str, ...]) -> Instruction:
    """An instruction from a file of the user's.

    Raises:
        UserError: it can't be read, lacks one of the places, or has another.
    """
    refuse_special(path)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "The instruction can't be read.", str(path), "Save it as UTF-8 text."
        ) from error
    found = set(_PLACE.findall(text))
    if found != set(places):
        wanted = " and ".join(f"${{{name}}}" for name in places)
        raise UserError(
            f"The instruction has the placeholders {sorted(found)}, not {sorted(places)}.",
            str(path),
            f"Use exactly the placeholders {wanted}.",
        )
    return Instruction(path.stem, text)
