"""Write docs/recipes.md and docs/recipes-published.md from what recipes say of themselves.

python tools/make_recipes_page.py docs
"""

import sys
from pathlib import Path

from groundtune.pipeline.recipes.about import About, ExpectedFigure, about_of
from groundtune.pipeline.recipes.registry import ShippedRecipe, shipped

TOP = """\
# Recipes

A recipe is a YAML file with the settings of one command. Those of published results also name their
data, licences, needs and figures. List them, look at one, plan it, run it:

    groundtune recipes list
    groundtune recipes show rlhf-v-5.7k
    groundtune plan rlhf-v-5.7k
    groundtune recipes run rlhf-v-5.7k --dry-run

- `recipes run NAME` imports the data from the Hugging Face hub (extra `hub`) and runs the command,
  or uses your data with `pairs=`, `prompts=` or `images=`. The same command resumes a stopped run.
- `plan NAME` estimates stages, tokens, hours, memory and cost on a machine (`--machine`)
  and says which differences the benchmarks can show with their number of items.
- `recipes copy NAME` writes the file for you to edit. Its first line names a JSON Schema, so that
  editors complete and check settings. `groundtune schema` prints those of recipes and records.

**No figure below was measured here**: they are the authors', most of other models; hours and memory
are of `groundtune plan`. Tests dry-run each recipe on a tiny model. `bench run` has your figures.
"""
WORLD = """
## Embedded world and your own data

| recipe | what it does |
|---|---|
"""
LLAVA_RLHF = """
## LLaVA-RLHF

Three stages, each with its recipe (`plan` does not cover them); [Reward models](reward.md) and
[Reinforcement learning](rl.md) have the faults of the published code that they repeat.

    groundtune train llava-rlhf-sft --out runs/sft
    groundtune reward train llava-rlhf-reward --out runs/reward
    groundtune rl llava-rlhf-ppo prompts=asked.jsonl images=train2017 --out runs/rl

The reward model is trained on the 13B model for both sizes; for the 13B policy add
`model=llava-hf/llava-1.5-13b-hf` to the first and third. Preferences are LLaVA-Human-Preference-10K
(apache-2.0), images COCO's. The score rises; the rate of hallucinated answers does not fall.

| published (arXiv 2309.14525, reading notes) | MMHal-Bench score | hallucinated | LLaVA-Bench |
|---|---|---|---|
| LLaVA-SFT+ 7B, LLaVA-RLHF 7B | 1.76, 2.05 | 0.67, 0.68 | 86.3, 94.1 |
| LLaVA-SFT+ 13B, LLaVA-RLHF 13B | 2.43, 2.53 | 0.55, 0.57 | 85.2, 95.6 |
"""


def page() -> str:
    """The page's text."""
    found = [(recipe, about_of(recipe.path)) for recipe in shipped()]
    published = [(r, a) for r, a in found if a and a.published]
    today = [(r, a) for r, a in found if a and not a.published]
    plain = [recipe for recipe, about in found if about is None]
    parts = [TOP, "\n## Published results\n\n", DIFFERENCES, _table(published)]
    parts += ["\n## Models of today\n\n", TODAY, _table(today)]
    parts += [WORLD, *(f"| `{each.name}` | {each.about} |\n" for each in plain), LLAVA_RLHF]
    return "".join(parts)


def published_page() -> str:
    """The text of the page about the authors' runs."""
    found = [(recipe, about_of(recipe.path)) for recipe in shipped()]
    details = (_details(recipe, about) for recipe, about in found if about and about.published)
    return PUBLISHED_TOP + "".join(details)


DIFFERENCES = """\
[Published runs](recipes-published.md) has the authors' settings, what a recipe does otherwise, and
where figures are from.

"""
PUBLISHED_TOP = """\
# Published runs

What the authors of the published [recipes](recipes.md) ran and on what, what the recipes can't
express, and where the figures are from.
"""
TODAY = """\
Four rounds of RLAIF-V's settings with a LoRA, in which the model labels its own answers. No figure
is published for these models and this method. The closest is 10.1% of answers with an invented
object on Object HalBench, of LLaVA-1.5-7B with the same LoRA (issue 30 of RLAIF-V's repository).

"""


def _table(recipes: list[tuple[ShippedRecipe, About]]) -> str:
    heads = ["recipe", "model, licence", "data, licence", "needs (estimates)"]
    heads += ["published: before, after"] if any(about.published for _, about in recipes) else []
    lines = "".join(_line(*each) for each in recipes)
    return f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n{lines}"


def _line(recipe: ShippedRecipe, about: About) -> str:
    data = sorted({f"{each.hub}, {each.licence}" for each in about.data})
    needs = about.needs
    count = f"{needs.machines} x " if needs.machines > 1 else ""
    cost = f"{count}{needs.machine}, {needs.memory_gb:g} GB, {needs.hours:g} h"
    figures = "; ".join(_figure(each) for each in about.expected if each.value is not None)
    model = f"{_model_of(recipe)}, {about.model_licence}"
    cells = [f"`{recipe.name}`", model, "; ".join(data), cost]
    cells += [figures] if about.published else []
    return "| " + " | ".join(cells) + " |\n"


def _figure(figure: ExpectedFigure) -> str:
    before = "-" if figure.base is None else f"{figure.base:g}"
    return f"{figure.benchmark} ({figure.metric}) {before}, {figure.value:g}"


def _model_of(recipe: ShippedRecipe) -> str:
    lines = recipe.path.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("model: ") for line in lines if line.startswith("model: "))


def _details(recipe: ShippedRecipe, about: About) -> str:
    published = about.published
    assert published is not None
    hours = f", {published.hours} hours" if published.hours else ""
    lines = [
        f"\n## {recipe.name}\n",
        f"Authors' run: {published.model}; {published.hardware}{hours}.",
    ]
    lines += [published.nearest] if published.nearest else []
    lines += [
        "",
        *(f"- {name.replace('_', ' ')}: {value}" for name, value in published.settings.items()),
    ]
    lines += [f"- {note}" for note in about.notes]
    sources = dict.fromkeys(figure.source for figure in about.expected)
    return "\n".join([*lines, f"- Figures: {'; '.join(sources)}."]) + "\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "recipes.md").write_text(page(), encoding="utf-8")
    (folder / "recipes-published.md").write_text(published_page(), encoding="utf-8")
