"""`groundtune train`."""

import os
import sys
from pathlib import Path

from groundtune.cli.recipe_argument import Settings


def train(
    recipe: str | None = None,
    /,
    *settings: Settings,
    model: str | None = None,
    pairs: Path | None = None,
    out: Path = Path("runs/train"),
    skip_bad: bool | None = None,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Train a model on preference pairs.

    A command that was stopped resumes from its last checkpoint when you run it again. With
    --dry-run it only reports the plan: pairs, tokens, steps, and an estimate of memory and time.

    For example:

        groundtune train world-ddpo --pairs runs/candidates --out runs/ddpo
        groundtune train --model llava-hf/llava-1.5-7b-hf --pairs runs/rlhf-v --dry-run
        groundtune train world-dpo method.beta=0.2 optim.lr=1e-5 --pairs runs/candidates

    Args:
        recipe: Name of a recipe (`groundtune recipes list`), or a YAML file.
        settings: Settings that have no option, such as method.beta=0.2 or optim.lr=1e-5. They
            override the recipe, and options override both.
        model: A folder, a name on the Hugging Face hub, or world:base.
        pairs: Folder with the pairs that `groundtune pairs` or `groundtune import` wrote.
        out: Folder for the model, its checkpoints and the log.
        skip_bad: Skip and list pairs that can't be used, instead of stopping at the first.
        dry_run: Report the plan without training. Loads no weights.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_training
    from groundtune.cli.progress import open_progress
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.pipeline.train.plan import plan_training
    from groundtune.pipeline.train.run import TrainSettings, read_outcome, train

    source = read_recipe(recipe, settings)
    options = {"model": model, "pairs": pairs, "data.skip_bad": skip_bad}
    params = source.load(TrainSettings, options, command="train")
    follower = os.environ.get("RANK", "0") != "0"  # of several processes one prints
    with open_progress(silent=json or follower) as progress:
        if dry_run:
            if follower:
                return
            plan = plan_training(params, progress).model_dump()
            command_options = {"--model": model, "--pairs": pairs, "--out": out}
            words = [recipe, *settings, *["--skip-bad"] * bool(skip_bad)]
            words += [
                word for k, v in command_options.items() if v is not None for word in (k, str(v))
            ]
            command = ["groundtune", "train", *(word for word in words if word)]
            finish(plan, next_command=command, json=json)
            return
        result = train(params, out, progress, command=sys.argv)
    if not follower:
        following = after_training(result, params.pairs, out)
        finish(read_outcome(out), path=result, next_command=following, json=json)
