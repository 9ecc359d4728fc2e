"""Pairs of all kinds of feedback, with a count of everything that made none."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.feedback.corrections import NoPair, pair_from_correction
from groundtune.feedback.diff import words
from groundtune.records import Correction, Key, Pair, Prompt, Record, Source
from groundtune.store.keys import key_of


class PairCounts(Record):
    """What became of the feedback: `made`, and what made no pair. They add up to what was given."""

    made: int = 0
    unchanged: int = 0
    """Nothing was found wrong, or the texts are equal: RLHF-V discards these too."""
    empty_chosen: int = 0
    """Everything was deleted: a pair would teach to say nothing."""
    empty_rejected: int = 0
    """The answer itself was empty."""
    unsure: int = 0
    """The annotator could not decide what is wrong."""
    tie: int = 0
    """Both answers are as good."""
    duplicate: int = 0
    """Prompt, chosen and rejected equal an earlier pair's."""
    capped: int = 0
    """Beyond the cap of pairs a prompt."""

    @property
    def given(self) -> int:
        """All that came in."""
        return sum(self.model_dump().values())


class Paired(NamedTuple):
    """Pairs in the order of their feedback, and the counts."""

    pairs: tuple[Pair, ...]
    counts: PairCounts


def pairs_from_corrections(
    corrections: Iterable[Correction],
    prompts: Mapping[str, Prompt],
    *,
    cap: int = 0,
    seed: int = 0,
) -> Paired:
    """Pairs of corrected answers, in the order of the corrections.

    `prompts` by key give the source. With `cap` above 0 at most so many pairs a prompt stay: which
    ones depends on `seed` and their keys only, not on their order.

    Raises:
        UserError: a correction's prompt is missing, or its spans don't give its corrected text.
    """
    made: list[Pair | NoPair] = [
        pair_from_correction(each, _source(each, prompts)) for each in corrections
    ]
    return collect_pairs(made, cap=cap, seed=seed)


def collect_pairs(made: Iterable[Pair | NoPair], *, cap: int = 0, seed: int = 0) -> Paired:
    """The pairs, each once, and how often there was none for which reason; `cap` as above."""
    counts: dict[str, int] = defaultdict(int)
    pairs: list[Pair] = []
    seen: set[tuple[str, str, str]] = set()
    for each in made:
        if not isinstance(each, Pair):
            counts[each] += 1
        elif (each.prompt, each.chosen, each.rejected) in seen:
            counts["duplicate"] += 1
        else:
            seen.add((each.prompt, each.chosen, each.rejected))
            pairs.append(each)
    kept = cap_per_prompt(pairs, cap, seed) if cap else tuple(pairs)
    counts.update(made=len(kept), capped=len(pairs) - len(kept))
    return Paired(kept, PairCounts(**counts))


def pair_from_texts(
    prompt: Key,
    chosen: str,
    rejected: str,
    *,
    key: Key = "",
    source: Source | None = None,
    parents: tuple[Key, ...] = (),
) -> Pair:
    """A pair of a data set that has two texts and no spans; the spans come from the diff (`words`).

    `key` is the hash of its contents if empty. Equal texts make a pair too, one without spans: a
    data set is kept as it is.
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
    """At most `cap` pairs of each prompt, in the order given; seed and keys alone choose."""
    if cap < 1:
        raise ValueError(f"a cap of {cap} pairs per prompt keeps none")
    by_prompt: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_prompt[pair.prompt].append(pair)
    kept = {
        pair.key
        for group in by_prompt.values()
        for pair in sorted(group, key=lambda pair: key_of(seed, pair.key))[:cap]
    }
    return tuple(pair for pair in pairs if pair.key in kept)


def _source(correction: Correction, prompts: Mapping[str, Prompt]) -> Source:
    prompt = prompts.get(correction.prompt)
    if prompt is None:
        raise UserError(
            f"The prompt {correction.prompt} of a correction is missing.",
            f"correction {correction.key}",
            "Use a folder with both the corrections and their prompts.",
        )
    return prompt.source
