"""What `groundtune recipes run` does with a recipe: import its data, then run its command."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

from groundtune.errors import UserError
from groundtune.pipeline.recipes.about import HubData, about_of
from groundtune.pipeline.recipes.registry import RECIPE_COMMANDS, command_of
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of
from groundtune.store.rows import json_file

DATA = "data"
"""The folder below the run's that gets the recipe's data."""
SOURCES = "sources.json"
"""In that folder: the sources that are imported completely."""


class RecipeSteps(NamedTuple):
    """The steps of a recipe."""

    command: str
    """The command that takes the recipe."""
    settings: list[str]
    """Its settings: the user's, and where the data is."""
    imports: tuple[HubData, ...]
    data: Path
    images: Path | None

    @property
    def folder(self) -> str:
        """The folder below the run's that gets the results."""
        return self.command.replace(" ", "-")

    def target(self, source: HubData) -> Path:
        """Return the folder that a source is imported into."""
        return _target(self.data, source)

    def import_words(self, source: HubData) -> list[str]:
        """Return the command line that imports a source."""
        options = {
            "--images": self.images if source.images else None,
            "--split": source.split if source.split != "train" else None,
            "--only": source.only or None,
        }
        out = str(self.target(source))
        words = ["groundtune", "import", source.layout, source.source, "--out", out]
        words += ["--all-rows"] if source.all_rows else []
        return words + [
            word for name, value in options.items() if value for word in (name, str(value))
        ]


def steps_of(
    path: Path, settings: Sequence[str], out: Path, images: Path | None = None
) -> RecipeSteps:
    """Return the steps of a recipe; data that the settings name themselves is not imported.

    Args:
        path: The recipe.
        settings: The user's key=value.
        out: Folder of the run.
        images: Folder of the images that the recipe's data needs.

    Raises:
        UserError: the data needs images, and none are given.
    """
    command = command_of(path)
    about = about_of(path)
    spec = RECIPE_COMMANDS.get(command)
    key = spec.data if spec else ""
    keys = {word.partition("=")[0] for word in settings}
    has_data = bool(keys & {key, "images"})
    imports = about.data if about and key and not has_data else ()
    for source in imports:
        if source.images and images is None:
            raise UserError(
                f"The data set {source.hub} has no images in its rows.",
                "--images",
                f"Give the folder of its images: {source.images}",
            )
    data = out / DATA
    words = [*settings, *(_data_words(key, data, imports) if imports else [])]
    return RecipeSteps(command, words, imports, data, images)


def _target(data: Path, source: HubData) -> Path:
    """Return the folder of a source: one of its own if it has a weight."""
    return data if source.weight is None else data / Path(source.file or source.hub).stem


def _data_words(key: str, data: Path, sources: Sequence[HubData]) -> list[str]:
    """Return the settings that name the folders of the data."""
    first, *others = sources
    mixed = [
        f"{{folder: {json_of(str(_target(data, each)))}, weight: {each.weight:g}}}"
        for each in others
        if each.weight is not None
    ]
    words = [f"{key}={_target(data, first)}"]
    return words + ([f"mix=[{', '.join(mixed)}]"] if mixed else [])


def is_imported(steps: RecipeSteps, source: HubData) -> bool:
    """Whether an earlier run imported a source completely."""
    path = steps.data / SOURCES
    return path.exists() and source.model_dump(mode="json") in cast("list[object]", json_file(path))


def note_imported(steps: RecipeSteps, source: HubData) -> None:
    """Note that a source is imported completely.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    path = steps.data / SOURCES
    before = cast("list[object]", json_file(path)) if path.exists() else []
    text = json_of([*before, source.model_dump(mode="json")], where=str(path), indent=1)
    write_atomic(path, text.encode() + b"\n")
