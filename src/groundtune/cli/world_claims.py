"""`groundtune world claims`."""

from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.cli.recipe_argument import Settings
from groundtune.store.json_writing import write_object

if TYPE_CHECKING:
    from groundtune.pipeline.feedback.splitter import Share
    from groundtune.pipeline.world.claims import ClaimStudyResult


def claims(
    *settings: Settings,
    out: Path = Path("runs/world-claims"),
    json: bool = False,
) -> None:
    """Measure claim feedback against the ground truth.

    A model describes scenes of the development split, and labelers check the claims of its
    answers. The tables show their verdicts by kind of claim, and how often the answer that they
    prefer is better by the ground truth, compared with one rating of the whole answer.

    For example:

        groundtune world claims scenes=20 n=4 --out runs/world-claims

    Args:
        settings: Settings that have no option: model, labelers, scenes, difficulty, n, temperature,
            setting, seed.
        out: Folder for the answers, claims and claims.json.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.table import print_table
    from groundtune.pipeline.world.claims import ClaimStudy, study
    from groundtune.recipe_loading import load
    from groundtune.store.lock import hold

    params = load(None, settings, ClaimStudy)
    file = out / "claims.json"
    with hold(out), open_progress(silent=json) as progress:
        results = study(params, out, progress)
        write_object(file, results, indent=2)
    output: dict[str, object] = results.model_dump(mode="json")
    if not json:
        print_table(_verdict_rows(results))
        print()
        print_table(_object_rows(results))
        print()
        print_table(_pair_rows(results))
        print()
        output = {name: output[name] for name in ("answers", "scenes", "wrong", "undecided")}
    finish(
        output,
        path=file,
        next_command=["groundtune", "label", "--by", "claims", "--answers", out],
        json=json,
    )


def _verdict_rows(results: "ClaimStudyResult") -> list[list[str]]:
    rows = [["labeler, kind", "true", "false", "supported", "rejected", "balanced (95%)"]]
    for each in results.verdicts:
        rows.append(
            [
                f"{each.labeler}, {each.kind}{'' if each.counted else ', resting too'}",
                str(each.true),
                str(each.false),
                f"{each.supported:.1%}",
                f"{each.rejected:.1%}",
                _share(each.balanced),
            ]
        )
    return rows


def _object_rows(results: "ClaimStudyResult") -> list[list[str]]:
    rows = [["labeler, objects", "true", "rejected of them (95%)", "false", "supported of them"]]
    for each in results.objects:
        kind = "usual" if each.usual else "unusual"
        missed, believed = (
            "-" if share is None else _share(share) for share in (each.missed, each.believed)
        )
        rows.append(
            [f"{each.labeler}, {kind} here", str(each.true), missed, str(each.false), believed]
        )
    return rows


def _pair_rows(results: "ClaimStudyResult") -> list[list[str]]:
    rows = [["labeler, by", "pairs", "right (95%)", "equal", "right of the rest (95%)"]]
    for each in results.pairs:
        name = f"{each.labeler}, {each.by}"
        shares = _share(each.right), f"{each.equal:.1%}", _share(each.decided)
        rows.append([name, str(each.pairs), *shares])
    return rows


def _share(share: "Share") -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"
