"""Pairs of answers to one prompt by their claims, with counts of what each rule removed.

The rules of RLAIF-V's code (Yu et al. 2024, arXiv 2405.17220): all pairs of a prompt's answers
whose scores differ by at least 1, the higher one chosen; at most 2 random pairs per image; then
length balancing over the corpus. Departures: exact duplicates of an answer count once, draws are
seeded, the cap is per prompt unless `cap_by` is "image", near-duplicate pairs are removed, and an
answer with an unparsed claim makes no pair (the code drops a pair when the numbers of facts and
questions differ).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from groundtune.feedback.balance import balance_corpus, balance_each, mean_words
from groundtune.feedback.claim_spans import gained_spans, rejected_spans
from groundtune.feedback.claims import Scoring, by_answer, facts_of, score, why_unscored
from groundtune.feedback.repeats import with_repeats_rejected
from groundtune.records import Answer, Claim, Pair, Prompt, Record, Span
from groundtune.store.keys import key_of

BY = "claims"
"""`Span.by` of the spans of these pairs."""
GRAM = 3
"""Words of a shingle, for finding near-duplicates."""
_ROUNDING = 1e-9
"""Tolerance: rates whose exact difference is the margin may differ by less in floating point."""


class ClaimPairRules(Record):
    """Rules for pairing answers."""

    scoring: Scoring = "count"
    """"count" is published; "rate" is the share of an answer's claims that is rejected, "expected"
    their expected number by the labeler's probabilities."""
    resting: bool = False
    """Count a rejected claim also when the one that it rests on is rejected."""
    margin: float = Field(default=1.0, gt=0)
    """Least difference of scores: 1 is published. Use less with the rate."""
    min_supported_ratio: float = Field(default=0.0, ge=0)
    """Least number of different supported claims of the chosen answer, as a multiple of the
    rejected one's: with 1, no pair teaches to omit what is right. 0 sets no limit, as published."""
    near: float = Field(default=0.9, ge=0, le=1)
    """A pair is removed if both of its sides share at least this much (Jaccard index of word
    triples) with those of an earlier pair of the same prompt; 1 removes only exact repeats."""
    cap: int = Field(default=2, ge=0)
    """Maximum number of pairs per prompt or image: 2 is published; 0 keeps all."""
    cap_by: Literal["prompt", "image"] = "prompt"
    """Whether the cap is per prompt or per image; "image" is published."""
    balance: Literal["none", "corpus", "each", "both"] = "corpus"
    """Length balancing: over the corpus (as published), of each pair, or both."""
    length_limit: float = Field(default=0.25, ge=0, le=1)
    """With "each": largest difference in words, as a share of the longer answer's."""
    spans: Literal["none", "rejected", "both", "all"] = "rejected"
    """Which changed spans a pair has, for losses with segment weights: those of the rejected
    answer's rejected claims; with "both" also those of the chosen answer's supported claims that
    the rejected answer lacks; with "all" those of all its supported claims."""
    sure: float = Field(default=0.5, ge=0.5, le=1)
    """Least share of p(yes) + p(no) that a verdict needs for its claim to be marked; 0.5 marks all.
    The score counts all claims in any case."""
    mark_repeats: bool = False
    """Mark what an answer says again as if it were new ("a cup, a bowl and a cup"), as rejected
    claims are: over rounds a model may learn to repeat what is right. No score counts it. For
    English alone: "the cup" is known to be no new one by its article."""
    seed: int = 0
    """Seed of which pairs stay under the cap."""

    @model_validator(mode="after")
    def _a_rate_differs_by_less_than_one(self) -> Self:
        if self.scoring == "rate" and self.margin >= 1:
            raise ValueError(
                "With scoring=rate, a margin of 1 only pairs all-wrong with all-right answers: "
                "lower the margin, to 0.1 for example."
            )
        return self


class RuleEffect(Record):
    """Effect of one rule; rules are listed in the order in which they apply."""

    rule: str
    dropped: int
    left: int
    words_chosen: float
    """Mean words of the chosen answers of the remaining pairs."""
    words_rejected: float


