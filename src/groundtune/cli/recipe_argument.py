"""RECIPE and the key=value settings after it: the recipe may be left out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

Settings = Annotated[str, Parameter(name="KEY=VALUE")]
"""The type of `*settings`: a key of the recipe, dotted, and its value in YAML."""


class RecipeArgument(NamedTuple):
    """A recipe's name or file, and the settings that override it."""

    recipe: str
    """"" without one."""
    settings: list[str]
    """Each is key=value."""

    @property
    def path(self) -> Path | None:
        """The recipe of a command that none is shipped for.

        Raises:
            UserError: it is not a file.
        """
        if self.recipe and not Path(self.recipe).is_file():
            from groundtune.errors import UserError

            raise UserError(
                f"There is no recipe file {self.recipe!r}.",
                self.recipe,
                "Give a YAML file. Other values need the name of their option, such as --model.",
            )
        return Path(self.recipe) if self.recipe else None


def read_recipe(recipe: str | None, settings: Sequence[str], default: str = "") -> RecipeArgument:
    """Take a first word that is key=value for a setting: then the recipe is the default.

    Raises:
        UserError: a word after the first is not key=value.
    """
    from groundtune.errors import UserError

    words = list(settings)
    if recipe is not None and is_setting(recipe):
        words, recipe = [recipe, *words], None
    for word in words:
        if "=" not in word:
            raise UserError(
                f"{word!r} is not a setting.",
                word,
                "Give at most one recipe, and after it settings as key=value.",
            )
    return RecipeArgument(recipe or default, words)


def is_setting(word: str) -> bool:
    """Whether a word is key=value, and not a file or folder with "=" in its name."""
    return "=" in word and not Path(word).exists()
