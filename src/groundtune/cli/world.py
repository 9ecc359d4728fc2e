"""`groundtune world show` and `groundtune world train`."""

import shlex
from pathlib import Path
from typing import Literal

MOST_SCENES = 120
"""A larger sheet is too large to look at."""


def show(
    *,
    split: Literal["development", "train"] = "development",
    count: int = 12,
    start: int = 0,
    stratum: Literal["usual", "missing", "replaced"] = "usual",
    columns: int = 4,
    out: Path = Path("runs/world.png"),
    json: bool = False,
) -> None:
    """Draw scenes with their truth.

    A contact sheet: each scene's picture, and below it what is there, how many, in which colour and
    where. Nothing of the test split is shown.

    Args:
        split: development or train.
        count: Scenes on the sheet, 1 to 120.
        start: Index of the first one.
        stratum: usual; missing (the context's usual object isn't there); replaced (something from
            elsewhere stands in its place).
        columns: Scenes in a row.
        out: The picture to write, .png.
        json: One JSON object with the scenes' truths instead of lines.
    """
    import io

    from groundtune.cli.finish import finish
    from groundtune.store.files import write_atomic
    from groundtune.world.scenes import scenes
    from groundtune.world.sheet import draw_sheet, truth

    _check_sheet(count, start, columns, out)
    shown = list(scenes(split, count, start=start, stratum=stratum))
    kind = "" if stratum == "usual" else f", usual object {stratum}"
    last = f" to {start + count - 1}" if count > 1 else ""
    title = f"The embedded world: {split} {start}{last}{kind}"
    stream = io.BytesIO()
    draw_sheet(shown, title=title, columns=columns).save(stream, "PNG", optimize=True)
    write_atomic(out, stream.getvalue())
    again = ["groundtune", "world", "show", "--split", split, "--stratum", stratum]
    again += ["--start", str(start + count), "--count", str(count), "--out", str(out)]
    finish(
        {"scenes": [truth(scene) for scene in shown] if json else count},
        wrote=out,
        next_command=shlex.join(again),
        json=json,
    )


def train(
    name: Literal["base", "clean", "labeler"],
    /,
    *,
    seed: int = 0,
    out: Path | None = None,
    states: Path = Path("runs/world/states"),
    threads: int = 1,
    json: bool = False,
) -> None:
    """Train a world model from nothing.

    Offline, on a CPU; the shipped weights come from this command. Run again, it goes on from the
    last state. What base and clean have in common is trained once.

    Args:
        name: base (hallucinates), clean (its twin without bad habits) or labeler (trained longer).
        seed: Seed of weights, scenes and texts, 0 or more.
        out: Folder for the model and its processor (runs/world/NAME-SEED).
        states: Folder for what an interrupted training goes on from.
        threads: Cores to use, 1 or more. With 1, two builds on a machine are equal to the last bit.
        json: One JSON object instead of lines.
    """
    import time

    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.errors import UserError

    if seed < 0:
        raise UserError("a seed is negative", f"--seed {seed}", "give 0 or more")
    if threads < 1:
        raise UserError("a training needs a thread", f"--threads {threads}", "give 1 or more")
    from groundtune.pipeline.world.training.build import build, plan

    began = time.monotonic()
    made = out or Path(f"runs/world/{name}-{seed}")
    with open_progress(silent=json) as progress:
        build(plan(name, seed), made, states, progress, threads=threads)
    finish(
        {"model": name, "seed": seed, "seconds": round(time.monotonic() - began), **_size(made)},
        wrote=made,
        next_command=shlex.join(["groundtune", "demo", f"model={made}"]),
        json=json,
    )


def _check_sheet(count: int, start: int, columns: int, out: Path) -> None:
    from groundtune.errors import UserError

    if not 1 <= count <= MOST_SCENES:
        raise UserError(f"a sheet can't hold {count} scenes", "--count", f"give 1 to {MOST_SCENES}")
    if start < 0:
        raise UserError("the first scene's index is negative", f"--start {start}", "give 0 or more")
    if not 1 <= columns <= MOST_SCENES:
        raise UserError(
            f"a sheet can't have {columns} columns", "--columns", f"give 1 to {MOST_SCENES}"
        )
    if out.suffix.lower() != ".png":
        raise UserError("the sheet is a PNG file", str(out), "give a name that ends in .png")


def _size(folder: Path) -> dict[str, object]:
    """Megabytes of a model's weights."""
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return {"megabytes": round(weights / 1e6, 1)}
