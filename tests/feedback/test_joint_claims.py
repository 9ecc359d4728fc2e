"""What two labelers make of a claim together, and whether a wording kept the truth of its text."""

import pytest

from groundtune.feedback.joint_claims import (
    JointClaim,
    JointClaims,
    JointStatus,
    counts_of,
    joint_claims,
    truth_change,
)
from groundtune.protocols import Statement
from groundtune.records import Claim, ClaimStatus


def claim(status: ClaimStatus, text: str = "A cup.", *, question: str = "Is it?") -> Claim:
    return Claim(key=text, answer="a", start=0, end=1, text=text, question=question, status=status)


def joint(one: ClaimStatus, two: ClaimStatus, *, question: str = "Is it?") -> JointStatus:
    pair = claim(one, question=question), claim(two, question=question)
    return joint_claims([pair[0]], [pair[1]])["a"].claims[0].status


def test_only_what_both_say_is_right_or_wrong():
    assert joint("supported", "supported") == "right"
    assert joint("rejected", "rejected") == "wrong"
    assert joint("supported", "rejected") == joint("rejected", "supported") == "unsure"
    assert joint("unchecked", "rejected") == joint("supported", "unchecked") == "unsure"


def test_what_was_not_asked_or_not_read_is_neither():
    assert joint("unchecked", "unchecked", question="") == "unasked"
    assert joint("opinion", "opinion") == "unasked"
    assert joint("unparsed", "unparsed") == "unread"


def test_an_empty_answer_has_no_claims_and_is_not_read():
    found = joint_claims([claim("empty")], [claim("empty")])["a"]
    assert (found.claims, found.is_read) == ((), False)


def test_labelers_that_checked_other_claims_are_an_error_of_ours():
    with pytest.raises(ValueError, match="different claims"):
        joint_claims([claim("supported", "A cup.")], [claim("supported", "A cat.")])


def test_an_answer_with_an_unread_part_is_not_read():
    rows = [claim("supported"), claim("unparsed", "Blub.")]
    assert joint_claims(rows, rows)["a"].is_read is False


def of(**statuses: str) -> JointClaims:
    """Claims by text: cup="right"."""
    rows = [
        JointClaim(Statement(0, 1, text), status, 1.0)  # pyright: ignore[reportArgumentType]
        for text, status in statuses.items()
    ]
    return JointClaims(tuple(rows))


def test_the_surest_come_first_with_what_rests_on_them():
    rows = [
        JointClaim(Statement(0, 0, "a cup"), "right", 0.5),
        JointClaim(Statement(0, 0, "two cups", rests_on=0), "right", 0.9),
        JointClaim(Statement(0, 0, "a cat"), "right", 0.8),
        JointClaim(Statement(0, 0, "three dogs", rests_on=4), "right", 0.99),
        JointClaim(Statement(0, 0, "a dog"), "wrong", 0.1),
    ]
    found = JointClaims(tuple(rows))
    assert [each.text for each in found.surest(0)] == ["two cups", "a cat", "a cup"]
    assert [each.text for each in found.surest(1)] == ["a cat"]


BEFORE = of(cup="right", cat="right", dog="wrong", sky="unsure")


def test_a_wording_with_the_same_counts_kept_the_truth():
    after = of(mug="right", kitty="right", puppy="wrong")
    assert truth_change(BEFORE, after, "rejected", 1) == ""


def test_each_way_to_lose_the_truth_has_a_name():
    lost = of(cup="right", cat="right", dog="right")
    assert truth_change(BEFORE, lost, "rejected", 1) == "lost what was wrong"
    assert truth_change(BEFORE, lost, "chosen", 1) == ""
    fewer = of(cup="right", dog="wrong")
    assert truth_change(BEFORE, fewer, "chosen", 1) == "lost what was right"
    assert truth_change(BEFORE, fewer, "chosen", 0.5) == ""
    more = of(cup="right", cat="right", dog="wrong", cow="wrong")
    assert truth_change(BEFORE, more, "rejected", 0) == "says more that is wrong"
    assert truth_change(BEFORE, of(cup="unread"), "chosen", 0) == "could not be read"


def test_a_repeated_statement_counts_once():
    row = JointClaim(Statement(0, 1, "A cup."), "wrong", 0.0)
    other = JointClaim(Statement(5, 6, "a cup."), "wrong", 0.0)
    assert JointClaims((row, other)).number("wrong") == 1
    assert counts_of({"a": JointClaims((row, other))}) == {"wrong": 2}
