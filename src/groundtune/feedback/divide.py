"""Divide by asking a model: an answer into atomic statements, in one call with their questions.

RLAIF-V (Yu et al. 2024, arXiv 2405.17220, 3.2) has two fine-tuned 8B models do it; its code cuts
the request after 300 words and the reply after 256 tokens, so that the end of a long answer is
never checked. Here the answer goes in whole, and a reply that doesn't end by itself is "unparsed".
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from groundtune.feedback.divide_align import align
from groundtune.feedback.instructions import Instruction
from groundtune.generate.thoughts import without_thoughts
from groundtune.protocols import Generator, Reply, Statement
from groundtune.records import Answer, Message, Producer, Prompt, Sampling, TextPart
from groundtune.store.keys import key_of, seed_of

PARSER = "2"
"""Changes with how replies are read."""
SAMPLING = Sampling(max_new_tokens=4096, temperature=0)
"""Greedy, unlike the published 0.2, so that a division can be made again; long enough for all."""

_HEADING = re.compile(r"^[#*\s]*(facts|opinions)[*\s]*:?[*\s]*$", re.IGNORECASE)
_ENTRY = re.compile(r"^\s*(?:[-*\u2022]|\d+[.)])\s+(?P<entry>.+?)\s*$")


class Entry(NamedTuple):
    """One line of a reply: a fact or an opinion, or what can't be read."""

    text: str
    copied: str = ""
    question: str = ""
    heading: str = "facts"
    readable: bool = True


class InstructedDivider:
    """A `Divider` over a model that follows instructions.

    `instruction` has the places ${question} and ${answer}. With `asks` each fact comes with its
    yes/no question; else the questions are made afterwards (`questions`).
    """

    def __init__(
        self,
        generator: Generator,
        instruction: Instruction,
        *,
        asks: bool = True,
        sampling: Sampling = SAMPLING,
        seed: int = 0,
    ) -> None:
        self._generator = generator
        self._instruction = instruction
        self._asks = asks
        self._sampling = sampling
        self._seed = seed

    def producer(self) -> Producer:
        """The model, its settings, and the hash of the instruction and of how replies are read."""
        by = self._generator.producer(self._sampling, self._seed)
        return by.model_copy(update={"prompt_hash": f"{self._instruction.hash}.{PARSER}"})

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """The statements of each answer; an empty answer is not sent."""
        said = [i for i, answer in enumerate(answers) if answer.text.strip()]
        requests = [self._request(prompts[i], answers[i]) for i in said]
        seeds = [seed_of(self._seed, answers[i].key) for i in said]
        replies = self._generator.generate(requests, self._sampling, seeds) if said else []
        found: list[list[Statement]] = [[] for _ in answers]
        for i, reply in zip(said, replies, strict=True):
            found[i] = statements_of(answers[i].text, reply, asks=self._asks)
        return found

    def _request(self, prompt: Prompt, answer: Answer) -> Prompt:
        text = self._instruction.fill({"question": prompt.question, "answer": answer.text})
        return text_prompt(text)


class WholeAnswer:
    """A `Divider` that doesn't: the whole answer is one statement, rated by one question.

    What RLAIF-V's ablation does without divide and conquer, for comparison.
    """

    def __init__(self, instruction: Instruction) -> None:
        self._instruction = instruction

    def producer(self) -> Producer:
        """The rule and its question's hash."""
        return Producer(kind="rule", name="whole-answer", prompt_hash=self._instruction.hash)

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """One statement an answer."""
        found: list[list[Statement]] = []
        for prompt, answer in zip(prompts, answers, strict=True):
            text = answer.text
            asked = self._instruction.fill({"question": prompt.question, "answer": text})
            whole = Statement(0, len(text), text, question=asked)
            found.append([whole] if text.strip() else [])
        return found


def text_prompt(text: str) -> Prompt:
    """A request without an image."""
    messages = (Message(role="user", content=(TextPart(text=text),)),)
    return Prompt(key=key_of("request", messages), messages=messages)


def statements_of(answer: str, reply: Reply, *, asks: bool) -> list[Statement]:
    """The statements of a divider's reply, each with its characters of the answer.

    A reply that was cut, has no heading "Facts", or lists nothing under it is one statement of
    status "unparsed" that holds the reply; a single line that can't be read is one likewise.
    Of two facts with one question, or one text, the first stays.
    """
    reply = without_thoughts(reply)
    entries = parse(reply.text, asks=asks) if reply.finished else None
    if entries is None:
        return [Statement(0, len(answer), reply.text, status="unparsed")]
    found: list[Statement] = []
    seen: set[str] = set()
    for entry in entries:
        same = (entry.question or entry.text).lower()
        if same in seen:
            continue
        seen.add(same)
        place = align(answer, entry.copied, entry.text)
        if not entry.readable:
            found.append(Statement(0, len(answer), entry.text, status="unparsed"))
        elif entry.heading == "opinions":
            found.append(Statement(*place, entry.text, status="opinion"))
        else:
            found.append(Statement(*place, entry.text, question=entry.question))
    return found


def parse(reply: str, *, asks: bool) -> list[Entry] | None:
    """The lines of a reply; None where it has not the form that was asked for."""
    heading, listed, entries = "", False, list[Entry]()
    for line in reply.splitlines():
        if match := _HEADING.match(line):
            heading = match[1].lower()
        elif line.strip() and heading:
            entry = _entry(line, heading, asks=asks)
            listed = listed or heading == "facts"
            entries += [entry] if entry else []
    return entries if listed else None


def _entry(line: str, heading: str, *, asks: bool) -> Entry | None:
    """One line under a heading; None for "none"."""
    match = _ENTRY.match(line)
    if match is None:
        return Entry(line.strip(), heading=heading, readable=False)
    fields = [field.strip() for field in match["entry"].split("|")]
    if fields[0].lower().rstrip(".") in ("none", "(none)") and len(fields) == 1:
        return None
    if heading == "opinions":
        return Entry(fields[0], copied=fields[0], heading=heading)
    text, question = fields[0], fields[-1] if asks else ""
    readable = bool(text) and len(fields) in ((2, 3) if asks else (1, 2))
    readable = readable and (not asks or question.endswith("?"))
    copied = fields[1] if len(fields) == (3 if asks else 2) else ""
    if not readable:
        return Entry(line.strip(), heading=heading, readable=False)
    return Entry(text, copied=copied, question=question, heading=heading)
