"""Splits prompts for learning, choosing and reporting: no image is in two parts."""

import logging
from pathlib import Path

from groundtune.errors import UserError
from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.models.prompt_sources import Part, PromptSource, requested
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.overlap import images_of, refuse_common, training_images
from groundtune.pipeline.sample.run import find_prompts
from groundtune.protocols import Progress
from groundtune.records import Prompt
from groundtune.store.files import remove_folder
from groundtune.store.keys import key_of

log = logging.getLogger(__name__)


def hold_out(folder: Path, settings: AlignSettings, progress: Progress) -> None:
    """Read the prompts into asked/ and split them for choosing, reporting and learning."""
    if (request := requested(settings.prompts)) is not None:
        _make(request.source, folder, settings, progress)
        return
    source_run = RunFolder(folder / "asked")
    all_prompts = find_prompts(settings, source_run, progress).prompts
    groups: dict[tuple[str, ...], list[Prompt]] = {}
    for prompt in all_prompts:
        groups.setdefault(prompt.images, []).append(prompt)
    order = sorted(groups.items(), key=lambda group: key_of("held back", settings.seed, group[0]))
    parts: dict[str, list[Prompt]] = {"choosing": [], "reporting": [], "learning": []}
    full = _held_back(settings, len(all_prompts))
    for _, members in order:
        name = next((n for n, limit in full.items() if len(parts[n]) < limit), "learning")
        parts[name] += members
    if not parts["learning"]:
        raise UserError(
            f"Of {len(all_prompts)} prompts none is left to learn from.",
            settings.prompts or settings.images,
            "Give prompts about at least three images.",
        )
    held_back = images_of((*parts["choosing"], *parts["reporting"]), source_run.images)
    seen_images = training_images([settings.model, settings.adapter])
    for training in (images_of(parts["learning"], source_run.images), *seen_images):
        refuse_common(
            training,
            held_back,
            where=settings.prompts or settings.images,
            setting="allow_evaluation_images=true",
            allowed=settings.allow_evaluation_images,
        )
    for name, members in parts.items():
        _emptied(folder / name).take_prompts(source_run, members)


def _held_back(settings: AlignSettings, prompts: int) -> dict[str, int]:
    """Return how many of the prompts are for choosing and for the report; log a warning if few."""
    maximum = max(1, int(prompts * settings.held_back))
    requested_counts = {"choosing": settings.choose.prompts, "reporting": settings.reported}
    full = {name: min(number, maximum) for name, number in requested_counts.items()}
    if full != requested_counts:
        log.warning(
            "%s: of %d prompts, %d are for choosing (not choose.prompts=%d) and %d for the report "
            "(not reported=%d): each at most held_back=%g of all",
            settings.prompts or settings.images,
            prompts,
            full["choosing"],
            settings.choose.prompts,
            full["reporting"],
            settings.reported,
            settings.held_back,
        )
    return full


def _make(source: PromptSource, folder: Path, settings: AlignSettings, progress: Progress) -> None:
    """Make a source's prompts for choosing, and for reporting if it has no benchmarks."""
    parts: dict[Part, int] = {"choosing": settings.choose.prompts}
    if source.measure is None:
        parts["reporting"] = settings.reported
    for part, number in parts.items():
        target = _emptied(folder / part)
        new_prompts = source.prompts(target.images, number, progress, part=part, seed=settings.seed)
        target.prompts.add(new_prompts)


def of_round(prompts: list[Prompt], number: int, a_round: int, seed: int) -> list[Prompt]:
    """Return a round's prompts: the next `a_round` in a seeded order, wrapping around."""
    if not 0 < a_round < len(prompts):
        return prompts
    order = sorted(prompts, key=lambda prompt: key_of("round", seed, prompt.key))
    first = (number - 1) * a_round
    return [order[(first + i) % len(order)] for i in range(a_round)]


def _emptied(folder: Path) -> RunFolder:
    """Return a part's folder without the prompts of an attempt with other settings."""
    part = RunFolder(folder)
    remove_folder(part.prompts.path)
    return part
