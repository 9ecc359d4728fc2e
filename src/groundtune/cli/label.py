"""`groundtune label`."""

import shlex
import sys
from pathlib import Path
from typing import Literal


def label(
    *recipe: str,
    answers: Path,
    out: Path | None = None,
    annotator: Literal["world"] | None = None,
    error_rate: float | None = None,
    seed: int | None = None,
    json: bool = False,
) -> None:
    """Correct answers segment by segment.

    An annotator replaces, deletes or inserts the words that are wrong in each answer. Run again, it
    goes on where it stopped.

    Args:
        recipe: A YAML file, if any, and key=value settings: annotator, error_rate, seed.
        answers: Folder that holds the answers, as `groundtune sample` wrote it.
        out: Folder for the corrections; without it they are added to the answers' folder.
        annotator: Who corrects. "world" is the embedded world's simulated person.
        error_rate: Share of errors that the simulated person misses or mends wrongly, 0 to 1.
        seed: Seed of the simulated person.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.label import LabelSettings, label_answers, world_annotator
    from groundtune.recipe import load

    paths = [Path(token) for token in recipe if "=" not in token]
    given = {"annotator": annotator, "error_rate": error_rate, "seed": seed}
    overrides = [token for token in recipe if "=" in token]
    overrides += [f"{name}={value}" for name, value in given.items() if value is not None]
    settings = load(_only(paths), overrides, LabelSettings)
    person, by = world_annotator(settings)
    out = out or answers
    with open_progress(silent=json) as progress:
        made = label_answers(
            answers, out, person, by, progress, settings=settings, command=sys.argv
        )
    kinds: object = made.kinds if json else ", ".join(f"{n} {k}" for k, n in made.kinds.items())
    finish(
        {**made.model_dump(), "kinds": kinds},
        wrote=out / "corrections",
        next_command=f"groundtune pairs --corrections {shlex.quote(str(out))}",
        json=json,
    )


def _only(paths: list[Path]) -> Path | None:
    from groundtune.errors import UserError

    if len(paths) > 1:
        raise UserError(
            "More than one recipe is given.",
            str(paths[1]),
            "Give one file, and key=value settings.",
        )
    return paths[0] if paths else None
