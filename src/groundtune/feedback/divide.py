"""Divider that asks a model: an answer into atomic statements, in one call with their questions.

RLAIF-V (Yu et al. 2024, arXiv 2405.17220, 3.2) uses two fine-tuned 8B models; its code truncates
the request after 300 words and the reply after 256 tokens, so that the end of a long answer is
never checked. Here the whole answer is sent, and an incomplete reply is "unparsed".
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from groundtune.feedback.divide_align import align, sentences_of
from groundtune.feedback.instructions import Instruction, shipped_instruction
from groundtune.generate.thoughts import without_thoughts
from groundtune.protocols import Generator, Reply, Statement
from groundtune.records import Answer, Message, Producer, Prompt, Sampling, TextPart
from groundtune.store.keys import key_of, seed_of

PARSER = "4"
"""Version of how replies are parsed."""
SAMPLING = Sampling(max_new_tokens=4096, temperature=0)
"""Greedy, unlike the published 0.2, so that a division can be reproduced; long enough for any
answer."""

QUESTION_MARKS = "?\uff1f\u061f"
"""Those of Latin, Chinese and Arabic script."""

_HEADING = re.compile(r"^[#*\s]*(facts|opinions)[*\s]*[:\uff1a]?[*\s]*$", re.IGNORECASE)
_BAR = re.compile(r"[|\uff5c]")
"""Between the fields of a line; the second is its full-width form."""
_ENTRY = re.compile(r"^\s*(?:[-*\u2022]|\d+[.)])\s+(?P<entry>.+?)\s*$")


class Entry(NamedTuple):
    """One line of a reply: a fact or an opinion, or an unreadable line."""

    text: str
    copied: str = ""
    question: str = ""
    heading: str = "facts"
    readable: bool = True


class InstructedDivider:
    """A `Divider` over a model that follows instructions.

    `instruction` has the placeholders ${question} and ${answer}. With `asks`, each fact comes with
    its yes/no question; otherwise `questions` adds the questions afterwards.
    """

    def __init__(
        self,
        generator: Generator,
        instruction: Instruction,
        *,
        with_questions: bool = True,
        sampling: Sampling = SAMPLING,
        seed: int = 0,
    ) -> None:
        self._generator = generator
        self._instruction = instruction
        self._with_questions = with_questions
        self._sampling = sampling
        self._seed = seed

    def producer(self) -> Producer:
        """Return the model, its settings, and the hash of the instruction and the parser."""
        by = self._generator.producer(self._sampling, self._seed)
        return by.model_copy(update={"prompt_hash": f"{self._instruction.hash}.{PARSER}"})

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """Return the statements of each answer; an empty answer is not sent to the model."""
        indices = [i for i, answer in enumerate(answers) if answer.text.strip()]
        requests = [self._request(prompts[i], answers[i]) for i in indices]
        seeds = [seed_of(self._seed, answers[i].key) for i in indices]
        replies = self._generator.generate(requests, self._sampling, seeds) if indices else []
        statements: list[list[Statement]] = [[] for _ in answers]
        for i, reply in zip(indices, replies, strict=True):
            statements[i] = statements_of(
                answers[i].text, reply, with_questions=self._with_questions
            )
        return statements

    def _request(self, prompt: Prompt, answer: Answer) -> Prompt:
        text = self._instruction.fill({"question": prompt.question, "answer": answer.text})
        return text_prompt(text)


class WholeAnswer:
    """A `Divider` that doesn't divide: the whole answer is one statement, rated by one question.

    RLAIF-V's ablation without divide and conquer, for comparison.
    """

    def __init__(self, instruction: Instruction) -> None:
        self._instruction = instruction

    def producer(self) -> Producer:
        """Return the rule with its question's hash."""
        return Producer(kind="rule", name="whole-answer", prompt_hash=self._instruction.hash)

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """Return one statement per answer."""
        statements: list[list[Statement]] = []
        for prompt, answer in zip(prompts, answers, strict=True):
            text = answer.text
            question = self._instruction.fill({"question": prompt.question, "answer": text})
            statement = Statement(0, len(text), text, question=question)
            statements.append([statement] if text.strip() else [])
        return statements


