"""`groundtune splitter lessons` and `groundtune splitter score`."""

import shlex
import sys
from pathlib import Path


def lessons(
    *settings: str,
    claims: Path,
    out: Path = Path("runs/lessons"),
    json: bool = False,
) -> None:
    """Make lessons for a splitter of your own, of answers that were divided into claims.

    Each answer's claims become the reply that a model should give. Some pictures are kept back, to
    see afterwards how far the splitter agrees with the recorded claims.

    Args:
        settings: key=value settings: instruction, held_out, seed.
        claims: Folder that holds the division, as `groundtune label --by claims` wrote it.
        out: Folder for the lessons.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.splitter import LessonSettings, make_lessons
    from groundtune.recipe import load

    chosen = load(None, settings, LessonSettings)
    with open_progress(silent=json) as progress:
        counts = make_lessons(claims, out, chosen, progress, command=sys.argv)
    recipe = "world-splitter"
    finish(
        counts.model_dump(),
        wrote=out,
        next_command=f"groundtune train {recipe} --pairs {shlex.quote(str(out))}",
        json=json,
    )


def score(
    model: str,
    *settings: str,
    lessons: Path = Path("runs/lessons"),
    out: Path = Path("runs/splitter-score"),
    json: bool = False,
) -> None:
    """Measure how far a splitter's claims agree with the recorded ones, on answers held out.

    Args:
        model: The splitter: a model's folder or name, or openai:MODEL@URL.
        settings: key=value settings: instruction, max_new_tokens, batch_size, device, dtype, seed.
        lessons: Folder that `groundtune splitter lessons` wrote.
        out: Folder for the splitter's division and score.json.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.splitter import HELD_OUT, ScoreSettings, score_splitter
    from groundtune.pipeline.folder import RunFolder
    from groundtune.pipeline.sample.run import SampleParams, open_generator
    from groundtune.recipe import load
    from groundtune.store.files import write_atomic

    chosen = load(None, settings, ScoreSettings)
    params = SampleParams(
        model=model, batch_size=chosen.batch_size, device=chosen.device, dtype=chosen.dtype
    )
    generator = open_generator(params, RunFolder(lessons / HELD_OUT).images)
    with open_progress(silent=json) as progress:
        scored = score_splitter(generator, lessons, out, chosen, progress, command=sys.argv)
    file = out / "score.json"
    write_atomic(file, scored.model_dump_json(indent=2).encode() + b"\n")
    shown: dict[str, object] = scored.model_dump(mode="json")
    if not json:
        shown = {name: _told(value) for name, value in shown.items()}
    divide = f"groundtune label --by claims divider={shlex.quote(model)}"
    finish(
        shown,
        wrote=file,
        next_command=f"{divide} instruction={chosen.instruction} --answers DIR",
        json=json,
    )


def _told(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    share, low, high = value  # pyright: ignore[reportUnknownVariableType]
    return f"{share:.1%} ({low:.1%} to {high:.1%})"
