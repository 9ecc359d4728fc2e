"""`groundtune world examples`."""

import sys
from pathlib import Path


def examples(
    *,
    out: Path,
    scenes: int = 400,
    captions: int = 1,
    questions: int = 4,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Write true captions and answers as examples for supervised tuning.

    The scenes are from the train split, and no model of the world was trained on them. A command
    that was stopped resumes when you run it again.

    For example:

        groundtune world examples --scenes 400 --out runs/truth

    Args:
        out: Folder for the prompts, answers and images.
        scenes: Number of scenes.
        captions: True captions per scene.
        questions: Questions per scene, with their true answers.
        seed: Random seed of the scenes, the wordings and the questions.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.world.examples import WorldExamples, make_examples
    from groundtune.recipe_loading import load

    options: dict[str, object] = {
        "scenes": scenes,
        "captions": captions,
        "questions": questions,
        "seed": seed,
    }
    settings = load(None, (), WorldExamples, options=options)
    with open_progress(silent=json) as progress:
        summary = make_examples(settings, out, progress, command=sys.argv)
    finish(
        summary.model_dump(mode="json"),
        path=out / "answers",
        next_command=["groundtune", "train", "world-sft", "--pairs", out, "--out", f"{out}-sft"],
        json=json,
    )