class ClaimPairCounts(Record):
    """Counts of the answers and of all pairs of answers; `effects` add up to `candidates`."""

    answers: int
    duplicates: int
    """Answers with the same text as an earlier answer to the same prompt."""
    unscored: int
    """Answers without a score: not divided, not read, or without a checked claim."""
    unscored_why: dict[str, int]
    """Their number per reason, the most frequent first."""
    candidates: int
    """Pairs of the remaining answers to one prompt."""
    made: int
    effects: tuple[RuleEffect, ...]


class ClaimPairs(NamedTuple):
    """Pairs, in the order of prompts and answers, and their counts."""

    pairs: tuple[Pair, ...]
    counts: ClaimPairCounts


class ScoredAnswer(NamedTuple):
    """An answer with its score and claims."""

    answer: Answer
    score: float
    claims: Sequence[Claim]


def pairs_from_claims(
    answers: Sequence[Answer],
    claims: Sequence[Claim],
    prompts: Mapping[str, Prompt],
    rules: ClaimPairRules,
) -> ClaimPairs:
    """Return pairs of the answers by the number (or rate) of their rejected claims."""
    unique = distinct(answers)
    groups = by_answer(claims)
    scored: dict[str, list[ScoredAnswer]] = defaultdict(list)
    unscored: Counter[str] = Counter()
    for answer in unique:
        answer_claims = groups.get(answer.key, [])
        if why := why_unscored(answer_claims):
            unscored[why] += 1
        else:
            value = score(answer_claims, rules.scoring, resting=rules.resting)
            if rules.mark_repeats:
                answer_claims = with_repeats_rejected(answer.text, answer_claims)
            scored[answer.prompt].append(ScoredAnswer(answer, value, answer_claims))
    candidates = [pair for group in scored.values() for pair in combinations(group, 2)]
    pairs: list[Pair] = []
    enough_supported: set[str] = set()
    for first, second in candidates:
        better, worse = (second, first) if second.score > first.score else (first, second)
        if better.score - worse.score >= rules.margin - _ROUNDING:
            pairs.append(_pair(better, worse, prompts, rules))
            if _supported(better) >= rules.min_supported_ratio * _supported(worse):
                enough_supported.add(pairs[-1].key)
    remaining, effects = apply_rules(pairs, _steps(rules, prompts, enough_supported))
    score_difference = effect_of("difference of scores", len(candidates), pairs)
    return ClaimPairs(
        tuple(remaining),
        ClaimPairCounts(
            answers=len(answers),
            duplicates=len(answers) - len(unique),
            unscored=unscored.total(),
            unscored_why=dict(unscored.most_common()),
            candidates=len(candidates),
            made=len(remaining),
            effects=(score_difference, *effects),
        ),
    )


Step = tuple[str, Callable[[Sequence[Pair]], Sequence[Pair]]]


def apply_rules(
    pairs: Sequence[Pair], steps: Sequence[Step]
) -> tuple[Sequence[Pair], list[RuleEffect]]:
    """Apply the rules in turn; return the remaining pairs, and the effect of each rule."""
    effects: list[RuleEffect] = []
    for name, rule in steps:
        remaining = rule(pairs)
        effects.append(effect_of(name, len(pairs), remaining))
        pairs = remaining
    return pairs, effects


