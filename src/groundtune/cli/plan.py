"""`groundtune plan`."""

from typing import TYPE_CHECKING

from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from groundtune.pipeline.plan.run import Effect, RecipePlan


def plan(
    recipe: str,
    /,
    *settings: Settings,
    machine: str | None = None,
    machines: int | None = None,
    price: float | None = None,
    rows: int | None = None,
    n: int | None = None,
    json: bool = False,
) -> None:
    """Estimate what a recipe takes before it runs.

    Prints the recipe's stages with their tokens and hours, the memory, the cost, and the smallest
    difference that its benchmarks can show. Loads no weights and needs no data. Rates are those of
    a data sheet, or measured with --machine here.

    For example:

        groundtune plan rlhf-v-5.7k
        groundtune plan qwen3-vl-4b rounds=1 --machine rtx-4090-24gb --price 0.4
        groundtune plan world-ddpo --machine here --rows 1400

    Args:
        recipe: Name of a recipe of train or align, or a YAML file.
        settings: Settings that override the recipe.
        machine: here, a100-80gb, h100-80gb, h200-141gb, l40s-48gb or rtx-4090-24gb (default: the
            recipe's, or here).
        machines: Accelerators. Rounds share out everything but training.
        price: Dollars per accelerator and hour, instead of the table's.
        rows: Pairs of train, or prompts per round of align, instead of the recipe's.
        n: Items per benchmark, instead of its own number.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.cli.table import print_table
    from groundtune.pipeline.plan.run import PlanOptions, plan_recipe
    from groundtune.pipeline.recipes.registry import find

    words = read_recipe(recipe, settings).settings
    estimate = plan_recipe(find(recipe), words, PlanOptions(machine, machines, price, rows, n))
    following = ["groundtune", "recipes", "run", recipe, *words]
    if json:
        finish(estimate.model_dump(), next_command=following, json=True)
        return
    heads = ("stage", "model", "tokens", "hours", "memory")
    print_table(
        [
            heads,
            *(
                (s.name, s.model, _short(s.tokens), _hours(s.hours), f"{s.memory_gb:.1f} GB")
                for s in estimate.stages
            ),
        ]
    )
    print()
    finish(_summary(estimate), next_command=following)


def _summary(estimate: "RecipePlan") -> dict[str, object]:
    times = f"{estimate.machines} x " if estimate.machines > 1 else ""
    fits = "fits" if estimate.fits else "does not fit"
    return {
        "machine": f"{times}{estimate.machine}: {estimate.rates}",
        "hours": _hours(estimate.hours),
        "tokens": _short(estimate.tokens),
        "memory": f"{estimate.memory_gb:.1f} GB of {estimate.memory_there_gb:.0f} GB: {fits}",
        "cost": f"{estimate.dollars:.0f} dollars" if estimate.dollars else "no price (--price)",
        **{
            f"{each.benchmark} can show{f' ({number})' * (number > 1)}": _shown(each)
            for number, each in _numbered(estimate.effects)
        },
        **{f"note {number}": note for number, note in enumerate(estimate.notes, 1)},
    }


def _numbered(effects: "Sequence[Effect]") -> "list[tuple[int, Effect]]":
    """Return each figure with its place among those of its benchmark, from 1."""
    return [
        (sum(other.benchmark == each.benchmark for other in effects[: at + 1]), each)
        for at, each in enumerate(effects)
    ]


def _shown(effect: "Effect") -> str:
    published = f"; published: {effect.published:+.1f}" if effect.published is not None else ""
    return (
        f"differences from {effect.smallest:.1f} points, n={effect.n} at {effect.base:.1f}%"
        f"{published}"
    )


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _short(number: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f} {letter}"
    return f"{number:.0f}"
