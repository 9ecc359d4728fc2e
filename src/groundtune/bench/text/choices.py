"""The letter that an answer to a multiple-choice question chooses, by each tool's rule.

The tools disagree on untidy answers. Each rule here returns a letter, or "" if it finds none;
`paper` is MMStar's rule, `vlmevalkit` and `lmms_eval` are those of the two common evaluators, and
`strict` is ours. Options are {letter: text}, with the text "" if unknown; a rule that only looks at
letters takes the letters.
"""

import re
from collections.abc import Collection, Mapping

REFUSED = "Z"
"""The letter that `vlmevalkit` returns for some refusals: chosen, and never right."""


def paper(answer: str, letters: Collection[str]) -> str:
    """MMStar's eval/vlmeval/evaluate/mmstar.py (MMStar-Benchmark/MMStar at 88f243a).

    In lower case and stripped, a letter counts at the very beginning, after "(", after "option " or
    after "the answer is ". So "Dog" is D, "a cat" is A, and "**B**" is unreadable.
    """
    text = answer.lower().strip().replace("\n", " ")
    places = [0]
    if text[:1] == "(":
        places.append(1)
    elif text[:7] == "option ":
        places.append(7)
    elif text[:14] == "the answer is ":
        places.append(14)
    candidates = (text[place : place + 1].upper() for place in places)
    return next((letter for letter in candidates if letter in letters), "")


_VK_BLANKS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_VK_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_VK_PHRASE = re.compile(r"answer\s+is\s+\**([A-D])", re.IGNORECASE)


def vlmevalkit(answer: str, options: Mapping[str, str]) -> str:
    """VLMEvalKit's can_infer without a judge (vlmeval/utils/matching_util.py at e8e78f0).

    The only option letter that is a separate word, if among the last four words; else the letter
    after "answer is"; else the only option whose text is in an answer that is not much longer than
    the options. Some refusals, and a lone Z, give "Z".
    """
    return _vk_letter(answer, options) or _vk_text(answer, options)


def _vk_letter(answer: str, options: Mapping[str, str]) -> str:
    if "Failed to obtain answer via API" in answer:
        return ""
    if any(refusal in answer for refusal in _VK_REFUSALS):
        return REFUSED
    words = answer.translate(_VK_BLANKS).split()
    letters = [letter for letter in options if letter in words]
    if len(letters) == 1 and words.index(letters[0]) > len(words) - 5:
        return letters[0]
    if not letters and REFUSED in words:
        return REFUSED
    match = _VK_PHRASE.search(answer)
    letter = match.group(1).upper() if match else ""
    return letter if letter in options else ""


def _vk_text(answer: str, options: Mapping[str, str]) -> str:
    text = answer.lower()
    if len(text) > 2 * sum(map(len, options.values())):
        return ""
    letters = [
        letter
        for letter, option_text in options.items()
        if option_text and option_text.lower() in text
    ]
    return letters[0] if len(letters) == 1 else ""


_LE_PUNCTUATION = ",.!?;:'\""
_LE_PHRASES = (
    "the answer is",
    "answer is",
    "the correct answer is",
    "correct answer is",
    "the best answer is",
    "best answer is",
    "the correct option is",
    "correct option is",
    "the best option is",
    "best option is",
    "the choice is",
    "choice is",
    "the correct choice is",
    "correct choice is",
    "i choose",
    "i select",
    "i pick",
    "my answer is",
    "my choice is",
    "\uc635\uc158",
    "\uc815\ub2f5\uc740",
    "\ub2f5\uc740",
    "\ub2f5:",
    "\u7b54\u6848\u662f",
    "\u7b54\u6848\u4e3a",
    "\u9009",
    "\u7b54\u3048\u306f",
)
_LE_FORMS = (("({})", 6), ("{}.", 5), ("{}:", 4), ("{})", 3), ("{} ", 2))
"""Ways to write a letter, with their ranks."""


def lmms_eval(answer: str, letters: Collection[str]) -> str:
    """lmms-eval's extract_mcq_answer (lmms_eval/tasks/_task_utils/mcq_extract.py at 75571cf).

    Every capital letter of a choice is a candidate with a rank: at the beginning (10), at the end
    (9), at any distance after a phrase like "the answer is" (7), as (A), A., A:, A) or A and a
    blank (6 to 2), anywhere if there is no other (0). The highest rank wins, then the last
    position.
    """
    text = answer.strip()
    for mark in _LE_PUNCTUATION:
        text = text.strip(mark)
    if not answer.strip():
        return ""
    text = f" {text} "
    candidates: list[tuple[int, int, str]] = []
    for form, rank in _LE_FORMS:
        places = ((text.rfind(form.format(letter)), letter) for letter in letters)
        candidates += [(rank, place, letter) for place, letter in places if place >= 0]
    candidates += _le_phrases(text, letters)
    candidates += _le_ends(text, letters)
    if not candidates:
        candidates = [(0, text.rfind(letter), letter) for letter in letters if letter in text]
    return max(candidates, key=lambda candidate: candidate[:2])[2] if candidates else ""


