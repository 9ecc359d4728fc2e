"""HallusionBench's verdicts and diagnosis: is a wrong answer caused by language or by vision?

Guan et al. 2024, arXiv 2310.14566, section 4; this is the decision tree of the official utils.py
(get_eval_pair_all). A verdict is "1" right, "0" wrong, "2" uncertain, or None if unparsed.
"""

import re
from typing import Literal, NamedTuple

Verdict = Literal["0", "1", "2"]
Cause = Literal["", "lh", "vi", "mixed"]
"""Cause of a wrong or uncertain answer: language hallucination, visual illusion, both; "" none."""

_VERDICT = re.compile(r"\b(not\s+correct|incorrect|correct|unclear)\b", re.IGNORECASE)
_SAME = re.compile(r"\b(not\s+(?:the\s+)?same|same|different)\b", re.IGNORECASE)
_MEANS: dict[str, Verdict] = {
    "not correct": "0",
    "incorrect": "0",
    "correct": "1",
    "unclear": "2",
}


class QuestionKind(NamedTuple):
    """Properties of a question about one figure that the diagnosis uses."""

    is_vd: bool
    is_original: bool
    """Whether it is figure 0."""
    visual_input: str
    """"0" without an image, "1" the original, "2" an edited one."""


def official_verdict(reply: str) -> Verdict:
    """Return the verdict by substrings of a judge's reply."""
    lower = reply.lower()
    if "incorrect" in lower:
        return "0"
    return "1" if "correct" in lower else "2"


def official_same(reply: str) -> bool:
    """Return whether the judge's second reply contains "same"."""
    return "same" in reply.lower()


def strict_verdict(reply: str) -> Verdict | None:
    """Return the only verdict named by whole words; "not correct" is wrong; None if not one."""
    verdicts: set[Verdict] = {
        _MEANS[" ".join(word.lower().split())] for word in _VERDICT.findall(reply)
    }
    return verdicts.pop() if len(verdicts) == 1 else None


def strict_same(reply: str) -> bool | None:
    """Return whether the reply says same or different; None for both or neither."""
    answers = {word.lower() == "same" for word in _SAME.findall(reply)}
    return answers.pop() if len(answers) == 1 else None


def needs_same(kind: QuestionKind, verdict: Verdict | None, original: Verdict | None) -> bool:
    """Return whether the cause depends on the answer being equal to that to figure 0."""
    if kind.is_original or verdict != "0":
        return False
    if kind.is_vd:
        return original == "1"
    return original == "0" or (original == "1" and kind.visual_input == "2")


def cause_of(
    kind: QuestionKind, verdict: Verdict | None, original: Verdict | None, same: bool | None
) -> Cause | None:
    """Return why an answer is wrong; None if a reply that it depends on is unparsed.

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
