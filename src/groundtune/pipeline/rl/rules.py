"""Rewards that rules give, from what is known about a prompt: an answer key, or a wrong span.

A prompt's `answer` column is its key: a letter of an option, yes or no.
"""

import math
import re
from collections import Counter
from typing import Literal

from groundtune.feedback.find_task import WRONG
from groundtune.records import Prompt

Symbolic = Literal["symmetric", "published"]
"""published: LLaVA-RLHF's correct_bonus, which rewards a right option with 1 and nothing else, and
of yes and no only "no": 0.5 for No, -0.5 for Yes; a "yes" has no reward. symmetric: 1 for a right
option, -1 for another one, and 0.5 or -0.5 for yes and for no."""
_WORD = re.compile(r"[^\W_]+")
_LETTER = re.compile(r"^([A-Z])\.|correct option is ([A-Z])\.")


def has_key(prompt: Prompt) -> bool:
    """Return whether a prompt's column `answer` is a letter, yes or no."""
    key = _key(prompt)
    return key in ("yes", "no") or (len(key) == 1 and key.isalpha())


def symbolic(prompt: Prompt, text: str, rule: Symbolic) -> float:
    """Return the bonus of an answer by the prompt's key; 0 without one."""
    key = _key(prompt)
    if not has_key(prompt):
        return 0.0
    if key in ("yes", "no"):
        return _yes_no(key, text.strip(), rule)
    letters = {first or second for first, second in _LETTER.findall(text.strip())}
    if key.upper() in letters:
        return 1.0
    return -1.0 if letters and rule == "symmetric" else 0.0


def length_factor(prompt: Prompt) -> float:
    """Return the prompt's column `length_bonus`; 1 without it, NaN if it is no number."""
    text = prompt.source.extra.get("length_bonus", "").strip()
    try:
        return float(text or 1)
    except ValueError:
        return math.nan


def _key(prompt: Prompt) -> str:
    return prompt.source.extra.get("answer", "").strip().lower()


def _yes_no(key: str, text: str, rule: Symbolic) -> float:
    reply = next((word for word in ("Yes", "No") if text.startswith(word)), "").lower()
    if not reply or (rule == "published" and key == "yes"):
        return 0.0
    return 0.5 if reply == key else -0.5


def found(prompt: Prompt, text: str) -> float:
    """Return the word F1 between an answer and the prompt's wrong span; 0 without one."""
    wrong = Counter(_WORD.findall(prompt.source.extra.get(WRONG, "").lower()))
    reply = Counter(_WORD.findall(text.lower()))
    shared = sum((wrong & reply).values())
    return 2 * shared / (sum(wrong.values()) + sum(reply.values())) if shared else 0.0
