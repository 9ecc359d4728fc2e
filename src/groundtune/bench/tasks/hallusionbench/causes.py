"""HallusionBench's verdicts and its diagnosis: is a wrong answer the fault of language or vision?

Guan et al. 2024, arXiv 2310.14566, section 4; here the decision tree of the official utils.py
(get_eval_pair_all). A verdict is "1" right, "0" wrong, "2" uncertain; None could not be read.
"""

import re
from typing import Literal, NamedTuple

Verdict = Literal["0", "1", "2"]
Cause = Literal["", "lh", "vi", "mixed"]
"""Of a wrong or uncertain answer: language hallucination, visual illusion, both; "" for none."""

_VERDICT = re.compile(r"\b(not\s+correct|incorrect|correct|unclear)\b", re.IGNORECASE)
_SAME = re.compile(r"\b(not\s+(?:the\s+)?same|same|different)\b", re.IGNORECASE)
_MEANS: dict[str, Verdict] = {
    "not correct": "0",
    "incorrect": "0",
    "correct": "1",
    "unclear": "2",
}


class QuestionKind(NamedTuple):
    """What the diagnosis needs of a question about one figure."""

    is_vd: bool
    is_original: bool
    """Whether it is figure 0."""
    visual_input: str
    """"0" without an image, "1" the original, "2" an edited one."""


def official_verdict(reply: str) -> Verdict:
    """By the characters that a judge's reply has."""
    lower = reply.lower()
    if "incorrect" in lower:
        return "0"
    return "1" if "correct" in lower else "2"


def official_same(reply: str) -> bool:
    """Whether the judge's second reply has the characters "same"."""
    return "same" in reply.lower()


def strict_verdict(reply: str) -> Verdict | None:
    """The one verdict that the reply's words name; "not correct" is wrong."""
    found: set[Verdict] = {
        _MEANS[" ".join(word.lower().split())] for word in _VERDICT.findall(reply)
    }
    return found.pop() if len(found) == 1 else None


def strict_same(reply: str) -> bool | None:
    """Whether the reply's words say same or different; None where both or neither."""
    found = {word.lower() == "same" for word in _SAME.findall(reply)}
    return found.pop() if len(found) == 1 else None


def needs_same(kind: QuestionKind, verdict: Verdict | None, original: Verdict | None) -> bool:
    """Whether the cause depends on the answer being the same as that to figure 0."""
    if kind.is_original or verdict != "0":
        return False
    if kind.is_vd:
        return original == "1"
    return original == "0" or (original == "1" and kind.visual_input == "2")


def cause_of(
    kind: QuestionKind, verdict: Verdict | None, original: Verdict | None, same: bool | None
) -> Cause | None:
    """Why an answer is wrong; None where a reply that it depends on could not be read.

    `original` is the verdict on figure 0 for the same question.
    """
    if verdict is None:
        return None
    if verdict == "1":
        return ""
    if kind.is_original:
        return "vi" if kind.is_vd else "lh" if verdict == "0" else ""
    if original is None or (same is None and needs_same(kind, verdict, original)):
        return None
    if kind.is_vd:
        return "mixed" if original == "1" and verdict == "0" and same else "vi"
    if original == "0":
        return "lh" if verdict == "0" and same else "mixed"
    if original == "1" and verdict == "0" and kind.visual_input == "2" and same:
        return "lh"
    return "vi"
