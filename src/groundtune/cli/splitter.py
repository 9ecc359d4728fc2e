"""`groundtune splitter lessons` and `groundtune splitter score`."""

import sys
from pathlib import Path

from groundtune.cli.recipe_argument import Settings
from groundtune.store.json_writing import write_object


def lessons(
    *settings: Settings,
    claims: Path,
    out: Path = Path("runs/lessons"),
    json: bool = False,
) -> None:
    """Make training examples from answers that are split into claims.

    For each answer, its claims become the reply that your model should learn to give. Some images
    are held out, to measure afterwards how well the model agrees with the recorded claims.

    For example:

        groundtune splitter lessons --claims runs/candidates --out runs/lessons

    Args:
        settings: Settings that have no option: instruction, held_out, seed.
        claims: Folder with the claims that `groundtune label --by claims` wrote.
        out: Folder for the training examples.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.splitter import LessonSettings, make_lessons
    from groundtune.recipe_loading import load

    params = load(None, settings, LessonSettings)
    with open_progress(silent=json) as progress:
        counts = make_lessons(claims, out, params, progress, command=sys.argv)
    following = ["groundtune", "train", "world-splitter", "--pairs", out, "--out", "runs/splitter"]
    finish(counts.model_dump(), path=out, next_command=following, json=json)


def score(
    model: str,
    /,
    *settings: Settings,
    lessons: Path = Path("runs/lessons"),
    out: Path = Path("runs/splitter-score"),
    json: bool = False,
) -> None:
    """Measure how well a model splits answers into claims.

    Compares its claims with the recorded ones, on the held-out answers.

    For example:

        groundtune splitter score runs/splitter/model --lessons runs/lessons

    Args:
        model: The model that splits: a folder, a name on the hub, or openai:MODEL@URL.
        settings: Settings that have no option: instruction, max_new_tokens, batch_size, device,
            dtype, seed.
        lessons: Folder that `groundtune splitter lessons` wrote.
        out: Folder for the model's claims and score.json.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.splitter import HELD_OUT, SplitterSettings, score_splitter
    from groundtune.pipeline.models.generators import open_generator
    from groundtune.pipeline.runs.folder import RunFolder
    from groundtune.recipe_loading import load
    from groundtune.store.lock import hold

    scoring = load(None, settings, SplitterSettings, options={"model": model})
    file = out / "score.json"
    with hold(out), open_progress(silent=json) as progress:
        generator = open_generator(scoring, RunFolder(lessons / HELD_OUT).images)
        result = score_splitter(generator, lessons, out, scoring, progress, command=sys.argv)
        write_object(file, result, indent=2)
    output: dict[str, object] = result.model_dump(mode="json")
    if not json:
        output = {name: _with_interval(value) for name, value in output.items()}
    label = ["groundtune", "label", f"instruction={scoring.instruction}", "--by", "claims"]
    label += ["--divider", model, "--answers", str(lessons / HELD_OUT), "--out", f"{out}-claims"]
    finish(output, path=file, next_command=label, json=json)


def _with_interval(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    share, low, high = value  # pyright: ignore[reportUnknownVariableType]
    return f"{share:.1%} ({low:.1%} to {high:.1%})"
