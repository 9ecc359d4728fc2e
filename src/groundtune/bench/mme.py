"""MME: two yes/no questions a picture, in ten tasks of perception and four of cognition.

Fu et al. 2023, arXiv 2306.13394. A task's score is 100 x accuracy + 100 x accuracy_plus in points,
where accuracy_plus is the share of pictures of which both questions are answered rightly. Papers
about hallucination quote only `hallucination`: existence, count, position and color.

Answers: a folder with a file a task (existence.txt), two lines a picture, each
"picture TAB question TAB Yes or No TAB answer"; VLMEvalKit's table and lmms-eval's samples too. The
answers name their labels, so that no data are needed; `--data FOLDER` (the released
TASK/questions_answers_YN/*.txt) checks that each question is answered once.

Mode official is calculation.py (as in zjunlp/Deco at fee8d75): yes, else no, within the first four
characters of the lowered answer, so that "not sure" and "now" are a no. Anything else is "other",
which is wrong, and counted as unparsed here. Pictures are told apart by order, two lines each.
Mode strict reads the first word, else the only yes or no in the first sentence, tells pictures
apart by name, and leaves out what it can't read (for accuracy_plus pictures with such an answer).
Where the official script stops because a task has no file, the sums over tasks have no value.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from groundtune.bench import files, yes_no_rules
from groundtune.bench.answer_files import answers_of, open_text
from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Floats, Item, Metric, Protocol, ratio, unparsed_metric
from groundtune.bench.official import FileAnswer, FileBenchmark, Scoring, score_key
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.images import ImageStore

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
"""Tasks and their pictures, in the order in which the scores are added."""
COGNITION: dict[str, int] = {
    "commonsense_reasoning": 70,
    "numerical_calculation": 20,
    "text_translation": 20,
    "code_reasoning": 20,
}
TASKS = PERCEPTION | COGNITION
HALLUCINATION = ("existence", "count", "position", "color")
PICTURES = (".jpg", ".jpeg", ".png")
PROTOCOL = Protocol(
    label="MME",
    prompt='the question, which ends in "Please answer yes or no."',
    parser="yes, else no, in the first four characters; strict: yes_no_rules",
    counted="a task's points are 100 x right answers + 100 x pictures with both answers right",
    source="Fu et al. 2023, arXiv 2306.13394",
    max_new_tokens=32,
    items="2,374 questions about 1,187 pictures in 14 tasks",
)


class Question(NamedTuple):
    """One of the two questions about a picture."""

    task: str
    image: str
    text: str
    label: str
    """yes or no."""


@dataclass(frozen=True, slots=True)
class MmeData:
    """The released questions; none where the answers name their own."""

    questions: tuple[Question, ...] = ()


def read_data(paths: Sequence[Path]) -> MmeData:
    """The questions of released folders; no path at all is allowed.

    Raises:
        UserError: a folder has no task, or a line isn't a question and Yes or No.
    """
    questions: list[Question] = []
    for folder in paths:
        found = [task for task in TASKS if (folder / task).is_dir()]
        if not found:
            raise UserError(
                "The folder has no task of MME.", str(folder), "Give the released folder."
            )
        for task in found:
            inside = folder / task / "questions_answers_YN"
            texts = sorted((inside if inside.is_dir() else folder / task).glob("*.txt"))
            questions += [question for path in texts for question in _questions(task, path)]
    return MmeData(tuple(questions))


def _questions(task: str, path: Path) -> list[Question]:
    asked: list[Question] = []
    for number, cells in _cells(path, 2, "question, TAB, Yes or No"):
        asked.append(Question(task, path.stem, cells[0], _label(cells[1], path, number)))
    return asked


def _cells(path: Path, wanted: int, what: str) -> Iterable[tuple[int, list[str]]]:
    with open_text(path) as file:
        lines = file.read().rstrip("\n").split("\n")
    for number, line in enumerate(lines, 1):
        cells = line.split("\t")
        if len(cells) != wanted:
            raise UserError(
                f"The line has {len(cells)} columns instead of {wanted}.",
                f"{path}:{number}",
                f"Write {what}; an answer must hold no tab or line break.",
            )
        yield number, cells


def _label(text: str, path: Path, number: int) -> str:
    label = text.strip().lower()
    if label not in ("yes", "no"):
        raise UserError(f"The label is {text!r}.", f"{path}:{number}", "Write Yes or No.")
    return label


def read_answers(path: Path, data: MmeData) -> list[FileAnswer]:
    """The answers, task by task; in the order of the data if there are some.

    Raises:
        UserError: no task's file, a line of another shape, a picture with another number of
            questions than two, or answers that aren't those of the data.
    """
    told = _read_folder(path) if path.is_dir() else _read_table(path)
    if not data.questions:
        return told
    keyed = [FileAnswer(text=a.text, item=_key_of(_question(a)), row=a.row) for a in told]
    return files.by_id(keyed, [_key_of(question) for question in data.questions], path)


def _read_folder(folder: Path) -> list[FileAnswer]:
    told: list[FileAnswer] = []
    for task in TASKS:
        path = folder / f"{task}.txt"
        if not path.is_file():
            continue
        lines = [
            _answer(Question(task, image, text, _label(label, path, number)), said, number)
            for number, (image, text, label, said) in _cells(
                path, 4, "picture, question, Yes or No and answer with tabs between them"
            )
        ]
        if len(lines) % 2:
            raise UserError(
                f"There are {len(lines)} lines; each picture has two questions.",
                str(path),
                "Give both lines of each picture, one after the other.",
            )
        told += lines
    if not told:
        raise UserError(
            "The folder has no file of a task of MME.",
            str(folder),
            f"Name them {', '.join(f'{task}.txt' for task in TASKS)}.",
        )
    return told


def _read_table(path: Path) -> list[FileAnswer]:
    """Rows of VLMEvalKit or lmms-eval, a picture's two questions brought together."""
    pictures: dict[tuple[str, str], list[FileAnswer]] = {}
    for answer in answers_of(path, item=("question_id", "index")):
        task = answer.extra.get("category", "")
        if task not in TASKS:
            raise UserError(
                f"The category {task!r} is no task of MME.",
                f"{path}:{answer.row}",
                "Give a folder with a file a task, a table of VLMEvalKit or samples of lmms-eval.",
            )
        label = answer.extra.get("target") or answer.extra.get("answer", "")
        image = answer.extra.get("image_path") or answer.item
        asked = Question(
            task, image, answer.extra.get("question", ""), _label(label, path, answer.row)
        )
        row = _answer(asked, answer.text, answer.row)
        pictures.setdefault((task, image), []).append(row)
    for (task, image), rows in pictures.items():
        if len(rows) != 2:
            raise UserError(
                f"The picture {image} of {task} has {len(rows)} answers instead of 2.",
                f"{path}:{rows[0].row}",
                "Answer both questions about each picture.",
            )
    return [row for task in TASKS for (t, _), rows in pictures.items() if t == task for row in rows]


