"""VQAv2's open-ended short answers, as a control of general ability.

Goyal et al. 2017, arXiv 1612.00837; Antol et al. 2015, arXiv 1505.00468. Ten people answered each
question. An answer's accuracy is the mean over the ten of min(1, how many of the other nine said
the same / 3).

Mode official follows PythonEvaluationTools/vqaEvaluation/vqaEval.py of GT-Vision-Lab/VQA at
a013f00 (Python 2), its faults included:

- where all ten said the same, nothing is normalised: "Yes." is wrong if they said "yes";
- at most 32 full stops are removed, those that no digit follows;
- a punctuation mark is removed if it is next to a space anywhere in the text, or if any two digits
  have a comma between them; else it becomes a space, so "t-shirt" is "t shirt";
- contractions with a capital ("Im") are never fixed, because the text is in lower case by then.

Mode strict always normalises; an answer that becomes empty is unparsed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import by_id, find_files, one_file_per_name, refuse_duplicates
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.metric import Metric, unparsed_metric, words_metric
from groundtune.errors import UserError
from groundtune.feedback.suffixes import SHORT as ENDING
from groundtune.records import Score
from groundtune.store.images import ImageStore
from groundtune.store.rows import Fields, Row, json_members, plain

NAME = "vqav2"
REVISION = "GT-Vision-Lab/VQA at a013f00, PythonEvaluationTools/vqaEvaluation/vqaEval.py"

_GIVE = "Give the files as VQA published them."
_NUMBERS = "zero one two three four five six seven eight nine ten"
DIGITS = {word: str(number) for number, word in enumerate(_NUMBERS.split())} | {"none": "0"}
ARTICLES = ("a", "an", "the")
_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_COMMA = re.compile(r"[0-9],[0-9]")
_STOP = re.compile(r"\.(?![0-9])")
_MOST_STOPS = 32
_CONTRACTED = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've
might've mustn't must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've
shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll
someone's something'd something'd've something'll that's there'd there'd've there're there's they'd
they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've
when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't
would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""
CONTRACTIONS = {
    word[:place] + word[place + 1 :]: word
    for word in _CONTRACTED.split()
    for place, character in enumerate(word)
    if character == "'"
} | {"somebody'd": "somebodyd"}
"""Each contraction with any one apostrophe missing; officially one is the wrong way round."""


@dataclass(frozen=True, slots=True)
class VqaQuestion:
    """One question and people's answers."""

    id: str
    image: str
    kind: str
    """How it begins: "what is the", "how many"."""
    answers: tuple[str, ...]
    others: tuple[tuple[int, ...], ...]
    """For each answer, the rows of the file that differ from its own: officially "the others"."""
    answer_kind: str
    """yes/no, number or other."""
    text: str = ""


def read_data(paths: Sequence[Path]) -> list[VqaQuestion]:
    """Questions of v2_mscoco_*_annotations.json; their texts from v2_OpenEnded_*_questions.json.

    Raises:
        UserError: there are no annotations, an id is repeated, or questions have other ids.
    """
    questions: list[VqaQuestion] = []
    question_texts: list[tuple[str, str]] = []
    files = find_files(paths, "*annotations*.json", "*questions*.json")
    for key, row in chain.from_iterable(map(_rows_of, files)):
        try:
            if key == "annotations":
                questions.append(_question(row.fields))
            else:
                question_texts.append(
                    (plain(row.fields["question_id"]), str(row.fields["question"]))
                )
        except (KeyError, TypeError) as error:
            raise UserError(f"The row lacks {error}.", row.where, _GIVE) from error
    where = ", ".join(map(str, paths))
    if not questions:
        raise UserError(
            'No file has "annotations".', where, "Give v2_mscoco_val2014_annotations.json."
        )
    refuse_duplicates((question.id for question in questions), where, "question id")
    refuse_duplicates((name for name, _ in question_texts), where, "question text")
    texts = dict(question_texts)
    if texts and (missing := [question.id for question in questions if question.id not in texts]):
        raise UserError(
            f"{len(missing):,} annotated questions have no text; the first is {missing[0]!r}.",
            where,
            "Give the questions of the same split as the annotations.",
        )
    return [replace(question, text=texts.get(question.id, "")) for question in questions]


def _rows_of(path: Path) -> Iterator[tuple[str, Row]]:
    return json_members(path, {"annotations", "questions"}, fix=_GIVE)


