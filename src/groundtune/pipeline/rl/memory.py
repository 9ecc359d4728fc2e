"""Which models of a run share weights in memory, and how much each adds.

A LoRA's base does not change, so the reference is the policy without its adapter, a labeler may be
the same model, and reward models that were trained on the same base are further adapters. Values
are read from the policy's states. Where all weights of the policy are trained, the reference is a
copy, which labeler and reward models may share.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from groundtune.pipeline.rl.settings import RLSettings
from groundtune.records import Record
from groundtune.store.run_json import note_run, read_run

if TYPE_CHECKING:
    from torch import nn

    from groundtune.vlm.load import Vlm

log = logging.getLogger(__name__)

POLICY, REFERENCE = "policy", "reference"
NOTE = "models"
TRAINED = "all weights of the policy are trained"


class ModelInMemory(Record):
    """A model of a run."""

    role: str
    """policy, reference, values, labeler, reader, divider, or "reward" with its name."""
    base: str
    """The role whose base it uses; its own role if it has one of its own."""
    bytes: int
    """Of its weights, without those of another role's base."""
    why: str = ""
    """Why it has a base of its own; "" of the policy, and where it has none."""


class AddedWeights(NamedTuple):
    """What a labeler or a reward model adds to a run's memory."""

    weights: int
    bytes: int
    why: str
    """Why it shares no base; "" if it does."""


class LoadedModel(NamedTuple):
    """A labeler or a reward model in memory."""

    modules: "tuple[nn.Module, ...]"
    why: str
    """Why it shares no base; "" if it does."""


def why_no_base(settings: RLSettings, *, sharded: bool = False) -> str:
    """Return why a run has no weights that other models could share; "" if it has some."""
    if settings.tune.type == "full":
        return "" if settings.method.kl.coefficient else TRAINED
    if settings.tune.type == "qlora":
        return "the policy's weights are in 4 bits"
    return "each process holds a shard of the policy's weights" if sharded else ""


def models_of(
    settings: RLSettings,
    *,
    policy: int,
    copied: int,
    values: int,
    others: Mapping[str, AddedWeights],
) -> list[ModelInMemory]:
    """Return the models of a run by the bytes of their weights.

    `copied` are those of the reference if it is a copy, `values` those of the value head, `others`
    those of labeler and reward models by their roles.
    """
    models = [ModelInMemory(role=POLICY, base=POLICY, bytes=policy)]
    base = REFERENCE if copied else POLICY
    if settings.method.kl.coefficient:
        why = TRAINED if copied else ""
        models.append(ModelInMemory(role=REFERENCE, base=base, bytes=copied, why=why))
    if settings.method.has_values:
        models.append(ModelInMemory(role="values", base=POLICY, bytes=values))
    for role, (_, added, why) in others.items():
        models.append(ModelInMemory(role=role, base=role if why else base, bytes=added, why=why))
    return models


def measured(
    settings: RLSettings,
    vlm: "Vlm",
    frozen: "Vlm | None",
    heads: "Mapping[str, nn.Module]",
    others: Mapping[str, LoadedModel],
) -> list[ModelInMemory]:
    """Return the models of a run as they are in memory; weights of several count once."""
    counted: set[int] = set()

    def added(*modules: "nn.Module", why: str = "") -> AddedWeights:
        weights = {id(w): w for module in modules for w in module.parameters()}
        new = [weight for key, weight in weights.items() if key not in counted]
        counted.update(weights)
        size = sum(weight.numel() * weight.element_size() for weight in new)
        return AddedWeights(sum(weight.numel() for weight in new), size, why)

    policy = added(vlm.model).bytes
    copied = added(frozen.model).bytes if frozen else 0
    values = added(*heads.values()).bytes
    return models_of(
        settings,
        policy=policy,
        copied=copied,
        values=values,
        others={role: added(*each.modules, why=each.why) for role, each in others.items()},
    )


def note(out: Path, models: Sequence[ModelInMemory]) -> None:
    """Log which models share weights, and add it to OUT/run.json."""
    log.info("weights in memory: %s", line_of(models))
    value = [model.model_dump() for model in models]
    if read_run(out).notes.get(NOTE) != value:  # a finished run stays as it is
        note_run(out, NOTE, value)


def noted_line(out: Path) -> str:
    """Return what `note` added to OUT/run.json in words, "" if nothing."""
    models = read_run(out).notes.get(NOTE, [])
    return line_of([ModelInMemory.model_validate(model) for model in models])


def line_of(models: Sequence[ModelInMemory]) -> str:
    """Return in one line who shares whose base, with the MB that each adds."""
    parts: list[str] = []
    for owner in models:
        if owner.base != owner.role:
            continue
        sharers = [each for each in models if each.base == owner.role and each is not owner]
        text = f"{owner.role} {owner.bytes / 1e6:,.1f} MB"
        text += f" ({owner.why})" if owner.why else ""
        if sharers:
            added = (f"{each.role} +{each.bytes / 1e6:,.1f} MB" for each in sharers)
            text += f", on its base {', '.join(added)}"
        parts.append(text)
    return "; ".join(parts)
