"""Corrections: an answer, the spans that are wrong in it, and the corrected text.

RLHF-V (Yu et al. 2023, arXiv 2312.00849): a person edits only the hallucinated segments of an
answer, so that the corrected text and the answer are a preference pair that differs in nothing
else, neither length nor style.
"""

from typing import Literal

from groundtune.errors import UserError
from groundtune.feedback.diff import words
from groundtune.feedback.spans import apply, invert
from groundtune.records import Answer, Correction, Pair, Producer, Source
from groundtune.store.keys import key_of

NoPair = Literal["unchanged", "empty_chosen", "empty_rejected", "unsure", "tie"]
"""Why feedback makes no pair: nothing differs, a text is empty, the annotator is unsure, or neither
answer is better."""


def correction_key(answer: str, by: Producer) -> str:
    """Return the key of an annotator's correction of an answer (its key)."""
    return key_of("correction", answer, by)


def correction_from_texts(
    answer: Answer, corrected: str, by: Producer, *, seconds: float | None = None
) -> Correction:
    """Return the correction of an answer, given its corrected text; the spans come from a diff."""
    return Correction(
        key=correction_key(answer.key, by),
        prompt=answer.prompt,
        answer=answer.key,
        text=answer.text,
        spans=words(answer.text, corrected).rejected,
        corrected=corrected,
        by=by,
        seconds=seconds,
    )


def why_no_pair(chosen: str, rejected: str) -> NoPair | None:
    """Return why two texts make no pair; None if they do. White space alone is an empty text."""
    if not rejected.strip():
        return "empty_rejected"
    if chosen == rejected:
        return "unchanged"
    if not chosen.strip():
        return "empty_chosen"
    return None


def pair_from_correction(correction: Correction, source: Source) -> Pair | NoPair:
    """Return the corrected text as chosen, the answer as rejected; or why there is no pair.

    Both lists of spans are edits, aligned one to one: an insertion is empty in the rejected text, a
    deletion in the chosen one. `source` is the prompt's, with its licence.

    Raises:
        UserError: the correction's spans don't give its corrected text.
    """
    check_correction(correction)
    if correction.verdict == "unsure":
        return "unsure"
    why_not = why_no_pair(correction.corrected, correction.text)
    if why_not is not None:
        return why_not
    return Pair(
        key=key_of("pair", "correction", correction.key),
        prompt=correction.prompt,
        chosen=correction.corrected,
        rejected=correction.text,
        chosen_spans=invert(correction.text, correction.spans),
        rejected_spans=correction.spans,
        origin="correction",
        parents=(correction.key, correction.answer),
        source=source,
    )


def check_correction(correction: Correction) -> None:
    """Raise UserError, naming the correction, unless its spans give its corrected text exactly."""
    fix = "Correct the answer again, or leave this correction out."
    where = f"correction {correction.key} of answer {correction.answer}"
    try:
        corrected = apply(correction.text, correction.spans)
    except ValueError as error:
        raise UserError(f"The correction can't be applied: {error}.", where, fix) from error
    if corrected != correction.corrected:
        raise UserError("The correction's spans don't give its corrected text.", where, fix)
