"""Yes/no questions about claims: yes is the answer if the claim is true.

RLAIF-V's code (arXiv 2405.17220) has a second model turn the list of facts into a list of questions
and pairs the two lists up to the end of the shorter one, so that a lost line shifts all that
follow. Here each question carries its fact's number, and a fact without a question is "unparsed".
"""

import re
from collections.abc import Sequence

from groundtune.feedback.divide import PARSER, QUESTION_MARKS, SAMPLING, text_prompt
from groundtune.feedback.instructions import Instruction
from groundtune.generate.thoughts import without_thoughts
from groundtune.protocols import Divider, Generator, Reply, Statement
from groundtune.records import Answer, Producer, Prompt, Sampling
from groundtune.store.keys import key_of, seed_of

_LINE = re.compile(rf"^\s*(\d+)[.):\u3001\uff0e]\s*(.+[{QUESTION_MARKS}])\s*$")


class Verbatim:
    """A `Divider` around another that quotes its statements as questions.

    Keeps tense and negation, and needs no model.
    """

    def __init__(self, divider: Divider) -> None:
        self._divider = divider

    def producer(self) -> Producer:
        """Return the divider, marked as quoting its statements."""
        return _with_asker(self._divider.producer(), "verbatim-1")

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """Return the other divider's statements, each with its question."""
        divisions = self._divider.divide(prompts, answers)
        return [[_verbatim(statement) for statement in statements] for statements in divisions]


class InstructedQuestions:
    """A `Divider` around another: a model turns its statements into questions, a call per answer.

    `instruction` has the placeholder ${facts}.
    """

    def __init__(
        self,
        divider: Divider,
        generator: Generator,
        instruction: Instruction,
        *,
        sampling: Sampling = SAMPLING,
        seed: int = 0,
    ) -> None:
        self._divider = divider
        self._generator = generator
        self._instruction = instruction
        self._sampling = sampling
        self._seed = seed

    def producer(self) -> Producer:
        """Return the divider, and who writes the questions: model, settings, instruction."""
        asker = self._generator.producer(self._sampling, self._seed)
        who = key_of(asker, self._instruction.hash, PARSER)[:12]
        return _with_asker(self._divider.producer(), who)

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """Return the other divider's statements with the model's questions."""
        divisions = self._divider.divide(prompts, answers)
        indices = [i for i, statements in enumerate(divisions) if any(map(_lacks, statements))]
        requests = [self._request(divisions[i]) for i in indices]
        seeds = [seed_of(self._seed, "ask", answers[i].key) for i in indices]
        replies = self._generator.generate(requests, self._sampling, seeds) if indices else []
        for i, reply in zip(indices, replies, strict=True):
            divisions[i] = with_questions(divisions[i], reply)
        return divisions

    def _request(self, statements: Sequence[Statement]) -> Prompt:
        facts = [statement.text for statement in statements if _lacks(statement)]
        lines = [f"{number}. {fact}" for number, fact in enumerate(facts, start=1)]
        return text_prompt(self._instruction.fill({"facts": "\n".join(lines)}))


def with_questions(statements: Sequence[Statement], reply: Reply) -> list[Statement]:
    """Return the statements with the questions of a reply, by their numbers.

    A statement whose number is missing or repeated is "unparsed": its question is unknown. The last
    line of a truncated reply is ignored.
    """
    lines = without_thoughts(reply).text.splitlines()[: None if reply.finished else -1]
    questions: dict[int, list[str]] = {}
    for line in lines:
        if match := _LINE.match(line):
            questions.setdefault(int(match[1]), []).append(match[2])
    updated: list[Statement] = []
    number = 0
    for statement in statements:
        if not _lacks(statement):
            updated.append(statement)
            continue
        number += 1
        candidates = questions.get(number, [])
        if len(candidates) == 1:
            updated.append(statement._replace(question=candidates[0]))
        else:
            updated.append(statement._replace(status="unparsed"))
    return updated


def _lacks(statement: Statement) -> bool:
    """Return whether a statement needs a question and has none."""
    return statement.status == "unchecked" and not statement.question


def _verbatim(statement: Statement) -> Statement:
    if not _lacks(statement):
        return statement
    return statement._replace(question=f'Is this true of the image: "{statement.text}"?')


def _with_asker(divider: Producer, asker: str) -> Producer:
    return divider.model_copy(update={"prompt_hash": f"{divider.prompt_hash}+{asker}"})
