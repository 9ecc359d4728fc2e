"""VL-RewardBench: which of two answers about an image is better, for judges and reward models.

Li et al. 2024, arXiv 2411.17451. 1,250 pairs of answers of which one was preferred, in three
groups by where they are from: general, hallucination and reasoning. A judge sees the image, the
question and both answers, and ends with "Answer N is better".

Data: the Parquet of MMInstruction/VL-RewardBench, or JSON lines of its columns (id, query,
response, human_ranking; an image for `bench run`). A pair is known by id, query and answers.

Answers: the lines that inference_hf.py writes (several calls per pair, each in an order of its
own); or {item, answer} of this benchmark's two items per pair, "ID/1" in the data's order and
"ID/2" swapped; or {id, scores: [first, second]} of a reward model, higher is better.

Mode official is cal.py of vl-rewardbench/VL_RewardBench at 9b10abd with `reparse`: the last "Answer
N is better" after "Overall Judgment" or "Therefore" counts, and any N but the worse answer's agrees
with people. The lines are shuffled (seed 1234, once for each of k = 1, 3, 5, 7, 9) and the first k
calls of a pair vote; a pair without a majority of agreeing or disagreeing calls is in no rate.

Mode strict: a pair is right if the calls of both orders prefer the better answer; a call that can't
be read, a tie and a preference for a place are wrong, and are counted.
"""

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.item import ItemAnswer
from groundtune.bench.metric import Floats, Metric, ratio, unparsed_metric, words_metric
from groundtune.bench.tasks.vl_rewardbench.judgements import (
    Call,
    calls_in,
    read_answers,
    rewarded,
    verdict,
)
from groundtune.bench.tasks.vl_rewardbench.pairs import (
    NAME,
    OrderedPair,
    RewardPair,
    items,
    read_data,
)
from groundtune.records import Score

ROWS = 1250
REVISION = "vl-rewardbench/VL_RewardBench at 9b10abd, cal.py"
GROUPS = ("general", "hallucination", "reasoning")
VOTES = (1, 3, 5, 7, 9)
"""Calls of a pair that vote, as cal.py prints its figures."""
SHUFFLE_SEED = 1234


def score(
    data: Sequence[OrderedPair], answers: Sequence[ItemAnswer], scoring: Scoring
) -> list[Score]:
    """One score per order of a pair; the second order's score has the pair's judgement."""
    calls = [calls_in(answers[i : i + 2], i) for i in range(0, len(data), 2)]
    votes = _official_votes(data[::2], calls) if scoring.mode == "official" else []
    scores: list[Score] = []
    for i, pair_calls in enumerate(calls):
        first, second = data[2 * i : 2 * i + 2]
        values = votes[i] if votes else _strict_values(first.pair, pair_calls)
        scores.append(_score(first, answers[2 * i], pair_calls, {}, scoring))
        scores.append(_score(second, answers[2 * i + 1], pair_calls, values, scoring))
    return scores


def _official_votes(
    showings: Sequence[OrderedPair], calls: Sequence[Sequence[Call]]
) -> list[dict[str, float]]:
    """The values of each pair: how the first k calls of the shuffled lines vote."""
    lines = [(call, i) for i, pair_calls in enumerate(calls) for call in pair_calls]
    lines.sort(key=lambda each: each[0].line)
    chance = random.Random(SHUFFLE_SEED)
    values: list[dict[str, float]] = [{} for _ in showings]
    max_calls = max(map(len, calls), default=0)
    for k in VOTES:
        order = list(range(len(lines)))
        for i in range(len(order)):  # cal.py's own shuffle: not every order is equally likely
            j = chance.randint(0, len(order) - 1)
            order[i], order[j] = order[j], order[i]
        ballots: list[list[str]] = [[] for _ in showings]
        for place in order:
            call, i = lines[place]
            if len(ballots[i]) < k:
                ballots[i].append(_official_status(showings[i].pair, call))
        if k > 1 and max_calls < k:
            continue
        for i, ballot in enumerate(ballots):
            result = _majority(ballot)
            values[i][f"{result}_{k}:{showings[i].pair.group}"] = 1.0
    for i, pair_calls in enumerate(values):
        pair_calls["pairs"] = 1.0
        last = max(k for k in VOTES if k == 1 or max_calls >= k)
        for result in ("agree", "reject", "unread", "undecided"):
            group = showings[i].pair.group
            if f"{result}_{last}:{group}" in pair_calls:
                pair_calls[f"{result}:{group}"] = 1.0
    return values


def _official_status(pair: RewardPair, call: Call) -> str:
    number = verdict(call.text)
    if number is None:
        return "unread"
    return "reject" if number == OrderedPair(pair, call.swapped).worse_number else "agree"


def _majority(ballot: Sequence[str]) -> str:
    for result in ("agree", "reject", "unread"):
        if ballot.count(result) > len(ballot) / 2:
            return result
    return "undecided"


def _strict_values(pair: RewardPair, calls: Sequence[Call]) -> dict[str, float]:
    """Right if the majority of each order's calls prefers the better answer."""
    results = [
        _majority([_strict_status(pair, call) for call in calls if call.swapped == swapped])
        for swapped in (False, True)
        if any(call.swapped == swapped for call in calls)
    ]
    right = set(results) == {"agree"}
    kinds = {"unread": "unread" in results, "undecided": "undecided" in results}
    place = set(results) == {"agree", "reject"}
    return {
        "pairs": 1.0,
        f"{'agree' if right else 'reject'}:{pair.group}": 1.0,
        "both_orders": 1.0,
        "by_place": float(place),
        **{f"{name}:{pair.group}": 1.0 for name, is_so in kinds.items() if is_so},
    }


