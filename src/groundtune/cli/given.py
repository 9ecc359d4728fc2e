"""The words of a command: a recipe and key=value settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Given(NamedTuple):
    """What `*recipe` says."""

    recipe: str
    """Its name or file; "" where none is given."""
    settings: list[str]
    """key=value."""

    @property
    def path(self) -> Path | None:
        """The recipe, where it must be a file."""
        return Path(self.recipe) if self.recipe else None


def read_words(words: Sequence[str]) -> Given:
    """Separate the recipe from the settings.

    Raises:
        UserError: more than one recipe.
    """
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        from groundtune.errors import UserError

        raise UserError(
            "More than one recipe is given.", names[1], "Give one, and key=value settings."
        )
    return Given("".join(names), [word for word in words if "=" in word])
