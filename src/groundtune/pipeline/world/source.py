"""The embedded world as a prompt source: everything that general code can ask of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.pipeline.models.prompt_sources import Part, PromptSource
from groundtune.protocols import Annotator, Comparer, Divider, Editor, NamedYesNo, Progress, Truth
from groundtune.records import Producer, Prompt
from groundtune.world import DATASET, NAME

if TYPE_CHECKING:
    from groundtune.pipeline.models.measure import Measure
    from groundtune.store.images import ImageStore


def _prompts(
    images: "ImageStore", count: int, progress: Progress, *, part: Part, seed: int
) -> list[Prompt]:
    from groundtune.pipeline.world.prompts import PARTS

    return PARTS[part](images, count, seed, progress, "clear")


def _hard_prompts(
    images: "ImageStore", count: int, progress: Progress, *, part: Part, seed: int
) -> list[Prompt]:
    from groundtune.pipeline.world.prompts import PARTS

    return PARTS[part](images, count, seed, progress, "hard")


def _model(name: str) -> Path:
    from groundtune.world import weights

    return weights.path(name)


def _divider() -> Divider:
    from groundtune.world.claims import WorldDivider

    return WorldDivider()


def _divider_of_setting() -> Divider:
    from groundtune.world.claims import WorldDivider

    return WorldDivider(setting=True)


def _annotator(error_rate: float, seed: int) -> tuple[Annotator, Producer]:
    from groundtune.world.simulated_people import annotator

    return annotator(error_rate, seed)


def _editor() -> Editor:
    from groundtune.world.editor import WorldEditor

    return WorldEditor()


def _oracle(images: "ImageStore", prompts: Sequence[Prompt]) -> NamedYesNo:
    from groundtune.bench.world.images import find_scene
    from groundtune.world.oracle import WorldOracle

    del images
    world_prompts = [prompt for prompt in prompts if prompt.source.dataset == DATASET]
    return WorldOracle(
        {prompt.images[0]: find_scene(prompt.source.row) for prompt in world_prompts}
    )


def _comparer(error_rate: float, seed: int) -> tuple[Comparer, Producer]:
    from groundtune.world.simulated_people import SimulatedComparer

    comparer = SimulatedComparer(error_rate, seed=seed)
    return comparer, comparer.producer


def _truth(prompt: Prompt, text: str) -> Truth:
    from groundtune.bench.world.captions import caption_values
    from groundtune.bench.world.images import find_scene
    from groundtune.world.read import read
    from groundtune.world.truth import check

    scene, reading = find_scene(prompt.source.row), read(text)
    values = caption_values(scene, text, reading, check(scene, reading))
    return Truth(
        wrong=values["wrong"] > 0,
        mentions=int(values["mentions"]),
        invented=int(values["invented_mentions"]),
        named=int(values["classes"]),
        there=int(values["truth_classes"]),
    )


def _measure() -> "Measure":
    from groundtune.pipeline.world.measure import WorldMeasure

    return WorldMeasure()


def _hard_measure() -> "Measure":
    from groundtune.pipeline.world.measure import WorldMeasure

    return WorldMeasure("hard")


WORLD = PromptSource(
    name=NAME,
    dataset=DATASET,
    prompts=_prompts,
    model=_model,
    dividers={NAME: _divider, "world-setting": _divider_of_setting},
    claim_settings={"divider": NAME, "asking": {"suffix": " Answer yes or no."}},
    annotator=_annotator,
    editor=_editor,
    oracle=_oracle,
    comparer=_comparer,
    truth=_truth,
    measure=_measure,
    benchmarks=(NAME,),
    recipe="world-ddpo",
    elsewhere="A model of the embedded world answered here about images that are not of that "
    "world. It has only ever seen drawn scenes: its answers show that files, sizes and formats "
    "pass, nothing else.",
)
"""`world-setting` also asks about place and background, which the world's models were not taught.
They know this suffix and no other (docs/measured/claims.md has the figures)."""

HARD_WORLD = replace(
    WORLD,
    name="world-hard",
    prompts=_hard_prompts,
    model=None,
    measure=_hard_measure,
    benchmarks=("world-hard",),
)
"""The same about hard scenes. No model of them is shipped, and `world:base` doesn't know them."""
