"""Editors of any text: a model that follows instructions, or the removal of wrong sentences.

HA-DPO (Zhao et al. 2023, arXiv 2311.16839, section 3) had GPT-4 correct descriptions and rewrite
both sides; its prompts were not released. These are our own, in numbered files.
"""

import logging
import re
import textwrap
from collections.abc import Sequence
from functools import cached_property

from groundtune.feedback.divide import parse, text_prompt
from groundtune.feedback.divide_align import sentences_of
from groundtune.feedback.instructions import shipped_instruction
from groundtune.generate.thoughts import without_thoughts
from groundtune.protocols import Draft, Generator, Reply, Statement
from groundtune.records import ImagePart, Message, Producer, Prompt, Sampling, TextPart
from groundtune.store.keys import key_of, seed_of

PARSER = "2"
"""Changes with how replies are read."""
GREEDY = Sampling(max_new_tokens=2048, temperature=0)
REPORTED = 3
"""Replies that can't be read which are shown, per editor."""
log = logging.getLogger(__name__)
_TEXT = re.compile(r"^[#*\s]*text[*\s]*[:\uff1a]?[*\s]*$", re.IGNORECASE | re.MULTILINE)
_FORM = {"the corrected answer", "the extended answer", "the rewritten text"}
"""What stands below the heading in the instructions: small models repeat it."""
_NAMES = ("correct-2", "see-2", "extend-2", "reword-3")


class InstructedEditor:
    """An `Editor` over a model that follows instructions.

    With `sees`, the model gets the images when it corrects and when it lists what is missing; a
    model of text alone can't list anything, and corrects by what the prompt says.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        sees: bool = True,
        sampling: Sampling = GREEDY,
        greedy: Sampling = GREEDY,
        seed: int = 0,
    ) -> None:
        """`sampling` is how texts are reworded, `greedy` how everything else is done."""
        self._generator = generator
        self._with_images = sees
        self._sampling = sampling
        self._greedy = greedy
        self._seed = seed
        self._reported = 0

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {name: shipped_instruction(name).hash for name in _NAMES}

    def producer(self) -> Producer:
        """The model, how it rewords, and the hash of the instructions and of its other replies."""
        by = self._generator.producer(self._sampling, self._seed)
        prompt_hash = key_of(self._texts, PARSER, self._with_images, self._greedy)[:12]
        return by.model_copy(update={"prompt_hash": prompt_hash})

    def alternatives(self, drafts: Sequence[Draft]) -> list[list[Statement]]:
        """None: the model corrects by what it sees, and the result is verified."""
        return [[] for _ in drafts]

    def correct(self, drafts: Sequence[Draft]) -> list[str]:
        """The corrected texts; "" for a reply that can't be read."""
        return self._ask(
            "correct-2", drafts, self._greedy, self._seeds(drafts, "correct"), self._with_images
        )

    def additions(self, drafts: Sequence[Draft]) -> list[list[Statement]]:
        """What the model sees and the texts don't say, each with its question."""
        if not self._with_images:
            return [[] for _ in drafts]
        replies = self._replies(
            "see-2", drafts, self._greedy, self._seeds(drafts, "see"), images=True
        )
        return [_listed(reply) for reply in replies]

    def extend(self, drafts: Sequence[Draft]) -> list[str]:
        """The extended texts; "" for a reply that can't be read."""
        return self._ask(
            "extend-2", drafts, self._greedy, self._seeds(drafts, "extend"), images=False
        )

    def reword(self, drafts: Sequence[Draft], index: int) -> list[str]:
        """The reworded texts; "" for a reply that can't be read."""
        seeds = self._seeds(drafts, f"reword {index}")
        return self._ask("reword-3", drafts, self._sampling, seeds, images=False)

    def _seeds(self, drafts: Sequence[Draft], step: str) -> list[int]:
        return [seed_of(self._seed, step, draft.prompt.key) for draft in drafts]

    def _ask(
        self,
        name: str,
        drafts: Sequence[Draft],
        sampling: Sampling,
        seeds: Sequence[int],
        images: bool,
    ) -> list[str]:
        replies = self._replies(name, drafts, sampling, seeds, images=images)
        texts = [_text_of(reply) for reply in replies]
        self._report([r for r, text in zip(replies, texts, strict=True) if not text], name)
        return texts

    def _report(self, unread: Sequence[Reply], name: str) -> None:
        """Show the first replies that can't be read: the texts that are kept don't have them."""
        for reply in unread[: REPORTED - self._reported]:
            self._reported += 1
            why = 'not one text below the heading "Text"' if reply.finished else "truncated"
            by, start = self.producer().name, textwrap.shorten(reply.text, 160)
            log.warning("A reply of %s to %s can't be read (%s): %r", by, name, why, start)

    def _replies(
        self,
        name: str,
        drafts: Sequence[Draft],
        sampling: Sampling,
        seeds: Sequence[int],
        *,
        images: bool,
    ) -> list[Reply]:
        requests = [_request(name, draft, images=images) for draft in drafts]
        return self._generator.generate(requests, sampling, seeds) if requests else []


