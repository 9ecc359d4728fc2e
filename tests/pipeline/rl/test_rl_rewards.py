"""Components of the reward: what each gives, how they are summed, and where claims' rewards go."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from groundtune.errors import UserError
from groundtune.feedback.repeats import repeated_claims, repeated_phrases
from groundtune.pipeline.reward.rewarders import OpenedRewarder
from groundtune.pipeline.rl.claims import FirstAnswer, words_outside
from groundtune.pipeline.rl.rewarders import WrongWordRewards
from groundtune.pipeline.rl.rewards import COMPONENTS, ComponentValue, judge, outside, rewards_of
from groundtune.pipeline.rl.settings import AnswerRewardSettings, LengthGate
from groundtune.protocols import SpanReward
from groundtune.records import Claim, ClaimStatus, Message, Prompt, SpanKind, TextPart
from groundtune.train.rl_batch import Rewards
from groundtune.train.rollout import Rollout

TEXT = "There is a dog, two cats and a cup."
ONLY = dict.fromkeys(("rejected", "coverage", "length", "missing_end", "repetition"), 0.0)
REFERENCE = FirstAnswer(10, frozenset({"is there a tree?"}))


def rollout(key: str, text: str = TEXT, finish: str = "stop") -> Rollout:
    ids = tuple(range(len(text) + 1))  # a token per character, and the end
    return Rollout.model_validate(
        {
            "key": key,
            "step": 1,
            "prompt": "p",
            "index": 0,
            "seed": 0,
            "text": text,
            "prompt_ids": (1,),
            "answer_ids": ids,
            "logp": (0.0,) * len(ids),
            "mode": "raw",
            "finish": finish,
            "images": (),
            "processor": "",
            "weights": "",
        }
    )


def claim(
    said: str,
    status: ClaimStatus,
    *,
    text: str = TEXT,
    question: str = "",
    kind: SpanKind = "object",
    rests_on: str = "",
) -> Claim:
    start = text.index(said)
    return Claim(
        key=said,
        answer="a",
        start=start,
        end=start + len(said),
        text=said,
        question=question or f"Is there {said}?",
        status=status,
        kind=kind,
        rests_on=rests_on,
    )


CLAIMS = [
    claim("a dog", "supported"),
    claim("two cats", "rejected"),
    claim("two", "rejected", kind="number", rests_on="two cats"),
    claim("a cup", "supported"),
]
PROMPT = Prompt(key="p", messages=(Message(role="user", content=(TextPart(text="?"),)),))


def rewards(
    answers: Sequence[tuple[Rollout, Sequence[Claim]]],
    *,
    credit: bool = False,
    custom: dict[str, list[ComponentValue]] | None = None,
    **weights: Any,
) -> Rewards:
    settings = AnswerRewardSettings.model_validate(ONLY | weights)
    judged = judge(
        [each for each, _ in answers],
        {"p": PROMPT},
        {each.key: claims for each, claims in answers},
        {"p": REFERENCE},
        longest=50,
        kinds=settings.kinds,
    )

    def offsets(each: Rollout) -> list[tuple[int, int]]:
        end = len(each.text)
        return [*((i, i + 1) for i in range(end)), (end, end)]

    return rewards_of(judged, settings, offsets=offsets if credit else None, more=custom or {})


def test_each_component_has_the_value_that_its_name_says() -> None:
    one = (rollout("a"), CLAIMS)
    values = {
        "rejected": -1.0,  # "two" rests on the rejected "two cats"
        "supported": 2.0,
        "coverage": 2 / 3,  # the reference knows of a tree
        "length": -(0.85 - 7 / 10),
        "missing_end": 0.0,
        "repetition": 0.0,
        "tokens": -len(one[0].answer_ids) / 50,
    }
    for name, value in values.items():
        weight: dict[str, Any] = {name: 1.0}
        found = rewards([one], normalise="none", **weight)
        assert found.terminal[0] == pytest.approx(value), name
        assert found.metrics[f"reward/{name}"] == pytest.approx(value)
    assert COMPONENTS.keys() >= AnswerRewardSettings().weights.keys()


def test_a_truncated_answer_lacks_its_end_and_an_empty_one_covers_nothing() -> None:
    cut, empty = (rollout("a", finish="length"), CLAIMS), (rollout("b", ""), list[Claim]())
    found = rewards([cut, empty], normalise="none", missing_end=1, coverage=1)
    assert found.terminal == (pytest.approx(-1 + 2 / 3), 0.0)
    assert found.counts == (True, True)


def test_truncated_answers_may_be_left_out_instead() -> None:
    answers = [(rollout("a", finish="length"), CLAIMS), (rollout("b"), CLAIMS)]
    assert rewards(answers, coverage=1, truncated="mask").counts == (False, True)
    assert rewards(answers, coverage=1).counts == (True, True)


def test_kinds_that_do_not_count_are_left_out() -> None:
    numbers = [claim("two", "rejected", kind="number"), claim("a dog", "supported")]
    everything = rewards([(rollout("a"), numbers)], normalise="none", rejected=1)
    objects = rewards([(rollout("a"), numbers)], normalise="none", rejected=1, kinds=("object",))
    assert (everything.terminal, objects.terminal) == ((-1.0,), (0.0,))


def test_the_second_indefinite_mention_repeats_and_a_definite_one_does_not() -> None:
    text = "There is a dog. The dog is on the left. There is also a dog."
    first = claim("a dog", "supported", text=text)
    definite = claim("The dog", "supported", text=text, question=first.question)
    place = text.rindex("a dog")
    again = first.model_copy(update={"key": "again", "start": place, "end": place + 5})
    assert repeated_claims(text, [first, definite, again]) == [again]


def test_the_gate_has_two_sides_and_words_of_rejected_claims_do_not_count() -> None:
    gate = LengthGate(low=0.8, high=1.2)
    found = [outside(words, 10, gate) for words in (6, 8, 10, 12, 15)]
    assert found == pytest.approx([0.2, 0, 0, 0, 0.3])
    assert outside(5, 0, gate) == 0
    assert words_outside(TEXT, CLAIMS) == 7


def test_components_are_divided_by_their_spread_before_they_are_summed() -> None:
    answers = [(rollout(str(i)), CLAIMS) for i in range(4)]
    large = {"large": [ComponentValue(each) for each in (0.0, 1000.0, 0.0, 1000.0)]}
    small = {"small": [ComponentValue(each) for each in (0.1, 0.1, 0.0, 0.0)]}
    found = rewards(answers, custom=large | small, more={"large": 1, "small": 1})
    a, b, c, d = found.terminal
    assert b - a == pytest.approx(d - c)
    assert a - c == pytest.approx(b - d) == pytest.approx(b - a)
    plain = rewards(answers, custom=large | small, normalise="none", more={"large": 1, "small": 1})
    assert plain.terminal == pytest.approx((0.1, 1000.1, 0, 1000))


def test_what_is_almost_always_zero_does_not_outweigh_the_rest() -> None:
    answers = [(rollout(str(i), finish="length" if i == 0 else "stop"), CLAIMS) for i in range(64)]
    found = rewards(answers, missing_end=1)
    assert found.terminal[0] == pytest.approx(-1 / 0.25)


def test_a_claims_reward_is_on_the_last_token_of_its_span_and_the_rest_at_the_end() -> None:
    answers = [(rollout("a"), CLAIMS), (rollout("b", finish="length"), CLAIMS[:1])]
    weights: dict[str, Any] = {"normalise": "none", "rejected": 1, "coverage": 1, "missing_end": 1}
    found, whole = (rewards(answers, credit=credit, **weights) for credit in (True, False))
    dog, cats, cup = (TEXT.index(said) + len(said) - 1 for said in ("a dog", "two cats", "a cup"))
    assert found.on_tokens[0] == (
        (dog, pytest.approx(1 / 3)),
        (cats, -1.0),
        (cup, pytest.approx(1 / 3)),
    )
    assert found.terminal == (0.0, -1.0)
    assert whole.on_tokens == ((), ())
    for i in range(2):
        total = found.terminal[i] + sum(value for _, value in found.on_tokens[i])
        assert whole.terminal[i] == pytest.approx(total)


def test_answers_that_can_not_be_read_have_no_reward_and_too_many_of_them_stop_the_run() -> None:
    unread = Claim(key="u", answer="a", start=0, end=len(TEXT), text=TEXT, status="unparsed")
    readable = [(rollout(str(i)), CLAIMS) for i in range(4)]
    found = rewards([*readable, (rollout("u"), [unread])], rejected=1)
    assert found.counts == (True, True, True, True, False)
    assert found.metrics["unrewarded"] == pytest.approx(0.2)
    with pytest.raises(UserError, match="1 of 2 answers have no reward") as caught:
        rewards([readable[0], (rollout("u"), [unread])], rejected=1)
    assert "rejected" in caught.value.where
    nan = {"model": [ComponentValue(math.nan)] * 4}
    with pytest.raises(UserError, match="4 of 4"):
        rewards(readable, custom=nan, more={"model": 1})


@pytest.mark.parametrize("name", ["rejected", "supported", "coverage", "length", "repetition"])
def test_a_labeler_that_does_not_answer_gives_no_component_a_value(name: str) -> None:
    silent = [claim("a dog", "unchecked"), claim("a cup", "unchecked")]
    half = [claim("a dog", "unchecked"), claim("a cup", "supported")]
    answers = [*((rollout(str(i)), CLAIMS) for i in range(4)), (rollout("h"), half)]
    found = rewards([*answers, (rollout("u"), silent)], normalise="none", **{name: 1.0})
    assert found.counts == (True, True, True, True, True, False)
    read = rewards(answers, normalise="none", **{name: 1.0})
    assert found.metrics[f"reward/{name}"] == read.metrics[f"reward/{name}"]
    assert found.metrics["unanswered"] == pytest.approx(3 / (4 * len(CLAIMS) + 4))


def test_a_sentence_that_can_not_be_divided_counts_as_wrong() -> None:
    silent = claim("and a cup", "unparsed")
    found = rewards([(rollout("a"), [CLAIMS[0], silent])], normalise="none", rejected=1)
    assert found.terminal == (-1.0,)


def _prompt() -> Prompt:
    return Prompt(key="p", messages=(Message(role="user", content=(TextPart(text="?"),)),))


class _Spans:
    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        return [-0.5] * len(answers)

    def reward_spans(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> list[list[SpanReward]]:
        odds = (math.log(3), -math.log(4), 800.0, -800.0, math.nan)
        return [[SpanReward(n, n + 1, value) for n, value in enumerate(odds)] for _ in answers]


def test_words_are_rewarded_by_the_probability_that_they_are_wrong() -> None:
    spans = _Spans()
    rewards = WrongWordRewards(OpenedRewarder(spans, "id", lambda: None, spans))
    [words] = rewards.reward_spans([_prompt()], ["a b c d e"])
    assert [each.value for each in words[:4]] == pytest.approx([-0.25, -0.8, 0, -1])
    assert math.isnan(words[4].value)
    assert rewards.reward([_prompt()], ["a"]) == [-0.5]


def test_phrases_that_an_answer_says_again_are_counted_without_reading_it() -> None:
    assert repeated_phrases("There is a dog and a cat.") == 0
    # of 7 phrases of four words, the last two are the first two again
    assert repeated_phrases("a cup and a bowl a cup and a bowl") == pytest.approx(2 / 7)
    assert repeated_phrases("Yes.") == 0
