"""`groundtune reward`: train a reward model and score answers with it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from groundtune.pipeline.reward.accuracy import RewardAccuracy


def train(
    recipe: str | None = None,
    /,
    *settings: Settings,
    model: str | None = None,
    feedback: Path | None = None,
    learn: Literal["answers", "words"] | None = None,
    facts: str | None = None,
    out: Path = Path("runs/reward"),
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Train a reward model on comparisons, pairs or corrections.

    Examples about some images are held out: the report has the accuracy on them, next to what the
    answers' lengths alone reach. A command that was stopped resumes from its last checkpoint when
    you run it again.

    For example:

        groundtune reward train world-reward --feedback runs/compared --out runs/reward
        groundtune reward train world-reward head=linear --feedback runs/compared --facts truth
        groundtune reward train world-reward --feedback runs/compared --dry-run
        groundtune reward train --model llava-hf/llava-1.5-7b-hf --feedback runs/rlhf-v

    Args:
        recipe: Name of a recipe (`groundtune recipes list`), or a YAML file.
        settings: Settings that have no option, such as head=linear or optim.lr=1e-5.
        model: The model to start from: a folder, a name on the Hugging Face hub, or world:base.
        feedback: Folder with comparisons, pairs or corrections.
        learn: One reward per answer (answers), or which words are wrong (words), from corrections.
        facts: Facts that the reward model reads: none, the prompts' (shown), those of another image
            as a placebo (other-scene), or the whole truth as an upper bound (truth).
        out: Folder for the reward model, its checkpoints and the report.
        dry_run: Report examples, tokens, memory and hours without training. Loads no weights.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.pipeline.reward.run import train_reward
    from groundtune.pipeline.reward.settings import RewardSettings

    source = read_recipe(recipe, settings)
    options = {
        "model": model,
        "feedback": feedback,
        "learn": learn,
        "judging.facts.show": facts,
    }
    params = source.load(RewardSettings, options, command="reward train")
    follower = os.environ.get("RANK", "0") != "0"  # of several processes one prints
    with open_progress(silent=json or follower) as progress:
        if dry_run:
            from groundtune.pipeline.reward.plan import plan_reward

            if not follower:
                finish(plan_reward(params, progress).model_dump(), json=json)
            return
        result = train_reward(params, out, progress, command=sys.argv)
    if follower:
        return
    evaluation = result.evaluation
    output: dict[str, object] = evaluation.model_dump(mode="json")
    if not json:
        output = {**_shown(evaluation), "report": result.report}
    finish(
        output,
        path=result.model,
        next_command=["groundtune", "reward", "score", result.model, params.feedback],
        json=json,
    )


def _shown(evaluation: "RewardAccuracy") -> dict[str, object]:
    """Return an evaluation as lines of text."""
    from groundtune.pipeline.reward.accuracy import summary

    rows = {evaluation.accuracy.metric: evaluation.accuracy, **evaluation.baselines}
    left_out = {f"left out, {why}": number for why, number in evaluation.left_out.items()}
    return {**summary(rows), **left_out}


def score(
    rewarder: str,
    answers: Path,
    /,
    *settings: Settings,
    facts: str | None = None,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Score answers with a reward model, a reward of an installed package, or a server.

    A command that was stopped resumes when you run it again.

    For example:

        groundtune reward score runs/reward/model runs/candidates
        groundtune reward score runs/reward/model runs/candidates --facts none --out runs/scores
        groundtune reward score http://127.0.0.1:9000/reward runs/candidates limits.timeout_s=60

    Args:
        rewarder: Folder of a reward model, name of an installed reward, or the URL of a server.
        answers: Folder with the answers that `groundtune sample` wrote.
        settings: Settings that have no option: device, dtype, prompts_at_once, allow_chance, and
            limits of a server.
        facts: Facts that it reads: none, the prompts' (shown), those of another image
            (other-scene), or the whole truth (truth). Default: a reward model's own setting.
        out: Folder for the scores (default: the folder of the answers).
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.reward.score import RewardScoreSettings, score_answers
    from groundtune.recipe_loading import load

    options = {"rewarder": rewarder, "facts": facts}
    params = load(None, list(settings), RewardScoreSettings, options=options)
    with open_progress(silent=json) as progress:
        summary = score_answers(answers, out or answers, params, progress, command=sys.argv)
    finish(summary.model_dump(), path=(out or answers) / "scores.jsonl", json=json)


def measure(
    rewarder: str,
    feedback: Path,
    /,
    *settings: Settings,
    facts: str | None = None,
    out: Path = Path("runs/reward-measure"),
    json: bool = False,
) -> None:
    """Measure a reward on comparisons, pairs or corrections that nothing was learnt from.

    The report has the accuracy as that of `groundtune reward train`: of a token-level reward model
    the F1 of wrong words on corrections, of all others the accuracy on comparisons or pairs.

    For example:

        groundtune reward measure runs/reward/model runs/other-comparisons
        groundtune reward measure runs/words/model runs/other-corrections --out runs/words-measure

    Args:
        rewarder: Folder of a reward model, name of an installed reward, or the URL of a server.
        feedback: Folder with comparisons, pairs or corrections.
        settings: Settings that have no option: learn, use, ties, skip_bad, device, dtype,
            allow_chance, allow_training_images, and limits of a server.
        facts: Facts that it reads, as in `groundtune reward score`.
        out: Folder for the report and evaluation.json.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.reward.held_out import RewardMeasureSettings, measure_reward
    from groundtune.recipe_loading import load

    options = {"rewarder": rewarder, "feedback": feedback, "facts": facts}
    params = load(None, list(settings), RewardMeasureSettings, options=options)
    with open_progress(silent=json) as progress:
        evaluation = measure_reward(params, out, progress, command=sys.argv)
    output = evaluation.model_dump(mode="json") if json else _shown(evaluation)
    finish(output, path=out / "report.html", json=json)


def filter_(
    rewarder: str,
    pairs: Path,
    /,
    *settings: Settings,
    facts: str | None = None,
    out: Path = Path("runs/filtered"),
    json: bool = False,
) -> None:
    """Keep the pairs whose chosen answer has the higher reward.

    For example:

        groundtune reward filter runs/reward/model runs/rlhf-v --out runs/rlhf-v-agreed
        groundtune reward filter runs/reward/model runs/rlhf-v margin=0.5 --facts shown

    Args:
        rewarder: Folder of a reward model, name of an installed reward, or the URL of a server.
        pairs: Folder with the pairs that `groundtune pairs` or `groundtune import` wrote.
        settings: Settings that have no option: margin, device, dtype, allow_chance, and limits of a
            server.
        facts: Facts that it reads, as in `groundtune reward score`.
        out: Folder for the pairs that are kept.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_pairs
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.reward.filtering import FilterSettings, filter_pairs
    from groundtune.recipe_loading import load

    options = {"rewarder": rewarder, "facts": facts}
    params = load(None, list(settings), FilterSettings, options=options)
    with open_progress(silent=json) as progress:
        summary = filter_pairs(pairs, out, params, progress, command=sys.argv)
    following = after_pairs(out)
    finish(summary.model_dump(), path=out / "pairs", next_command=following, json=json)
