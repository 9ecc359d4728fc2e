"""`groundtune world show` and `groundtune world train`."""

from pathlib import Path
from typing import Any, Literal

MOST_SCENES = 120
"""The largest sheet that a person can look at."""


def show(
    *,
    split: Literal["development", "train"] = "development",
    count: int = 12,
    start: int = 0,
    stratum: Literal["usual", "missing", "replaced"] = "usual",
    difficulty: Literal["clear", "hard"] = "clear",
    columns: int = 4,
    out: Path = Path("runs/world.png"),
    json: bool = False,
) -> None:
    """Draw scenes with their ground truth.

    Writes a contact sheet: each scene's image, and below it which objects there are, how many, in
    which colour and where. Scenes of the test split are not shown.

    For example:

        groundtune world show --count 8 --out scenes.png

    Args:
        split: Split of the scenes.
        count: Scenes on the sheet, 1 to 120.
        start: Index of the first scene.
        stratum: usual; missing (the context's usual object is absent); replaced (an object from
            another context is in its place).
        difficulty: clear, or hard: small objects, partly hidden, in noise.
        columns: Scenes per row.
        out: Image file to write, ending in .png.
        json: Print one JSON object with the ground truth of the scenes.
    """
    import io

    from groundtune.cli.finish import finish
    from groundtune.store.files import write_atomic
    from groundtune.store.lock import hold
    from groundtune.world.scenes import scenes
    from groundtune.world.sheet import draw_sheet, truth

    _check_sheet(count, start, columns, out)
    some_scenes = scenes(split, count, start=start, stratum=stratum, difficulty=difficulty)
    scene_list = list(some_scenes)
    kind = ", hard" if difficulty == "hard" else ""
    kind += "" if stratum == "usual" else f", usual object {stratum}"
    last = f" to {start + count - 1}" if count > 1 else ""
    title = f"The embedded world: {split} {start}{last}{kind}"
    stream = io.BytesIO()
    draw_sheet(scene_list, title=title, columns=columns).save(stream, "PNG", optimize=True)
    with hold(out, is_file=True):
        write_atomic(out, stream.getvalue())
    again = ["groundtune", "world", "show", "--split", split, "--stratum", stratum]
    again += ["--difficulty", difficulty]
    again += ["--start", str(start + count), "--count", str(count), "--out", str(out)]
    finish(
        {"scenes": [truth(scene) for scene in scene_list] if json else count},
        path=out,
        next_command=again,
        json=json,
    )


def train(
    name: Literal["base", "clean", "labeler", "yes-biased", "detector"],
    /,
    *,
    seed: int = 0,
    difficulty: Literal["clear", "hard"] = "clear",
    out: Path | None = None,
    states: Path = Path("runs/world/states"),
    threads: int = 1,
    minutes: float | None = None,
    json: bool = False,
) -> None:
    """Train a world model from scratch.

    Needs no network and no GPU, and takes an hour or more, the detector some minutes. The models
    that come with Groundtune were trained by this command. A command that was stopped resumes when
    you run it again.

    For example:

        groundtune world train base --seed 1 --threads 2

    Args:
        name: base (hallucinates), clean (the same without bad habits), labeler (reads facts, too),
            yes-biased (the base, says yes to every question) or detector (finds objects).
        seed: Random seed of weights, scenes and texts, 0 or more.
        difficulty: clear, or hard: small objects, partly hidden, in noise.
        out: Folder for the model (default: runs/world/NAME-SEED or runs/world/NAME-hard-SEED).
        states: Folder for the states from which a stopped training resumes.
        threads: CPU threads. With 1, two trainings on a machine give identical weights.
        minutes: Stop at the next state after this many minutes; the same command then resumes.
        json: Print the result as one JSON object.
    """
    import time

    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress

    _check_training(seed, threads, minutes)
    from groundtune.pipeline.world.training.build import build
    from groundtune.pipeline.world.training.detector import DetectorPlan, build_detector
    from groundtune.pipeline.world.training.plans import plan

    start = time.monotonic()
    end = float("inf") if minutes is None else start + 60 * minutes
    kind = f"{name}-hard" if difficulty == "hard" else name
    model = out or Path(f"runs/world/{kind}-{seed}")
    with open_progress(silent=json) as progress:
        how: dict[str, Any] = {"threads": threads, "stop": lambda: time.monotonic() > end}
        if name == "detector":
            planned = DetectorPlan(seed=seed, difficulty=difficulty)
            is_finished = build_detector(planned, model, states, progress, **how)
        else:
            is_finished = build(plan(name, seed, difficulty), model, states, progress, **how)
    result = {"model": kind, "seed": seed, "seconds": round(time.monotonic() - start)}
    again = ["groundtune", "world", "train", name, "--seed", str(seed), "--difficulty", difficulty]
    again += ["--out", str(model), "--states", str(states), "--threads", str(threads)]
    finish(
        result | (_size(model) if is_finished else {"finished": "no"}),
        path=model if is_finished else states,
        next_command=_after_training(name, model) if is_finished else again,
        json=json,
    )


def _check_training(seed: int, threads: int, minutes: float | None) -> None:
    from groundtune.errors import UserError

    if seed < 0:
        raise UserError("The seed is negative.", f"--seed {seed}", "Give 0 or more.")
    if threads < 1:
        raise UserError("Training needs a thread.", f"--threads {threads}", "Give 1 or more.")
    if minutes is not None and not minutes > 0:
        raise UserError("Training needs time.", f"--minutes {minutes:g}", "Give more than 0.")


def _check_sheet(count: int, start: int, columns: int, out: Path) -> None:
    from groundtune.errors import UserError

    if not 1 <= count <= MOST_SCENES:
        raise UserError(
            f"A sheet can't hold {count} scenes.", "--count", f"Give 1 to {MOST_SCENES}."
        )
    if start < 0:
        raise UserError(
            "The index of the first scene is negative.", f"--start {start}", "Give 0 or more."
        )
    if not 1 <= columns <= MOST_SCENES:
        raise UserError(
            f"A sheet can't have {columns} columns.", "--columns", f"Give 1 to {MOST_SCENES}."
        )
    if out.suffix.lower() != ".png":
        raise UserError("The sheet is a PNG file.", str(out), "Give a name that ends in .png.")


def _after_training(name: str, model: Path) -> list[str]:
    """Run the loop on a new base, or measure what another model reads or knows."""
    if name == "yes-biased":
        return ["groundtune", "world", "probe", str(model), "--out", f"{model}-probe"]
    if name == "labeler":
        return ["groundtune", "world", "facts", str(model), "--out", f"{model}-facts"]
    return ["groundtune", "demo", f"model={model}", "--out", f"{model}-demo"]


def _size(folder: Path) -> dict[str, object]:
    """Size of a model's weights in megabytes."""
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return {"megabytes": round(weights / 1e6, 1)}
