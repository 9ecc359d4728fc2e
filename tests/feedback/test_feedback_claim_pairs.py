"""Pairs of answers by their claims and by rewards, and the effect of every rule."""

import pytest
from pydantic import ValidationError

from groundtune.feedback.claim_pairs import ClaimPairRules, pairs_from_claims
from groundtune.feedback.reward_pairs import RewardPairRules, pairs_from_rewards
from groundtune.records import (
    Answer,
    Claim,
    ImagePart,
    Message,
    Producer,
    Prompt,
    Source,
    Span,
    TextPart,
)

MODEL = Producer(kind="model", name="m")
ALL = ClaimPairRules(cap=0, balance="none", near=1)


def prompt(key: str, image: str = "i") -> Prompt:
    content = (ImagePart(image=image), TextPart(text="Describe it."))
    messages = (Message(role="user", content=content),)
    return Prompt(key=key, messages=messages, source=Source(dataset="d", licence="cc-by-4.0"))


def said(key: str, text: str, of: str = "p") -> Answer:
    return Answer(key=key, prompt=of, text=text, producer=MODEL)


def checked(answer: str, rejected: int, supported: int = 1) -> list[Claim]:
    """Claims of an answer; claim i stands at character i."""
    statuses = ["rejected"] * rejected + ["supported"] * supported
    return [
        Claim.model_validate(
            {
                "key": f"{answer}{i}",
                "answer": answer,
                "start": i,
                "end": i + 1,
                "text": "x",
                "question": f"{answer}{i}?",
                "status": status,
                "kind": "object",
            }
        )
        for i, status in enumerate(statuses)
    ]


def test_all_pairs_that_differ_by_one_or_more_are_made_and_ties_none():
    answers = [said(name, f"{name} says this.") for name in "abcd"]
    claims = [
        c for name, wrong in zip("abcd", (0, 2, 1, 1), strict=True) for c in checked(name, wrong)
    ]
    made = pairs_from_claims(answers, claims, {"p": prompt("p")}, ALL)
    assert [pair.parents for pair in made.pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("a", "d"),
        ("c", "b"),
        ("d", "b"),
    ]
    assert (made.counts.candidates, made.counts.made, made.counts.effects[0].dropped) == (6, 5, 1)
    first = made.pairs[0]
    assert (first.chosen_rating, first.rejected_rating, first.origin) == (0, -2, "claims")
    assert first.source.licence == "cc-by-4.0"


def test_the_margin_may_be_wider_and_a_rates_margin_must_be_smaller():
    answers = [said("a", "a b."), said("b", "c d.")]
    claims = [*checked("a", 0, 4), *checked("b", 1, 3)]
    prompts = {"p": prompt("p")}

    def made(**rules: object) -> int:
        own = ALL.model_copy(update=rules)
        return pairs_from_claims(answers, claims, prompts, own).counts.made

    assert (made(), made(margin=2.0)) == (1, 0)
    assert (made(scoring="rate", margin=0.25), made(scoring="rate", margin=0.26)) == (1, 0)
    with pytest.raises(ValidationError, match="lower the margin"):
        ClaimPairRules(scoring="rate")


def test_a_chosen_answer_may_be_asked_to_keep_as_many_supported_claims():
    answers = [said("a", "One."), said("b", "Two."), said("c", "Three.")]
    claims = [*checked("a", 0, 2), *checked("b", 1, 3), *checked("c", 2, 2)]
    rules = ALL.model_copy(update={"min_supported_ratio": 1.0})
    made = pairs_from_claims(answers, claims, {"p": prompt("p")}, rules)
    assert [pair.parents for pair in made.pairs] == [("a", "c"), ("b", "c")]
    effect = made.counts.effects[1]
    assert (effect.rule, effect.dropped, effect.left) == ("supported claims kept", 1, 2)
    rules = ALL.model_copy(update={"min_supported_ratio": 0.6})
    assert pairs_from_claims(answers, claims, {"p": prompt("p")}, rules).counts.made == 3


def test_a_supported_claim_that_is_made_twice_is_kept_once():
    answers = [said("a", "One."), said("b", "Two.")]
    twice = checked("a", 0, 1)
    twice.append(twice[0].model_copy(update={"key": "again", "start": 5, "end": 6}))
    rules = ALL.model_copy(update={"min_supported_ratio": 1.0})
    claims = [*twice, *checked("b", 1, 2)]
    assert pairs_from_claims(answers, claims, {"p": prompt("p")}, rules).counts.made == 0


