"""Pairs of answers by rewards: a model's own, a reward model's, or any `Rewarder`'s.

The rank rules of RLAIF-V's data engine (arXiv 2405.17220; a pull request to its code, not in the
paper). "agree": chosen are the answers in the top 3 of every ranking (the summed and the mean
log-likelihood reward), rejected those in the bottom 3 of every ranking; the best chosen is paired
with the best rejected and so on, or all pairs whose lengths differ by fewer than 25 words. "next"
(its rule for scores of a critic): the top `rank` are chosen, the next `rank` rejected. At most 3
pairs per prompt; then the pairs with the longest chosen answers are removed until the mean excess
is half a word.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from groundtune.feedback.balance import trim_excess, word_count
from groundtune.feedback.claim_pairs import (
    ClaimPairCounts,
    ClaimPairs,
    Step,
    apply_rules,
    cap_per_group,
    distinct,
    effect_of,
    without_near_duplicates,
)
from groundtune.records import Answer, Pair, Prompt, Record
from groundtune.store.keys import key_of


class RewardPairRules(Record):
    """Rules for pairing answers by their rewards; the defaults are the published ones."""

    rule: Literal["agree", "next"] = "agree"
    rank: int = Field(default=3, ge=1)
    """Maximum number of answers per side."""
    match: Literal["aligned", "cross"] = "aligned"
    """With "agree": rank by rank, or all pairs of similar length."""
    words: int = Field(default=25, ge=1)
    """With "cross": lengths differ by fewer words than this."""
    near: float = Field(default=0.9, ge=0, le=1)
    """As in `ClaimPairRules`."""
    cap: int = Field(default=3, ge=0)
    """Maximum number of pairs per prompt; 0 keeps all."""
    excess: float = 0.5
    """Maximum mean excess of the chosen answers' words."""
    seed: int = 0


Rankings = Sequence[Mapping[str, float]]
"""Rewards by an answer's key, higher is better; one mapping per ranking."""


def pairs_from_rewards(
    answers: Sequence[Answer],
    rankings: Rankings,
    prompts: Mapping[str, Prompt],
    rules: RewardPairRules,
) -> ClaimPairs:
    """Return pairs by the ranks of the answers' rewards.

    An answer that a ranking lacks, or whose reward is not a number, is unscored.

    Raises:
        ValueError: there is no ranking.
    """
    if not rankings:
        raise ValueError("there are no rewards to rank by")
    unique = distinct(answers)
    groups: dict[str, list[Answer]] = defaultdict(list)
    unscored: Counter[str] = Counter()
    for answer in unique:
        if why := _why_unscored(answer, rankings):
            unscored[why] += 1
        else:
            groups[answer.prompt].append(answer)
    pairs: list[Pair] = []
    for group in groups.values():
        pairs += [_pair(c, r, rankings[0], prompts) for c, r in _matched(group, rankings, rules)]
    steps: list[Step] = [("near-duplicates", lambda p: without_near_duplicates(p, rules.near))]
    if rules.cap:
        cap, seed = rules.cap, rules.seed
        steps.append(
            ("cap by prompt", lambda p: cap_per_group(p, lambda pair: pair.prompt, cap, seed))
        )
    steps.append(("excess of words", lambda p: trim_excess(p, rules.excess)))
    candidates = sum(len(group) * (len(group) - 1) // 2 for group in groups.values())
    remaining, effects = apply_rules(pairs, steps)
    ranks = effect_of("ranks", candidates, pairs)
    return ClaimPairs(
        tuple(remaining),
        ClaimPairCounts(
            answers=len(answers),
            duplicates=len(answers) - len(unique),
            unscored=unscored.total(),
            unscored_why=dict(unscored.most_common()),
            candidates=candidates,
            made=len(remaining),
            effects=(ranks, *effects),
        ),
    )


def _why_unscored(answer: Answer, rankings: Rankings) -> str:
    if not answer.text.strip():
        return "empty answers"
    if not all(answer.key in rewards for rewards in rankings):
        return "answers without a reward"
    finite = all(math.isfinite(rewards[answer.key]) for rewards in rankings)
    return "" if finite else "answers whose reward is not a number"


def _matched(
    group: Sequence[Answer], rankings: Rankings, rules: RewardPairRules
) -> list[tuple[Answer, Answer]]:
    """Return the chosen and rejected answers of one prompt."""
    orders = [
        sorted(group, key=lambda answer: (-rewards[answer.key], answer.key)) for rewards in rankings
    ]
    first, rank = orders[0], rules.rank
    if rules.rule == "next":
        return list(zip(first[:rank], first[rank : 2 * rank], strict=False))
    top = {answer.key for answer in first[:rank]}
    bottom = {answer.key for answer in first[-rank:]}
    for order in orders[1:]:
        top &= {answer.key for answer in order[:rank]}
        bottom &= {answer.key for answer in order[-rank:]}
    bottom -= top
    chosen = [answer for answer in first if answer.key in top]
    rejected = [answer for answer in first if answer.key in bottom]
    if rules.match == "aligned":
        return list(zip(chosen, rejected, strict=False))
    return [
        (c, r)
        for c in chosen
        for r in rejected
        if abs(word_count(c.text) - word_count(r.text)) < rules.words
    ]


def _pair(
    chosen: Answer, rejected: Answer, rewards: Mapping[str, float], prompts: Mapping[str, Prompt]
) -> Pair:
    scores = rewards[chosen.key], rewards[rejected.key]
    return Pair(
        key=key_of("pair", "reward", chosen.key, rejected.key, scores),
        prompt=chosen.prompt,
        chosen=chosen.text,
        rejected=rejected.text,
        chosen_rating=scores[0],
        rejected_rating=scores[1],
        origin="reward",
        parents=(chosen.key, rejected.key),
        source=prompts[chosen.prompt].source,
    )
