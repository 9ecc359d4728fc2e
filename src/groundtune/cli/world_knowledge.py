"""`groundtune world facts` and `groundtune world probe`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from groundtune.pipeline.feedback.splitter import Share


def facts(
    model: str,
    *settings: Settings,
    scenes: int = 100,
    difficulty: Literal["clear", "hard"] = "clear",
    out: Path = Path("runs/world-facts"),
    json: bool = False,
) -> None:
    """Measure whether a model reads facts.

    Asks the same yes/no questions by facts alone, by the image alone, by both, and by the image
    with the facts of another scene.

    For example:

        groundtune world facts world:labeler --scenes 20 --out runs/world-facts

    Args:
        model: world:labeler, a model's folder, a name on the hub, or openai:MODEL@URL.
        settings: Settings that have no option: seed, batch_size, dtype, device, adapter.
        scenes: Number of scenes of the development split.
        difficulty: clear, or hard: small objects, partly hidden, in noise.
        out: Folder for the images and facts.json.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.table import print_table
    from groundtune.pipeline.world.facts import FactStudy, study
    from groundtune.recipe_loading import load
    from groundtune.store.json_writing import write_object
    from groundtune.store.lock import hold

    options: dict[str, object] = {"model": model, "scenes": scenes, "difficulty": difficulty}
    params = load(None, settings, FactStudy, options=options)
    with hold(out), open_progress(silent=json) as progress:
        rows = study(params, out, progress)
        results = [row.model_dump(mode="json") for row in rows]
        write_object(out / "facts.json", {"model": model, "answers": results}, indent=2)
    if not json:
        head = ["shown", "questions", "right (95%)", "objects", "attributes", "yes", "unanswered"]
        table = [head]
        for row in rows:
            shares = [_share(share) for share in (row.right, row.objects, row.attributes)]
            ends = [f"{row.yes:.1%}", str(row.unanswered)]
            table.append([row.shown, str(row.questions), *shares, *ends])
        print_table(table)
        print()
    output: dict[str, object] = {"model": model, "scenes": scenes}
    finish(
        output | ({"answers": results} if json else {}),
        path=out / "facts.json",
        next_command=_again("probe", model, out, difficulty),
        json=json,
    )


def probe(
    model: str,
    *settings: Settings,
    scenes: int = 200,
    absent: Literal["random", "popular", "adversarial"] = "random",
    difficulty: Literal["clear", "hard"] = "clear",
    out: Path = Path("runs/world-probe"),
    json: bool = False,
) -> None:
    """Measure what a model knows and doesn't say.

    Asks whether objects are in images, and trains a linear probe on the hidden states before the
    answers. The probe is tested on scenes that it did not learn from.

    For example:

        groundtune world probe world:base --scenes 20 --out runs/world-probe

    Args:
        model: world:base, a model's folder, or a name on the hub.
        settings: Settings that have no option: folds, seed, batch_size, dtype, device, adapter.
        scenes: Number of scenes of the development split.
        absent: How the objects that are not there are drawn, as in POPE.
        difficulty: clear, or hard: small objects, partly hidden, in noise.
        out: Folder for the images and probe.json.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.table import print_table
    from groundtune.pipeline.world.probe import ProbeStudy, study
    from groundtune.recipe_loading import load
    from groundtune.store.json_writing import write_object
    from groundtune.store.lock import hold

    options: dict[str, object] = {"model": model, "scenes": scenes, "absent": absent}
    params = load(None, settings, ProbeStudy, options=options | {"difficulty": difficulty})
    with hold(out), open_progress(silent=json) as progress:
        probed = study(params, out, progress)
        results = probed.model_dump(mode="json")
        write_object(out / "probe.json", {"model": model, **results}, indent=2)
    if not json:
        rows = [["a probe on layer", "right (95%)", "learnt from shuffled answers"]]
        rows += [[str(x.layer), _share(x.right), _share(x.shuffled)] for x in probed.layers]
        print_table(rows)
        print()
        results = {
            "questions": probed.questions,
            "own answers right": _share(probed.right),
            "own answers yes": _share(probed.yes),
        }
    output: dict[str, object] = {"model": model, "scenes": scenes}
    finish(
        output | results,
        path=out / "probe.json",
        next_command=_again("facts", model, out, difficulty),
        json=json,
    )


def _again(command: str, model: str, out: Path, difficulty: str) -> Sequence[str | Path]:
    """The other measurement of the model."""
    begin = ["groundtune", "world", command, model, "--difficulty", difficulty]
    return [*begin, "--out", f"{out}-{command}"]


def _share(share: "Share") -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"
