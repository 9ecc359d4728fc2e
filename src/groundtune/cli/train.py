"""`groundtune train`."""

import shlex
import sys
from pathlib import Path


def train(
    recipe: Path,
    *overrides: str,
    out: Path = Path("runs/train"),
    pairs: Path | None = None,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Train on pairs, as a recipe says.

    Run again, it goes on from the last checkpoint.

    Args:
        recipe: A YAML file with the settings of training.
        overrides: Settings in place of the file's: method.beta=0.2 optim.lr=1e-5 model=DIR.
        out: Folder for the model, its checkpoints and the log.
        pairs: Folder that holds the pairs, in place of the recipe's.
        dry_run: Only say what would be done: pairs, tokens, steps.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.train import TrainParams, plan_training, read_outcome
    from groundtune.pipeline.train import train as run_training
    from groundtune.recipe import load

    settings = [*overrides, *([f"pairs={pairs}"] if pairs else [])]
    params = load(recipe, settings, TrainParams)
    again = shlex.join(["groundtune", "train", str(recipe), *settings, "--out", str(out)])
    with open_progress(silent=json) as progress:
        if dry_run:
            plan = plan_training(params, progress)
            finish(plan.model_dump(), next_command=again, json=json)
            return
        model = run_training(params, out, progress, command=sys.argv)
    finish(
        read_outcome(out),
        wrote=model,
        next_command=shlex.join(["groundtune", "bench", "run", str(model)]),
        json=json,
    )