def _answer(asked: Question, said: str, row: int) -> FileAnswer:
    return FileAnswer(text=said, row=row, extra=dict(zip(Question._fields, asked, strict=True)))


def _question(answer: FileAnswer) -> Question:
    return Question(*(answer.extra[name] for name in Question._fields))


def _key_of(question: Question) -> str:
    image = Path(question.image).stem.lower()
    return f"{question.task}/{image}: {' '.join(question.text.lower().split())}"


class _Read(NamedTuple):
    """A question, what was read in its answer, and the picture that it is counted with."""

    asked: Question
    answer: str
    said: yes_no_rules.YesNo
    picture: str
    item: str


def score(data: MmeData, answers: Sequence[FileAnswer], scoring: Scoring) -> list[Score]:
    """Each answer as yes, no or other; a picture's second question bears the pair."""
    rule = yes_no_rules.mme if scoring.mode == "official" else yes_no_rules.strict
    asked = data.questions or [_question(answer) for answer in answers]
    seen: dict[str, int] = {}
    rows: list[_Read] = []
    for question, answer in zip(asked, answers, strict=True):
        place = seen[question.task] = seen.get(question.task, -1) + 1
        by_order, by_name = f"{question.task}/{place // 2}", f"{question.task}/{question.image}"
        picture = by_order if scoring.mode == "official" else by_name
        item = f"{question.task}/{place + 1}"
        rows.append(_Read(question, answer.text, rule(answer.text), picture, item))
    pairs: dict[str, list[_Read]] = {}
    for row in rows:
        pairs.setdefault(row.picture, []).append(row)
    done: dict[str, int] = {}
    scores: list[Score] = []
    for row in rows:
        number = done[row.picture] = done.get(row.picture, 0) + 1
        pair = pairs[row.picture] if number == len(pairs[row.picture]) else []
        scores.append(_score(row, pair, scoring))
    return scores


def _score(row: _Read, pair: Sequence[_Read], scoring: Scoring) -> Score:
    task, label = row.asked.task, row.asked.label  # the pair is empty but at its last question
    values: dict[str, float] = {}
    if row.said != "unread" or scoring.mode == "official":
        values |= {"questions": 1, "right": row.said == label, "yes": row.said == "yes"}
    if pair and (scoring.mode == "official" or all(one.said != "unread" for one in pair)):
        values |= {"pictures": 1, "both": all(one.said == one.asked.label for one in pair)}
    values |= {f"{task}:{name}": value for name, value in values.items() if name != "yes"}
    unread = row.said == "unread"
    return Score(
        key=score_key(MME, row.item, row.answer, scoring),
        benchmark=f"{MME.name}/{task}",
        item=row.item,
        image=f"{task}/{row.asked.image}",
        model=scoring.model,
        answer=row.answer,
        values={name: float(value) for name, value in values.items()},
        extracted=("other" if unread else row.said,),
        why="neither yes nor no can be read" if unread else "" if row.said == label else label,
        strata={"label": label},
        status="unparsed" if unread else "scored",
    )


