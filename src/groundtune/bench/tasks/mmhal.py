"""MMHal-Bench: a judge grades whether open answers are informative and free of hallucination.

Sun et al. 2023, arXiv 2309.14525 (LLaVA-RLHF). 96 questions about 96 images, twelve of each of
eight types in a fixed order. A judge that sees a list of objects and a human answer, but no image,
grades from 0 to 6; below 3 the answer is hallucinated.

Data: mmhal-bench_answer_template.json (RLHF-V/RLAIF-V, eval/data), or the template of the authors.
Answers: that file with "model_answer" filled in, or JSON lines with "answer" or "text", both in the
order of the questions.

Mode official is eval_gpt_mmhal.py: a grade is the one s of 0 to 6 for which the reply has the
characters "rating: s", and 0 where there is none or more than one ("**Rating:** 4" is 0, "Rating:
10" is 1). Every reply is required. Mode strict parses "rating" and a whole number from 0 to 6, with
any punctuation between; a reply without such a number, or with two different ones, is unparsed.

`informativeness` is RLAIF-V's: the grade, minus 3 if nothing is hallucinated, scaled to 100 points.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import (
    expect_rows,
    find_files,
    find_image,
    in_order,
    refuse_duplicates,
)
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.judge.judge import JudgeReply, Judging, Request, as_judging, require_replies
from groundtune.bench.judge.prompts import PromptKind, ScriptPrompt, judge_prompt
from groundtune.bench.judge.scores import excerpt, over_repeats, variance_note
from groundtune.bench.metric import Floats, Metric, ratio, unparsed_metric
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.images import ImageStore
from groundtune.store.rows import Row, text_field
from groundtune.store.sheets import rows_of

TYPES = (
    "attribute",
    "adversarial",
    "comparison",
    "counting",
    "relation",
    "environment",
    "holistic",
    "other",
)
ROWS = 96
SAFE = 3
"""The lowest grade of an answer without an invention."""
PROMPT = PromptKind(
    name="mmhal",
    fields=("image_contents", "question", "reference", "answer"),
    script=ScriptPrompt(variable="template"),
)
PROTOCOL = Protocol(
    label="MMHal-Bench",
    prompt="the question alone",
    parser='"rating: s" for exactly one s of 0 to 6, else 0; strict: else unparsed',
    counted="a grade below 3 is a hallucination",
    source="Sun et al. 2023, arXiv 2309.14525",
    max_new_tokens=512,
    judge="a text model that sees objects, question, a person's answer and the answer",
    items="96 questions, 12 of each of 8 types",
)
_RATING = re.compile(r"\brating\b[\s:=*_\"'`]{0,6}(-?[0-9]+(?:\.[0-9]+)?)", re.IGNORECASE)


class MmhalQuestion(NamedTuple):
    """One of the 96."""

    item: str
    """Its place, from 0."""
    type: str
    image: str
    """Id of the image."""
    url: str
    contents: tuple[str, ...]
    """Objects in the image."""
    text: str
    reference: str
    """A person's answer."""


def read_data(paths: Sequence[Path]) -> tuple[MmhalQuestion, ...]:
    """The questions.

    Raises:
        UserError: not the 96 in their order.
    """
    files = find_files(paths, "*mmhal*.json", "response_template.json")
    if len(files) != 1:
        raise UserError(
            f"{len(files)} files may be the questions.", str(files[0]), "Give one file."
        )
    questions = [_question(row, place) for place, row in enumerate(rows_of(files[0]))]
    expect_rows(len(questions), {ROWS: "all questions"}, files[0])
    refuse_duplicates((question.image for question in questions), files[0], "image")
    for place, question in enumerate(questions):
        if question.type != TYPES[place % 8]:
            raise UserError(
                f"Question {place} is of the type {question.type!r}, not {TYPES[place % 8]!r}.",
                str(files[0]),
                "Give the published file; its types are in a fixed order.",
            )
    return tuple(questions)


def _question(row: Row, place: int) -> MmhalQuestion:
    names = ("question_type", "image_id", "image_src", "question", "gt_answer")
    kind, image, url, text, reference = (text_field(row, name) for name in names)
    contents = row.fields.get("image_content")
    if not isinstance(contents, list):
        raise UserError('"image_content" is no list.', row.where, "Fix the row.")
    contents_ = tuple(str(content) for content in contents)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return MmhalQuestion(str(place), kind, image, url, contents_, text, reference)


def read_answers(path: Path, data: Sequence[MmhalQuestion]) -> list[ItemAnswer]:
    """Answers in order; a question in the file must be the data's.

    Raises:
        UserError: their number is not 96, or one is to another question.
    """
    is_filled = any("model_answer" in row.fields for row in rows_of(path))
    columns = ("model_answer",) if is_filled else ("prediction", "answer", "text", "response")
    answers = in_order(list(answers_of(path, text=columns)), len(data), path)
    for answer, question in zip(answers, data, strict=True):
        if answer.extra.get("question", question.text) != question.text:
            raise UserError(
                f"The answer is to another question than number {question.item}.",
                f"{path}:{answer.row}",
                "Sort the answers in the order of the questions.",
            )
    return answers if is_filled else [_clean(answer) for answer in answers]


