"""A task whose answers can be verified: find the one wrong part of a description.

ViCrit (arXiv 2506.10128): a description with one injected error is right but for one span, so an
answer is right if it names that span. Corrections have all that is needed: the wrong spans, and
what is right in their place.
"""

from collections.abc import Mapping, Sequence

from groundtune.records import Correction, ImagePart, Message, Prompt, Span, TextPart
from groundtune.store.keys import key_of

WRONG = "wrong"
"""Name of the wrong words among a prompt's extra columns."""
QUESTION = (
    "One part of this description of the image is wrong. Repeat the wrong part and nothing else.\n"
)


def find_prompts(corrections: Sequence[Correction], prompts: Mapping[str, Prompt]) -> list[Prompt]:
    """Return a prompt for each wrong span of corrections: the text with that one error.

    Spans that insert or delete are left out: there is nothing to name, or nothing in its place.
    """
    by_key: dict[str, Prompt] = {}
    for correction in corrections:
        if correction.prompt not in prompts:
            continue
        for index, span in enumerate(correction.spans):
            wrong = correction.text[span.start : span.end].strip()
            if wrong and (span.replacement or "").strip():
                text = _with_one_error(correction.text, correction.spans, index)
                prompt = _prompt(prompts[correction.prompt], text, wrong)
                by_key.setdefault(prompt.key, prompt)
    return list(by_key.values())


def _with_one_error(text: str, spans: Sequence[Span], error: int) -> str:
    """Return the text corrected but for one span."""
    parts: list[str] = []
    place = 0
    for index, span in enumerate(spans):
        piece = text[span.start : span.end] if index == error else span.replacement or ""
        parts += [text[place : span.start], piece]
        place = span.end
    return "".join([*parts, text[place:]])


def _prompt(about: Prompt, text: str, wrong: str) -> Prompt:
    images = [ImagePart(image=image) for image in about.images]
    messages = (Message(role="user", content=(*images, TextPart(text=QUESTION + text))),)
    source = about.source.model_copy(update={"extra": {**about.source.extra, WRONG: wrong}})
    return Prompt(key=key_of("find", messages, wrong), messages=messages, source=source)
