"""Training data of a custom splitter: recorded divisions as the replies that the model learns.

RLAIF-V (Yu et al. 2024, arXiv 2405.17220, 3.2) divides with a small model that was fine-tuned on a
large model's replies; that data set is not published. Here the replies are built from the claims in
a folder, from any divider: an instructed model, rules, a person. A lesson is parsed before it is
used: one that the parser would read differently is left out.
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
"""The reply to an answer without statements."""


class Lesson(NamedTuple):
    """A request to a splitter and the reply that it should give."""

    prompt: Prompt
    reply: str


class Agreement(NamedTuple):
    """What two divisions of one answer have in common. Sums over answers give the rates."""

    both: int
    """Facts with the same words, ignoring case and the full stop."""
    recorded: int
    divided: int
    same_questions: int
    """Facts of both that also have the same question."""
    same_places: int
    """Facts of both that also have the same characters of the answer."""
    unread: int
    """1 if the second division could not be read: it then has no facts."""


def reply_of(answer: str, claims: Sequence[Claim]) -> str | None:
    """Return the reply that divides an answer into these claims, each fact with its question.

    None if no such reply can be parsed back: a claim is unparsed, or its text has a "|" or a line
    break. Facts without a question are left out; of several with one question only the first stays,
    as in a divider. The copied words refer to their first occurrence in the answer.
    """
    if any(claim.status == "unparsed" for claim in claims):
        return None
    by_question = {claim.question.lower(): claim for claim in reversed(claims) if claim.question}
    facts = [claim for claim in claims if by_question.get(claim.question.lower()) is claim]
    opinions = [claim for claim in claims if claim.status == "opinion"]
    lines = [f"- {c.text} | {answer[c.start : c.end]} | {c.question}" for c in facts]
    opinion_lines = [f"- {answer[c.start : c.end]}" for c in opinions]
    parts = ["### Facts", *(lines or ["- none"]), "### Opinions", *(opinion_lines or ["- none"])]
    reply = "\n".join(parts)
    statements = statements_of(answer, Reply(reply, 0, finished=True), with_questions=True)
    expected_facts = Counter([(c.text, c.question) for c in facts] + [("", "")] * len(opinions))
    read_facts = [
        (s.text, s.question) if s.status == "unchecked" else ("", s.status.removeprefix("opinion"))
        for s in statements
    ]
    return reply if Counter(read_facts) == expected_facts else None


def lesson(
    prompt: Prompt, answer: Answer, claims: Sequence[Claim], instruction: Instruction
) -> Lesson | None:
    """Return the lesson of an answer and its claims; None if there is none (`reply_of`)."""
    reply = reply_of(answer.text, claims)
    if reply is None or not answer.text.strip():
        return None
    text = instruction.fill({"question": prompt.question, "answer": answer.text})
    request = text_prompt(text)
    return Lesson(request.model_copy(update={"source": prompt.source}), reply)


def pair_of(example: Lesson, answer: Answer) -> Pair:
    """Return a lesson as a pair for the method sft: the reply is the chosen side.

    The rejected side is a reply without facts, which the method ignores.
    """
    other = NOTHING if example.reply != NOTHING else "### Facts"
    return Pair(
        key=key_of("lesson", example.prompt.key, example.reply),
        prompt=example.prompt.key,
        chosen=example.reply,
        rejected=other,
        origin="dataset",
        parents=(answer.key,),
        source=example.prompt.source,
    )


def agreement(recorded: Sequence[Claim], predicted: Sequence[Claim]) -> Agreement:
    """Compare two divisions of one answer; only facts with a question count."""
    if any(claim.status == "unparsed" for claim in predicted):
        return Agreement(0, len(_facts(recorded)), 0, 0, 0, 1)
    first, second = _facts(recorded), _facts(predicted)
    same = [(first[name], second[name]) for name in first if name in second]
    return Agreement(
        both=len(same),
        recorded=len(first),
        divided=len(second),
        same_questions=sum(_plain(a.question) == _plain(b.question) for a, b in same),
        same_places=sum((a.start, a.end) == (b.start, b.end) for a, b in same),
        unread=0,
    )


def _facts(claims: Sequence[Claim]) -> dict[str, Claim]:
    """Return the facts by their words; of two with the same words, the first."""
    facts: dict[str, Claim] = {}
    for claim in claims:
        if claim.question:
            facts.setdefault(_plain(claim.text), claim)
    return facts


def _plain(text: str) -> str:
    return " ".join(text.lower().rstrip(".? ").split())
