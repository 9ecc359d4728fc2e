"""MME: two yes/no questions per image, in ten tasks of perception and four of cognition.

Fu et al. 2023, arXiv 2306.13394. A task's score is 100 x accuracy + 100 x accuracy_plus in points,
where accuracy_plus is the share of images of which both questions are answered rightly. Papers
about hallucination quote only `hallucination`: existence, count, position and color.

Answers: a folder with a file per task (existence.txt), two lines per image, each
"image TAB question TAB Yes or No TAB answer"; VLMEvalKit's table and lmms-eval's samples too. The
answers name their labels, so that no data are needed; `--data FOLDER` (the released
TASK/questions_answers_YN/*.txt) checks that each question is answered once.

Mode official is calculation.py (as in zjunlp/Deco at fee8d75): yes, else no, within the first four
characters of the lowered answer, so that "not sure" and "now" are a no. Anything else is "other",
which is wrong, and counted as unparsed here. Images are distinguished by order, two lines each.
Mode strict reads the first word, else the only yes or no in the first sentence, tells images
apart by name, and leaves out what it can't read (for accuracy_plus images with such an answer).
Where the official script stops because a task has no file, the sums over tasks have no value.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.checks import one_file_per_name
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.metric import Floats, Metric, ratio, unparsed_metric
from groundtune.bench.tasks.mme.data import (
    COGNITION,
    IMAGES,
    PERCEPTION,
    TASKS,
    MmeData,
    MmeQuestion,
    key_of_question,
    question_of,
    read_answers,
    read_data,
)
from groundtune.bench.text import yes_no as yes_no_rules
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.images import ImageStore

HALLUCINATION = ("existence", "count", "position", "color")
PROTOCOL = Protocol(
    label="MME",
    prompt='the question, which ends in "Please answer yes or no."',
    parser="yes, else no, in the first four characters; strict: yes_no_rules",
    counted="a task's points are 100 x right answers + 100 x images with both answers right",
    source="Fu et al. 2023, arXiv 2306.13394",
    max_new_tokens=32,
    items="2,374 questions about 1,187 images in 14 tasks",
)


class _QuestionReading(NamedTuple):
    """A question, the reading of its answer, and the image with which it is counted."""

    question: MmeQuestion
    answer: str
    reading: yes_no_rules.YesNoReading
    image: str
    item: str


def score(data: MmeData, answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """Each answer as yes, no or other; an image's second question has the values of the pair."""
    rule = yes_no_rules.mme if scoring.mode == "official" else yes_no_rules.strict
    questions = data.questions or [question_of(answer) for answer in answers]
    image_counts: dict[str, int] = {}
    rows: list[_QuestionReading] = []
    for question, answer in zip(questions, answers, strict=True):
        place = image_counts[question.task] = image_counts.get(question.task, -1) + 1
        by_order, by_name = f"{question.task}/{place // 2}", f"{question.task}/{question.image}"
        image = by_order if scoring.mode == "official" else by_name
        item = f"{question.task}/{place + 1}"
        rows.append(_QuestionReading(question, answer.text, rule(answer.text), image, item))
    pairs: dict[str, list[_QuestionReading]] = {}
    for row in rows:
        pairs.setdefault(row.image, []).append(row)
    pair_counts: dict[str, int] = {}
    scores: list[Score] = []
    for row in rows:
        number = pair_counts[row.image] = pair_counts.get(row.image, 0) + 1
        pair = pairs[row.image] if number == len(pairs[row.image]) else []
        scores.append(_score(row, pair, scoring))
    return scores


def _score(row: _QuestionReading, pair: Sequence[_QuestionReading], scoring: Scoring) -> Score:
    task, label = (
        row.question.task,
        row.question.label,
    )  # the pair is empty but at its last question
    values: dict[str, float] = {}
    if row.reading != "unread" or scoring.mode == "official":
        values |= {"questions": 1, "right": row.reading == label, "yes": row.reading == "yes"}
    if pair and (scoring.mode == "official" or all(one.reading != "unread" for one in pair)):
        values |= {"images": 1, "both": all(one.reading == one.question.label for one in pair)}
    values |= {f"{task}:{name}": value for name, value in values.items() if name != "yes"}
    is_unread = row.reading == "unread"
    return Score(
        key=score_key(MME, row.item, row.answer, scoring),
        benchmark=f"{MME.name}/{task}",
        item=row.item,
        image=f"{task}/{row.question.image}",
        model=scoring.model,
        answer=row.answer,
        values={name: float(value) for name, value in values.items()},
        extracted=("other" if is_unread else row.reading,),
        why="neither yes nor no can be read"
        if is_unread
        else ""
        if row.reading == label
        else label,
        strata={"label": label},
        status="unparsed" if is_unread else "scored",
    )


