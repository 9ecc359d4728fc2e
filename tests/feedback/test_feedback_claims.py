"""An answer's claims: keys, what counts and scores."""

import pytest

from groundtune.feedback.claims import (
    claims_of,
    division_key,
    score,
    tally,
    verdict_key,
    why_unscored,
)
from groundtune.protocols import Statement
from groundtune.records import Answer, Claim, Producer
from groundtune.store.tables import from_table, to_table

MODEL = Producer(kind="model", name="m")
RULES = Producer(kind="rule", name="r")
ANSWER = Answer(key="a", prompt="p", text="Two red cups and a dog. Nice!", producer=MODEL)
CUPS = Statement(0, 12, "There is a cup.", "object", "Is there a cup?")
RED = Statement(4, 7, "The cups are red.", "attribute", "Are the cups red?", rests_on=0)
DOG = Statement(17, 22, "There is a dog.", "object", "Is there a dog?")
NICE = Statement(24, 29, "Nice!", status="opinion")
FOUND = [CUPS, RED, DOG, NICE]


def verdicts(*p_yes: float | None) -> list[Claim]:
    """The claims of the answer with these probabilities of yes, the rest of 1 being no's."""
    rows = claims_of(ANSWER, FOUND, RULES)
    return [
        row
        if p is None
        else row.model_copy(
            update={
                "p_yes": p,
                "p_no": 1 - p,
                "status": "rejected" if p < 0.5 else "supported",
            }
        )
        for row, p in zip(rows, p_yes, strict=False)
    ] + rows[len(p_yes) :]


def test_every_statement_is_a_row_that_knows_its_characters_and_what_it_rests_on():
    rows = claims_of(ANSWER, FOUND, RULES)
    assert [ANSWER.text[r.start : r.end] for r in rows] == ["Two red cups", "red", "a dog", "Nice!"]
    assert [r.rests_on for r in rows] == ["", rows[0].key, "", ""]
    assert rows[0].key == division_key("a", RULES)
    assert [r.status for r in rows] == ["unchecked", "unchecked", "unchecked", "opinion"]


def test_an_answer_without_statements_is_one_empty_row_so_that_it_is_known_to_be_divided():
    (row,) = claims_of(ANSWER.model_copy(update={"text": ""}), [], RULES)
    assert (row.key, row.status) == (division_key("a", RULES), "empty")
    assert why_unscored([row])


@pytest.mark.parametrize(
    "bad", [Statement(0, 99, "x"), Statement(5, 4, "x"), Statement(0, 1, "x", rests_on=1)]
)
def test_a_statement_outside_the_answer_is_refused(bad: Statement):
    with pytest.raises(ValueError, match="answer a"):
        claims_of(ANSWER, [bad], RULES)


def test_the_published_score_counts_every_rejected_claim():
    assert score(verdicts(0.1, 0.2, 0.9), resting=True) == -2
    assert score(verdicts(0.9, 0.8, 0.9)) == 0


def test_who_invents_red_cups_is_wrong_once_unless_resting_claims_count():
    claims = verdicts(0.1, 0.2, 0.9)
    assert tally(claims) == (2, 1, 0, 0)
    assert score(claims) == -1
    assert score(claims, "rate") == -0.5
    assert tally(claims, resting=True) == (3, 2, 0, 0)


def test_the_expected_score_weighs_a_claim_by_the_chance_of_what_it_rests_on():
    claims = verdicts(0.75, 0.4, 0.9)
    assert score(claims, "expected") == pytest.approx(-(0.25 + 0.6 * 0.75 + 0.1))
    assert score(claims, "expected", resting=True) == pytest.approx(-(0.25 + 0.6 + 0.1))


def test_an_answer_that_could_not_be_read_whole_has_no_score():
    unread = Claim(key="u", answer="a", start=0, end=1, text="?", status="unparsed")
    assert not why_unscored(verdicts(0.9, 0.9, 0.9))
    assert why_unscored([*verdicts(0.9, 0.9, 0.9), unread])
    assert why_unscored(verdicts())
    with pytest.raises(ValueError, match="no score"):
        score(verdicts())


def test_rows_that_were_stored_before_claims_had_a_kind_are_still_read():
    row = verdicts(0.9)[0]
    table = to_table([row], Claim).drop_columns(["kind", "rests_on"])
    (read,) = from_table(table, Claim)
    assert read == row.model_copy(update={"kind": "other"})


def test_keys_tell_labelers_and_dividers_apart():
    assert division_key("a", RULES) != division_key("a", MODEL)
    assert verdict_key("d", RULES) != verdict_key("d", MODEL)
