"""Readers of MME's questions, and of answers of the official script, VLMEvalKit and lmms-eval."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import by_id, refuse_second_answers
from groundtune.bench.item import ItemAnswer
from groundtune.errors import UserError
from groundtune.store.rows import open_text

PERCEPTION: dict[str, int] = {
    "existence": 30,
    "count": 30,
    "position": 30,
    "color": 30,
    "posters": 147,
    "celebrity": 170,
    "scene": 200,
    "landmark": 200,
    "artwork": 200,
    "OCR": 20,
}
"""Tasks and their images, in the order in which the scores are added."""


COGNITION: dict[str, int] = {
    "commonsense_reasoning": 70,
    "numerical_calculation": 20,
    "text_translation": 20,
    "code_reasoning": 20,
}


TASKS = PERCEPTION | COGNITION


IMAGES = (".jpg", ".jpeg", ".png")


class MmeQuestion(NamedTuple):
    """One of the two questions about an image."""

    task: str
    image: str
    text: str
    label: str
    """yes or no."""


@dataclass(frozen=True, slots=True)
class MmeData:
    """The released questions; empty if the answers include theirs."""

    questions: tuple[MmeQuestion, ...] = ()


def read_data(paths: Sequence[Path]) -> MmeData:
    """The questions of released folders; without paths there are none.

    Raises:
        UserError: a folder has no task, or a line isn't a question with Yes or No.
    """
    questions: list[MmeQuestion] = []
    for folder in paths:
        tasks = [task for task in TASKS if (folder / task).is_dir()]
        if not tasks:
            raise UserError(
                "The folder has no task of MME.", str(folder), "Give the released folder."
            )
        for task in tasks:
            inside = folder / task / "questions_answers_YN"
            texts = sorted((inside if inside.is_dir() else folder / task).glob("*.txt"))
            questions += [question for path in texts for question in _questions(task, path)]
    return MmeData(tuple(questions))


def _questions(task: str, path: Path) -> list[MmeQuestion]:
    questions: list[MmeQuestion] = []
    for number, cells in _cells(path, 2, "question, TAB, Yes or No"):
        questions.append(MmeQuestion(task, path.stem, cells[0], _label(cells[1], path, number)))
    return questions


def _cells(path: Path, count: int, description: str) -> Iterable[tuple[int, list[str]]]:
    with open_text(path) as file:
        lines = file.read().rstrip("\n").split("\n")
    for number, line in enumerate(lines, 1):
        cells = line.split("\t")
        if len(cells) != count:
            raise UserError(
                f"The line has {len(cells)} columns instead of {count}.",
                f"{path}:{number}",
                f"Write {description}; an answer must hold no tab or line break.",
            )
        yield number, cells


def _label(text: str, path: Path, number: int) -> str:
    label = text.strip().lower()
    if label not in ("yes", "no"):
        raise UserError(f"The label is {text!r}.", f"{path}:{number}", "Write Yes or No.")
    return label


def read_answers(path: Path, data: MmeData) -> list[ItemAnswer]:
    """The answers, task by task; in the order of the data if there are any.

    Raises:
        UserError: there is no task's file, a line has another layout, an image doesn't have exactly
            two questions, or the answers don't match the data.
    """
    rows = _read_folder(path) if path.is_dir() else _read_table(path)
    answers = [
        ItemAnswer(text=a.text, item=key_of_question(question_of(a)), row=a.row) for a in rows
    ]
    if not data.questions:
        refuse_second_answers((a for a in answers if not a.item.endswith(": ")), path)
        return rows  # without questions in the file, an image has two answers
    return by_id(answers, [key_of_question(question) for question in data.questions], path)


def _read_folder(folder: Path) -> list[ItemAnswer]:
    answers: list[ItemAnswer] = []
    for task in TASKS:
        path = folder / f"{task}.txt"
        if not path.is_file():
            continue
        lines = [
            _answer(MmeQuestion(task, image, text, _label(label, path, number)), answer, number)
            for number, (image, text, label, answer) in _cells(
                path, 4, "image, question, Yes or No and answer with tabs between them"
            )
        ]
        if len(lines) % 2:
            raise UserError(
                f"There are {len(lines)} lines; each image has two questions.",
                str(path),
                "Give both lines of each image, one after the other.",
            )
        answers += lines
    if not answers:
        raise UserError(
            "The folder has no file of a task of MME.",
            str(folder),
            f"Name them {', '.join(f'{task}.txt' for task in TASKS)}.",
        )
    return answers


def _read_table(path: Path) -> list[ItemAnswer]:
    """Rows of VLMEvalKit or lmms-eval, with an image's two questions together."""
    images: dict[tuple[str, str], list[ItemAnswer]] = {}
    for answer in answers_of(path, item=("question_id", "index")):
        task = answer.extra.get("category", "")
        if task not in TASKS:
            raise UserError(
                f"The category {task!r} is no task of MME.",
                f"{path}:{answer.row}",
                "Give a folder with one file per task, VLMEvalKit's table or lmms-eval's samples.",
            )
        label = answer.extra.get("target") or answer.extra.get("answer", "")
        image = answer.extra.get("image_path") or answer.item
        question = MmeQuestion(
            task, image, answer.extra.get("question", ""), _label(label, path, answer.row)
        )
        row = _answer(question, answer.text, answer.row)
        images.setdefault((task, image), []).append(row)
    for (task, image), rows in images.items():
        if len(rows) != 2:
            raise UserError(
                f"The image {image} of {task} has {len(rows)} answers instead of 2.",
                f"{path}:{rows[0].row}",
                "Answer both questions about each image.",
            )
    return [row for task in TASKS for (t, _), rows in images.items() if t == task for row in rows]


def _answer(question: MmeQuestion, text: str, row: int) -> ItemAnswer:
    return ItemAnswer(
        text=text, row=row, extra=dict(zip(MmeQuestion._fields, question, strict=True))
    )


def question_of(answer: ItemAnswer) -> MmeQuestion:
    """The question that an answer includes."""
    return MmeQuestion(*(answer.extra[name] for name in MmeQuestion._fields))


def key_of_question(question: MmeQuestion) -> str:
    """The key of a question in every layout: its task, its image and its words."""
    image = Path(question.image).stem.lower()
    return f"{question.task}/{image}: {' '.join(question.text.lower().split())}"