def test_what_an_answer_says_again_can_be_marked_as_rejected_claims_are():
    answers = [said("a", "One."), said("b", "A cup, a cup, a dog.")]
    first = checked("b", 0, 1)[0].model_copy(update={"start": 0, "end": 5, "p_yes": 0.6, "p_no": 0})
    again = first.model_copy(update={"key": "again", "start": 7, "end": 12})
    wrong = first.model_copy(
        update={
            "key": "c",
            "start": 14,
            "end": 19,
            "question": "dog?",
            "status": "rejected",
            "p_no": 1,
        }
    )
    claims = [*checked("a", 0, 1), first, again, wrong]

    def marked(*, mark_repeats: bool) -> list[tuple[int, int]]:
        rules = ALL.model_copy(update={"mark_repeats": mark_repeats})
        (pair,) = pairs_from_claims(answers, claims, {"p": prompt("p")}, rules).pairs
        assert pair.rejected_rating == -1  # the score is of the wrong claim alone
        return [(span.start, span.end) for span in pair.rejected_spans]

    assert marked(mark_repeats=False) == [(14, 19)]
    assert marked(mark_repeats=True) == [(7, 12), (14, 19)]


def test_duplicates_count_once_and_what_has_no_score_makes_no_pair():
    answers = [
        said("a", "One."),
        said("b", "One."),
        said("c", "Two."),
        said("d", ""),
        said("e", "Three."),
    ]
    unread = Claim(key="u", answer="e", start=0, end=1, text="x", status="unparsed")
    empty = Claim(key="n", answer="d", start=0, end=0, text="", status="empty")
    claims = [*checked("a", 1), *checked("b", 1), *checked("c", 0), empty, *checked("e", 0), unread]
    counts = pairs_from_claims(answers, claims, {"p": prompt("p")}, ALL).counts
    assert (counts.duplicates, counts.unscored, counts.candidates, counts.made) == (1, 2, 1, 1)


def test_answers_of_two_prompts_are_not_compared():
    answers = [said("a", "One.", "p"), said("b", "Two.", "q")]
    prompts = {"p": prompt("p"), "q": prompt("q")}
    made = pairs_from_claims(answers, [*checked("a", 0), *checked("b", 2)], prompts, ALL)
    assert made.counts.candidates == 0


def test_spans_of_rejected_claims_are_the_rejected_answers_changed_spans():
    answers = [said("a", "abcdef"), said("b", "ghijkl")]
    claims = [*checked("a", 1, 2), *checked("b", 2, 1)]
    prompts = {"p": prompt("p")}
    (pair,) = pairs_from_claims(answers, claims, prompts, ALL).pairs
    spans = (
        Span(start=0, end=1, kind="object", by="claims"),
        Span(start=1, end=2, kind="object", by="claims"),
    )
    assert (pair.rejected_spans, pair.chosen_spans) == (spans, ())
    both = ALL.model_copy(update={"spans": "both"})
    (pair,) = pairs_from_claims(answers, claims, prompts, both).pairs
    assert [(span.start, span.end) for span in pair.chosen_spans] == [(1, 3)]
    shared = [c.model_copy(update={"question": "?"}) for c in claims]
    for name, gained in (("both", []), ("all", [(1, 2)])):
        rules = ALL.model_copy(update={"spans": name})
        (pair,) = pairs_from_claims(answers, shared, prompts, rules).pairs
        assert [(span.start, span.end) for span in pair.chosen_spans] == gained
    unsure = [c.model_copy(update={"p_yes": 0.4, "p_no": 0.6}) for c in claims]
    sure = both.model_copy(update={"sure": 0.7})
    (marked,) = pairs_from_claims(answers, unsure, prompts, sure).pairs
    assert (marked.rejected_spans, marked.rejected_rating) == ((), -2)
    none = ALL.model_copy(update={"spans": "none"})
    (plain,) = pairs_from_claims(answers, claims, prompts, none).pairs
    assert (plain.rejected_spans, plain.key == pair.key) == ((), False)


def many(prompts: int = 6, each: int = 5) -> tuple[list[Answer], list[Claim], dict[str, Prompt]]:
    """Answers with 0, 1, 2, ... rejected claims and unlike texts; two prompts share an image."""
    answers: list[Answer] = []
    claims: list[Claim] = []
    asked = {f"p{i}": prompt(f"p{i}", f"i{i // 2}") for i in range(prompts)}
    for key in asked:
        for i in range(each):
            answers.append(said(f"{key}a{i}", f"{key} {i} " + f"w{i} " * (10 - i), key))
            claims += checked(f"{key}a{i}", i)
    return answers, claims, asked


def test_the_cap_is_by_prompt_or_image_and_seed_and_keys_alone_choose():
    answers, claims, prompts = many()

    def chosen(seed: int = 0, by: str = "prompt", turned: bool = False) -> set[str]:
        rules = ALL.model_copy(update={"cap": 2, "cap_by": by, "seed": seed})
        given = answers[::-1] if turned else answers
        return {pair.key for pair in pairs_from_claims(given, claims, prompts, rules).pairs}

    assert (len(chosen()), len(chosen(by="image"))) == (12, 6)
    assert chosen() == chosen(turned=True)
    assert chosen() != chosen(seed=1)


