"""Reads answers about the embedded world: a Groundtune folder, or rows of a file."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from groundtune.bench.files.checks import refuse_second_answers
from groundtune.bench.item import Item, ItemAnswer
from groundtune.errors import UserError
from groundtune.records import Answer, Prompt
from groundtune.store.dataset import RecordSet
from groundtune.store.rows import text_field
from groundtune.store.sheets import rows_of

LAYOUT = 'rows of {"scene", "question", "answer"}, or a folder of bench run or sample'


def read_answers(path: Path, items: Sequence[Item]) -> list[ItemAnswer]:
    """The answers of every model and decoding, in the order of the items.

    A part of the benchmark without any answer is left out.

    Raises:
        UserError: only some items of a part are answered, a question is answered twice, or a file
            can't be read.
    """
    answers = _of_folder(path) if path.is_dir() else _of_rows(path)
    groups: dict[tuple[str, str], list[ItemAnswer]] = {}
    for answer in answers:
        groups.setdefault((answer.model, answer.decoding), []).append(answer)
    answers_in_order: list[ItemAnswer] = []
    for group in groups.values():
        refuse_second_answers(group, path)
        by_question = {answer.item: answer for answer in group}
        for part in dict.fromkeys(item.benchmark for item in items):
            part_items = [item for item in items if item.benchmark == part]
            answers_in_order += _of_part(part, part_items, by_question, path)
    return answers_in_order


def _of_part(
    part: str, items: Sequence[Item], by_question: dict[str, ItemAnswer], where: Path
) -> list[ItemAnswer]:
    """A part's answers, each with its item's key; none, or one per item."""
    answers = [
        replace(by_question[question], item=item.key)
        for item in items
        if (question := _question(item.image, item.prompt.question)) in by_question
    ]
    if answers and len(answers) < len(items):
        author = f" by {answers[0].model} ({answers[0].decoding})" if answers[0].model else ""
        raise UserError(
            f"Only {len(answers)} of {len(items)} items of {part} are answered{author}.",
            str(where),
            "Answer all, or use the --split, --n and --seed of the questions.",
        )
    return answers


def _question(scene: str, text: str) -> str:
    """The question of an answer, with the exact prompt text."""
    return f"{scene}: {text}"


def _of_rows(path: Path) -> Iterable[ItemAnswer]:
    for row in rows_of(path):
        scene, question, text = (text_field(row, n) for n in ("scene", "question", "answer"))
        yield ItemAnswer(text=text, item=_question(scene, question), row=row.number)


def _of_folder(path: Path) -> Iterable[ItemAnswer]:
    """The first answer to each prompt, if there are several."""
    prompts = {prompt.key: prompt for prompt in RecordSet(path / "prompts", Prompt).read()}
    for row, answer in enumerate(RecordSet(path / "answers", Answer).read(), 1):
        prompt = prompts.get(answer.prompt)
        if prompt is not None and answer.index == 0:
            yield ItemAnswer(
                text=answer.text,
                item=_question(prompt.source.row, prompt.question),
                row=row,
                model=answer.producer.name,
                decoding=decoding_of(answer),
                truncated=answer.finish == "length",
            )


def decoding_of(answer: Answer) -> str:
    """The name of its temperature: "greedy" for 0 or unknown, "t1" for 1."""
    sampling = answer.producer.sampling
    temperature = sampling.temperature if sampling else 0
    return f"t{temperature:g}" if temperature else "greedy"
