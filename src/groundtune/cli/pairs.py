"""`groundtune pairs`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from groundtune.cli.recipe_argument import RecipeArgument
    from groundtune.feedback.claim_pairs import ClaimPairCounts


def pairs(
    recipe: str | None = None,
    /,
    *settings: Settings,
    corrections: Path | None = None,
    claims: Path | None = None,
    scores: Path | None = None,
    thumbs: Path | None = None,
    project: Annotated[str | None, Parameter(name="--from")] = None,
    out: Path | None = None,
    cap: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    seed: int | None = None,
    min_agreement: Annotated[float | None, Parameter(validator=Number(gte=0, lte=1))] = None,
    min_gold: Annotated[float | None, Parameter(validator=Number(gte=0, lte=1))] = None,
    json: bool = False,
) -> None:
    """Make preference pairs from corrections, claims, scores, thumbs or an annotation project.

    From a correction, the corrected text becomes the chosen answer and the original the rejected
    one. From claims, the answer with fewer rejected claims is chosen over one with more, from
    scores, one with a higher reward over one with a lower. A thumb about one answer makes a pair
    whose other side doesn't count, for method.type=kto method.thumbs=true. Answers that give no
    pair are counted by the rule that excluded them. From thumbs or a project, run it again after
    more work: new pairs are added, and those of changed feedback go.

    For example:

        groundtune pairs --corrections runs/candidates
        groundtune pairs --claims runs/candidates --out runs/claim-pairs spans=all
        groundtune pairs --scores runs/candidates --out runs/reward-pairs rule=next rank=1
        groundtune pairs --thumbs runs/thumbs
        groundtune pairs --from farm --out runs/farm people=majority
        groundtune pairs --from farm --out runs/farm --min-agreement 0.67

    Args:
        recipe: YAML file with settings, if you have one.
        settings: Settings that have no option. For claims: scoring, margin, near, cap_by, balance,
            length_limit, spans, mark_repeats. For scores: rule, rank, near, excess. For a project:
            people (each, majority or reviewer), thumbs=true (pairs of its thumbs instead of its
            corrections).
        corrections: Folder with the corrections that `groundtune label` wrote.
        claims: Folder with the claims that `groundtune label --by claims` wrote.
        scores: Folder with answers that `groundtune reward score` scored.
        thumbs: Folder with the thumbs that `groundtune serve --thumbs` stored.
        project: Folder or PostgreSQL URL of the project that `groundtune annotate` made; needs
            --out.
        out: Folder for the pairs (default: the folder that is read).
        cap: Most pairs per prompt; 0 keeps all (default 0 for corrections, 2 for claims).
        seed: Random seed that decides which pairs stay under the cap.
        min_agreement: Refuse a project on whose answers two people agree less than this
            (Krippendorff's alpha on what is marked, or which answer is better).
        min_gold: Refuse a project whose people get a smaller share of known results right.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.errors import UserError

    sources = [each for each in (corrections, claims, scores, thumbs) if each is not None]
    if len(sources) + (project is not None) > 1:
        raise UserError(
            "Pairs are made from one kind of feedback at a time.",
            "--corrections, --claims, --scores, --thumbs and --from",
            "Give one of them.",
        )
    if not sources and project is None:
        raise UserError(
            "There is no feedback to make pairs from.",
            "groundtune pairs",
            "Give --corrections, --claims, --scores or --thumbs FOLDER, or --from PROJECT.",
        )
    if project is not None and out is None:
        raise UserError(
            "The pairs of a project need a folder of their own.",
            f"--from {project}",
            "Give one with --out FOLDER.",
        )
    source, options = read_recipe(recipe, settings), {"cap": cap, "seed": seed}
    least = {"min_agreement": min_agreement, "min_gold": min_gold}
    options |= {name: value for name, value in least.items() if value is not None}
    if project is not None and out is not None:
        _from_project(source, options, project, out, json)
        return
    folder = sources[0]
    stage = _from_claims if claims is not None else _from_corrections
    stage = _from_scores if scores is not None else stage
    stage = _from_thumbs if thumbs is not None else stage
    stage(source, options, folder, out or folder, json)


def _from_corrections(
    source: "RecipeArgument", options: Mapping[str, object], folder: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_pairs
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.pairs import PairSettings, make_pairs

    params = source.load(PairSettings, options)
    with open_progress(silent=json) as progress:
        counts = make_pairs(folder, out, params, progress, command=sys.argv)
    following = after_pairs(out, folder)
    finish(counts.model_dump(), path=out / "pairs", next_command=following, json=json)


def _from_thumbs(
    source: "RecipeArgument", options: Mapping[str, object], folder: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_pairs
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.pairs import PairSettings
    from groundtune.pipeline.feedback.thumbs import make_thumb_pairs

    params = source.load(PairSettings, options)
    with open_progress(silent=json) as progress:
        counts = make_thumb_pairs(folder, out, params, progress, command=sys.argv)
    following = after_pairs(out, folder)
    finish(counts.model_dump(), path=out / "pairs", next_command=following, json=json)


def _from_claims(
    source: "RecipeArgument", options: Mapping[str, object], folder: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_pairs
    from groundtune.cli.progress import open_progress
    from groundtune.feedback.claim_pairs import ClaimPairRules
    from groundtune.pipeline.feedback.pairs import make_claim_pairs

    rules = source.load(ClaimPairRules, options)
    with open_progress(silent=json) as progress:
        counts = make_claim_pairs(folder, out, rules, progress, command=sys.argv)
    output = counts.model_dump() if json else _lines(counts)
    finish(output, path=out / "pairs", next_command=after_pairs(out, folder), json=json)


def _from_scores(
    source: "RecipeArgument", options: Mapping[str, object], folder: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_pairs
    from groundtune.cli.progress import open_progress
    from groundtune.feedback.reward_pairs import RewardPairRules
    from groundtune.pipeline.feedback.pairs import make_scored_pairs

    rules = source.load(RewardPairRules, options)
    with open_progress(silent=json) as progress:
        counts = make_scored_pairs(folder, out, rules, progress, command=sys.argv)
    output = counts.model_dump() if json else _lines(counts)
    finish(output, path=out / "pairs", next_command=after_pairs(out, folder), json=json)


def _from_project(
    source: "RecipeArgument", options: Mapping[str, object], where: str, out: Path, json: bool
) -> None:
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_pairs
    from groundtune.cli.progress import open_progress

    require_annotate_extra("groundtune pairs --from")
    from groundtune.pipeline.annotate.gate import gated_pairs
    from groundtune.pipeline.annotate.project import existing_project
    from groundtune.pipeline.annotate.results import ProjectPairSettings

    params = source.load(ProjectPairSettings, options)
    project = existing_project(where)
    try:
        with open_progress(silent=json) as progress:
            counts = gated_pairs(project, out, params, progress, command=sys.argv)
    finally:
        project.close()
    output = counts.model_dump()
    if not json:
        suggestions = ", ".join(f"{count} {name}" for name, count in counts.suggestions if count)
        output["suggestions"] = suggestions.replace("_", " ") or "none"
    finish(output, path=out / "pairs", next_command=after_pairs(out, out), json=json)


def _lines(counts: "ClaimPairCounts") -> dict[str, object]:
    """The counts, with a line per rule."""
    lines: dict[str, object] = {**counts.model_dump(exclude={"effects"})}
    for effect in counts.effects:
        words = f"{effect.words_chosen:.1f} words chosen, {effect.words_rejected:.1f} rejected"
        lines[effect.rule] = f"{effect.dropped} dropped, {effect.left} left: {words}"
    return lines
