"""Where prompts such as `world:400` come from, and what their source knows about them.

A prompt source is registered once, under the name before the colon of its prompts and models.
Third parties register theirs through the entry point group `groundtune.sources`: the entry point's
name is the source's, its object a `PromptSource`. A name of ours can't be taken.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from groundtune.errors import UserError
from groundtune.pipeline.recipes.registry import imported
from groundtune.plugins import PluginFault, Plugins
from groundtune.protocols import (
    Annotator,
    Comparer,
    Divider,
    Editor,
    NamedYesNo,
    Progress,
    TruthScorer,
)
from groundtune.records import Producer, Prompt

if TYPE_CHECKING:
    from groundtune.pipeline.models.measure import Measure
    from groundtune.store.images import ImageStore

ENTRY_POINTS = "groundtune.sources"
TARGETS: dict[str, str] = {
    "world": "groundtune.pipeline.world.source:WORLD",
    "world-hard": "groundtune.pipeline.world.source:HARD_WORLD",
}
"""Name: "module:CONSTANT", imported when it is used."""

Part = Literal["learning", "choosing", "reporting"]
"""What prompts are for. No prompt is in two parts."""


class MakePrompts(Protocol):
    """Makes the prompts of a source."""

    def __call__(
        self, images: "ImageStore", count: int, progress: Progress, *, part: Part, seed: int
    ) -> list[Prompt]:
        """Return `count` prompts of a part, their images added to `images`.

        The prompts of a smaller count are the first of a larger one. Another seed gives other
        prompts to learn from.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSource:
    """Everything that the other stages can ask of a source; all but its prompts is optional."""

    name: str
    dataset: str
    """`Prompt.source.dataset` of its prompts."""
    prompts: MakePrompts
    model: Callable[[str], Path] | None = None
    """The folder of a model that comes with it: of `base` in `world:base`."""
    dividers: Mapping[str, Callable[[], Divider]] = field(default_factory=dict[str, Any])
    """Its own rules for dividing answers into claims, by the name that settings give them."""
    claim_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Defaults of `ClaimSettings` where all prompts are its own."""
    annotator: Callable[[float, int], tuple[Annotator, Producer]] | None = None
    """A simulated person who corrects answers, with an error rate and a seed."""
    editor: Callable[[], Editor] | None = None
    """Its own rules for correcting, extending and rewording answers, without knowing the truth."""
    oracle: "Callable[[ImageStore, Sequence[Prompt]], NamedYesNo] | None" = None
    """Answers the questions of its dividers by the truth: the labeler NAME:truth."""
    comparer: Callable[[float, int], tuple[Comparer, Producer]] | None = None
    """A simulated person who compares answers, with an error rate and a seed."""
    truth: TruthScorer | None = None
    """Scores an answer against the whole truth about the prompt's image."""
    measure: "Callable[[], Measure] | None" = None
    """What models are measured by for a report about its prompts; None for their claims."""
    benchmarks: tuple[str, ...] = ()
    """Names of benchmarks about other prompts of its kind, as `bench run` takes them."""
    recipe: str = ""
    """Name of the recipe for training on pairs about its prompts, if one is shipped."""
    elsewhere: str = ""
    """What a report says where one of its models answered the prompts of another source."""


class PromptRequest(NamedTuple):
    """Prompts that a source makes: `world:400`."""

    source: PromptSource
    number: int


def names() -> list[str]:
    """Our sources, then third parties'."""
    return [*TARGETS, *(name for name in PLUGINS.names() if name not in TARGETS)]


def load(name: str) -> PromptSource:
    """Return the source of a name.

    Raises:
        UserError: there is none, or a third party's isn't a PromptSource.
    """
    if name in TARGETS:
        return imported(TARGETS[name])
    if name not in PLUGINS.names():
        raise UserError(
            f"There is no prompt source {name!r}.", name, f"Use one of {', '.join(names())}."
        )
    return PLUGINS.load(name)


def named_in(text: str) -> PromptSource | None:
    """Return the source that prompts (`world:400`) or a model (`world:base`) name, if any."""
    name, colon, _ = text.partition(":")
    return load(name) if colon and (name in TARGETS or name in names()) else None


def requested(prompts: str) -> PromptRequest | None:
    """Return what `world:400` asks for; None for a file, a folder or nothing.

    Raises:
        UserError: there is no count after the colon.
    """
    source = named_in(prompts)
    if source is None:
        return None
    number = prompts.partition(":")[2]
    if not number.isdecimal() or int(number) == 0:
        raise UserError(
            f"{number!r} is not a number of prompts.", prompts, f"Write {source.name}:200, say."
        )
    return PromptRequest(source, int(number))


def source_of(prompts: Iterable[Prompt]) -> PromptSource | None:
    """Return the source that all of these prompts are from, if there is one."""
    return source_of_datasets({prompt.source.dataset for prompt in prompts})


def source_of_datasets(datasets: Set[str]) -> PromptSource | None:
    """Return the source whose prompts have this data set alone, if there is one."""
    return next((each for each in _all() if {each.dataset} == datasets), None)


def with_divider(name: str) -> PromptSource | None:
    """Return the source whose own rules have this name, if any."""
    return next((each for each in _all() if name in each.dividers), None)


def truth_scorer(source: PromptSource | None, where: str, fix: str) -> TruthScorer:
    """Return the truth scorer of a source.

    Raises:
        UserError: it has none, or there is no source; `fix` says what else can be done.
    """
    if source is not None and source.truth is not None:
        return source.truth
    sources = ", ".join(f"{each.name}:400" for each in _all() if each.truth is not None)
    raise UserError(
        "The truth about these prompts is not known.",
        where,
        f"{fix}, or use prompts of a source that knows it: {sources}.",
    )


def _all() -> Iterable[PromptSource]:
    """Yield each source, loaded when it is its turn; third parties' are looked up after ours."""
    yield from map(load, TARGETS)
    yield from map(load, names()[len(TARGETS) :])


def _fault_of(name: str, plugin: object) -> PluginFault | None:
    """Tell what an object lacks to be the prompt source of a name."""
    if isinstance(plugin, PromptSource):
        return None
    return PluginFault(
        f"The object of the entry point {name} is not a PromptSource.",
        "Export a groundtune.pipeline.models.prompt_sources.PromptSource.",
    )


PLUGINS: Plugins[PromptSource] = Plugins(ENTRY_POINTS, _fault_of)