def _strict_status(pair: RewardPair, call: Call) -> str:
    number = verdict(call.text)
    if number not in (1, 2):
        return "unread"
    return "reject" if number == OrderedPair(pair, call.swapped).worse_number else "agree"


def _score(
    showing: OrderedPair,
    answer: ItemAnswer,
    calls: Sequence[Call],
    values: Mapping[str, float],
    scoring: Scoring,
) -> Score:
    verdicts = [verdict(call.text) for call in calls if call.swapped == showing.swapped]
    numbers = [number for number in verdicts if number is not None]
    better = 3 - showing.worse_number
    why = "" if numbers else "no line says which answer is better"
    if numbers and numbers[0] != better:
        why = f"answer {numbers[0]} is called better, people prefer {better}"
    return Score(
        key=score_key(VL_REWARDBENCH, showing.item, answer.text, scoring),
        benchmark=NAME,
        item=showing.item,
        image=showing.pair.id,
        model=scoring.model,
        answer=answer.text,
        values={"all": 1.0, "words": float(len(answer.text.split())), **values},
        extracted=(str(numbers[0]),) if numbers else (),
        why=why,
        strata={"group": showing.pair.group},
        status="scored" if numbers else "unparsed",
    )


def _share_of(group: str, suffix: str = "") -> Callable[[Mapping[str, Floats]], Floats]:
    def share(sums: Mapping[str, Floats]) -> Floats:
        agree, reject = sums[f"agree{suffix}:{group}"], sums[f"reject{suffix}:{group}"]
        return ratio(agree, agree + reject)

    return share


def _macro(suffix: str = "") -> Callable[[Mapping[str, Floats]], Floats]:
    def mean(sums: Mapping[str, Floats]) -> Floats:
        shares = np.stack([_share_of(group, suffix)(sums) for group in GROUPS])
        return shares.mean(0)

    return mean


def _columns(result: str, suffix: str = "") -> dict[str, float]:
    return {f"{result}{suffix}:{group}": 1.0 for group in GROUPS}


def notes(
    data: Sequence[OrderedPair], answers: Sequence[ItemAnswer], scores: Sequence[Score]
) -> list[str]:
    """Return notes on incomplete data, pairs in no rate, and orders that were never asked."""
    sentences: list[str] = []
    pairs = len(data) // 2
    if pairs != ROWS:
        sentences.append(f"The data has {pairs:,} pairs; VL-RewardBench has {ROWS:,}.")
    undecided = sum(
        1
        for score_ in scores
        if any(name.split(":")[0] in ("unread", "undecided") for name in score_.values)
    )
    if undecided:
        sentences.append(
            f"{undecided:,} of {pairs:,} pairs could not be read or decided; mode official leaves "
            "them out of all rates, mode strict counts them as wrong."
        )
    alone = sum(1 for answer in answers if answer.extra.get("calls") and not answer.text)
    if alone:
        sentences.append(f"{alone:,} pairs were judged in one order alone.")
    return sentences


VL_REWARDBENCH = Benchmark(
    name=NAME,
    protocol=Protocol(
        label="VL-RewardBench",
        prompt="The question, both answers and the criteria, in both orders; text of our own",
        parser="cal.py: the last 'Answer N is better' after 'Overall Judgment' or 'Therefore'",
        counted="pairs whose better answer is preferred, by group; macro is the groups' mean",
        source="Li et al. 2024, arXiv 2411.17451",
        max_new_tokens=1024,
    ),
    revision=REVISION,
    metrics=(
        Metric(
            name="macro_accuracy",
            label="Better answers preferred, mean of the three groups",
            formula=_macro(),
            better="higher",
            explanation="By the largest odd number of calls, at most 9.",
        ),
        Metric(
            name="accuracy",
            label="Better answers preferred",
            numerator=_columns("agree"),
            denominator=_columns("agree") | _columns("reject"),
            better="higher",
            explanation="Of all pairs that are in a rate.",
        ),
        *(
            Metric(
                name=f"accuracy_{group}",
                label=f"Better answers preferred, {group}",
                formula=_share_of(group),
                better="higher",
            )
            for group in GROUPS
        ),
        *(
            Metric(
                name=f"macro_accuracy_{k}",
                label=f"Mean of the groups by {k} call{'s' if k > 1 else ''}",
                formula=_macro(f"_{k}"),
                better="higher",
                explanation="Mode official alone.",
            )
            for k in VOTES
        ),
        Metric(
            name="unread_pairs",
            label="Pairs whose judgements can't be read",
            numerator=_columns("unread"),
            denominator={"pairs": 1},
            better="lower",
        ),
        Metric(
            name="undecided_pairs",
            label="Pairs without a majority",
            numerator=_columns("undecided"),
            denominator={"pairs": 1},
            better="lower",
        ),
        Metric(
            name="by_place",
            label="Pairs in which a place is preferred, not an answer",
            numerator={"by_place": 1},
            denominator={"both_orders": 1},
            better="lower",
            explanation="Mode strict alone.",
        ),
        words_metric(),
        unparsed_metric(),
    ),
    headline="macro_accuracy",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    items=items,
    images_inside=True,
    rewarded=rewarded,
    notes=notes,
    layouts="lines of inference_hf.py; item and answer; or id and scores of a reward model",
)
