"""`groundtune world data` and `groundtune world judge`."""

from pathlib import Path
from typing import Literal


def data(
    *,
    out: Path,
    scenes: int = 200,
    split: Literal["development", "train"] = "development",
    start: int = 0,
    difficulty: Literal["clear", "hard"] = "clear",
    json: bool = False,
) -> None:
    """Write scenes as data sets, with their ground truth.

    Writes images, and what is true of them in published layouts: COCO's instances and captions,
    Visual Genome's regions, facts, multiple-choice questions, and the questions of MME,
    MMHal-Bench and SHR. The commands for these files read them as they are.

    For example:

        groundtune world data --scenes 200 --out world-data

    Args:
        out: Folder for the files.
        scenes: Number of scenes. MMHal-Bench needs about 110.
        split: Split of the scenes.
        start: Index of the first scene.
        difficulty: clear, or hard: small objects, partly hidden, in noise.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.world.data_sets import WorldData, write_data
    from groundtune.recipe_loading import load

    options: dict[str, object] = {"scenes": scenes, "split": split, "start": start}
    options["difficulty"] = difficulty
    settings = load(None, (), WorldData, options=options)
    with open_progress(silent=json) as progress:
        summary = write_data(settings, out, progress)
    mme = out / "mme"
    again = ["groundtune", "bench", "run", "world:base", "mme", "--data", mme, "--images", mme]
    finish(
        summary.model_dump(mode="json"),
        path=out,
        next_command=[*again, "--out", f"{out}-mme"],
        json=json,
    )


def judge(
    name: Literal["mmhal", "shr"],
    answers: Path,
    /,
    *,
    data: Path,
    out: Path,
    error_rate: float = 0.0,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Judge answers about scenes by the ground truth.

    Replies as the judge of MMHal-Bench or SHR would, by rules that know the scenes, into a file
    for `groundtune bench score --judge-replies`.

    For example:

        groundtune world judge mmhal answers.jsonl --data world-data --out replies.jsonl

    Args:
        name: mmhal or shr.
        answers: File in any layout that `groundtune bench score` reads, or the folder of
            `groundtune bench run`.
        data: Folder that `groundtune world data` wrote.
        out: File for the replies, ending in .jsonl.
        error_rate: Chance that a verdict is wrong, 0 to 1.
        seed: Random seed of the wrong verdicts.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.world.judging import write_replies

    summary = write_replies(name, data, answers, out, error_rate=error_rate, seed=seed)
    score: list[str | Path] = ["groundtune", "bench", "score", name, answers]
    if summary.model:
        score = ["groundtune", "bench", "run", summary.model, name, "--out", answers]
        score += ["--images", data / "images"]
    score += ["--data", data / name, *(["--data", data / "genome"] if name == "shr" else [])]
    finish(
        {"replies": summary.replies},
        path=out,
        next_command=[*score, "--judge-replies", out],
        json=json,
    )
