"""The report of a run that only sampled: unchecked answers with their images and counts."""

from collections.abc import Callable, Mapping, Sequence

from groundtune.records import Answer, Prompt
from groundtune.report.examples import Example, ExampleAnswer, Examples
from groundtune.report.figures import listed
from groundtune.report.model import (
    UNKNOWN,
    AnswerCount,
    ModelSpec,
    Note,
    Provenance,
    ReportInput,
    Subject,
)


def count_answers(
    answers: Sequence[Answer], refused: Callable[[str], bool] | None = None
) -> tuple[AnswerCount, ...]:
    """Count answers by model; refusals only with `refused`."""
    counts: list[AnswerCount] = []
    for model in dict.fromkeys(answer.producer.name for answer in answers):
        model_answers = [answer for answer in answers if answer.producer.name == model]
        lengths = [len(answer.text.split()) for answer in model_answers]
        counts.append(
            AnswerCount(
                model=model,
                answers=len(model_answers),
                words=sum(lengths) / len(lengths),
                words_low=min(lengths),
                words_high=max(lengths),
                refusals=None
                if refused is None
                else sum(refused(answer.text) for answer in model_answers),
                empty=sum(length == 0 for length in lengths),
                cut=sum(answer.finish == "length" for answer in model_answers),
            )
        )
    return tuple(counts)


def sampling_report(
    title: str,
    prompts: Sequence[Prompt],
    answers: Sequence[Answer],
    image: Callable[[str], bytes],
    *,
    labels: Mapping[str, str] | None = None,
    refused: Callable[[str], bool] | None = None,
    provenance: Provenance = UNKNOWN,
    notes: Sequence[Note] = (),
    number: int = 60,
) -> ReportInput:
    """Return the report of a run that only sampled: answers with images and counts, unchecked.

    `image` returns an image file's bytes by its sha256, `labels` has the models' display names. The
    first `number` prompts with an answer are shown.
    """
    by_prompt: dict[str, list[Answer]] = {}
    for answer in answers:
        by_prompt.setdefault(answer.prompt, []).append(answer)
    answered_prompts = [prompt for prompt in prompts if prompt.key in by_prompt]
    examples = [
        _unchecked(prompt, by_prompt[prompt.key], image) for prompt in answered_prompts[:number]
    ]
    names = dict.fromkeys(answer.producer.name for answer in answers) or {"nobody": None}
    range_text = "All" if len(answered_prompts) <= number else f"The first {number:,} of"
    licences = dict.fromkeys(p.source.licence for p in answered_prompts if p.source.licence)
    terms = [Note(kind="licence", text=f"The prompts come with: {listed(list(licences))}.")]
    return ReportInput(
        title=title,
        models=tuple(ModelSpec(name=n, label=(labels or {}).get(n, n)) for n in names),
        counts=count_answers(answers, refused),
        examples=Examples(
            shown=tuple(examples),
            how=f"{range_text} {len(answered_prompts):,} prompts with answers, in their order.",
        ),
        provenance=provenance,
        subject=Subject(notes=(*notes, *(terms if licences else ()))),
    )


def _unchecked(prompt: Prompt, answers: Sequence[Answer], image: Callable[[str], bytes]) -> Example:
    several = len({answer.index for answer in answers}) > 1
    return Example(
        images=tuple(image(sha256) for sha256 in prompt.images),
        prompt=prompt.question,
        item=prompt.source.name,
        answers=tuple(
            ExampleAnswer(
                model=answer.producer.name,
                text=answer.text,
                note=f"answer {answer.index + 1}" if several else "",
            )
            for answer in answers
        ),
    )