class DeletingEditor:
    """An `Editor` that removes each sentence with something wrong in it, and does nothing else."""

    def producer(self) -> Producer:
        """The rule."""
        return Producer(kind="rule", name="delete-sentences", revision="1")

    def alternatives(self, drafts: Sequence[Draft]) -> list[list[Statement]]:
        """None."""
        return [[] for _ in drafts]

    def correct(self, drafts: Sequence[Draft]) -> list[str]:
        """The other sentences; "" if none is left."""
        return [_without(draft) for draft in drafts]

    def additions(self, drafts: Sequence[Draft]) -> list[list[Statement]]:
        """None."""
        return [[] for _ in drafts]

    def extend(self, drafts: Sequence[Draft]) -> list[str]:
        """The texts as they are."""
        return [draft.text for draft in drafts]

    def reword(self, drafts: Sequence[Draft], index: int) -> list[str]:
        """The texts as they are: this editor has no other words."""
        del index
        return [draft.text for draft in drafts]


def _without(draft: Draft) -> str:
    ranges = list(sentences_of(draft.text))
    right_sentences = [
        draft.text[start:end]
        for start, end in ranges
        if not any(start <= each.start < end for each in draft.wrong)
    ]
    return draft.text if len(right_sentences) == len(ranges) else " ".join(right_sentences)


def _request(name: str, draft: Draft, *, images: bool) -> Prompt:
    values = {"question": draft.prompt.question, "text": draft.text}
    facts = (*(s.text for s in draft.facts), *draft.prompt.facts)
    values |= {"wrong": _lines([s.text for s in draft.wrong]), "facts": _lines(facts)}
    text = shipped_instruction(name).fill(values)
    if not images:
        return text_prompt(text)
    images_of_prompt = [ImagePart(image=image) for image in draft.prompt.images]
    messages = (Message(role="user", content=(*images_of_prompt, TextPart(text=text))),)
    return Prompt(key=key_of("request", messages), messages=messages)


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(f"- {text}" for text in texts) or "- (nothing is listed)"


def _text_of(reply: Reply) -> str:
    """What follows the one heading "Text"; "" where it is truncated, or repeats the form."""
    reply = without_thoughts(reply)
    match = _TEXT.search(reply.text)
    text = reply.text[match.end() :].strip() if match and reply.finished else ""
    return "" if text.lower().rstrip(".") in _FORM or _TEXT.search(text) else text


def _listed(reply: Reply) -> list[Statement]:
    """The facts of a reply, each with a question; what can't be read is "unparsed"."""
    reply = without_thoughts(reply)
    entries = parse(reply.text, with_questions=True) if reply.finished else None
    if entries is None:
        return [Statement(0, 0, reply.text, status="unparsed")]
    statements: dict[str, Statement] = {}
    for entry in entries:
        if entry.heading == "facts" and entry.readable:
            statements.setdefault(
                entry.question.lower(), Statement(0, 0, entry.text, question=entry.question)
            )
        elif not entry.readable:
            statements.setdefault(entry.text, Statement(0, 0, entry.text, status="unparsed"))
    return list(statements.values())
