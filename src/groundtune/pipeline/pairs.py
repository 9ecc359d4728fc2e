"""Stage "pairs": corrections become pairs of a chosen and a rejected answer."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from groundtune.errors import UserError
from groundtune.feedback.pairs import PairCounts, Paired, pairs_from_corrections
from groundtune.pipeline.folder import RunFolder, hash_of, read_some
from groundtune.protocols import Progress
from groundtune.records import Record


class PairSettings(Record):
    """Which pairs stay."""

    cap: int = Field(default=0, ge=0)
    """Pairs a prompt at the most; 0 keeps all."""
    seed: int = 0
    """Which ones stay under the cap."""


def make_pairs(
    source: Path,
    out: Path,
    settings: PairSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> PairCounts:
    """Makes the pairs of the corrections in `source` into `out` (which may be `source`).

    Raises:
        UserError: there are no corrections; a prompt is missing; a correction's spans don't give
        its
            text; or `out` has pairs that these settings don't give.
    """
    folder, target = RunFolder(source), RunFolder(out)
    corrections = read_some(folder.corrections)
    prompts = folder.prompts_by_key()
    progress.start("pairs", total=len(corrections))
    paired = pairs_from_corrections(corrections, prompts, cap=settings.cap, seed=settings.seed)
    _refuse_others(target, paired)
    needed = {pair.prompt: prompts[pair.prompt] for pair in paired.pairs}
    target.take_prompts(folder, needed.values())
    parents = {parent for pair in paired.pairs for parent in pair.parents}
    target.take_answers(folder, [row for row in folder.answers.read() if row.key in parents])
    missing = set(target.pairs.missing(pair.key for pair in paired.pairs))
    target.pairs.append([pair for pair in paired.pairs if pair.key in missing])
    target.note(
        target.pairs,
        settings=settings,
        inputs={"corrections": hash_of(folder.corrections)},
        seeds={"pairs": settings.seed},
        command=list(command),
    )
    progress.advance(len(corrections))
    return paired.counts


def _refuse_others(target: RunFolder, paired: Paired) -> None:
    others = target.pairs.keys() - {pair.key for pair in paired.pairs}
    if others:
        raise UserError(
            f"The folder already has {len(others)} pairs that these settings don't give.",
            str(target.pairs.path),
            "Choose another folder with --out DIR, or the settings of the first time.",
        )
