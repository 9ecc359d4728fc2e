"""Which rewarder a name means: a reward model's folder, an installed package's, or a server's.

Third parties register theirs through the entry point group `groundtune.rewards`: a function that
takes the prompts' `Images` and returns a `Rewarder`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import Field

from groundtune.errors import UserError
from groundtune.generate.endpoint import EndpointLimits, plain_url
from groundtune.pipeline.reward.data import refuse_other_facts
from groundtune.pipeline.reward.settings import Show
from groundtune.pipeline.reward.sharing import LoadedBase
from groundtune.pipeline.reward.spec import NAME, read_spec
from groundtune.plugins import PluginFault, Plugins
from groundtune.protocols import Images, Rewarder, SpanRewarder
from groundtune.recipe_loading import Settings
from groundtune.records import Prompt
from groundtune.store.keys import key_of

if TYPE_CHECKING:
    from groundtune.pipeline.reward.model import RewardModel

ENTRY_POINTS = "groundtune.rewards"
MakeRewarder = Callable[[Images], Rewarder]


class RewarderSettings(Settings):
    """Who scores, and what it reads."""

    MAY_CHANGE = frozenset({"device", "limits"})

    rewarder: str
    """Folder of a reward model, name of an installed package's reward, or http://HOST/PATH."""
    facts: Show | None = None
    """Facts that it reads; a reward model's own setting if not given, else none."""
    device: str = "auto"
    dtype: str = "auto"
    limits: EndpointLimits = EndpointLimits()
    """Of a server: time-outs, tries, requests at a time."""
    allow_chance: bool = Field(default=False)
    """Use a reward model that is at chance."""


class OpenedRewarder(NamedTuple):
    """A rewarder and what it is, for keys."""

    rewarder: Rewarder
    identity: str
    close: Callable[[], None]
    by_words: SpanRewarder | None = None
    """The same for words, if it is a reward model that learnt them."""
    facts: Show = "none"
    """The facts that it reads."""
    model: "RewardModel | None" = None
    """The same if it is a reward model."""

    def check_facts(
        self, prompts: Mapping[str, Prompt], answers: Iterable[tuple[str, str]], where: str
    ) -> None:
        """Refuse facts that it reads and that fit other answers better; see `refuse_other_facts`.

        Raises:
            UserError: facts seem to be those of other images.
        """
        if self.facts in ("shown", "truth"):
            refuse_other_facts(prompts, answers, where)


def _fault_of(name: str, plugin: object) -> PluginFault | None:
    if callable(plugin):
        return None
    return PluginFault(
        f"The object of the entry point {name} is not a function.",
        "Export a function that takes the prompts' images and returns an object with reward().",
    )


REWARDS: Plugins[MakeRewarder] = Plugins(ENTRY_POINTS, _fault_of)


def identity_of(settings: RewarderSettings) -> str:
    """Return what names all that changes the rewards, without loading weights.

    Raises:
        UserError: the name means nothing.
    """
    name = settings.rewarder
    if name.startswith(("http://", "https://")):
        plain_url(name)
        return key_of("http", name, settings.facts)
    if (Path(name) / NAME).is_file():
        from groundtune.store.checksums import read_sums

        return key_of("model", read_sums(Path(name)), settings.facts, settings.dtype)
    if name in REWARDS.names():
        REWARDS.load(name)
        return key_of("package", REWARDS.package(name), settings.facts)
    if Path(name).is_dir():
        read_spec(Path(name))
    names = ", ".join(REWARDS.names()) or "none is installed"
    raise UserError(
        f"There is no reward {name!r}.",
        name,
        f"Give the folder of a reward model, http://HOST/PATH, or an installed one ({names}).",
    )


def open_rewarder(
    settings: RewarderSettings,
    images: Images,
    pool: Sequence[Prompt] = (),
    *,
    base: LoadedBase | None = None,
) -> OpenedRewarder:
    """Open the rewarder that the settings name; `pool` are the prompts whose facts a placebo shows.

    With `base`, a reward model is loaded on these weights, which must fit (sharing.py).

    Raises:
        UserError: the name means nothing; a reward model can't be used; or a package's object is no
            rewarder.
    """
    identity = identity_of(settings)
    name, facts = settings.rewarder, settings.facts or "none"
    if name.startswith(("http://", "https://")):
        from groundtune.generate.reward_http import HttpRewarder

        server = HttpRewarder(name, images, settings.limits)
        return OpenedRewarder(
            _WithFacts(server, settings.facts), identity, server.close, facts=facts
        )
    if (Path(name) / NAME).is_file():
        model = _model(settings, images, pool, base)
        words = model if model.reading.learn == "words" else None
        show = model.reading.judging.facts.show
        return OpenedRewarder(model, identity, _nothing, words, show, model)
    plugin: Any = REWARDS.load(name)(images)
    if not callable(getattr(plugin, "reward", None)):
        raise UserError(
            f"{name} returned an object without reward().",
            REWARDS.where(name),
            "Return an object with reward(prompts, answers), as docs/reward-custom.md shows.",
        )
    checked = _CheckedRewarder(cast(Rewarder, plugin), REWARDS.where(name))
    return OpenedRewarder(_WithFacts(checked, settings.facts), identity, _nothing, facts=facts)


def _model(
    settings: RewarderSettings, images: Images, pool: Sequence[Prompt], base: LoadedBase | None
) -> "RewardModel":
    from groundtune.pipeline.reward.model import load_reward_model

    model = load_reward_model(
        Path(settings.rewarder),
        images,
        device=settings.device,
        dtype=settings.dtype,
        allow_chance=settings.allow_chance,
        base=base,
    )
    if settings.facts is not None:
        judging = model.reading.judging
        facts = judging.facts.model_copy(update={"show": settings.facts})
        judging = judging.model_copy(update={"facts": facts})
        model.reading = model.reading.model_copy(update={"judging": judging})
    model.pool = tuple(pool)
    return model


def _nothing() -> None:
    """Close nothing."""


class _WithFacts(NamedTuple):
    """A rewarder that sees the prompts' facts only if it is to."""

    rewarder: Rewarder
    facts: Show | None

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        if self.facts in (None, "none"):
            hidden = {p.key: p.model_copy(update={"facts": (), "options": ()}) for p in prompts}
            return self.rewarder.reward([hidden[p.key] for p in prompts], answers)
        if self.facts == "other-scene":
            raise UserError(
                "Only a reward model can be shown the facts of another image.",
                "facts=other-scene",
                "Use facts=shown or facts=none.",
            )
        return self.rewarder.reward(prompts, answers)


class _CheckedRewarder(NamedTuple):
    """A package's rewarder, whose rewards are checked."""

    rewarder: Rewarder
    where: str

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        values: Any = self.rewarder.reward(prompts, answers)
        try:
            rewards = [float(each) for each in values]
        except (TypeError, ValueError) as error:
            raise UserError(
                f"The reward is not a list of numbers: {error}.", self.where, "Return floats."
            ) from error
        if len(rewards) != len(answers):
            raise UserError(
                f"It returned {len(rewards)} rewards for {len(answers)} answers.",
                self.where,
                "Return one number per answer, in order; NaN where there is none.",
            )
        return rewards
