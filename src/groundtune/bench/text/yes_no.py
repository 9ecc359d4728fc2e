"""How each tool reads a yes/no answer.

The tools disagree on untidy answers: "NO" is a yes to POPE's script, "now" a no to MME's, "Yes."
wrong to lmms-eval's POPE. `readings` returns each tool's reading of one answer; `disagree` whether
they differ.

    pope            AoiDragon/POPE evaluate.py at 08d957b; LLaVA's eval_pope.py reads the same way
    vcd             VCD's script, also in zjunlp/Deco at fee8d75 (eval_tool/eval_pope.py): looks for
                    the true answer's word anywhere, so its reading depends on the label
    mme             MME's calculation.py
    vlmevalkit      VLMEvalKit's YOrN_Extraction at 0c7163c (it may ask a judge where it is unread)
    lmms_eval_pope  lmms-eval tasks/pope at 2c03baf
    lmms_eval_mme   lmms-eval tasks/mme at 306a8b4
    amber           AMBER's inference.py
    strict          ours
"""

import re
from collections.abc import Callable
from typing import Literal

from groundtune.records import Score

YesNoReading = Literal["yes", "no", "unread"]

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'


def pope(answer: str) -> YesNoReading:
    """POPE's script: No, no or not among the words before the first full stop, commas taken out.

    Words are split at single blanks, so that "No!" and a "no" before a line break don't count;
    everything that is not a no is a yes.
    """
    words = answer.split(".", 1)[0].replace(",", "").split(" ")
    return "no" if "No" in words or "not" in words or "no" in words else "yes"


def vcd(answer: str, label: str) -> YesNoReading:
    """VCD's script: right if the true answer's word is anywhere in the answer ("know" has "no")."""
    true_word = label.strip().lower()
    other = "no" if true_word == "yes" else "yes"
    is_right = true_word in answer.lower()
    return "yes" if (true_word if is_right else other) == "yes" else "no"


def mme(answer: str) -> YesNoReading:
    """MME's script: yes, else no, within the first four characters of the answer in lower case."""
    start = answer.lower()[:4]
    return "yes" if "yes" in start else "no" if "no" in start else "unread"


def vlmevalkit(answer: str) -> YesNoReading:
    """VLMEvalKit: the only one of the words yes and no, after its removal of punctuation."""
    words = _without_punctuation(answer.lower()).split()
    if ("yes" in words) == ("no" in words):
        return "unread"
    return "yes" if "yes" in words else "no"


def lmms_eval_pope(answer: str) -> YesNoReading:
    """lmms-eval's POPE: the whole answer, in lower case and stripped, is yes or no."""
    return _exactly(answer.lower().strip())


def lmms_eval_mme(answer: str) -> YesNoReading:
    """lmms-eval's MME: as MME's script, stripped and without full stops; y and n count."""
    text = answer.lower().strip().replace(".", "")
    if len(text) == 1:
        return "yes" if text == "y" else "no" if text == "n" else "unread"
    return mme(text)


def amber(answer: str) -> YesNoReading:
    """AMBER's script: exactly Yes or No."""
    return "yes" if answer == "Yes" else "no" if answer == "No" else "unread"


def strict(answer: str) -> YesNoReading:
    """Our rule: the first word if yes or no, else the only one of the two in the first sentence.

    Words are letters in any case. An answer with both or neither is unreadable.
    """
    words = re.findall(r"[^\W\d_]+", re.split(r"[.!?\n]", answer.strip(), maxsplit=1)[0].lower())
    if words and words[0] in ("yes", "no"):
        return _exactly(words[0])
    answers = {"yes", "no"} & set(words)
    return _exactly(answers.pop()) if len(answers) == 1 else "unread"


RULES: dict[str, Callable[[str], YesNoReading]] = {
    "pope": pope,
    "mme": mme,
    "vlmevalkit": vlmevalkit,
    "lmms_eval_pope": lmms_eval_pope,
    "lmms_eval_mme": lmms_eval_mme,
    "amber": amber,
    "strict": strict,
}
"""The rules that need no label."""


def readings(answer: str, label: str) -> dict[str, YesNoReading]:
    """Each rule's reading of one answer; `label` is the true answer, for VCD's."""
    all_readings: dict[str, YesNoReading] = {name: rule(answer) for name, rule in RULES.items()}
    all_readings["vcd"] = vcd(answer, label)
    return all_readings


def disagree(answer: str, label: str) -> bool:
    """Whether two of the rules read it differently."""
    return len(set(readings(answer, label).values())) > 1


def columns(score: Score) -> dict[str, object]:
    """Each rule's reading of a scored answer, for a benchmark's file of items.

    Empty for a question that isn't a yes/no question.
    """
    label = score.strata.get("label")
    return {"rules": readings(score.answer, label)} if label else {}


def _exactly(text: str) -> YesNoReading:
    return "yes" if text == "yes" else "no" if text == "no" else "unread"


def _without_punctuation(text: str) -> str:
    """Remove punctuation like VLMEvalKit, which treats each mark by the whole text.

    A mark next to a blank anywhere, and every mark if digits have a comma between them, is deleted;
    any other becomes a blank. Then the first 32 full stops without a digit after them are deleted
    (its flag is passed as the count).
    """
    has_number = re.search(r"\d,\d", text) is not None
    result = text
    for mark in _PUNCTUATION:
        beside_blank = mark + " " in text or " " + mark in text
        result = result.replace(mark, "" if beside_blank or has_number else " ")
    return re.sub(r"\.(?!\d)", "", result, count=32)