class SentenceDivider:
    """A `Divider` by rules for any text: each sentence is one statement.

    HA-DPO (Zhao et al. 2023, arXiv 2311.16839, section 3) judged descriptions sentence by sentence.
    """

    def producer(self) -> Producer:
        """The rule and its question's hash."""
        prompt_hash = shipped_instruction("sentence-1").hash
        return Producer(kind="rule", name="sentences", prompt_hash=prompt_hash)

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """One statement per sentence with a letter or digit in it."""
        instruction = shipped_instruction("sentence-1")
        divided: list[list[Statement]] = []
        for prompt, answer in zip(prompts, answers, strict=True):
            statements: list[Statement] = []
            for start, end in sentences_of(answer.text):
                text = answer.text[start:end]
                question = instruction.fill({"question": prompt.question, "sentence": text})
                if any(character.isalnum() for character in text):
                    statements.append(Statement(start, end, text, question=question))
            divided.append(statements)
        return divided


def text_prompt(text: str) -> Prompt:
    """Return a request without an image."""
    messages = (Message(role="user", content=(TextPart(text=text),)),)
    return Prompt(key=key_of("request", messages), messages=messages)


def statements_of(answer: str, reply: Reply, *, with_questions: bool) -> list[Statement]:
    """Return the statements of a divider's reply, each with its characters of the answer.

    A reply that is truncated, has no heading "Facts", or lists nothing under it is one statement of
    status "unparsed" that holds the reply; a single unreadable line likewise. Of two facts with the
    same question or text, the first stays.
    """
    reply = without_thoughts(reply)
    entries = parse(reply.text, with_questions=with_questions) if reply.finished else None
    if entries is None:
        return [Statement(0, len(answer), reply.text, status="unparsed")]
    statements: list[Statement] = []
    known_facts: set[str] = set()
    for entry in entries:
        same = (entry.question or entry.text).lower()
        if same in known_facts:
            continue
        known_facts.add(same)
        place = align(answer, entry.copied, entry.text)
        if not entry.readable:
            statements.append(Statement(0, len(answer), entry.text, status="unparsed"))
        elif entry.heading == "opinions":
            statements.append(Statement(*place, entry.text, status="opinion"))
        else:
            statements.append(Statement(*place, entry.text, question=entry.question))
    return statements


def parse(reply: str, *, with_questions: bool) -> list[Entry] | None:
    """Return the lines of a reply; None if it doesn't have the required form."""
    heading, has_facts, entries = "", False, list[Entry]()
    for line in reply.splitlines():
        if match := _HEADING.match(line):
            heading = match[1].lower()
        elif line.strip() and heading:
            entry = _entry(line, heading, with_questions=with_questions)
            has_facts = has_facts or heading == "facts"
            entries += [entry] if entry else []
    return entries if has_facts else None


def _entry(line: str, heading: str, *, with_questions: bool) -> Entry | None:
    """Parse one line under a heading; None for "none"."""
    match = _ENTRY.match(line)
    if match is None:
        return Entry(line.strip(), heading=heading, readable=False)
    fields = [field.strip() for field in _BAR.split(match["entry"])]
    if fields[0].lower().rstrip(".") in ("none", "(none)") and len(fields) == 1:
        return None
    if heading == "opinions":
        return Entry(fields[0], copied=fields[0], heading=heading)
    text, question = fields[0], fields[-1] if with_questions else ""
    readable = bool(text) and len(fields) in ((2, 3) if with_questions else (1, 2))
    readable = readable and (not with_questions or question.endswith(tuple(QUESTION_MARKS)))
    copied = fields[1] if len(fields) == (3 if with_questions else 2) else ""
    if not readable:
        return Entry(line.strip(), heading=heading, readable=False)
    return Entry(text, copied=copied, question=question, heading=heading)
