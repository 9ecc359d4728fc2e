"""`groundtune pairs`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

if TYPE_CHECKING:
    from groundtune.cli.given import Given
    from groundtune.feedback.claim_pairs import ClaimPairCounts


def pairs(
    *recipe: str,
    corrections: Path | None = None,
    claims: Path | None = None,
    out: Path | None = None,
    cap: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    seed: int | None = None,
    json: bool = False,
) -> None:
    """Make preference pairs of corrections or of checked claims.

    Of corrections, the corrected text is the chosen answer, the original the rejected one. Of
    claims, the answer to a prompt with fewer rejected claims is chosen over one with more. What
    makes no pair is counted, by the rule that left it out.

    Args:
        recipe: A YAML file, if any, and key=value settings. Corrections: cap, seed. Claims: also
            scoring, margin, near, cap_by, balance, length_limit, spans.
        corrections: Folder that holds the corrections, as `groundtune label` wrote it.
        claims: Folder that holds the checked claims, as `groundtune label --by claims` wrote it.
        out: Folder for the pairs; without it they are added to the folder that is read.
        cap: Pairs a prompt at the most; 0 keeps all (corrections: 0, claims: 2).
        seed: Which pairs stay under the cap.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.given import read_words
    from groundtune.errors import UserError

    if corrections is not None and claims is not None:
        raise UserError(
            "Pairs are made of corrections or of claims, not of both.",
            "--corrections and --claims",
            "Give one of them.",
        )
    source = claims or corrections
    if source is None:
        raise UserError(
            "It isn't said what pairs are to be made of.",
            "groundtune pairs",
            "Give --corrections DIR or --claims DIR.",
        )
    stage = _of_claims if claims is not None else _of_corrections
    stage(read_words(recipe), {"cap": cap, "seed": seed}, source, out or source, json)


def _of_corrections(
    given: "Given", options: Mapping[str, object], source: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.pairs import PairSettings, make_pairs
    from groundtune.recipe import load

    settings = load(given.path, given.settings, PairSettings, options=options)
    with open_progress(silent=json) as progress:
        counts = make_pairs(source, out, settings, progress, command=sys.argv)
    finish(
        counts.model_dump(), wrote=out / "pairs", next_command="groundtune train --help", json=json
    )


def _of_claims(
    given: "Given", options: Mapping[str, object], source: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.feedback.claim_pairs import ClaimPairRules
    from groundtune.pipeline.feedback.pairs import make_claim_pairs
    from groundtune.recipe import load

    rules = load(given.path, given.settings, ClaimPairRules, options=options)
    with open_progress(silent=json) as progress:
        counts = make_claim_pairs(source, out, rules, progress, command=sys.argv)
    shown = counts.model_dump() if json else _lines(counts)
    finish(shown, wrote=out / "pairs", next_command="groundtune train --help", json=json)


def _lines(counts: "ClaimPairCounts") -> dict[str, object]:
    """The counts, with a line for each rule."""
    shown: dict[str, object] = {**counts.model_dump(exclude={"effects"})}
    for effect in counts.effects:
        words = f"{effect.words_chosen:.1f} words chosen, {effect.words_rejected:.1f} rejected"
        shown[effect.rule] = f"{effect.dropped} dropped, {effect.left} left: {words}"
    return shown
