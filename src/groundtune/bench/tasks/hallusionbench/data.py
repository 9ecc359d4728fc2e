"""Readers of HallusionBench's questions, and of answers in the layouts of several tools."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import by_id, expect_rows, find_files, refuse_duplicates
from groundtune.bench.item import ItemAnswer
from groundtune.bench.judge.archives import hallusion_id
from groundtune.bench.tasks.hallusionbench.causes import QuestionKind
from groundtune.errors import UserError
from groundtune.store.rows import Row, first_of, text_field
from groundtune.store.sheets import rows_of

ALL, WITH_IMAGE = 1129, 951
SIZES = {ALL: "all questions", WITH_IMAGE: "the questions that have an image"}


class HallusionQuestion(NamedTuple):
    """One question of HallusionBench."""

    item: str
    """Id: category_subcategory_set_figure_question."""
    category: str
    subcategory: str
    set: str
    """Category, subcategory and set: the unit of resampling."""
    figure: str
    """`set` and figure."""
    pair: str
    """`set` and question: the same question about all its figures."""
    kind: QuestionKind
    text: str
    reference: str
    is_yes: bool
    filename: str


@dataclass(frozen=True, slots=True)
class HallusionData:
    """The questions, and a description of how many there are."""

    questions: tuple[HallusionQuestion, ...]
    size: str

    @property
    def is_complete(self) -> bool:
        """Whether the questions without an image are included; the diagnosis needs them."""
        return len(self.questions) == ALL

    @property
    def with_image(self) -> "HallusionData":
        """The 951 questions with an image; all questions if those are not 951."""
        questions = tuple(
            question for question in self.questions if question.kind.visual_input != "0"
        )
        return HallusionData(questions, SIZES[WITH_IMAGE]) if len(questions) == WITH_IMAGE else self

    def matching(self, number: int) -> "HallusionData":
        """Return the questions that this many answers belong to: all, or those with an image."""
        candidates = self.with_image
        return candidates if number == len(candidates.questions) else self


def read_data(paths: Sequence[Path]) -> HallusionData:
    """Return the questions.

    Raises:
        UserError: there are neither 1,129 nor 951 questions, or one is repeated.
    """
    files = find_files(paths, "*allusion*ench*.json", "*allusion*ench*.jsonl")
    if len(files) != 1:
        raise UserError(
            f"{len(files)} files match the name of the question file.",
            str(files[0]),
            "Give one file.",
        )
    questions = tuple(_question(row) for row in rows_of(files[0]))
    size = expect_rows(len(questions), SIZES, files[0])
    refuse_duplicates((question.item for question in questions), files[0], "question")
    return HallusionData(questions, size)


def _question(row: Row) -> HallusionQuestion:
    names = ("category", "subcategory", "set_id", "figure_id", "question_id", "visual_input")
    fields = {name: first_of(row.fields, (name,)) or "" for name in names}
    if "" in fields.values() or fields["category"] not in ("VD", "VS"):
        lacking = next((name for name in names if not fields[name]), "category")
        raise UserError(
            f'"{lacking}" is missing or has an invalid value.', row.where, "Fix the row."
        )
    in_set = "_".join(fields[name] for name in names[:3])
    return HallusionQuestion(
        item=hallusion_id(fields),
        category=fields["category"],
        subcategory=fields["subcategory"],
        set=in_set,
        figure=f"{in_set}_{fields['figure_id']}",
        pair=f"{in_set}: {fields['question_id']}",
        kind=QuestionKind(
            fields["category"] == "VD", fields["figure_id"] == "0", fields["visual_input"]
        ),
        text=text_field(row, "question"),
        reference=text_field(row, "gt_answer_details"),
        is_yes=first_of(row.fields, ("gt_answer",)) == "1",
        filename=first_of(row.fields, ("filename",)) or "",
    )


def read_answers(path: Path, data: HallusionData) -> list[ItemAnswer]:
    """Return the answers in the order of the data, matched by id.

    Answers to exactly the 951 questions with an image, as VLMEvalKit and lmms-eval ask them, are
    accepted too (`HallusionData.matching`); any other subset is refused.

    Raises:
        UserError: an answer is missing, unknown or repeated.
    """
    columns = ("model_prediction", "prediction", "answer", "text", "response")
    answers = [
        ItemAnswer(text=a.text, item=_id(a, path), row=a.row, extra=a.extra)
        for a in answers_of(path, text=columns)
    ]
    items_with_image = [question.item for question in data.with_image.questions]
    if {answer.item for answer in answers} == set(items_with_image):
        return by_id(answers, items_with_image, path)
    if {len(answers), len(data.questions)} == set(SIZES):
        raise UserError(
            f"There are {len(answers):,} answers to {len(data.questions):,} questions: one of the "
            "two files lacks the questions without an image.",
            str(path),
            "Give the question file that belongs to these answers.",
        )
    return by_id(answers, [question.item for question in data.questions], path)


def _id(answer: ItemAnswer, path: Path) -> str:
    extra = answer.extra
    if "set_id" in extra:
        try:
            return hallusion_id(extra)
        except KeyError as error:
            raise UserError(
                f"The row has no {error}.", f"{path}:{answer.row}", "Keep the data's columns."
            ) from error
    # VLMEvalKit stores set, figure and question only in its index
    parts = answer.item.split("_")
    if len(parts) >= 6 and "l2-category" in extra:
        return "_".join([extra.get("category", ""), extra["l2-category"], *parts[3:6]])
    return answer.item
