"""What a recipe says of itself under `about`: paper, data, licences, needs, published figures.

Commands pass over `about`; `groundtune recipes` and `groundtune plan` read it.
"""

from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, ValidationError

from groundtune.errors import UserError
from groundtune.interchange.registry import LayoutName
from groundtune.recipe_loading import ABOUT
from groundtune.records import Record
from groundtune.yaml_text import read_yaml


class HubData(Record):
    """A data set of the Hugging Face hub that the recipe trains on or asks about."""

    hub: str
    """The data set's name, such as openbmb/RLHF-V-Dataset."""
    revision: str = "main"
    """Commit, tag or branch. A run notes the commit that it read."""
    file: str = ""
    """One file of the data set, as it is; "" reads all its rows through `datasets`."""
    split: str = "train"
    """Which of the data set's splits."""
    layout: LayoutName
    """How `groundtune import` reads it."""
    only: str = ""
    """COLUMN=TEXT keeps the rows whose column contains the text."""
    licence: str
    """The licence of the data, which goes with the rows."""
    rows: int = Field(ge=1)
    """Pairs that are expected; `plan` counts with them."""
    answer_tokens: int = Field(default=100, ge=1)
    """Mean tokens of an answer, for `plan`."""
    images: str = ""
    """Which images are needed next to it (--images); "" if the rows hold them."""
    all_rows: bool = False
    """Also rows that the layout's own code leaves out."""
    weight: float | None = Field(default=None, gt=0)
    """How often each of its pairs counts in an epoch. The source gets a folder of its own: the
    first is `pairs`, which counts once, the others are in `mix`. None: one folder for all."""

    @property
    def source(self) -> str:
        """What `groundtune import` takes as its file."""
        return f"hub:{self.hub}@{self.revision}" + (f":{self.file}" if self.file else "")


class PublishedRun(Record):
    """The authors' run."""

    model: str
    """The model that the authors trained."""
    hardware: str
    """The accelerators that they used."""
    hours: str
    """What the authors state; "" if they state nothing."""
    nearest: str = ""
    """If transformers has no class for the model: why this recipe's model is used instead."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Published settings that this recipe can't express, as recorded from paper and code."""


class ExpectedFigure(Record):
    """A published figure: not measured by Groundtune unless `measured_here`."""

    benchmark: str
    """A name of `groundtune bench list`."""
    metric: str
    """A metric of the benchmark."""
    model: str
    """The model that the figure is of."""
    base: float | None = None
    """Before training."""
    value: float | None
    """After training; None if no figure is published for this model and method."""
    n: int = Field(ge=1)
    """Items of the benchmark that the metric is over."""
    share: bool = True
    """Whether the figure is a percentage of the n items."""
    source: str
    """Where the figure is published."""
    measured_here: bool = False
    """Whether Groundtune has measured the figure."""


class Needs(Record):
    """What a run needs."""

    machine: str
    """A name of `groundtune plan --machine`."""
    machines: int = Field(default=1, ge=1)
    """How many of these machines."""
    memory_gb: float
    """Peak of one accelerator."""
    hours: float
    """Hours of the whole run."""
    source: Literal["estimate"] = "estimate"
    """Where memory and hours are from: `groundtune plan`."""


class About(Record):
    """The key `about` of a recipe."""

    title: str
    """What the recipe is, in a few words."""
    paper: str = ""
    """The paper that the recipe follows, by its arXiv id."""
    model_licence: str
    """The licence of the model that is trained."""
    family: str
    """The model_type of the recipe's model, by which a test dry-runs the recipe."""
    published: PublishedRun | None = None
    """The authors' run; none for models without a published one."""
    data: tuple[HubData, ...] = ()
    """The data sets that it needs, in the order of import."""
    needs: Needs
    expected: tuple[ExpectedFigure, ...] = Field(min_length=1)
    """What to compare the result with."""
    notes: tuple[str, ...] = ()
    """What differs from the authors' run."""


def about_of(path: Path) -> About | None:
    """Return what a recipe says of itself; None if it has no `about`.

    Raises:
        UserError: the file can't be read, or its `about` has other keys or values.
    """
    yaml = read_yaml(path)
    value: object = yaml.value
    tree = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if ABOUT not in tree:
        return None
    try:
        return About.model_validate(tree[ABOUT])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        keys = (ABOUT, *(str(key) for key in first["loc"]))
        prefixes = (keys[:length] for length in range(len(keys), 0, -1))
        line = next((yaml.lines[each] for each in prefixes if each in yaml.lines), 1)
        raise UserError(
            f"{'.'.join(keys)}: {first['msg']}.",
            f"{path}:{line}",
            "Correct it, or take `about` out: it changes no result.",
        ) from None
