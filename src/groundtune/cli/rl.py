"""`groundtune rl`."""

import os
import sys
from pathlib import Path

from groundtune.cli.recipe_argument import Settings


def rl(
    recipe: str | None = None,
    /,
    *settings: Settings,
    model: str | None = None,
    prompts: str | None = None,
    out: Path = Path("runs/rl"),
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Train a model by reinforcement learning on its own answers.

    In each step the model answers some prompts several times, the answers' claims are checked by a
    labeler, and the model learns from the rewards. A command that was stopped resumes when you run
    it again.

    For example:

        groundtune rl world-rl --out runs/rl
        groundtune rl world-rl method.credit=claims --out runs/rl-credit
        groundtune rl world-rl --dry-run
        groundtune rl --model llava-hf/llava-1.5-7b-hf --prompts runs/asked feedback.labeler=self

    Args:
        recipe: Name of a recipe (`groundtune recipes list`), or a YAML file.
        settings: Settings that have no option, such as steps=50, n=8, method.type=grpo or
            rewards.coverage=2. They override the recipe, and options override both.
        model: The model to train: a folder, a name on the Hugging Face hub, or world:base.
        prompts: A file of prompts, a run's folder, or world:400.
        out: Folder for the model, its checkpoints, the rollouts and the log.
        dry_run: Report prompts, tokens, memory and hours without training. Loads no weights.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.pipeline.rl.memory import noted_line
    from groundtune.pipeline.rl.run import read_outcome
    from groundtune.pipeline.rl.run import rl as run_rl
    from groundtune.pipeline.rl.settings import RLSettings

    source = read_recipe(recipe, settings)
    params = source.load(RLSettings, {"model": model, "prompts": prompts}, command="rl")
    follower = os.environ.get("RANK", "0") != "0"  # of several processes one prints
    with open_progress(silent=json or follower) as progress:
        if dry_run:
            from groundtune.pipeline.rl.plan import plan_rl

            if not follower:
                finish(plan_rl(params, progress).model_dump(), json=json)
            return
        result = run_rl(params, out, progress, command=sys.argv)
    if follower:
        return
    outcome: dict[str, object] = {"verdict": result.verdict, **read_outcome(out, params)}
    outcome["models"] = noted_line(out)
    outcome["report"] = result.report
    if result.early_end:
        outcome["ended early"] = result.early_end
    finish(
        outcome,
        path=result.model,
        next_command=["groundtune", "serve", result.model],
        json=json,
    )
