"""Pairs from all kinds of feedback, with counts of feedback that made none."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.feedback.corrections import NoPair, pair_from_correction
from groundtune.feedback.diff import words
from groundtune.records import Correction, Key, Pair, Prompt, Record, Source
from groundtune.store.keys import key_of


class PairCounts(Record):
    """Outcomes of the feedback: `made`, and the reasons for no pair. They add up to `total`."""

    made: int = 0
    unchanged: int = 0
    """Nothing was wrong, or the texts are equal: RLHF-V discards these too."""
    empty_chosen: int = 0
    """Everything was deleted: a pair would teach to be silent."""
    empty_rejected: int = 0
    """The answer itself was empty."""
    unsure: int = 0
    """The annotator could not decide what is wrong."""
    tie: int = 0
    """Both answers are equally good."""
    duplicate: int = 0
    """Prompt, chosen and rejected equal an earlier pair's."""
    capped: int = 0
    """Beyond the cap of pairs per prompt."""

    @property
    def total(self) -> int:
        """All feedback."""
        return sum(self.model_dump().values())


class PairsWithCounts(NamedTuple):
    """Pairs in the order of their feedback, and their counts."""

    pairs: tuple[Pair, ...]
    counts: PairCounts


def pairs_from_corrections(
    corrections: Iterable[Correction],
    prompts: Mapping[str, Prompt],
    *,
    cap: int = 0,
    seed: int = 0,
) -> PairsWithCounts:
    """Return pairs of corrected answers, in the order of the corrections.

    `prompts` by key give the source. A `cap` above 0 limits the pairs per prompt; which ones stay
    depends on `seed` and their keys only, not on their order.

    Raises:
        UserError: a correction's prompt is missing, or its spans don't give its corrected text.
    """
    results: list[Pair | NoPair] = [
        pair_from_correction(correction, _source(correction, prompts)) for correction in corrections
    ]
    return collect_pairs(results, cap=cap, seed=seed)


def collect_pairs(
    results: Iterable[Pair | NoPair], *, cap: int = 0, seed: int = 0
) -> PairsWithCounts:
    """Return the pairs, without repeats, and counts of why there was none; `cap` as above."""
    counts: dict[str, int] = defaultdict(int)
    pairs: list[Pair] = []
    texts: set[tuple[str, str, str]] = set()
    for result in results:
        if not isinstance(result, Pair):
            counts[result] += 1
        elif (result.prompt, result.chosen, result.rejected) in texts:
            counts["duplicate"] += 1
        else:
            texts.add((result.prompt, result.chosen, result.rejected))
            pairs.append(result)
    remaining = cap_per_prompt(pairs, cap, seed) if cap else tuple(pairs)
    counts.update(made=len(remaining), capped=len(pairs) - len(remaining))
    return PairsWithCounts(remaining, PairCounts(**counts))


def pair_from_texts(
    prompt: Key,
    chosen: str,
    rejected: str,
    *,
    key: Key = "",
    source: Source | None = None,
    parents: tuple[Key, ...] = (),
) -> Pair:
    """Return a pair from two texts without spans; the spans come from the diff (`words`).

    `key` is the hash of its contents if empty. Equal texts make a pair too, without spans: a data
    set is imported unchanged.
    """
    diff = words(rejected, chosen)
    return Pair(
        key=key or key_of("pair", "dataset", prompt, chosen, rejected),
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        chosen_spans=diff.chosen,
        rejected_spans=diff.rejected,
        origin="dataset",
        parents=parents,
        source=source or Source(dataset=""),
    )


def cap_per_prompt(pairs: Sequence[Pair], cap: int, seed: int) -> tuple[Pair, ...]:
    """Return at most `cap` pairs per prompt, in order; seed and keys alone decide which."""
    if cap < 1:
        raise ValueError(f"a cap of {cap} pairs per prompt keeps none")
    by_prompt: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_prompt[pair.prompt].append(pair)
    keys = {
        pair.key
        for group in by_prompt.values()
        for pair in sorted(group, key=lambda pair: key_of(seed, pair.key))[:cap]
    }
    return tuple(pair for pair in pairs if pair.key in keys)


def _source(correction: Correction, prompts: Mapping[str, Prompt]) -> Source:
    prompt = prompts.get(correction.prompt)
    if prompt is None:
        raise UserError(
            f"The prompt {correction.prompt} of a correction is missing.",
            f"correction {correction.key}",
            "Use a folder with both the corrections and their prompts.",
        )
    return prompt.source
