"""How each tool reads a yes/no answer, and what they make of one and the same answer.

No two tools agree on an untidy answer: "NO" is a yes to POPE's script, "now" a no to MME's, "Yes."
wrong to lmms-eval's POPE. `readings` tells for one answer what each makes of it; `disagree` whether
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

    Words are split at single blanks, so that "No!" and a "no" before a line break are no words of
    these; everything that is not a no is a yes.
    """
    words = answer.split(".", 1)[0].replace(",", "").split(" ")
    return "no" if "No" in words or "not" in words or "no" in words else "yes"


def vcd(answer: str, label: str) -> YesNoReading:
    """VCD's script: right if the true answer's word is anywhere in the answer ("know" has "no")."""
    wanted = label.strip().lower()
    other = "no" if wanted == "yes" else "yes"
    found = wanted in answer.lower()
    return "yes" if (wanted if found else other) == "yes" else "no"


def mme(answer: str) -> YesNoReading:
    """MME's script: yes, else no, within the first four characters of the lowered answer."""
    start = answer.lower()[:4]
    return "yes" if "yes" in start else "no" if "no" in start else "unread"


def vlmevalkit(answer: str) -> YesNoReading:
    """VLMEvalKit: one of the words yes and no, but not both, after its clearing of punctuation."""
    words = _cleared(answer.lower()).split()
    if ("yes" in words) == ("no" in words):
        return "unread"
    return "yes" if "yes" in words else "no"


def lmms_eval_pope(answer: str) -> YesNoReading:
    """lmms-eval's POPE: the whole answer, lowered and stripped, is yes or no."""
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
    """Ours: the first word if it is yes or no, else the only one of the two in the first sentence.

    Words are letters in any case. Both or none of the two can't be read.
    """
    words = re.findall(r"[^\W\d_]+", re.split(r"[.!?\n]", answer.strip(), maxsplit=1)[0].lower())
    if words and words[0] in ("yes", "no"):
        return _exactly(words[0])
    said = {"yes", "no"} & set(words)
    return _exactly(said.pop()) if len(said) == 1 else "unread"


RULES: dict[str, Callable[[str], YesNoReading]] = {
    "pope": pope,
    "mme": mme,
    "vlmevalkit": vlmevalkit,
    "lmms_eval_pope": lmms_eval_pope,
    "lmms_eval_mme": lmms_eval_mme,
    "amber": amber,
    "strict": strict,
}
"""Those that need no label."""


def readings(answer: str, label: str) -> dict[str, YesNoReading]:
    """What each rule makes of one answer; `label` is the true answer, for VCD's."""
    made: dict[str, YesNoReading] = {name: rule(answer) for name, rule in RULES.items()}
    made["vcd"] = vcd(answer, label)
    return made


def disagree(answer: str, label: str) -> bool:
    """Whether two of the rules make different things of it."""
    return len(set(readings(answer, label).values())) > 1


def columns(score: Score) -> dict[str, object]:
    """What each rule makes of a scored answer, for a benchmark's file of items.

    Nothing of an answer to a question that isn't asked for yes or no.
    """
    label = score.strata.get("label")
    return {"rules": readings(score.answer, label)} if label else {}


def _exactly(text: str) -> YesNoReading:
    return "yes" if text == "yes" else "no" if text == "no" else "unread"


def _cleared(text: str) -> str:
    """VLMEvalKit's clearing, which decides by the whole text how each mark is taken out.

    A mark that stands beside a blank anywhere, and every mark where digits have a comma between
    them, vanishes; any other becomes a blank. Then the first 32 full stops without a digit after
    them vanish (its flag is passed as the count).
    """
    has_number = re.search(r"\d,\d", text) is not None
    cleared = text
    for mark in _PUNCTUATION:
        beside_blank = mark + " " in text or " " + mark in text
        cleared = cleared.replace(mark, "" if beside_blank or has_number else " ")
    return re.sub(r"\.(?!\d)", "", cleared, count=32)
