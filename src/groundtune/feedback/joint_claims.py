"""Claims that two labelers checked: wrong where both say no, right where both say yes, else unsure.

One labeler's error looks like a finding; two that were made differently rarely err alike, so what
they disagree on is left out of corrections and counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from groundtune.feedback.claims import by_answer
from groundtune.protocols import Statement
from groundtune.records import Claim

JointStatus = Literal["right", "wrong", "unsure", "unasked", "unread"]
"""unsure: they disagree, or one says neither yes nor no; unasked: there is no question."""


class JointClaim(NamedTuple):
    """A statement and what both labelers make of it."""

    statement: Statement
    status: JointStatus
    p_yes: float
    """Product of both labelers' p(yes), 0 where one has none: orders statements that are so."""


class JointClaims(NamedTuple):
    """The claims of one text, in their order."""

    claims: tuple[JointClaim, ...] = ()

    @property
    def wrong(self) -> tuple[Statement, ...]:
        """What both reject."""
        return tuple(each.statement for each in self.claims if each.status == "wrong")

    @property
    def right(self) -> tuple[Statement, ...]:
        """What both support, the surest first."""
        sure = sorted(self.claims, key=lambda each: -each.p_yes)
        return tuple(each.statement for each in sure if each.status == "right")

    def surest(self, most: int) -> tuple[Statement, ...]:
        """Of what both support, the first `most` that rest on nothing, and what rests on them.

        0 sets no limit. What rests on a statement that is not among them is left out.
        """
        places = {each.statement: place for place, each in enumerate(self.claims)}
        roots = [each for each in self.right if each.rests_on is None]
        chosen_roots = roots[:most] if most else roots
        under = {places[each] for each in chosen_roots}
        return tuple(s for s in self.right if s in chosen_roots or s.rests_on in under)

    @property
    def is_read(self) -> bool:
        """Whether all of the text could be divided, and something of it was decided."""
        statuses = {each.status for each in self.claims}
        return "unread" not in statuses and bool(statuses & {"right", "wrong", "unsure"})

    def number(self, status: JointStatus) -> int:
        """How many different statements have a status; a repeated one counts once."""
        texts = {each.statement.text.lower() for each in self.claims if each.status == status}
        return len(texts)


NO_CLAIMS = JointClaims()


def joint_claims(first: Iterable[Claim], second: Iterable[Claim]) -> dict[str, JointClaims]:
    """The claims of each text, by the answer's key; both labelers checked the same division.

    Raises:
        ValueError: they did not.
    """
    groups, others = by_answer(first), by_answer(second)
    joint: dict[str, JointClaims] = {}
    for answer, claims in groups.items():
        pairs = list(zip(claims, others.get(answer, []), strict=True))
        if any(one.text != two.text for one, two in pairs):
            raise ValueError(f"the labelers checked different claims of answer {answer}")
        joint[answer] = JointClaims(
            tuple(_joint(*pair, claims) for pair in pairs if pair[0].status != "empty")
        )
    return joint


def counts_of(claims: Mapping[str, JointClaims]) -> dict[str, int]:
    """The claims of all texts by status, the most frequent first."""
    return dict(Counter(c.status for joint in claims.values() for c in joint.claims).most_common())


def _joint(one: Claim, two: Claim, claims: Sequence[Claim]) -> JointClaim:
    index = next((i for i, claim in enumerate(claims) if claim.key == one.rests_on), None)
    statement = Statement(one.start, one.end, one.text, one.kind, one.question, one.status, index)
    probabilities = [claim.p_yes for claim in (one, two)]
    p_yes = (probabilities[0] or 0.0) * (probabilities[1] or 0.0)
    return JointClaim(statement, _status(one, two), p_yes)


def _status(one: Claim, two: Claim) -> JointStatus:
    statuses = one.status, two.status
    if "unparsed" in statuses:
        return "unread"
    if not one.question or "opinion" in statuses:
        return "unasked"
    if statuses == ("supported", "supported"):
        return "right"
    return "wrong" if statuses == ("rejected", "rejected") else "unsure"


Side = Literal["chosen", "rejected"]


def truth_change(before: JointClaims, after: JointClaims, side: Side, least_kept: float) -> str:
    """Return how a rewritten text departs from the truth of its original; "" if it does not.

    Neither side may say more that is wrong. A rejected text must keep at least `least_kept` of what
    was wrong, and each at least `least_kept` of what was right. Statements are counted, not
    compared: a rewritten text is divided into other words.
    """
    if not after.is_read:
        return "could not be read"
    if after.number("wrong") > before.number("wrong"):
        return "says more that is wrong"
    if side == "rejected" and after.number("wrong") < least_kept * before.number("wrong"):
        return "lost what was wrong"
    if after.number("right") < least_kept * before.number("right"):
        return "lost what was right"
    return ""
