"""What a recipe would take: stages, hours, memory, cost, and what its benchmarks can show."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.bench.stats.power import SPAN
from groundtune.errors import UserError
from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.models.names import is_endpoint, resolve
from groundtune.pipeline.models.sizes import FREE_SHARE, MODELS, ModelSize, sizes_of_known
from groundtune.pipeline.plan.machines import HERE, rates_of
from groundtune.pipeline.plan.stages import PlanStage, RecipeModel, rounds, training
from groundtune.pipeline.recipes.about import About, ExpectedFigure, about_of
from groundtune.pipeline.recipes.registry import command_of
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.train.settings import Learning, TrainSettings
from groundtune.recipe_loading import load
from groundtune.records import Record
from groundtune.train.tune import Full

ANSWER_TOKENS = 100
"""Tokens of an answer where a recipe's data says nothing: RLAIF-V's rows have 99.6 on average."""


class Effect(Record):
    """What a benchmark can show."""

    benchmark: str
    metric: str
    n: int
    """Items."""
    base: float
    """Percentage before training; 50, the hardest case, where none is published."""
    smallest: float
    """Smallest detectable difference in points: found four times in five at 5%, two-sided, each
    model on the same items. Counted as if their answers were independent; pairing lowers it."""
    published: float | None
    """Difference that was published."""


class RecipePlan(Record):
    """A recipe's stages and what they take."""

    recipe: str
    machine: str
    machines: int
    rates: str
    """Where the rates are from."""
    stages: tuple[PlanStage, ...]
    tokens: float
    hours: float
    memory_gb: float
    """Peak of one accelerator."""
    memory_there_gb: float
    fits: bool
    dollars: float
    """Hours on all machines at the price; 0 without a price."""
    effects: tuple[Effect, ...]
    notes: tuple[str, ...]


class PlanOptions(NamedTuple):
    """What the user says next to the recipe; None is what the recipe says."""

    machine: str | None = None
    machines: int | None = None
    price: float | None = None
    rows: int | None = None
    n: int | None = None


def plan_recipe(
    path: Path, overrides: Sequence[str], options: PlanOptions | None = None
) -> RecipePlan:
    """Return what a recipe would take, without loading weights.

    Raises:
        UserError: another command's recipe, an unknown machine, a model whose configuration is not
            on this machine, or an unknown number of pairs.
    """
    options = options or PlanOptions()
    command, about = command_of(path), about_of(path)
    needs = about.needs if about else None
    machine = options.machine or (needs.machine if needs else HERE)
    machines = options.machines or (needs.machines if needs and not options.machine else 1)
    if command == "train":
        settings = load(path, overrides, TrainSettings)
        model = known(settings.model, settings)
        rates = rates_of(machine, model.size.width, model.size.inner)
        rows = options.rows or _rows(settings.pairs, about)
        stages = training(
            model, settings, rates, pairs=rows, answer=_answer(about), machines=machines
        )
        notes: list[str] = []
    elif command == "align":
        settings = load(path, overrides, AlignSettings)
        model = known(settings.model, settings.learn, revision=settings.revision)
        rates = rates_of(machine, model.size.width, model.size.inner)
        prompts = options.rows or settings.prompts_per_round or _prompts(settings.prompts)
        labeler, notes = _labeler(settings, model)
        stages = rounds(
            model, labeler, settings, rates, _answer(about), prompts=prompts, machines=machines
        )
    else:
        raise UserError(
            f"Recipes of groundtune {command} can't be planned.",
            str(path),
            "Give a recipe of train or align; groundtune recipes list names them.",
        )
    peak = max(stage.memory_gb for stage in stages)
    hours = sum(stage.hours for stage in stages)
    price = rates.dollars_per_hour if options.price is None else options.price
    fits = peak <= rates.memory_gb * FREE_SHARE
    if not fits:
        notes.append(_too_large(peak, rates.memory_gb))
    return RecipePlan(
        recipe=path.stem,
        machine=rates.name,
        machines=machines,
        rates=rates.source,
        stages=tuple(stages),
        tokens=sum(stage.tokens for stage in stages),
        hours=hours,
        memory_gb=peak,
        memory_there_gb=rates.memory_gb,
        fits=fits,
        dollars=hours * machines * price,
        effects=tuple(
            _effect(each, options.n) for each in (about.expected if about else ()) if each.share
        ),
        notes=tuple(notes),
    )


