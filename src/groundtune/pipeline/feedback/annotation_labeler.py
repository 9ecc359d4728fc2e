"""A labeler that answers from people's annotations of the images: by rules, or by asking a model.

Rules know classes alone. COCO's lists are complete, so what one lacks is not there; of Visual
Genome's only what is named is known. A model of text gets all annotations and several questions
at once, as HA-DPO's judge did (Zhao et al. 2023, arXiv 2311.16839, section 3).
"""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.feedback.divide import text_prompt
from groundtune.feedback.instructions import shipped_instruction
from groundtune.feedback.object_words import question_of, verdict_of
from groundtune.generate.thoughts import without_thoughts
from groundtune.interchange.annotations import Annotations, ImageAnnotations, region_lines
from groundtune.protocols import NO_ANSWER, Generator, Reply, YesNoReply
from groundtune.records import Producer, Prompt, Sampling
from groundtune.store.keys import key_of, seed_of

if TYPE_CHECKING:
    from groundtune.store.images import ImageStore

TOGETHER = 20
"""Questions about one image that a model gets at once."""
GREEDY = Sampling(max_new_tokens=1024, temperature=0)
OTHER = 0.1
"""Share of images in other proportions than their annotations say from which on these are of other
images."""
TOLERANCE = 0.03
"""How far the proportions of a smaller copy of an image may differ, by rounding."""
PARSER = "1"
_YES, _NO = YesNoReply(1.0, 0.0), YesNoReply(0.0, 1.0)
log = logging.getLogger(__name__)
_LINE = re.compile(r"^\s*(\d+)\s*[.):]\s*\W*(yes|no|unsure)\b", re.IGNORECASE)


class AnnotationLabeler:
    """Answers questions from annotations; `images` by sha256."""

    def __init__(
        self,
        images: Mapping[str, ImageAnnotations],
        classes: frozenset[str],
        source: Producer,
        reader: Generator | None = None,
        sampling: Sampling = GREEDY,
    ) -> None:
        """`classes` are those of which the annotations name all; `reader` replaces the rules."""
        self._images = images
        self._classes = classes
        self._source = source
        self._reader = reader
        self._sampling = sampling

    def producer(self) -> Producer:
        """The annotations, and the model that reads them."""
        if self._reader is None:
            return self._source
        by = self._reader.producer(self._sampling, 0)
        prompt_hash = key_of(shipped_instruction("verify-1").hash, PARSER, self._source)[:12]
        return by.model_copy(update={"prompt_hash": prompt_hash})

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """Yes or no with certainty, neither where the annotations don't decide."""
        if self._reader is None:
            return [self._by_rules(prompt) for prompt in prompts]
        replies = [NO_ANSWER] * len(prompts)
        chunks = self._chunks(prompts)
        requests = [self._request([prompts[i] for i in chunk]) for chunk in chunks]
        seeds = [seed_of(request.key) for request in requests]
        read_replies = self._reader.generate(requests, self._sampling, seeds) if requests else []
        for chunk, reply in zip(chunks, read_replies, strict=True):
            for i, answer in zip(chunk, read_answers(reply, len(chunk)), strict=True):
                replies[i] = answer
        return replies

    def _by_rules(self, prompt: Prompt) -> YesNoReply:
        image = self._images.get(prompt.images[0]) if prompt.images else None
        if image is None:
            return NO_ANSWER
        names = {box.phrase for box in image.objects}
        question = question_of(prompt.question, self._classes | names)
        if question is None:
            return NO_ANSWER
        number = sum(box.phrase == question.name for box in image.objects)
        complete = question.name in self._classes
        so = verdict_of(
            question, number if complete or (number and question.number is None) else None
        )
        return NO_ANSWER if so is None else _YES if so else _NO

    def _chunks(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """The questions about annotated images, in lists about one image each."""
        groups: dict[str, list[int]] = {}
        for i, prompt in enumerate(prompts):
            if prompt.images and prompt.images[0] in self._images:
                groups.setdefault(prompt.images[0], []).append(i)
        return [
            group[first : first + TOGETHER]
            for group in groups.values()
            for first in range(0, len(group), TOGETHER)
        ]

    def _request(self, prompts: Sequence[Prompt]) -> Prompt:
        image = self._images[prompts[0].images[0]]
        questions = [f"{number}. {prompt.question}" for number, prompt in enumerate(prompts, 1)]
        values = {"annotations": "\n".join(region_lines(image)), "questions": "\n".join(questions)}
        return text_prompt(shipped_instruction("verify-1").fill(values))


def read_answers(reply: Reply, number: int) -> list[YesNoReply]:
    """The answers of a reply by their numbers; what is missing, said twice or unsure is neither."""
    words_of: dict[int, list[str]] = {}
    for line in without_thoughts(reply).text.splitlines():
        if match := _LINE.match(line):
            words_of.setdefault(int(match[1]), []).append(match[2].lower())
    answers = {"yes": _YES, "no": _NO}
    return [
        answers.get(words[0], NO_ANSWER) if len(words := words_of.get(i, [])) == 1 else NO_ANSWER
        for i in range(1, number + 1)
    ]


def images_of(
    annotations: Annotations, prompts: Sequence[Prompt], images: "ImageStore", where: str
) -> dict[str, ImageAnnotations]:
    """The annotations of the prompts' images, by sha256.

    An image whose sides are in another proportion than the annotations say is another image of the
    same number. Such images, and those without annotations, are counted in a warning.

    Raises:
        UserError: none of the images is annotated, or many have other proportions.
    """
    names = {p.images[0]: p.source.name or p.source.row for p in prompts if len(p.images) == 1}
    by_sha256 = {sha256: image for sha256, name in names.items() if (image := annotations.of(name))}
    first = next(iter(names.values()), "") or "unnamed"
    if not by_sha256:
        raise UserError(
            f"The annotations are of other images: none of {len(prompts):,} is among them.",
            f"{where}; the first image is {first}",
            "Give the annotations of these images: the number in a file's name finds them.",
        )
    other = {
        sha256: why for sha256, each in by_sha256.items() if (why := _other(each, images, sha256))
    }
    if len(other) > OTHER * len(by_sha256):
        sha256, why = next(iter(other.items()))
        raise UserError(
            f"The annotations are of other images: {len(other):,} of {len(by_sha256):,} have other "
            "proportions.",
            f"{where}; {names[sha256]} {why}",
            "Give the annotations of these images: only the number in a file's name was equal.",
        )
    unknown = len(names) - len(by_sha256)
    if unknown or other:
        log.warning(
            "%s: %d of %d images have no annotations and %d have other proportions than theirs; "
            "claims about these images are unsure",
            where,
            unknown,
            len(names),
            len(other),
        )
    return {sha256: image for sha256, image in by_sha256.items() if sha256 not in other}


def _other(image: ImageAnnotations, images: "ImageStore", sha256: str) -> str:
    """How an image's proportions differ from those that its annotations give; "" if they don't."""
    if image.size is None:
        return ""
    with images.open(sha256) as file:
        width, height = file.size
    wide, high = image.size
    upright = (height, width)  # a photograph that its EXIF data turns
    if any(abs(w * high - h * wide) <= TOLERANCE * w * high for w, h in ((width, height), upright)):
        return ""
    return f"has {width} x {height} pixels, its annotations {wide} x {high}"
