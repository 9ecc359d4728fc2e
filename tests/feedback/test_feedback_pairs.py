import random
from collections import Counter

import pytest

from groundtune.errors import UserError
from groundtune.feedback.corrections import correction_from_texts
from groundtune.feedback.pairs import (
    PairCounts,
    cap_per_prompt,
    pair_from_texts,
    pairs_from_corrections,
)
from groundtune.records import Answer, Correction, Message, Producer, Prompt, Source, TextPart

PERSON = Producer(kind="person", name="ada")
PROMPTS = {
    key: Prompt(
        key=key,
        messages=(Message(role="user", content=(TextPart(text="What is there?"),)),),
        source=Source(dataset="photos", row=key, licence="cc-by-nc-4.0"),
    )
    for key in ("p1", "p2")
}


def corrected(number: int, prompt: str, text: str, to: str) -> Correction:
    answer = Answer(
        key=f"a{number}", prompt=prompt, text=text, producer=Producer(kind="model", name="base")
    )
    return correction_from_texts(answer, to, PERSON)


def test_every_correction_is_a_pair_or_is_counted():
    paired = pairs_from_corrections(
        [
            corrected(1, "p1", "A dog.", "A cat."),
            corrected(2, "p1", "A cow.", "A cow."),
            corrected(3, "p2", "A dog.", "A cat."),
            corrected(4, "p1", "A dog.", "A cat."),
            corrected(5, "p1", "A hat.", ""),
            corrected(6, "p1", "", "A hat."),
        ],
        PROMPTS,
    )
    assert [pair.parents[1] for pair in paired.pairs] == ["a1", "a3"]
    assert paired.counts == PairCounts(
        made=2, unchanged=1, duplicate=1, empty_chosen=1, empty_rejected=1
    )
    assert paired.counts.total == 6


def test_the_licence_of_the_prompt_travels_with_the_pair():
    paired = pairs_from_corrections([corrected(1, "p2", "A dog.", "A cat.")], PROMPTS)
    assert paired.pairs[0].source == PROMPTS["p2"].source


def test_a_correction_without_its_prompt_is_an_error():
    with pytest.raises(UserError, match="prompt p9 of a correction is missing"):
        pairs_from_corrections([corrected(1, "p9", "A dog.", "A cat.")], PROMPTS)


def many() -> list[Correction]:
    return [corrected(i, f"p{1 + i % 2}", f"A dog {i}.", f"A cat {i}.") for i in range(20)]


def test_a_cap_keeps_so_many_pairs_a_prompt_and_counts_the_rest():
    paired = pairs_from_corrections(many(), PROMPTS, cap=3)
    assert Counter(pair.prompt for pair in paired.pairs) == {"p1": 3, "p2": 3}
    assert (paired.counts.made, paired.counts.capped) == (6, 14)


def test_the_cap_chooses_by_seed_and_not_by_order():
    pairs = list(pairs_from_corrections(many(), PROMPTS).pairs)
    shuffled = random.Random(0).sample(pairs, len(pairs))
    chosen = {pair.key for pair in cap_per_prompt(pairs, 3, seed=1)}
    assert chosen == {pair.key for pair in cap_per_prompt(shuffled, 3, seed=1)}
    assert any(chosen != {pair.key for pair in cap_per_prompt(pairs, 3, seed)} for seed in (2, 3))


def test_the_capped_pairs_keep_their_order():
    pairs = pairs_from_corrections(many(), PROMPTS).pairs
    kept = cap_per_prompt(pairs, 3, seed=1)
    assert list(kept) == [pair for pair in pairs if pair in kept]


def test_a_cap_below_one_is_refused():
    with pytest.raises(ValueError, match="keeps none"):
        cap_per_prompt([], 0, seed=0)


def test_a_pair_of_two_texts_gets_its_spans_from_the_diff():
    pair = pair_from_texts("p1", "A cat sits.", "A dog sits.")
    assert [(s.start, s.end, s.replacement) for s in pair.chosen_spans] == [(2, 5, "dog")]
    assert [(s.start, s.end, s.replacement) for s in pair.rejected_spans] == [(2, 5, "cat")]
    assert pair.key != pair_from_texts("p2", "A cat sits.", "A dog sits.").key


def test_a_pair_of_equal_texts_has_no_spans():
    pair = pair_from_texts("p1", "A cat.", "A cat.")
    assert (pair.chosen_spans, pair.rejected_spans) == ((), ())