def points(sums: Mapping[str, Floats], task: str = "") -> Floats:
    """100 x accuracy + 100 x accuracy_plus (R,) of a task, or of all questions together."""
    at = f"{task}:" if task else ""
    accuracy = ratio(sums[at + "right"], sums[at + "questions"])
    return accuracy * 100 + ratio(sums[at + "both"], sums[at + "pictures"]) * 100


def sum_of(tasks: Iterable[str]) -> Callable[[Mapping[str, Floats]], Floats]:
    """The formula that adds the tasks' points in their order; NaN if one isn't there."""

    def formula(sums: Mapping[str, Floats]) -> Floats:
        total = np.zeros(len(sums["asked"]))
        for task in tasks:
            total = total + points(sums, task)
        return total

    return formula


def _points_metric(name: str, label: str, tasks: Sequence[str], explanation: str) -> Metric:
    return Metric(
        name=name,
        label=label,
        formula=sum_of(tasks),
        better="higher",
        unit="points",
        scale=1,
        decimals=1,
        range=(0.0, 200.0 * len(tasks)),
        explanation=explanation,
    )


METRICS: tuple[Metric, ...] = (
    _points_metric("perception", "Perception", tuple(PERCEPTION), "Sum of the ten tasks' points."),
    _points_metric("cognition", "Cognition", tuple(COGNITION), "Sum of the four tasks' points."),
    _points_metric("total", "Perception and cognition", tuple(TASKS), "Sum of both."),
    _points_metric(
        "hallucination",
        "Hallucination subset",
        HALLUCINATION,
        "Sum of the points of existence, count, position and color.",
    ),
    Metric(
        name="score",
        label="Points of a task",
        formula=points,
        better="higher",
        unit="points",
        scale=1,
        range=(0.0, 200.0),
        explanation="Of one task (see the strata); of all questions it is no official figure.",
    ),
    Metric(
        name="accuracy",
        label="Right answers",
        formula=lambda sums: ratio(sums["right"], sums["questions"]),
        better="higher",
    ),
    Metric(
        name="accuracy_plus",
        label="Pictures with both answers right",
        formula=lambda sums: ratio(sums["both"], sums["pictures"]),
        better="higher",
    ),
    Metric(
        name="yes_ratio",
        label="Answers that are yes",
        formula=lambda sums: ratio(sums["yes"], sums["questions"]),
        role="cost",
        explanation="Half of the questions are to be answered yes.",
    ),
    unparsed_metric(),
)


def notes(data: MmeData, answers: Sequence[FileAnswer], scores: Sequence[Score]) -> list[str]:
    """Tasks that are missing or have another number of pictures, and pairs of two pictures."""
    asked = data.questions or [_question(answer) for answer in answers]
    pictures = {task: sum(q.task == task for q in asked) / 2 for task in TASKS}
    missing = [task for task, there in pictures.items() if not there]
    other = [f"{t} {n:g}, not {TASKS[t]}" for t, n in pictures.items() if n and n != TASKS[t]]
    told = [f"Tasks without answers: {', '.join(missing)}."] if missing else []
    if other:
        told.append(f"{len(other)} tasks have another number of pictures ({other[0]}).")
    mixed = sum(a.image != b.image for a, b in zip(asked[::2], asked[1::2], strict=False))
    if mixed:
        told.append(f"{mixed} pairs of lines are of two pictures: mode official pairs by order.")
    return told


def items(data: MmeData, images: Path, store: ImageStore) -> list[Item]:
    """The released questions with their pictures (IMAGES/TASK/NAME or IMAGES/TASK/images/NAME)."""
    if not data.questions:
        raise UserError("MME's questions are missing.", "--data", "Give the released folder.")
    asked = [
        (f"{MME.name}/{q.task}", _key_of(q), _picture(images, q), q.text, q.label)
        for q in data.questions
    ]
    return ask_items(asked, images, store)


def _picture(images: Path, question: Question) -> str:
    for folder in (question.task, f"{question.task}/images"):
        for ending in PICTURES:
            if (images / folder / f"{question.image}{ending}").is_file():
                return f"{folder}/{question.image}{ending}"
    return f"{question.task}/{question.image}{PICTURES[0]}"


MME: FileBenchmark[MmeData] = FileBenchmark(
    name="mme",
    protocol=PROTOCOL,
    revision="calculation.py of MME's eval_tool, as in zjunlp/Deco at fee8d75",
    metrics=METRICS,
    headline="perception",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts="folder of TASK.txt, lines of picture, question, Yes or No, answer with tabs",
    items=items,
    labels=tuple((task, f"MME, {task}") for task in TASKS),
    notes=notes,
    columns=yes_no_rules.columns,
)