def _clean(answer: ItemAnswer) -> ItemAnswer:
    """Clean an answer like the official script, which inserts it into its template."""
    text = answer.text.replace("Assistant:", "").strip()
    return ItemAnswer(text=text, item=answer.item, row=answer.row, extra=answer.extra)


def requests(
    data: Sequence[MmhalQuestion], answers: Sequence[ItemAnswer], judging: Judging
) -> list[Request]:
    """The requests to the judge."""
    prompt = judge_prompt(PROMPT, judging)
    return [
        Request(
            item=question.item,
            system=prompt.system,
            text=prompt.fill(
                image_contents=", ".join(question.contents),
                question=question.text,
                reference=question.reference,
                answer=answer.text,
            ),
            answer=answer.text,
        )
        for question, answer in zip(data, answers, strict=True)
    ]


def official_grade(reply: str) -> int | None:
    """The only grade that "rating: s" names; None if the official script warns and uses 0."""
    lower = reply.lower()
    grades = [grade for grade in range(7) if f"rating: {grade}" in lower]
    return grades[0] if len(grades) == 1 else None


def strict_grade(reply: str) -> int | None:
    """The only whole number from 0 to 6 after "rating"; None if there is none or another."""
    numbers = set(_RATING.findall(reply))
    number = numbers.pop() if len(numbers) == 1 else ""
    return int(number) if number.isdigit() and int(number) <= 6 else None


def score(
    data: Sequence[MmhalQuestion], answers: Sequence[ItemAnswer], scoring: Scoring
) -> list[Score]:
    """Score each answer by its grade.

    Raises:
        UserError: no judge; in mode official also a reply that is missing.
    """
    judging = as_judging(scoring.judge, MMHAL.name)
    all_requests = requests(data, answers, judging)

    def once(repeat: int) -> list[Score]:
        replies = judging.ask(all_requests, repeat=repeat)
        if scoring.mode == "official":
            require_replies(replies, "MMHal-Bench")
        return [
            _score(question, answer, replies.get(question.item), scoring)
            for question, answer in zip(data, answers, strict=True)
        ]

    return over_repeats(judging, once, "grade")


def _score(
    question: MmhalQuestion, answer: ItemAnswer, reply: JudgeReply, scoring: Scoring
) -> Score:
    official = scoring.mode == "official"
    grade = (official_grade if official else strict_grade)(reply.text)
    blank = Score(
        key=score_key(MMHAL, question.item, answer.text, scoring),
        benchmark=MMHAL.name,
        item=question.item,
        image=question.image,
        model=scoring.model,
        answer=answer.text,
        strata={"type": question.type},
    )
    if grade is None:
        why = reply.why or f"no grade can be read: {excerpt(reply.text)}"
        values = values_of(0) if official else {}
        return blank.model_copy(update={"status": "unparsed", "why": why, "values": values})
    update = {"values": values_of(grade), "extracted": (str(grade),), "why": excerpt(reply.text)}
    return blank.model_copy(update=update)


def values_of(grade: int) -> dict[str, float]:
    """The columns for a grade."""
    safe = grade >= SAFE
    return {
        "graded": 1.0,
        "grade": float(grade),
        "hallucinated": float(not safe),
        "informative": float(grade - SAFE if safe else grade),
    }


def _informativeness(sums: Mapping[str, Floats]) -> Floats:
    return ratio(sums["informative"], sums["graded"]) / 3 * 100


METRICS: tuple[Metric, ...] = (
    Metric(
        name="score",
        label="Mean grade",
        numerator={"grade": 1},
        denominator={"graded": 1},
        better="higher",
        unit="score",
        scale=1,
        decimals=2,
        range=(0, 6),
    ),
    Metric(
        name="hallucination_rate",
        label="Answers with something invented",
        numerator={"hallucinated": 1},
        denominator={"graded": 1},
        better="lower",
        explanation="Graded below 3.",
    ),
    Metric(
        name="informativeness",
        label="Informativeness",
        formula=_informativeness,
        better="higher",
        role="cost",
        unit="points",
        scale=1,
        range=(0, 100),
        explanation="The part of the grade for information, 0 to 3, scaled to 100 points.",
    ),
    unparsed_metric(),
)


def items(data: Sequence[MmhalQuestion], images: Path, store: ImageStore) -> list[Item]:
    """The questions; images are named as in their URL, or by their id."""
    questions = [
        (MMHAL.name, q.item, find_image(images, q.url, q.image), q.text, q.reference) for q in data
    ]
    return ask_items(questions, images, store)


def notes(
    data: Sequence[MmhalQuestion], answers: Sequence[ItemAnswer], scores: Sequence[Score]
) -> list[str]:
    """Notes on how little twelve questions show, and on the judge."""
    few = (
        "Each type has only 12 questions: differences between types, or between models within one "
    )
    return [few + "type, are mostly chance.", *variance_note(scores, "the grade")]


MMHAL: Benchmark[Sequence[MmhalQuestion]] = Benchmark(
    name="mmhal",
    protocol=PROTOCOL,
    revision="RLHF-V/RLAIF-V at 83d917b, eval/eval_gpt_mmhal.py and summarize_gpt_mmhal_review.py",
    metrics=METRICS,
    headline="score",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts='the question file with "model_answer" filled in, or lines of {"answer"}, in order',
    items=items,
    notes=notes,
    judged=True,
    verdict="grade",
)
