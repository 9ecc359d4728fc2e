"""Lessons for a splitter of one's own: recorded divisions as the replies that a model learns.

RLAIF-V (Yu et al. 2024, arXiv 2405.17220, 3.2) divides with a small model that was fine-tuned on a
large one's replies; that data set is not published. Here the replies are made of the claims that
lie in a folder, whoever divided: an instructed model, rules, a person. A lesson is read back before
it is taught: what the parser would read otherwise is left out.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from groundtune.feedback.divide import statements_of, text_prompt
from groundtune.feedback.instructions import Instruction
from groundtune.protocols import Reply
from groundtune.records import Answer, Claim, Pair, Prompt
from groundtune.store.keys import key_of

NOTHING = "### Facts\n- none\n### Opinions\n- none"
"""The reply to an answer that states nothing."""


class Lesson(NamedTuple):
    """A request to a splitter and the reply that it should give."""

    prompt: Prompt
    reply: str


class Agreement(NamedTuple):
    """What two divisions of one answer have in common. Sums of it over answers make the rates."""

    both: int
    """Facts in the same words, but for case and the full stop."""
    recorded: int
    found: int
    asked: int
    """Facts of both with the same question, too."""
    placed: int
    """Facts of both with the same characters of the answer, too."""
    unread: int
    """1 where the second division couldn't be read: it has no facts then."""


def reply_of(answer: str, claims: Sequence[Claim]) -> str | None:
    """The reply that divides an answer into these claims of it, each fact with its question.

    None where no such reply can be read back: a claim is unparsed, or its text holds a "|" or a
    line's end. Facts about which nobody is asked are left out, and of several with one question
    all but the first, as a divider has it. Copied words stand for their first place in the answer.
    """
    if any(claim.status == "unparsed" for claim in claims):
        return None
    asked = {claim.question.lower(): claim for claim in reversed(claims) if claim.question}
    facts = [claim for claim in claims if asked.get(claim.question.lower()) is claim]
    opinions = [claim for claim in claims if claim.status == "opinion"]
    lines = [f"- {c.text} | {answer[c.start : c.end]} | {c.question}" for c in facts]
    said = [f"- {answer[c.start : c.end]}" for c in opinions]
    parts = ["### Facts", *(lines or ["- none"]), "### Opinions", *(said or ["- none"])]
    reply = "\n".join(parts)
    read = statements_of(answer, Reply(reply, 0, finished=True), asks=True)
    wanted = Counter([(c.text, c.question) for c in facts] + [("", "")] * len(opinions))
    known = [
        (s.text, s.question) if s.status == "unchecked" else ("", s.status.removeprefix("opinion"))
        for s in read
    ]
    return reply if Counter(known) == wanted else None


def lesson(
    prompt: Prompt, answer: Answer, claims: Sequence[Claim], instruction: Instruction
) -> Lesson | None:
    """What an answer and its claims teach; None where they teach nothing (`reply_of`)."""
    reply = reply_of(answer.text, claims)
    if reply is None or not answer.text.strip():
        return None
    text = instruction.fill({"question": prompt.question, "answer": answer.text})
    asked = text_prompt(text)
    return Lesson(asked.model_copy(update={"source": prompt.source}), reply)


def pair_of(taught: Lesson, answer: Answer) -> Pair:
    """A lesson as a pair for the method sft: the reply is the chosen side.

    The rejected one is a reply without facts, which the method doesn't look at.
    """
    other = NOTHING if taught.reply != NOTHING else "### Facts"
    return Pair(
        key=key_of("lesson", taught.prompt.key, taught.reply),
        prompt=taught.prompt.key,
        chosen=taught.reply,
        rejected=other,
        origin="dataset",
        parents=(answer.key,),
        source=taught.prompt.source,
    )


def agreement(recorded: Sequence[Claim], found: Sequence[Claim]) -> Agreement:
    """Compares two divisions of one answer; of the first, facts with a question count."""
    if any(claim.status == "unparsed" for claim in found):
        return Agreement(0, len(_facts(recorded)), 0, 0, 0, 1)
    first, second = _facts(recorded), _facts(found)
    same = [(first[name], second[name]) for name in first if name in second]
    return Agreement(
        both=len(same),
        recorded=len(first),
        found=len(second),
        asked=sum(_plain(a.question) == _plain(b.question) for a, b in same),
        placed=sum((a.start, a.end) == (b.start, b.end) for a, b in same),
        unread=0,
    )


def _facts(claims: Sequence[Claim]) -> dict[str, Claim]:
    """The facts by their words; of two with the same the first."""
    found: dict[str, Claim] = {}
    for claim in claims:
        if claim.question:
            found.setdefault(_plain(claim.text), claim)
    return found


def _plain(text: str) -> str:
    return " ".join(text.lower().rstrip(".? ").split())
