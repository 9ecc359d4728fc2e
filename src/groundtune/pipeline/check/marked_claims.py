"""The claims that a person marks, and the claims that a threshold keeps.

OUT/claims-to-mark.jsonl   a row per claim: fill in "true", true or false
OUT/claims-to-mark/        the images
OUT/kept-claims.jsonl      every claim with a verdict, and whether it is kept
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune.errors import UserError
from groundtune.pipeline.check.risk import MarkedClaim, RiskResult, doubt_of
from groundtune.pipeline.check.to_mark import write_images
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
    """Write claims with a verdict, drawn at random, for a person to mark. What is there stays.

    The rows don't show what the labeler says.
    """
    path = folder.path / CLAIMS_TO_MARK
    if path.exists():
        return
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
    write_atomic(path, "".join(json_of(row) + "\n" for row in rows).encode())


def read_claim_marks(path: Path, claims: Sequence[Claim]) -> list[MarkedClaim]:
    """The marks of the rows whose "true" is not null.

    Raises:
        UserError: the file can't be read, a row names no claim with a verdict, names one twice, or
            says something else than true or false.
    """
    doubts = {claim.key: doubt for claim in claims if (doubt := doubt_of(claim)) is not None}
    marked: dict[str, MarkedClaim] = {}
    for row in json_rows(path):
        key, true = row.fields.get("claim"), row.fields.get("true")
        if not isinstance(key, str) or key not in doubts or key in marked:
            what = "is marked twice" if key in marked else "has no verdict in this check"
            raise UserError(
                f"The claim {key!r} {what}.",
                row.where,
                f"Mark rows of {CLAIMS_TO_MARK}, each once.",
            )
        if true is None:
            continue
        if not isinstance(true, bool):
            raise UserError(
                f'"true" is {json_of(true)[:40]}.', row.where, "Write true, false, or null."
            )
        marked[key] = MarkedClaim(doubts[key], not true)
    return list(marked.values())


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
