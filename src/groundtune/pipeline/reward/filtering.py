"""Stage "reward filter": keep the pairs whose chosen answer has the higher reward.

OUT/pairs/ prompts/ answers/ images/    the pairs that are kept, with what they reference
OUT/pair-scores/                        the rewards of all pairs; resumable by key
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from groundtune.errors import UserError
from groundtune.pipeline.reward.rewarders import RewarderSettings, identity_of, open_rewarder
from groundtune.pipeline.runs.folder import RunFolder, hash_of, read_some
from groundtune.protocols import Progress, Rewarder
from groundtune.records import Pair, Prompt, Record
from groundtune.store.dataset import RecordSet
from groundtune.store.keys import key_of
from groundtune.store.lock import one_writer

AT_ONCE = 64
"""Pairs between two writes."""


class FilterSettings(RewarderSettings):
    """Who scores, and how clearly the chosen answer must win."""

    margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """The chosen answer's reward must be more than this above the rejected one's."""


class PairScore(Record):
    """The rewards of a pair's answers; None where there is none."""

    key: str
    pair: str
    chosen: float | None
    rejected: float | None


class FilterSummary(Record):
    """What became of the pairs."""

    pairs: int
    kept: int
    disagreed: int
    """The chosen answer's reward isn't higher by the margin."""
    unrewarded: int
    """An answer has no reward; such pairs aren't kept."""


@one_writer()
def filter_pairs(
    source: Path,
    out: Path,
    settings: FilterSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> FilterSummary:
    """Keep the pairs of `source` on which a rewarder agrees, in `out`.

    Raises:
        UserError: there are no pairs, none is kept, the rewarder can't be opened, or `out` is
            `source`.
    """
    folder, target = RunFolder(source), RunFolder(out)
    if folder.same_as(target):
        raise UserError(
            "The pairs that are kept can't stand among all of them.",
            str(out),
            "Choose another folder with --out DIR.",
        )
    pairs, prompts = read_some(folder.pairs), folder.prompts_by_key()
    identity = identity_of(settings)
    stored = RecordSet(out / "pair-scores", PairScore)
    keys = {key_of("pair score", pair.key, identity): pair for pair in pairs}
    missing = {key: keys[key] for key in stored.missing(keys)}
    if missing:
        handle = open_rewarder(settings, folder.images, tuple(prompts.values()))
        try:
            texts = ((p.prompt, text) for p in pairs for text in (p.chosen, p.rejected))
            handle.check_facts(prompts, texts, str(source))
            _score(missing, prompts, handle.rewarder, stored, progress)
        finally:
            handle.close()
    scores = {row.pair: row for row in stored.read() if row.key in keys}
    agreed = [pair for pair in pairs if _agrees(scores[pair.key], settings.margin)]
    unrewarded = sum(None in (each.chosen, each.rejected) for each in scores.values())
    summary = FilterSummary(
        pairs=len(pairs),
        kept=len(agreed),
        disagreed=len(pairs) - len(agreed) - unrewarded,
        unrewarded=unrewarded,
    )
    if not agreed:
        raise UserError(
            f"No pair is kept: {summary.disagreed} of {len(pairs)} disagree, {unrewarded} have no "
            "reward.",
            str(folder.pairs.path),
            "Lower margin, or use another rewarder.",
        )
    _write(folder, target, agreed)
    inputs = {"pairs": hash_of(folder.pairs), "rewarder": identity}
    target.note(target.pairs, settings=settings, inputs=inputs, seeds={}, command=list(command))
    return summary


def _score(
    pairs: Mapping[str, Pair],
    prompts: Mapping[str, Prompt],
    rewarder: Rewarder,
    stored: RecordSet[PairScore],
    progress: Progress,
) -> None:
    """Store the rewards of pairs, which are by their scores' keys."""
    progress.start("score pairs", total=len(pairs))
    rows = list(pairs.items())
    for first in range(0, len(rows), AT_ONCE):
        batch = rows[first : first + AT_ONCE]
        texts = [text for _, pair in batch for text in (pair.chosen, pair.rejected)]
        repeated = [prompts[pair.prompt] for _, pair in batch for _ in range(2)]
        rewards = rewarder.reward(repeated, texts)
        finite = [each if math.isfinite(each) else None for each in rewards]
        stored.append(
            [
                PairScore(key=key, pair=pair.key, chosen=chosen, rejected=rejected)
                for (key, pair), chosen, rejected in zip(
                    batch, finite[::2], finite[1::2], strict=True
                )
            ]
        )
        progress.advance(len(batch))


def _agrees(score: PairScore, margin: float) -> bool:
    if score.chosen is None or score.rejected is None:
        return False
    return score.chosen - score.rejected > margin


def _write(folder: RunFolder, target: RunFolder, pairs: Sequence[Pair]) -> None:
    prompts = folder.prompts_by_key()
    target.take_prompts(folder, {pair.prompt: prompts[pair.prompt] for pair in pairs}.values())
    parents = {parent for pair in pairs for parent in pair.parents}
    target.take_answers(folder, [row for row in folder.answers.read() if row.key in parents])
    target.pairs.replace(pairs)
