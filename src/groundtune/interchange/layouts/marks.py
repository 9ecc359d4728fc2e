"""Annotators' marks of errors in answers, in the formats of the evaluations. Export only.

mhumaneval    a row per answer, for `groundtune bench score mhumaneval`: id, model, image,
              question, answer, and marks with their texts; null if the annotator is unsure
check-marks   a row per answer, for `groundtune check --marks`: its key, and whether it is wrong
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from groundtune.interchange.registry import MarksLayoutName
from groundtune.records import Answer, Correction, Producer, Prompt, Span
from groundtune.store.keys import key_of
from groundtune.store.rows import write_json


def write_marks(
    layout: MarksLayoutName,
    path: Path,
    prompts: Mapping[str, Prompt],
    answers: Mapping[str, Answer],
    corrections: Sequence[Correction],
) -> int:
    """Write a row per corrected or marked answer, and return their number.

    Raises:
        UserError: the file can't be written.
    """
    if layout == "check-marks":
        return write_json(path, _verdicts(prompts, answers, corrections))
    names = model_names(answers[correction.answer] for correction in corrections)
    return write_json(path, _marked(prompts, answers, corrections, names))


def model_names(answers: Iterable[Answer]) -> dict[str, str]:
    """Model names by the answer's key; models of the same name also get their revision."""
    models = {answer.key: answer.producer for answer in answers}
    identities = {producer.name: set[str]() for producer in models.values()}
    for producer in models.values():
        identities[producer.name].add(identity_of(producer))
    return {
        key: producer.name if len(identities[producer.name]) == 1 else identity_of(producer)
        for key, producer in models.items()
    }


def identity_of(producer: Producer) -> str:
    """A model's name and revision."""
    return f"{producer.name}@{producer.revision[:8] or key_of(producer.revision)[:8]}"


def item_id(answer: Answer) -> str:
    """An id that answers of several models to one prompt share."""
    return f"{answer.prompt}/{answer.index}" if answer.index else answer.prompt


def marked_spans(correction: Correction) -> tuple[Span, ...] | None:
    """The spans that a person marked; None if they are unsure."""
    return None if correction.verdict == "unsure" else correction.marks or correction.spans


def _marked(
    prompts: Mapping[str, Prompt],
    answers: Mapping[str, Answer],
    corrections: Sequence[Correction],
    names: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    for correction in corrections:
        prompt, answer, spans = (
            prompts[correction.prompt],
            answers[correction.answer],
            marked_spans(correction),
        )
        yield {
            "id": item_id(answer),
            "model": names[correction.answer],
            "image": image_of(prompt),
            "question": prompt.question,
            "answer": correction.text,
            "marks": None if spans is None else [_mark(correction.text, span) for span in spans],
            "by": correction.by.name,
        }


def image_of(prompt: Prompt) -> str:
    """An id that answers about the same images share."""
    return "+".join(prompt.images) or prompt.key


def _mark(text: str, span: Span) -> dict[str, Any]:
    words = text[span.start : span.end]
    return {"start": span.start, "end": span.end, "text": words, "kind": span.kind}


def _verdicts(
    prompts: Mapping[str, Prompt],
    answers: Mapping[str, Answer],
    corrections: Sequence[Correction],
) -> Iterator[dict[str, Any]]:
    for correction in corrections:
        spans = marked_spans(correction)
        yield {
            "answer": correction.answer,
            "image": prompts[correction.prompt].source.name,
            "question": prompts[correction.prompt].question,
            "text": answers[correction.answer].text,
            "wrong": None if spans is None else bool(spans),
        }
