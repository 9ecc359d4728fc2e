"""Question: a yes/no question of each claim, whose answer is yes where the claim is true.

RLAIF-V's code (arXiv 2405.17220) has a second model turn the list of facts into a list of
questions and pairs them up to the shorter one's end, so that a lost line shifts all that follow.
Here each question carries its fact's number, and a fact without one is "unparsed".
"""

import re
from collections.abc import Sequence

from groundtune.feedback.divide import PARSER, SAMPLING, text_prompt
from groundtune.feedback.instructions import Instruction
from groundtune.generate.thoughts import without_thoughts
from groundtune.protocols import Divider, Generator, Reply, Statement
from groundtune.records import Answer, Producer, Prompt, Sampling
from groundtune.store.keys import key_of, seed_of

_LINE = re.compile(r"^\s*(\d+)[.):]\s*(.+\?)\s*$")


class Verbatim:
    """A `Divider` over another, whose statements it asks about in their own words.

    Tense and negation stay, and no model is needed.
    """

    def __init__(self, divider: Divider) -> None:
        self._divider = divider

    def producer(self) -> Producer:
        """The divider, and that the questions are its statements."""
        return _with_asker(self._divider.producer(), "verbatim-1")

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """The other's statements, each with its question."""
        divided = self._divider.divide(prompts, answers)
        return [[_verbatim(statement) for statement in found] for found in divided]


class InstructedQuestions:
    """A `Divider` over another, whose statements a model turns into questions, a call an answer.

    `instruction` has the place ${facts}.
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
        """The divider, and who asks: model, settings, instruction."""
        asker = self._generator.producer(self._sampling, self._seed)
        who = key_of(asker, self._instruction.hash, PARSER)[:12]
        return _with_asker(self._divider.producer(), who)

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """The other's statements with the model's questions."""
        divided = self._divider.divide(prompts, answers)
        wanted = [i for i, found in enumerate(divided) if any(map(_lacks, found))]
        requests = [self._request(divided[i]) for i in wanted]
        seeds = [seed_of(self._seed, "ask", answers[i].key) for i in wanted]
        replies = self._generator.generate(requests, self._sampling, seeds) if wanted else []
        for i, reply in zip(wanted, replies, strict=True):
            divided[i] = with_questions(divided[i], reply)
        return divided

    def _request(self, found: Sequence[Statement]) -> Prompt:
        facts = [statement.text for statement in found if _lacks(statement)]
        lines = [f"{number}. {fact}" for number, fact in enumerate(facts, start=1)]
        return text_prompt(self._instruction.fill({"facts": "\n".join(lines)}))


def with_questions(found: Sequence[Statement], reply: Reply) -> list[Statement]:
    """The statements with the questions of a reply, by their numbers.

    A statement whose number is missing or comes twice is "unparsed": which question is its own
    can't be told. Of a reply that was cut, the last line is left out.
    """
    lines = without_thoughts(reply).text.splitlines()[: None if reply.finished else -1]
    questions: dict[int, list[str]] = {}
    for line in lines:
        if match := _LINE.match(line):
            questions.setdefault(int(match[1]), []).append(match[2])
    made: list[Statement] = []
    number = 0
    for statement in found:
        if not _lacks(statement):
            made.append(statement)
            continue
        number += 1
        own = questions.get(number, [])
        if len(own) == 1:
            made.append(statement._replace(question=own[0]))
        else:
            made.append(statement._replace(status="unparsed"))
    return made


def _lacks(statement: Statement) -> bool:
    """Whether a statement is to be checked and has no question yet."""
    return statement.status == "unchecked" and not statement.question


def _verbatim(statement: Statement) -> Statement:
    if not _lacks(statement):
        return statement
    return statement._replace(question=f'Is this true of the image: "{statement.text}"?')


def _with_asker(divider: Producer, asker: str) -> Producer:
    return divider.model_copy(update={"prompt_hash": f"{divider.prompt_hash}+{asker}"})
