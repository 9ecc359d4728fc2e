"""Stage "pairs": feedback becomes pairs of a chosen and a rejected answer.

From corrections, from claims that a labeler has checked, or from rewards of the answers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from groundtune.errors import UserError
from groundtune.feedback.claim_pairs import (
    ClaimPairCounts,
    ClaimPairRules,
    ClaimPairs,
    pairs_from_claims,
)
from groundtune.feedback.pairs import PairCounts, pairs_from_corrections
from groundtune.feedback.reward_pairs import RewardPairRules, pairs_from_rewards
from groundtune.pipeline.feedback.no_pairs import fix_of, losses, no_pairs
from groundtune.pipeline.reward.score import read_rewards
from groundtune.pipeline.runs.folder import RunFolder, hash_of, read_some
from groundtune.protocols import Progress, Rewarder
from groundtune.records import Pair, Prompt, Record
from groundtune.store.keys import key_of
from groundtune.store.lock import one_writer


class PairSettings(Record):
    """Which pairs stay."""

    cap: int = Field(default=0, ge=0)
    """Pairs a prompt at the most; 0 keeps all."""
    seed: int = 0
    """Which ones stay under the cap."""


@one_writer()
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
        UserError: there are no corrections; none makes a pair; a prompt is missing; a correction's
            spans don't give its text; or `out` has pairs that these settings don't give.
    """
    folder, target = RunFolder(source), RunFolder(out)
    corrections = read_some(folder.corrections)
    prompts = folder.prompts_by_key()
    progress.start("pairs", total=len(corrections))
    paired = pairs_from_corrections(corrections, prompts, cap=settings.cap, seed=settings.seed)
    if not paired.pairs:
        why = {name: n for name, n in paired.counts.model_dump().items() if n}
        raise no_pairs(why, folder.corrections.path, "Correct more answers, or others.")
    _write(folder, target, paired.pairs, prompts)
    target.note(
        target.pairs,
        settings=settings,
        inputs={"corrections": hash_of(folder.corrections)},
        seeds={"pairs": settings.seed},
        command=list(command),
    )
    progress.advance(len(corrections))
    return paired.counts


@one_writer()
def make_claim_pairs(
    source: Path,
    out: Path,
    rules: ClaimPairRules,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> ClaimPairCounts:
    """Makes pairs of the answers in `source` by their checked claims, into `out`.

    Raises:
        UserError: there are no claims; a prompt is missing; no pair can be made; or `out` has pairs
            that these rules don't give.
    """
    folder, target = RunFolder(source), RunFolder(out)
    claims, answers = read_some(folder.claims), read_some(folder.answers)
    prompts = folder.prompts_by_key()
    progress.start("pairs", total=len(answers))
    paired = pairs_from_claims(answers, claims, prompts, rules)
    if not paired.pairs:
        raise no_pairs(losses(paired.counts), folder.claims.path, fix_of(paired.counts))
    inputs = {"answers": hash_of(folder.answers), "claims": hash_of(folder.claims)}
    counts = _keep(folder, target, paired, prompts, rules, rules.seed, inputs, command)
    progress.advance(len(answers))
    return counts


@one_writer()
def make_reward_pairs(
    source: Path,
    out: Path,
    rewarders: Mapping[str, Rewarder],
    rules: RewardPairRules,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> ClaimPairCounts:
    """Makes pairs of the answers in `source` by what rewarders give them, into `out`.

    `rewarders` by name, one a ranking, the first of which orders a side's answers. A name tells all
    that changes the rewards: it is in run.json.

    Raises:
        UserError: there are no answers; none of them make a pair; or `out` has pairs that these
            rules don't give.
    """
    folder, target = RunFolder(source), RunFolder(out)
    answers, prompts = read_some(folder.answers), folder.prompts_by_key()
    prompts_of_answers = [prompts[answer.prompt] for answer in answers]
    rankings: list[dict[str, float]] = []
    progress.start("rewards", total=len(rewarders))
    for rewarder in rewarders.values():
        rewards = rewarder.reward(prompts_of_answers, [answer.text for answer in answers])
        rankings.append({a.key: r for a, r in zip(answers, rewards, strict=True)})
        progress.advance()
    return _ranked(folder, target, rankings, ", ".join(rewarders), rules, command)


@one_writer()
def make_scored_pairs(
    source: Path,
    out: Path,
    rules: RewardPairRules,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> ClaimPairCounts:
    """Makes pairs of the answers in `source` by their scores of `reward score`, into `out`.

    Raises:
        UserError: as `make_reward_pairs`, or the answers were not scored.
    """
    folder = RunFolder(source)
    progress.start("pairs")
    rewards = read_rewards(folder)
    name = key_of(sorted((key, str(value)) for key, value in rewards.items()))
    return _ranked(folder, RunFolder(out), [rewards], name, rules, command)


def _ranked(
    folder: RunFolder,
    target: RunFolder,
    rankings: Sequence[Mapping[str, float]],
    name: str,
    rules: RewardPairRules,
    command: Sequence[str],
) -> ClaimPairCounts:
    answers, prompts = read_some(folder.answers), folder.prompts_by_key()
    paired = pairs_from_rewards(answers, rankings, prompts, rules)
    if not paired.pairs:
        raise no_pairs(losses(paired.counts), folder.answers.path, fix_of(paired.counts))
    inputs = {"answers": hash_of(folder.answers), "rewards": name}
    return _keep(folder, target, paired, prompts, rules, rules.seed, inputs, command)


def _keep(
    folder: RunFolder,
    target: RunFolder,
    paired: ClaimPairs,
    prompts: Mapping[str, Prompt],
    rules: Record,
    seed: int,
    inputs: dict[str, str],
    command: Sequence[str],
) -> ClaimPairCounts:
    _write(folder, target, paired.pairs, prompts)
    target.note(
        target.pairs,
        settings=rules,
        inputs=inputs,
        seeds={"pairs": seed},
        command=list(command),
    )
    return paired.counts


def _write(
    folder: RunFolder, target: RunFolder, pairs: Sequence[Pair], prompts: Mapping[str, Prompt]
) -> None:
    """Adds the pairs that aren't there yet, with the prompts and answers that they stand on."""
    _refuse_others(target, pairs)
    pair_prompts = {pair.prompt: prompts[pair.prompt] for pair in pairs}
    target.take_prompts(folder, pair_prompts.values())
    parents = {parent for pair in pairs for parent in pair.parents}
    target.take_answers(folder, [row for row in folder.answers.read() if row.key in parents])
    target.pairs.add(pairs)


def _refuse_others(target: RunFolder, pairs: Sequence[Pair]) -> None:
    others = target.pairs.keys() - {pair.key for pair in pairs}
    if others:
        raise UserError(
            f"The folder already has {len(others)} pairs from other settings.",
            str(target.pairs.path),
            "Choose another folder with --out DIR, or use the settings of the first run.",
        )