def _le_phrases(text: str, letters: Collection[str]) -> list[tuple[int, int, str]]:
    lower = text.lower()
    candidates: list[tuple[int, int, str]] = []
    for phrase in _LE_PHRASES:
        start = lower.find(phrase)
        if start >= 0:
            places = ((text.find(letter, start + len(phrase)), letter) for letter in letters)
            candidates += [(7, place, letter) for place, letter in places if place >= 0]
    return candidates


def _le_ends(text: str, letters: Collection[str]) -> list[tuple[int, int, str]]:
    bare = text.strip()
    alone = len(bare) == 1
    candidates = [
        (10, 0, letter)
        for letter in letters
        if bare.startswith(letter) and (alone or not bare[1].isalpha())
    ]
    candidates += [
        (9, len(text) - 1, letter)
        for letter in letters
        if bare.endswith(letter) and (alone or not bare[-2].isalpha())
    ]
    return candidates


_LETTER = r"[*_(\[{\"']*([A-Za-z])(?![A-Za-z0-9'\u2019])[*_)\]}\"']*"
_WHOLE = re.compile(rf"\s*(?:option\s+|choice\s+|answer\s*:\s*)?{_LETTER}\s*[.:,;]?\s*", re.I)
_FIRST = re.compile(r"\s*[*_]*(?:\(([A-Za-z])\)|([A-Z])\s*[.:)])")
_PHRASE = re.compile(
    rf"\b(?:(?:answer|choice|option)\s+(?:is|would\s+be)\s*:?|answer\s*:)\s*(?:option\s+)?{_LETTER}"
    r"(?P<after>[.,;:]|\s*$|\s)",
    re.IGNORECASE,
)


def strict(answer: str, options: Mapping[str, str]) -> str:
    """Our rule; "" if nothing or more than one option is chosen.

    A letter counts if it is the whole answer (with brackets, marks or "option"), if the answer
    begins with it as (A), A., A: or A), or after "answer is" or "answer:"; otherwise the answer
    must be the text of one option, ignoring case and a final full stop. Two contradicting letters
    give "".
    """
    whole = _WHOLE.fullmatch(answer)
    if whole and whole.group(1).upper() in options:
        return whole.group(1).upper()
    first = _FIRST.match(answer)
    phrases = _PHRASE.finditer(answer)
    choices = [
        phrase.group(1) for phrase in phrases if phrase.group(1).isupper() or _ends(phrase["after"])
    ]
    if first:
        choices.append(first.group(1) or first.group(2))
    letters = {letter.upper() for letter in choices} & set(options)
    if not letters:
        bare = _bare(answer)
        letters = {letter for letter, text in options.items() if text and _bare(text) == bare}
    return letters.pop() if len(letters) == 1 else ""


def _ends(after: str) -> bool:
    """Whether a lower-case letter is a choice, not an article: a mark or the end follows it."""
    return not after or not after[0].isspace() or (after.isspace() and "\n" in after)


def _bare(text: str) -> str:
    return text.strip().rstrip(".").lower()


_HEAD = re.compile(r".*(?:Options|Choices):", re.DOTALL)
_OPTION_MARK = re.compile(r"(?:^|[\s,])(?:\(([A-H])\)|([A-H])\s*[:.]\s)")


def options_in(question: str) -> dict[str, str]:
    """The options that a question lists, or {}.

    As in MMStar: "Options: A: a cat, B: a dog", or lines "(A) a cat" after "Choices:". An option
    "nan" is ignored.
    """
    head = _HEAD.match(question)
    text_ = question[head.end() :] if head else question
    marks: list[re.Match[str]] = []
    for mark in _OPTION_MARK.finditer(text_):
        if (mark.group(1) or mark.group(2)) == chr(ord("A") + len(marks)):
            marks.append(mark)
    if len(marks) < 2:
        return {}
    ends = [mark.start() for mark in marks[1:]] + [len(text_)]
    texts = {
        mark.group(1) or mark.group(2): text_[mark.end() : end].strip().rstrip(",").strip()
        for mark, end in zip(marks, ends, strict=True)
    }
    return {letter: text for letter, text in texts.items() if text != "nan"}
