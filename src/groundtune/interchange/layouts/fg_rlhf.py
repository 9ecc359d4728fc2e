"""FG-RLHF's feedback: marked errors, missing facts, corrected texts and preferences.

Wu et al. 2023, arXiv 2306.01693; allenai/FineGrainedRLHF, tasks/qa_feedback/data, apache-2.0. A
JSON list. A row has a question, passages (lists of sentences), a gold answer, four predictions, the
feedback on the first prediction, and a preference for each pair of the four: 0 tie, 1 the earlier
one, 2 the later one. Annotators wrote the corrected text freely, so its edits come from a diff;
their marks are in `Correction.marks`.

The passages' sentences are the prompt's facts, in order; a missing fact is an index into them. The
prompt's source stores what no record has a field for: the gold answer, the lengths of the passages,
and the order in which the errors are listed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, combinations
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from groundtune.errors import UserError
from groundtune.feedback.corrections import correction_from_texts, correction_key
from groundtune.interchange.feedback_layout import Feedback
from groundtune.records import (
    Answer,
    Comparison,
    Correction,
    Message,
    Missing,
    Producer,
    Prompt,
    Side,
    Source,
    Span,
    TextPart,
)
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of
from groundtune.store.rows import Row, json_rows

LAYOUT = "fg-rlhf"
DATASET = "allenai/FineGrainedRLHF"
LICENCE = "apache-2.0"
_PEOPLE = Producer(kind="person", name="fg-rlhf")
_MODEL = Producer(kind="dataset", name=DATASET)
_PREDICTIONS = tuple(f"prediction {number}" for number in (1, 2, 3, 4))
_DUELS = tuple(combinations(range(4), 2))
_SIDES: tuple[Side, ...] = ("tie", "first", "second")
_FIX = "Correct the row, or leave it out with --skip-bad."


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Error(_Strict):
    label: str = Field(alias="error type")
    explanation: str
    start: int
    end: int


class _Missing(_Strict):
    label: str = Field(alias="error type")
    passage_id: int = Field(ge=1)
    sentence_id: list[int]


class _RowFeedback(_Strict):
    errors: list[_Error]
    missing_info: list[_Missing] = Field(alias="missing-info")
    corrected_prediction: str = Field(alias="corrected-prediction")


class _FileRow(_Strict):
    question: str
    passages: list[list[str]]
    gold: str
    prediction_1: str = Field(alias="prediction 1")
    prediction_2: str = Field(alias="prediction 2")
    prediction_3: str = Field(alias="prediction 3")
    prediction_4: str = Field(alias="prediction 4")
    feedback: _RowFeedback
    preference: list[int] = Field(min_length=6, max_length=6)

    @property
    def predictions(self) -> tuple[str, ...]:
        return (self.prediction_1, self.prediction_2, self.prediction_3, self.prediction_4)


def read(path: Path, *, licence: str | None = None, skip_bad: bool = False) -> Iterator[Feedback]:
    """Yield the records of each row.

    Raises:
        UserError: the file can't be read; or, naming the row, a row is bad. With `skip_bad` such a
            row is left out and its error is in `skipped`.
    """
    for row in json_rows(path, _FIX):
        try:
            yield _records(_parse_row(row), row, LICENCE if licence is None else licence)
        except UserError as error:
            if not skip_bad:
                raise
            yield Feedback(skipped=(error,))


def write(
    path: Path,
    prompts: Iterable[Prompt],
    answers: Iterable[Answer],
    corrections: Iterable[Correction],
    comparisons: Iterable[Comparison],
) -> int:
    """Write one row per prompt of this layout, and return the number of rows.

    Feedback that was changed or added after the import is written in its current state.

    Raises:
        UserError: no prompt is of this layout, or one does not have four answers, lacks feedback,
            or has more than one correction of its first answer, which the layout can't hold.
    """
    texts: dict[str, dict[int, Answer]] = {}
    for answer in answers:
        texts.setdefault(answer.prompt, {})[answer.index] = answer
    corrections_by_answer: dict[str, list[Correction]] = {}
    for correction in corrections:
        corrections_by_answer.setdefault(correction.answer, []).append(correction)
    better: dict[tuple[str, str], Side] = {}
    for comparison in comparisons:
        better[comparison.first, comparison.second] = comparison.better
    our_prompts = [p for p in prompts if p.source.extra.get("layout") == LAYOUT]
    if not our_prompts:
        raise UserError(
            "None of the prompts was imported from this layout, which has four answers to each.",
            str(path),
            "Export another layout, such as rlhf-v or corrections.",
        )
    rows = [
        _fields(prompt, texts.get(prompt.key, {}), corrections_by_answer, better)
        for prompt in our_prompts
    ]
    write_atomic(path, json_of(rows, where=str(path), indent=2, ascii=True).encode())
    return len(rows)


def _parse_row(row: Row) -> _FileRow:
    try:
        return _FileRow.model_validate(row.fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"The field {place}: {first['msg']}.", row.where, _FIX) from error


def _records(parsed: _FileRow, row: Row, licence: str) -> Feedback:
    lengths = [len(passage) for passage in parsed.passages]
    order = _order(parsed.feedback.errors)
    extra = {
        "layout": LAYOUT,
        "gold": parsed.gold,
        "passages": json_of(lengths),
        **({} if order == sorted(order) else {"errors": json_of(order)}),
    }
    source = Source(dataset=DATASET, row=str(row.number), licence=licence, extra=extra)
    messages = (Message(role="user", content=(TextPart(text=parsed.question),)),)
    facts = tuple(sentence for passage in parsed.passages for sentence in passage)
    key = key_of("prompt", messages, facts, source)
    prompt = Prompt(key=key, messages=messages, facts=facts, source=source)
    answers = tuple(
        Answer(
            key=key_of("answer", LAYOUT, key, index, text),
            prompt=key,
            text=text,
            producer=_MODEL,
            index=index,
        )
        for index, text in enumerate(parsed.predictions)
    )
    try:
        corrections = (_correction(answers[0], parsed.feedback, lengths),)
        comparisons = tuple(_comparisons(answers, parsed.preference))
    except (ValueError, IndexError) as error:
        raise UserError(
            f"The feedback does not fit its texts: {error}.", row.where, _FIX
        ) from error
    return Feedback(
        prompts=(prompt,), answers=answers, corrections=corrections, comparisons=comparisons
    )


def _order(errors: Sequence[_Error]) -> list[int]:
    """For each listed error, its rank by position in the text."""
    by_position = sorted(range(len(errors)), key=lambda place: errors[place].start)
    return [by_position.index(place) for place in range(len(errors))]


def _correction(answer: Answer, feedback: _RowFeedback, lengths: Sequence[int]) -> Correction:
    marks = tuple(
        Span(
            start=error.start,
            end=error.end,
            label=error.label,
            note=error.explanation,
            by=_PEOPLE.name,
        )
        for error in sorted(feedback.errors, key=lambda error: error.start)
    )
    plain = correction_from_texts(answer, feedback.corrected_prediction, _PEOPLE)
    missing = tuple(_missing(error, lengths) for error in feedback.missing_info)
    values = {**dict(plain), "marks": marks, "missing": missing}
    values.pop("verdict")  # it follows from the marks too
    return Correction.model_validate(values)


def _missing(entry: _Missing, lengths: Sequence[int]) -> Missing:
    if entry.passage_id > len(lengths):
        raise ValueError(f"there is no passage {entry.passage_id}")
    start = sum(lengths[: entry.passage_id - 1])
    invalid = [
        sentence for sentence in entry.sentence_id if sentence >= lengths[entry.passage_id - 1]
    ]
    if invalid or not entry.sentence_id:
        raise ValueError(f"passage {entry.passage_id} has no sentence {invalid}")
    return Missing(
        label=entry.label, facts=tuple(start + sentence for sentence in entry.sentence_id)
    )


def _comparisons(answers: Sequence[Answer], preference: Sequence[int]) -> Iterator[Comparison]:
    for (first, second), value in zip(_DUELS, preference, strict=True):
        keys = answers[first].key, answers[second].key
        yield Comparison(
            key=key_of("comparison", *keys, _PEOPLE),
            prompt=answers[first].prompt,
            first=keys[0],
            second=keys[1],
            better=_SIDES[value],
            by=_PEOPLE,
        )


def _fields(
    prompt: Prompt,
    answers: Mapping[int, Answer],
    corrections: Mapping[str, Sequence[Correction]],
    better: Mapping[tuple[str, str], Side],
) -> dict[str, Any]:
    where = f"prompt {prompt.key}"
    if sorted(answers) != [0, 1, 2, 3]:
        raise UserError("The prompt does not have exactly four answers.", where, _FIX)
    candidates = corrections.get(answers[0].key, ())
    if len(candidates) != 1:
        raise UserError(
            f"The first answer has {len(candidates)} corrections; the FG-RLHF layout holds one.",
            where,
            "Export a folder with one annotator's corrections.",
        )
    duels = [(answers[first].key, answers[second].key) for first, second in _DUELS]
    sides = [better.get(duel) for duel in duels]
    if any(side not in _SIDES for side in sides):
        raise UserError(
            "Two of its answers have no comparison, or an unsure one.",
            where,
            "Compare all pairs of its answers; the FG-RLHF layout needs every preference.",
        )
    lengths = cast("list[int]", json.loads(prompt.source.extra["passages"]))
    ends = list(accumulate(lengths))
    passages = [
        list(prompt.facts[end - length : end]) for end, length in zip(ends, lengths, strict=True)
    ]
    return {
        "question": prompt.question,
        "passages": passages,
        "gold": prompt.source.extra["gold"],
        **{name: answers[index].text for index, name in enumerate(_PREDICTIONS)},
        "feedback": _feedback(candidates[0], prompt, ends, lengths),
        "preference": [_SIDES.index(cast("Side", side)) for side in sides],
    }


def _feedback(
    correction: Correction, prompt: Prompt, ends: Sequence[int], lengths: Sequence[int]
) -> dict[str, Any]:
    errors = [
        {
            "error type": span.label or span.kind,
            "explanation": span.note,
            "start": span.start,
            "end": span.end,
        }
        for span in correction.wrong
    ]
    order = cast("list[int]", json.loads(prompt.source.extra.get("errors", "[]")))
    if correction.key == correction_key(correction.answer, _PEOPLE) and len(order) == len(errors):
        errors = [errors[place] for place in order]
    return {
        "errors": errors,
        "missing-info": [_passage_of(missing, ends, lengths) for missing in correction.missing],
        "corrected-prediction": correction.corrected,
    }


def _passage_of(missing: Missing, ends: Sequence[int], lengths: Sequence[int]) -> dict[str, Any]:
    first = missing.facts[0] if missing.facts else 0
    passage = next(place for place, end in enumerate(ends) if first < end)
    start = ends[passage] - lengths[passage]
    return {
        "error type": missing.label,
        "passage_id": passage + 1,
        "sentence_id": [fact - start for fact in missing.facts],
    }
