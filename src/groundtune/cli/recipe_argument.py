"""RECIPE and the key=value settings after it: the recipe may be left out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

from cyclopts import Parameter

if TYPE_CHECKING:
    from pydantic import BaseModel

S = TypeVar("S", bound="BaseModel")

Settings = Annotated[str, Parameter(name="KEY=VALUE")]
"""The type of `*settings`: a key of the recipe, dotted, and its value in YAML."""


class RecipeArgument(NamedTuple):
    """A recipe's name or file, and the settings that override it."""

    recipe: str
    """"" without one."""
    settings: list[str]
    """Each is key=value."""

    def load(
        self,
        schema: type[S],
        options: Mapping[str, object] | None = None,
        *,
        command: str = "",
        base: Mapping[str, object] | None = None,
    ) -> S:
        """Return the settings that recipe, words and options give.

        Args:
            schema: The settings of the command.
            options: Values by dotted key, over everything else; None is an option not given.
            command: The command that recipes are shipped for; "" takes files only.
            base: Settings under those of the recipe, over the schema's defaults.

        Raises:
            UserError: there is no such recipe, or a key or value can't be used.
        """
        from groundtune.recipe_loading import load

        path = self._path(command) if self.recipe else None
        return load(path, self.settings, schema, command=base, options=options)

    def _path(self, command: str) -> Path:
        if command:
            from groundtune.pipeline.recipes.registry import find

            return find(self.recipe, command)
        if not Path(self.recipe).is_file():
            from groundtune.errors import UserError

            raise UserError(
                f"There is no recipe file {self.recipe!r}.",
                self.recipe,
                "Give a YAML file. Other values need the name of their option, such as --model.",
            )
        return Path(self.recipe)


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
