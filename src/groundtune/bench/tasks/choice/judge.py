"""A judge that names the option that an answer means, where no letter can be parsed by rule.

VLMEvalKit does this (extract_answer_from_item in vlmeval/dataset/utils/multiple_choice.py at
e8e78f0). Its prompt is build_prompt there (build_prompt_cn, for Chinese, is not supported); the
built-in one is texts/choices.txt. A judge replies Z if no option is meant: the answer is wrong.

In mode official a reply is parsed like an answer (`choices.vlmevalkit`). Where it can't be parsed,
VLMEvalKit asks three times and then picks a random option; here such an answer is unparsed. Mode
strict accepts a lone letter or another clear form (`choices.strict`).
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
    """The letter parsed from an answer."""

    letter: str
    """"" if unparsed."""
    by: Literal["rule", "judge"] = "rule"
    why: str = ""
    """The judge's reply, or why there is none."""


def by_judge(
    questions: Sequence[tuple[ChoiceQuestion, str]], judging: Judging, mode: Mode, repeat: int = 0
) -> dict[str, ChoiceReading]:
    """Return the judge's letters for (question, answer) pairs, by question id."""
    prompt = judge_prompt(PROMPT, judging)
    requests = [
        Request(
            item=question.id,
            system=prompt.system,
            text=prompt.fill(question=question.text, options=options_of(question), answer=answer),
            answer=answer,
        )
        for question, answer in questions
    ]
    replies = judging.ask(requests, repeat=repeat)
    return {
        asked_question.id: _read(replies.get(asked_question.id), asked_question, mode)
        for asked_question, _ in questions
    }


def options_of(question: ChoiceQuestion) -> str:
    """Return the options as VLMEvalKit's build_option_str lists them."""
    lines = (f"{letter}. {text}\n" for letter, text in question.options.items())
    return "There are several options: \n" + "".join(lines)


def _read(reply: JudgeReply, question: ChoiceQuestion, mode: Mode) -> ChoiceReading:
    if reply.status != "given":
        return ChoiceReading("", "judge", reply.why)
    if mode == "official":
        letter = choices.vlmevalkit(reply.text, question.options)
    else:
        letter = choices.strict(reply.text, {**question.options, choices.REFUSED: ""})
    why = f"the judge said: {excerpt(reply.text)}"
    return ChoiceReading(
        letter, "judge", why if letter else f"{why}; no letter can be read in that"
    )
