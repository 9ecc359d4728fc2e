"""A judge that names the option which an answer means, where a rule reads no letter in it.

VLMEvalKit does this (extract_answer_from_item in vlmeval/dataset/utils/multiple_choice.py at
e8e78f0). Its prompt is build_prompt there, for Chinese build_prompt_cn, which is not read here;
the project's own is prompts/choices.txt. Z is what a judge replies where no option is meant: such
an answer is wrong.

In mode official a reply is read as VLMEvalKit reads an answer (`choices.vlmevalkit`). VLMEvalKit
asks three times where it can't read the reply, and then takes an option at random; here such an
answer is unparsed. Mode strict takes a lone letter or what else is clear (`choices.strict`).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from groundtune.bench.item import Mode
from groundtune.bench.judge.judge import JudgeReply, Judging, Request
from groundtune.bench.judge.prompts import PromptKind, ScriptPrompt, judge_prompt
from groundtune.bench.judge.scores import excerpt
from groundtune.bench.tasks.choice.table import ChoiceQuestion
from groundtune.bench.text import choices

PROMPT = PromptKind(
    name="choices",
    fields=("question", "options", "answer"),
    script=ScriptPrompt(variable="tmpl", function="build_prompt"),
)


class ChoiceReading(NamedTuple):
    """What was read in an answer."""

    letter: str
    """"" where nothing could be read."""
    by: Literal["rule", "judge"] = "rule"
    why: str = ""
    """What the judge said, or why it didn't."""


def by_judge(
    asked: Sequence[tuple[ChoiceQuestion, str]], judging: Judging, mode: Mode, repeat: int = 0
) -> dict[str, ChoiceReading]:
    """What the judge reads in answers to questions, by the question's id."""
    prompt = judge_prompt(PROMPT, judging)
    requests = [
        Request(
            item=question.id,
            system=prompt.system,
            text=prompt.fill(question=question.text, options=options_of(question), answer=answer),
            answer=answer,
        )
        for question, answer in asked
    ]
    given = judging.ask(requests, repeat=repeat)
    return {each.id: _read(given.get(each.id), each, mode) for each, _ in asked}


def options_of(question: ChoiceQuestion) -> str:
    """The options as VLMEvalKit's build_option_str lists them."""
    listed = (f"{letter}. {said}\n" for letter, said in question.options.items())
    return "There are several options: \n" + "".join(listed)


def _read(reply: JudgeReply, asked: ChoiceQuestion, mode: Mode) -> ChoiceReading:
    if reply.status != "given":
        return ChoiceReading("", "judge", reply.why)
    if mode == "official":
        letter = choices.vlmevalkit(reply.text, asked.options)
    else:
        letter = choices.strict(reply.text, {**asked.options, choices.REFUSED: ""})
    said = f"the judge said: {excerpt(reply.text)}"
    return ChoiceReading(
        letter, "judge", said if letter else f"{said}; no letter can be read in that"
    )