def points(sums: Mapping[str, Floats], task: str = "") -> Floats:
    """100 x accuracy + 100 x accuracy_plus (R,) of a task, or of all questions together."""
    at = f"{task}:" if task else ""
    accuracy = ratio(sums[at + "right"], sums[at + "questions"])
    return accuracy * 100 + ratio(sums[at + "both"], sums[at + "images"]) * 100


def sum_of(tasks: Iterable[str]) -> Callable[[Mapping[str, Floats]], Floats]:
    """The formula that adds the tasks' points in their order; NaN if a task is missing."""

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
        explanation="Official for single tasks (see the strata), not for all questions together.",
    ),
    Metric(
        name="accuracy",
        label="Right answers",
        formula=lambda sums: ratio(sums["right"], sums["questions"]),
        better="higher",
    ),
    Metric(
        name="accuracy_plus",
        label="Images with both answers right",
        formula=lambda sums: ratio(sums["both"], sums["images"]),
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


def notes(data: MmeData, answers: Sequence[ItemAnswer], scores: Sequence[Score]) -> list[str]:
    """Notes on missing tasks, tasks with another number of images, and pairs with two images."""
    questions = data.questions or [question_of(answer) for answer in answers]
    images = {task: sum(q.task == task for q in questions) / 2 for task in TASKS}
    missing = [task for task, count in images.items() if not count]
    other = [f"{t} {n:g}, not {TASKS[t]}" for t, n in images.items() if n and n != TASKS[t]]
    sentences = [f"Tasks without answers: {', '.join(missing)}."] if missing else []
    if other:
        sentences.append(f"{len(other)} tasks have another number of images ({other[0]}).")
    mixed_pairs = sum(
        a.image != b.image for a, b in zip(questions[::2], questions[1::2], strict=False)
    )
    if mixed_pairs:
        sentences.append(
            f"{mixed_pairs} pairs of lines mix two images: mode official pairs lines by order."
        )
    return sentences


def items(data: MmeData, images: Path, store: ImageStore) -> list[Item]:
    """The released questions with their images (IMAGES/TASK/NAME or IMAGES/TASK/images/NAME)."""
    if not data.questions:
        raise UserError("MME's questions are missing.", "--data", "Give the released folder.")
    questions = [
        (f"{MME.name}/{q.task}", key_of_question(q), _image(images, q), q.text, q.label)
        for q in data.questions
    ]
    return ask_items(questions, images, store)


def _image(images: Path, question: MmeQuestion) -> str:
    folders = (question.task, f"{question.task}/images")
    paths = (images / f / f"{question.image}{ending}" for f in folders for ending in IMAGES)
    matches = one_file_per_name(filter(Path.is_file, paths), lambda path: path.stem)
    for path in matches.values():
        return path.relative_to(images).as_posix()
    return f"{question.task}/{question.image}{IMAGES[0]}"


def log_fields(score: Score) -> dict[str, str]:
    """The task and the image's path below it."""
    task = score.benchmark.partition("/")[2]
    return {"category": task, "image_path": score.image.removeprefix(f"{task}/")}


MME: Benchmark[MmeData] = Benchmark(
    name="mme",
    protocol=PROTOCOL,
    revision="calculation.py of MME's eval_tool, as in zjunlp/Deco at fee8d75",
    metrics=METRICS,
    headline="perception",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts="folder of TASK.txt, lines of image, question, Yes or No, answer with tabs",
    log_fields=log_fields,
    items=items,
    labels=tuple((task, f"MME, {task}") for task in TASKS),
    notes=notes,
    columns=yes_no_rules.columns,
)