def known(name: str, learning: Learning | None = None, *, revision: str = "main") -> RecipeModel:
    """Return a model's sizes: from the table, or from its configuration on this machine.

    Raises:
        UserError: the configuration is not on this machine and can't be fetched.
    """
    size = MODELS.get(name)
    if size is None:
        size = _read_size(name, revision)
    tune = learning.tune if learning else None
    full = isinstance(tune, Full)
    sizes = sizes_of_known(
        size,
        full=full,
        rank=0 if tune is None or isinstance(tune, Full) else tune.r,
        tower=isinstance(tune, Full) and "tower" in tune.parts,
    )
    return RecipeModel(name, size, sizes)


def _read_size(name: str, revision: str) -> ModelSize:
    from groundtune.train.estimate import sizes_of
    from groundtune.vlm.load import outline

    vlm = outline(resolve(name), revision=revision)
    sizes = sizes_of(vlm.model, adapted=False)
    text = vlm.model.config.get_text_config()
    vision = getattr(vlm.model.config, "vision_config", None)
    patch = int(getattr(vision, "patch_size", 14) or 14)
    side = int(getattr(vision, "image_size", 336) or 336)
    return ModelSize(
        weights=sizes.weights,
        tower=sizes.tower,
        layers=sizes.layers,
        width=sizes.width,
        inner=sizes.inner,
        vocabulary=sizes.vocabulary,
        image_tokens=int(getattr(vlm.processor, "image_seq_length", 0) or (side // patch) ** 2),
        tied=bool(getattr(text, "tie_word_embeddings", False)),
    )


def _labeler(settings: AlignSettings, model: RecipeModel) -> tuple[RecipeModel | None, list[str]]:
    name = settings.feedback.labeler
    if name == "self":
        return model, []
    if is_endpoint(name):
        return None, [f"The labeler {name} is an endpoint: its hours and cost are not counted."]
    return known(name), []


def _rows(pairs: Path, about: About | None) -> int:
    if about and about.data:
        return round(sum(source.rows * (source.weight or 1) for source in about.data))
    return len(RunFolder(pairs).pairs.read()) or _unknown("pairs", str(pairs))


def _prompts(prompts: str) -> int:
    name, _, number = prompts.partition(":")
    if name and number.isdigit():
        return int(number)
    return _unknown("prompts", prompts or "prompts")


def _unknown(what: str, where: str) -> int:
    raise UserError(
        f"The number of {what} is not known before they are there.", where, "Give it with --rows N."
    )


def _answer(about: About | None) -> int:
    sources = about.data if about else ()
    if not sources:
        return ANSWER_TOKENS
    counts = [source.rows * (source.weight or 1) for source in sources]
    tokens = sum(s.answer_tokens * count for s, count in zip(sources, counts, strict=True))
    return round(tokens / sum(counts))


def _effect(figure: ExpectedFigure, n: int | None) -> Effect:
    n = n or figure.n
    share = (50.0 if figure.base is None else figure.base) / 100
    both = None if figure.base is None or figure.value is None else figure.value - figure.base
    return Effect(
        benchmark=figure.benchmark,
        metric=figure.metric,
        n=n,
        base=100 * share,
        smallest=100 * SPAN * math.sqrt(2 * share * (1 - share) / n),
        published=both,
    )


def _too_large(peak: float, there: float) -> str:
    return (
        f"It does not fit: {peak:.0f} GB are needed, and {there:.0f} GB are there. Train a LoRA "
        "(tune.type=lora), use gradient_checkpointing=true, shard=true on several accelerators, or "
        "choose another --machine."
    )
