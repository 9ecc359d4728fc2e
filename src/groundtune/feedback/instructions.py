"""Instructions for models that divide answers and write questions: text files with a version.

A changed text gets a new number. The text's hash is part of the claims' lineage
(`Producer.prompt_hash`), so that a folder never mixes claims of two instructions.
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
    """A text with placeholders such as ${answer}."""

    name: str
    text: str

    @property
    def hash(self) -> str:
        """Return 12 hex digits of the text's hash."""
        return key_of("instruction", self.text)[:12]

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text with each placeholder filled, once: values are not expanded again."""
        return _PLACE.sub(lambda match: values[match[1]], self.text)


def shipped_instruction(name: str) -> Instruction:
    """Return a built-in one: "divide-1", "divide-and-ask-1", "split-1", "ask-1" or "whole-1"."""
    path = files("groundtune.feedback") / "prompts" / f"{name}.txt"
    return Instruction(name, path.read_text(encoding="utf-8").strip())


def instruction_by_name(name: str, places: tuple[str, ...]) -> Instruction:
    """Return an instruction of this package by name, or else from a user's file.

    Raises:
        UserError: as `instruction_file`.
    """
    path = files("groundtune.feedback") / "prompts" / f"{name}.txt"
    return shipped_instruction(name) if path.is_file() else instruction_file(Path(name), places)


def instruction_file(path: Path, places: tuple[str, ...]) -> Instruction:
    """Return an instruction from a user's file.

    Raises:
        UserError: it can't be read, lacks one of the placeholders, or has another.
    """
    refuse_special(path)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "The instruction can't be read.", str(path), "Save it as UTF-8 text."
        ) from error
    placeholders = set(_PLACE.findall(text))
    if placeholders != set(places):
        names = " and ".join(f"${{{name}}}" for name in places)
        raise UserError(
            f"The instruction has the placeholders {sorted(placeholders)}, not {sorted(places)}.",
            str(path),
            f"Use exactly the placeholders {names}.",
        )
    return Instruction(path.stem, text)
