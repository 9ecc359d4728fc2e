"""Why no pair could be made, and what to change: the error of the stage "pairs"."""

from collections.abc import Mapping
from pathlib import Path

from groundtune.errors import UserError
from groundtune.feedback.claim_pairs import ClaimPairCounts


def no_pairs(why: Mapping[str, int], where: Path | str, fix: str) -> UserError:
    """Return the error that says by counts what became of the feedback."""
    counts = "; ".join(f"{name}: {n:,}" for name, n in why.items())
    return UserError(f"No pair could be made ({counts}).", str(where), fix)


def losses(counts: ClaimPairCounts) -> dict[str, int]:
    """Return what was left out at each step, by its name."""
    counts_by_step = {"answers": counts.answers}
    if counts.duplicates:
        counts_by_step["answers with the text of another"] = counts.duplicates
    counts_by_step |= counts.unscored_why
    counts_by_step["pairs of answers to one prompt"] = counts.candidates
    counts_by_step |= {
        f"left out by {each.rule}": each.dropped for each in counts.effects if each.dropped
    }
    return counts_by_step


def fix_of(counts: ClaimPairCounts) -> str:
    """Return what to change, for the step that left out the most."""
    if not counts.candidates and counts.unscored:
        return (
            "Score the answers again, into another folder: with another divider if claims could "
            "not be read, another labeler if it answered neither yes nor no, dtype=float32 if "
            "rewards are not numbers."
        )
    if not counts.candidates:
        return "Sample more answers per prompt, and warmer: --n 4, sampling.temperature=1."
    most = max(counts.effects, key=lambda each: each.dropped)
    if most is counts.effects[0]:
        return (
            "The answers to a prompt hardly differ in score: ask about more prompts, sample warmer "
            "(sampling.temperature=1), or lower margin."
        )
    return f"Relax the rule that left out the most, {most.rule}, or give more prompts."