def _question(row: Fields) -> VqaQuestion:
    answers = cast("list[dict[str, Any]]", row["answers"])
    unlike = tuple(
        tuple(j for j, other in enumerate(answers) if other != answer) for answer in answers
    )  # as a rule each has its own answer_id, so that only itself is left out
    return VqaQuestion(
        id=plain(row["question_id"]),
        image=plain(row["image_id"]),
        kind=str(row.get("question_type", "")),
        answers=tuple(_tidy(str(entry["answer"])) for entry in answers),
        others=unlike,
        answer_kind=str(row.get("answer_type", "")),
    )


def read_answers(path: Path, data: Sequence[VqaQuestion]) -> list[ItemAnswer]:
    """VQA's results: a JSON list (or lines) of question_id and answer; also lmms-eval's samples."""
    return by_id(list(answers_of(path)), [question.id for question in data], path)


def _tidy(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def normalise(text: str) -> str:
    """An answer without marks, articles and full stops, with small numbers as digits."""
    by_comma = bool(_COMMA.search(text))
    result = text
    for mark in _MARKS:
        vanishes = by_comma or f"{mark} " in text or f" {mark}" in text
        result = result.replace(mark, "" if vanishes else " ")
    words = _STOP.sub("", result, count=_MOST_STOPS).lower().split()
    words_ = (DIGITS.get(word, word) for word in words)
    return " ".join(CONTRACTIONS.get(word, word) for word in words_ if word not in ARTICLES)


def accuracy(question: VqaQuestion, answer: str, *, always: bool = False) -> tuple[float, str]:
    """An answer's accuracy in [0, 1] and its reading; `always` normalises it in any case."""
    tidy_answer, answers = _tidy(answer), question.answers
    if always or len(set(answers)) > 1:
        tidy_answer, answers = normalise(tidy_answer), tuple(map(normalise, answers))
    scores = [
        min(1, float(sum(answers[j] == tidy_answer for j in others)) / 3)
        for others in question.others
    ]
    return float(sum(scores)) / len(scores), tidy_answer


def score(
    data: Sequence[VqaQuestion], answers: Sequence[ItemAnswer], scoring: Scoring
) -> list[Score]:
    """One score per question."""
    return [
        _score(question, answer.text, scoring)
        for question, answer in zip(data, answers, strict=True)
    ]


def _score(question: VqaQuestion, text: str, scoring: Scoring) -> Score:
    strict = scoring.mode == "strict"
    value, normalised = accuracy(question, text, always=strict)
    is_empty = not normalised
    values = {"right": value, "all": 1.0, "words": float(len(text.split()))}
    common = max(question.answers, key=question.answers.count) if question.answers else ""
    why = "empty once normalised" if is_empty else f"most people said {common!r}" * (value < 1)
    return Score(
        key=score_key(VQAV2, question.id, text, scoring),
        benchmark=NAME,
        item=question.id,
        image=question.image,
        model=scoring.model,
        answer=text,
        values={} if is_empty and strict else values,
        extracted=(normalised,),
        why=why,
        strata={"answer_type": question.answer_kind, "question_type": question.kind},
        status="unparsed" if is_empty else "scored",
    )


def items(data: Sequence[VqaQuestion], images: Path, store: ImageStore) -> list[Item]:
    """The questions with COCO's images, by the number that ends each file's name.

    Raises:
        UserError: questions have no text, or an image isn't in the folder.
    """
    image_names = {question.image for question in data}
    fitting = (path for path in sorted(images.glob("*")) if _image_number(path) in image_names)
    files = one_file_per_name(fitting, _image_number)
    for question in data:
        if not question.text or question.image not in files:
            problem = "text" if not question.text else "image"
            raise UserError(
                f"Question {question.id} has no {problem} (image {question.image}).",
                str(images),
                "Add the question file with --data, and give the folder of its COCO images.",
            )
    return ask_items(
        ((NAME, q.id, files[q.image].name, f"{q.text}\n{ENDING}") for q in data), images, store
    )


def _image_number(path: Path) -> str:
    return path.stem.rpartition("_")[2].lstrip("0")


VQAV2 = Benchmark(
    name=NAME,
    protocol=Protocol(
        label="VQAv2, short answers",
        prompt=f"The question and, on a new line, {ENDING!r}",
        parser="the whole answer, normalised as the official code does",
        counted="mean over the ten people of min(1, others who said the same / 3)",
        source="Goyal et al. 2017, arXiv 1612.00837",
        max_new_tokens=16,
    ),
    revision=REVISION,
    metrics=(
        Metric(
            name="accuracy",
            label="Accuracy of short answers",
            numerator={"right": 1},
            denominator={"all": 1},
            better="higher",
        ),
        words_metric(),
        unparsed_metric(),
    ),
    headline="accuracy",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts="JSON list of {question_id, answer}",
    items=items,
)