def test_effects_add_up_and_show_the_lengths_that_each_rule_leaves():
    answers, claims, prompts = many()
    rules = ClaimPairRules(cap=2, balance="both", length_limit=0.2)
    counts = pairs_from_claims(answers, claims, prompts, rules).counts
    assert [effect.rule for effect in counts.effects] == [
        "difference of scores",
        "near-duplicates",
        "length of each pair",
        "cap by prompt",
        "length of the corpus",
    ]
    left = counts.candidates
    for effect in counts.effects:
        left -= effect.dropped
        assert effect.left == left
    assert left == counts.made == 12
    assert counts.effects[0].words_chosen > counts.effects[0].words_rejected
    assert counts.effects[2].dropped == 18  # of 12, 11, 10, 9 and 8 words: 12-9, 12-8, 11-8


def test_a_pair_near_another_on_both_sides_goes_and_one_that_differs_in_a_word_does_not():
    words = [f"w{i}" for i in range(40)]
    texts = {
        "a": " ".join(words),
        "b": " ".join([*words[:-1], "other"]),  # 37 of 39 triples are a's: 0.95
        "c": " ".join(f"v{i}" for i in range(40)),
    }
    answers = [said(name, text) for name, text in texts.items()]
    claims = [*checked("a", 0), *checked("b", 0), *checked("c", 2)]
    prompts = {"p": prompt("p")}
    near = ALL.model_copy(update={"near": 0.9})
    assert [p.parents for p in pairs_from_claims(answers, claims, prompts, near).pairs] == [
        ("a", "c")
    ]
    assert pairs_from_claims(answers, claims, prompts, ALL).counts.made == 2
    minimal = [*checked("a", 0), *checked("b", 1)]
    assert pairs_from_claims(answers[:2], minimal, prompts, near).counts.made == 1


REWARDED = [said(name, f"{name} one two.") for name in "abcdefgh"]
SUMS = dict(zip("abcdefgh", (8.0, 7, 6, 5, 4, 3, 2, 1), strict=True))


def ranked(rankings: list[dict[str, float]], **rules: object) -> list[tuple[str, ...]]:
    own = RewardPairRules.model_validate({"near": 1, "excess": 100, **rules})
    made = pairs_from_rewards(REWARDED, rankings, {"p": prompt("p")}, own)
    return [pair.parents for pair in made.pairs]


def test_answers_that_all_rankings_put_on_top_are_chosen_over_those_at_all_bottoms():
    means = SUMS | {"c": 0.0, "f": 9.0}
    # by sum a b c ... f g h; by mean f a b ... g h c
    assert ranked([SUMS, means]) == [("a", "g"), ("b", "h")]
    assert ranked([SUMS, means], match="cross", cap=0) == [
        ("a", "g"),
        ("a", "h"),
        ("b", "g"),
        ("b", "h"),
    ]
    assert len(ranked([SUMS, means], match="cross")) == 3
    assert ranked([SUMS, {k: -v for k, v in SUMS.items()}]) == []


def test_the_next_rank_is_rejected_where_a_critic_scores():
    assert ranked([SUMS], rule="next", rank=2) == [("a", "c"), ("b", "d")]


def test_few_answers_are_never_on_both_sides():
    few = REWARDED[:4]
    made = pairs_from_rewards(few, [SUMS], {"p": prompt("p")}, RewardPairRules(near=1))
    assert [pair.parents for pair in made.pairs] == [("a", "d")]


def test_an_answer_without_a_reward_is_unscored():
    short = {key: value for key, value in SUMS.items() if key != "a"}
    counts = pairs_from_rewards(
        REWARDED, [SUMS, short], {"p": prompt("p")}, RewardPairRules()
    ).counts
    assert counts.unscored == 1
    with pytest.raises(ValueError, match="no rewards"):
        pairs_from_rewards(REWARDED, [], {"p": prompt("p")}, RewardPairRules())


def test_cross_pairs_have_similar_lengths_and_long_chosen_answers_go():
    answers = [
        said("a", "w " * 40),
        said("b", "v " * 10),
        said("c", "u " * 30),
        said("d", "t " * 9),
    ]
    rewards = {"a": 4.0, "b": 3, "c": 2, "d": 1}
    prompts = {"p": prompt("p")}

    def parents(**rules: object) -> set[tuple[str, ...]]:
        own = RewardPairRules.model_validate({"near": 1, "rank": 2, "match": "cross", **rules})
        return {pair.parents for pair in pairs_from_rewards(answers, [rewards], prompts, own).pairs}

    assert parents(excess=100) == {("a", "c"), ("b", "c"), ("b", "d")}
    assert parents() == {("a", "c"), ("b", "c"), ("b", "d")}  # excess 10, -20, 1
    assert parents(excess=-4) == {("b", "c"), ("b", "d")}
