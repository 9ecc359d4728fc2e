"""`groundtune train`."""

import os
import shlex
import sys
from pathlib import Path


def train(
    *recipe: str,
    model: str | None = None,
    pairs: Path | None = None,
    out: Path = Path("runs/train"),
    skip_bad: bool | None = None,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Train on pairs, as a recipe says.

    Run again with the same --out, it goes on from its last checkpoint.

    Args:
        recipe: A recipe's name or file, if any, and key=value settings, as in method.beta=0.2
            optim.lr=1e-5.
        model: A folder, a name on the Hugging Face hub, or world:base.
        pairs: Folder that holds the pairs, as `groundtune pairs` or `groundtune import` wrote it.
        out: Folder for the model, its checkpoints and the log.
        skip_bad: Leave out pairs that can't be used and list them, rather than stop at the first.
        dry_run: Only say what would be done: pairs, rows, tokens, steps, with an estimate of memory
            and time from a moment's measurement here. Reads no weights.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.given import read_words
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.recipes import find
    from groundtune.pipeline.train.plan import plan_training
    from groundtune.pipeline.train.run import TrainParams, read_outcome, train
    from groundtune.recipe import load

    given = read_words(recipe)
    params = load(
        find(given.recipe) if given.recipe else None,
        given.settings,
        TrainParams,
        options={"model": model, "pairs": pairs, "data.skip_bad": skip_bad},
    )
    follower = os.environ.get("RANK", "0") != "0"  # of several processes one speaks
    with open_progress(silent=json or follower) as progress:
        if dry_run:
            if follower:
                return
            plan = plan_training(params, progress).model_dump()
            options = {"--model": model, "--pairs": pairs, "--out": out}
            command = ["groundtune", "train", *recipe, *["--skip-bad"] * bool(skip_bad)]
            command += [word for k, v in options.items() if v is not None for word in (k, str(v))]
            finish(plan, next_command=shlex.join(command), json=json)
            return
        result = train(params, out, progress, command=sys.argv)
    if follower:
        return
    finish(
        read_outcome(out),
        wrote=result,
        next_command=shlex.join(["groundtune", "sample", "--model", str(result), "--prompts"])
        + f" {shlex.quote(str(params.pairs))} --out {shlex.quote(str(out))}-answers",
        json=json,
    )
