"""The claims that a person marks, and the claims that a threshold keeps.

OUT/claims-to-mark.jsonl   a row per claim: fill in "true", true or false
OUT/claims-to-mark/        the images
OUT/kept-claims.jsonl      every claim with a verdict, and whether it is kept
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.check.risk import MarkedClaim, RiskResult, doubt_of, needed_marks
from groundtune.pipeline.check.to_mark import add_rows, write_images
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, Claim, Prompt
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of
from groundtune.store.rows import json_rows

CLAIMS_TO_MARK = "claims-to-mark.jsonl"
KEPT = "kept-claims.jsonl"


def write_claims_to_mark(
    folder: RunFolder,
    claims: Sequence[Claim],
    answers: Mapping[str, Answer],
    prompts: Mapping[str, Prompt],
    number: int,
    seed: int,
) -> None:
    """Write claims with a verdict, drawn at random, for a person to mark.

    The rows don't show what the labeler says. What is there stays; a larger `number` adds rows.

    Raises:
        UserError: rows are to be added to a file that can't be read, or that is a list.
    """
    path = folder.path / CLAIMS_TO_MARK
    decided = [claim for claim in claims if doubt_of(claim) is not None]
    sample = sorted(decided, key=lambda claim: key_of("to mark", seed, claim.key))[:number]
    about = [prompts[answers[claim.answer].prompt] for claim in sample]
    names = write_images(folder, path, about)
    rows = [
        {
            "claim": claim.key,
            "image": prompt.source.name,
            "files": [f"{path.stem}/{names[sha256]}" for sha256 in prompt.images],
            "answer": answers[claim.answer].text,
            "text": claim.text,
            "true": None,
        }
        for claim, prompt in zip(sample, about, strict=True)
    ]
    add_rows(path, rows, "claim")


class ClaimMarks(NamedTuple):
    """What a person says of the drawn claims."""

    marks: list[MarkedClaim]
    skipped: int
    """Of these, claims above the last marked one that have no mark, and so count as wrong: a
    labeler looks better if what is hard to tell is left out."""


def read_claim_marks(path: Path, draw: Path, claims: Sequence[Claim]) -> ClaimMarks:
    """The marks of the rows whose "true" is not null; `draw` is the file of the drawn claims.

    Raises:
        UserError: a file can't be read, a row names no claim with a verdict, one that was not
            drawn, or one twice, or says something else than true or false.
    """
    doubts = {claim.key: doubt for claim in claims if (doubt := doubt_of(claim)) is not None}
    order = [row.fields.get("claim") for row in json_rows(draw)]
    marked = _marked(path, doubts, set(order))
    last = max((place for place, key in enumerate(order) if key in marked), default=0)
    skipped = [
        MarkedClaim(doubts[key], wrong=True)
        for key in order[:last]
        if isinstance(key, str) and key in doubts and key not in marked
    ]
    return ClaimMarks([*marked.values(), *skipped], len(skipped))


def refuse_few_marks(marks: ClaimMarks, risk: float, confidence: float, path: Path) -> None:
    """Raise UserError where no marks, however good, could be enough."""
    least = needed_marks(risk, confidence)
    number = len(marks.marks)
    if number < least:
        raise UserError(
            f"{number} marked claims are too few: at most {risk:.0%} wrong with {confidence:.0%} "
            f"confidence needs {least}, even if all of them are right.",
            str(path),
            f"Mark at least {least - number} more rows of {CLAIMS_TO_MARK}, from the top. If it "
            "has fewer, raise mark_claims or check more answers.",
        )


def _marked(path: Path, doubts: Mapping[str, float], sample: set[object]) -> dict[str, MarkedClaim]:
    marked: dict[str, MarkedClaim] = {}
    for row in json_rows(path):
        key, true = row.fields.get("claim"), row.fields.get("true")
        if not isinstance(key, str) or key not in doubts or key not in sample or key in marked:
            what = "was not drawn" if key in doubts else "has no verdict in this check"
            what = "is marked twice" if key in marked else what
            raise UserError(
                f"The claim {key!r} {what}.",
                row.where,
                f"Mark rows of {CLAIMS_TO_MARK}, each once: others are no random draw.",
            )
        if true is None:
            continue
        if not isinstance(true, bool):
            raise UserError(
                f'"true" is {json_of(true)[:40]}.', row.where, "Write true, false, or null."
            )
        marked[key] = MarkedClaim(doubts[key], not true)
    return marked


def write_kept(path: Path, claims: Sequence[Claim], risk: RiskResult) -> None:
    """Write every claim with a verdict, and whether the threshold keeps it."""
    rows = [
        {
            "claim": claim.key,
            "answer": claim.answer,
            "text": claim.text,
            "doubt": doubt,
            "kept": risk.threshold is not None and doubt <= risk.threshold,
        }
        for claim in claims
        if (doubt := doubt_of(claim)) is not None
    ]
    write_atomic(path / KEPT, "".join(json_of(row) + "\n" for row in rows).encode())
