"""The words of a command: a recipe, key=value settings, and options that stand for settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Given(NamedTuple):
    """What `*recipe` and options say."""

    recipe: str
    """Its name or file; "" where none is given."""
    settings: list[str]
    """key=value, options last, so that they go over what else was said."""

    @property
    def path(self) -> Path | None:
        """The recipe, where it must be a file."""
        return Path(self.recipe) if self.recipe else None


def read_words(words: Sequence[str], options: Mapping[str, object] | None = None) -> Given:
    """Tells the recipe from settings, and adds options by the names of their settings.

    Raises:
        UserError: more than one recipe.
    """
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        from groundtune.errors import UserError

        raise UserError(
            "More than one recipe is given.", names[1], "Give one, and key=value settings."
        )
    settings = [word for word in words if "=" in word]
    return Given("".join(names), [*settings, *as_settings(options or {})])


def as_settings(options: Mapping[str, object]) -> list[str]:
    """Options that were given, as settings."""
    return [f"{name}={_quoted(value)}" for name, value in options.items() if value is not None]


def _quoted(value: object) -> str:
    """A value as YAML reads it back; text is quoted so that it is taken as it is."""
    import json
    import math

    import yaml

    if isinstance(value, int | float):
        return json.dumps(value)
    return yaml.safe_dump(str(value), default_style='"', width=math.inf).rstrip("\n")