def distinct(answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers, without repeats of a text for the same prompt."""
    first: dict[tuple[str, str], Answer] = {}
    for answer in answers:
        first.setdefault((answer.prompt, answer.text), answer)
    return list(first.values())


def without_near_duplicates(pairs: Sequence[Pair], near: float) -> list[Pair]:
    """Remove pairs that are near an earlier pair of the same prompt on both sides."""
    shingles = {text: _shingles(text) for pair in pairs for text in (pair.chosen, pair.rejected)}
    unique: dict[str, list[Pair]] = defaultdict(list)

    def close(one: str, other: str) -> bool:
        return one == other or (near < 1 and _jaccard(shingles[one], shingles[other]) >= near)

    for pair in pairs:
        repeats = any(
            close(pair.chosen, other.chosen) and close(pair.rejected, other.rejected)
            for other in unique[pair.prompt]
        )
        if not repeats:
            unique[pair.prompt].append(pair)
    keys = {pair.key for group in unique.values() for pair in group}
    return [pair for pair in pairs if pair.key in keys]


def cap_per_group(
    pairs: Sequence[Pair], group_of: Callable[[Pair], object], cap: int, seed: int
) -> list[Pair]:
    """Return at most `cap` pairs per group, in order; seed and keys alone decide which."""
    counts: Counter[object] = Counter()
    keys: set[str] = set()
    for pair in sorted(pairs, key=lambda pair: key_of(seed, pair.key)):
        group = group_of(pair)
        if counts[group] < cap:
            counts[group] += 1
            keys.add(pair.key)
    return [pair for pair in pairs if pair.key in keys]


def _steps(
    rules: ClaimPairRules, prompts: Mapping[str, Prompt], enough_supported: AbstractSet[str]
) -> list[Step]:
    """Return the rules after the difference of scores, in order.

    `enough_supported`: keys of the pairs whose chosen answer has enough supported claims.
    """

    def group_of(pair: Pair) -> object:
        return pair.prompt if rules.cap_by == "prompt" else prompts[pair.prompt].images

    steps: list[Step] = []
    if rules.min_supported_ratio:
        steps.append(
            ("supported claims kept", lambda p: [q for q in p if q.key in enough_supported])
        )
    steps.append(("near-duplicates", lambda p: without_near_duplicates(p, rules.near)))
    if rules.balance in ("each", "both"):
        steps.append(("length of each pair", lambda p: balance_each(p, rules.length_limit)))
    if rules.cap:
        name = f"cap by {rules.cap_by}"
        steps.append((name, lambda p: cap_per_group(p, group_of, rules.cap, rules.seed)))
    if rules.balance in ("corpus", "both"):
        steps.append(("length of the corpus", lambda p: balance_corpus(p).pairs))
    return steps


def effect_of(rule: str, before: int, remaining: Sequence[Pair]) -> RuleEffect:
    """Return the effect of a rule that reduced `before` pairs to `left`."""
    words = mean_words(remaining)
    return RuleEffect(
        rule=rule,
        dropped=before - len(remaining),
        left=len(remaining),
        words_chosen=round(words.chosen, 2),
        words_rejected=round(words.rejected, 2),
    )


def _pair(
    better: ScoredAnswer, worse: ScoredAnswer, prompts: Mapping[str, Prompt], rules: ClaimPairRules
) -> Pair:
    prompt = prompts[better.answer.prompt]
    sure, text = rules.sure, better.answer.text
    wrong: tuple[Span, ...] = ()
    gained: tuple[Span, ...] = ()
    if rules.spans != "none":
        wrong = rejected_spans(worse.claims, BY, resting=rules.resting, sure=sure)
    if rules.spans in ("both", "all"):
        others = worse.claims if rules.spans == "both" else ()
        gained = gained_spans(better.claims, others, text, BY, sure=sure)
    scores = better.score, worse.score
    return Pair(
        # The key covers all contents: other spans or scores make another pair.
        key=key_of("pair", "claims", better.answer.key, worse.answer.key, scores, gained, wrong),
        prompt=prompt.key,
        chosen=text,
        rejected=worse.answer.text,
        chosen_spans=gained,
        rejected_spans=wrong,
        chosen_rating=better.score,
        rejected_rating=worse.score,
        chosen_severity=abs(better.score),
        rejected_severity=abs(worse.score),
        origin="claims",
        parents=(better.answer.key, worse.answer.key),
        source=prompt.source,
    )


def _supported(answer: ScoredAnswer) -> int:
    """Return the number of different supported claims of an answer."""
    return len(facts_of(answer.claims))


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = text.lower().split()
    if len(words) < GRAM:
        return frozenset({tuple(words)})
    return frozenset(tuple(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1))


def _jaccard(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)
