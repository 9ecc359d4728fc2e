"""POPE: is this object in the image? Yes or no, for present and absent objects.

Li et al. 2023, arXiv 2305.10355. Questions about 500 images, six each, with yes as the answer to
half of them; three splits by how the absent objects were chosen (random, popular, adversarial).

Data: the question files of AoiDragon/POPE, JSON lines or a JSON list of {question_id, image, text,
label}; one file per split, any number of them. The random split of May 2023 has 2,910 rows, the
current one 3,000. Answers: lines of {question, answer}, joined with the questions by order: one
file for one split, one for all in the order of the data, or a folder with a file per split.
Questions or ids in the answers are checked against the data (`questions.py`). VLMEvalKit's table
and lmms-eval's samples are joined by image and question.

Mode official is evaluate.py at 08d957b: an answer is no if the text before its first full stop,
without commas and split at spaces, has the word No, no or not; else it is yes, even if it is empty
or "NO". Where that script divides by zero (no answer or no label is yes), the metric has no value
here. Mode strict parses the first word, else the only yes or no in the first sentence
(`yes_no_rules.strict`); unparsed answers are in no other metric.

Yes is the positive class. f1 is over all questions of all splits; `mean_f1` is the mean of the
splits' f1, which papers report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, LargeScores, Protocol, Scoring, score_key
from groundtune.bench.files.answers import ANSWER_COLUMNS, answers_of
from groundtune.bench.files.checks import by_id, find_files, in_order, refuse_duplicates
from groundtune.bench.files.revisions import known_revision
from groundtune.bench.item import Item, ItemAnswer, Mode
from groundtune.bench.metric import Floats, Metric, ratio, unparsed_metric
from groundtune.bench.tasks.pope.questions import refuse_others
from groundtune.bench.text import yes_no as yes_no_rules
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.rows import plain, text_field
from groundtune.store.sheets import rows_of

if TYPE_CHECKING:
    from groundtune.store.images import ImageStore

SPLITS = ("random", "popular", "adversarial")
LARGE = 1 << 21
"""Size in bytes (about 17,000) from which questions are read in chunks; a split has a fifth."""
OUTCOMES = ("tp", "fp", "tn", "fn")
PROTOCOL = Protocol(
    label="POPE",
    prompt="the question alone",
    parser="No, no or not before the first full stop: no; else yes. strict: yes_no_rules",
    counted="yes is the positive class",
    source="Li et al. 2023, arXiv 2305.10355",
    max_new_tokens=64,
    items="3,000 (or 2,910) questions a split about 500 images of COCO's val2014",
)


class PopeQuestion(NamedTuple):
    """A row of a question file."""

    item: str
    """Its split and "/", if the file's name has one, and its row, from 1."""
    id: str
    image: str
    text: str
    label: str
    """As it is written; all but "no" is yes."""


@dataclass(frozen=True, slots=True)
class PopeData:
    """The questions of each file, in order, by the name of the file's split.

    The name is "" for a single file that names no split.
    """

    parts: Mapping[str, Sequence[PopeQuestion]]

    @property
    def questions(self) -> list[tuple[str, PopeQuestion]]:
        """(split, question) of all files."""
        return [
            (part, question) for part, questions in self.parts.items() for question in questions
        ]


def read_data(paths: Sequence[Path]) -> PopeData:
    """Read question files.

    Raises:
        UserError: a row lacks a field, a known file is incomplete, a question is repeated, or two
            files are the same split.
    """
    files = find_files(paths, "*pope*.json", "*pope*.jsonl")
    names = part_names(files)
    return PopeData({name: _read(path, name) for name, path in zip(names, files, strict=True)})


def part_names(paths: Sequence[Path]) -> list[str]:
    """The name of each file's split: random, popular, adversarial, or the file's name.

    A single file that names no split has none ("").

    Raises:
        UserError: two files have the same name.
    """
    other = [path.stem for path in paths] if len(paths) > 1 else [""]
    splits = [
        next((split for split in SPLITS if split in path.stem.lower()), name)
        for path, name in zip(paths, other, strict=True)
    ]
    names = splits if len(set(splits)) == len(splits) else other
    refuse_duplicates(names, "--data", "split")
    return names


def _read(path: Path, part: str) -> list[PopeQuestion]:
    questions: list[PopeQuestion] = []
    for row in rows_of(path):
        image, text, label = (text_field(row, name) for name in ("image", "text", "label"))
        question_id = plain(row.fields.get("question_id", ""))
        item = f"{part}/{len(questions) + 1}" if part else f"{len(questions) + 1}"
        questions.append(PopeQuestion(item, question_id, image, text, label))
    refuse_duplicates((q.id for q in questions if q.id), path, "question_id")
    if known_revision(path) is None:
        refuse_cut(len(questions), path)
    return questions


def refuse_cut(rows: int, path: Path) -> None:
    """Refuse an incomplete file: a split has 3,000 rows, the old random split 2,910.

    Raises:
        UserError: the file is empty, or a COCO split has another number of rows.
    """
    if rows == 0 or (rows < 3000 and rows != 2910 and "coco_pope" in path.name):
        raise UserError(
            f"The file has {rows:,} rows; a split of COCO has 3,000, the random one of May 2023 "
            "2,910.",
            str(path),
            "Give the complete published file; rename the file if it is another set.",
        )


def read_answers(path: Path, data: PopeData) -> list[ItemAnswer]:
    """Answers in the order of the data's files and rows.

    Raises:
        UserError: their number differs from the questions', or they have other questions or another
            order.
    """
    if path.is_dir():
        answers = {part: _read_file(_file_of(path, part)) for part in data.parts}
        return [
            answer
            for part, questions in data.parts.items()
            for answer in _join(answers[part], {part: questions}, _file_of(path, part))
        ]
    return _join(_read_file(path), data.parts, path)


def _read_file(path: Path) -> list[ItemAnswer]:
    return list(answers_of(path, text=ANSWER_COLUMNS, item=("question_id", "index")))


def _file_of(folder: Path, part: str) -> Path:
    matches = [p for p in sorted(folder.iterdir()) if p.is_file() and part in p.stem.lower()]
    if len(matches) != 1:
        raise UserError(
            f"{len(matches) or 'No'} files of the folder are named for the split {part!r}.",
            str(folder),
            "Give one answer file per split, with the split's name in the file name.",
        )
    return matches[0]


def _join(
    answers: Sequence[ItemAnswer], parts: Mapping[str, Sequence[PopeQuestion]], where: Path
) -> list[ItemAnswer]:
    if any("category" in a.extra and ("target" in a.extra or "index" in a.extra) for a in answers):
        return _by_image(answers, parts, where)
    questions_ = [question for questions in parts.values() for question in questions]
    if {len(answers), len(questions_)} == {2910, 3000}:
        raise UserError(
            f"There are {len(answers):,} answers to {len(questions_):,} questions: one file is the "
            "random split of May 2023 (2,910 rows), the other the current one.",
            str(where),
            "Give the question file that belongs to the answers.",
        )
    ordered = in_order(answers, len(questions_), where)
    if all(a.text == q.text for a, q in zip(ordered, questions_, strict=True)):
        raise UserError(
            "The answers are the questions themselves.",
            str(where),
            "Give the file with the model's answers.",
        )
    refuse_others(ordered, [q.id for q in questions_], [q.text for q in questions_], where)
    return ordered


def _by_image(
    answers: Sequence[ItemAnswer], parts: Mapping[str, Sequence[PopeQuestion]], where: Path
) -> list[ItemAnswer]:
    """Join the tables of other tools, where a row may belong to several splits ("a,b")."""
    answers_ = [
        ItemAnswer(text=a.text, item=key, row=a.row, extra=a.extra)
        for a in answers
        for part in a.extra.get("category", "").split(",")
        for key in [_key(part.strip(), _image(a.extra), a.extra.get("question", ""))]
    ]
    keys = [_key(part, q.image, q.text) for part, questions in parts.items() for q in questions]
    return by_id(answers_, keys, where)


def _key(part: str, image: str, question: str) -> str:
    return f"{part}: {Path(image).stem.lower()}: {question.strip().lower()}"


def _image(extra: Mapping[str, str]) -> str:
    names = ("image_source", "image_name", "image_path", "image", "image_id", "id")
    return next((extra[name] for name in names if extra.get(name)), "")


def score(data: PopeData, answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """Compare each answer, read as yes, no or (strict) unread, with the label."""
    parse = yes_no_rules.pope if scoring.mode == "official" else yes_no_rules.strict
    scores: list[Score] = []
    for (part, question), answer in zip(data.questions, answers, strict=True):
        reading, truth = parse(answer.text), label_of(question.label)
        right = reading == truth
        scores.append(
            Score(
                key=score_key(POPE, question.item, answer.text, scoring),
                benchmark=name_of(part),
                item=question.item,
                image=question.image,
                model=scoring.model,
                answer=answer.text,
                values={} if reading == "unread" else values_of(part, reading, truth),
                extracted=() if reading == "unread" else (reading,),
                why="neither yes nor no can be read"
                if reading == "unread"
                else ""
                if right
                else truth,
                strata={"label": truth},
                status="unparsed" if reading == "unread" else "scored",
            )
        )
    return scores


def name_of(part: str) -> str:
    """The benchmark's name with its part."""
    return f"{POPE.name}/{part}" if part else POPE.name


def label_of(label: str) -> str:
    """The class of a label: evaluate.py treats all but "no" as yes."""
    return "no" if label == "no" else "yes"


def values_of(part: str, reading: str, truth: str) -> dict[str, float]:
    """The columns of a readable answer: its outcome, also with the split's name."""
    outcome = ("t" if reading == truth else "f") + ("p" if reading == "yes" else "n")
    return {outcome: 1.0} | ({f"{part}:{outcome}": 1.0} if part else {})


class PopeRates(NamedTuple):
    """The metrics that evaluate.py prints, with its arithmetic; NaN if it divides by zero."""

    accuracy: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    yes_ratio: Floats


def rates(sums: Mapping[str, Floats], part: str = "") -> PopeRates:
    """The rates of sums of outcomes (R,), of all or of one split."""
    prefix = f"{part}:" if part else ""
    tp, fp, tn, fn = (sums[prefix + name] for name in OUTCOMES)
    precision, recall = ratio(tp, tp + fp), ratio(tp, tp + fn)
    total = tp + tn + fp + fn
    return PopeRates(
        accuracy=ratio(tp + tn, total),
        precision=precision,
        recall=recall,
        f1=ratio(2 * precision * recall, precision + recall),
        yes_ratio=ratio(tp + fp, total),
    )


def mean_f1(sums: Mapping[str, Floats]) -> Floats:
    """The mean of the splits' f1; for a file without a split, its f1."""
    parts = dict.fromkeys(name.rpartition(":")[0] for name in sums if ":" in name)
    return np.mean([rates(sums, part).f1 for part in parts or [""]], axis=0)


METRICS: tuple[Metric, ...] = (
    Metric(
        name="accuracy",
        label="Right answers",
        formula=lambda sums: rates(sums).accuracy,
        better="higher",
    ),
    Metric(
        name="precision",
        label="Precision of yes",
        formula=lambda sums: rates(sums).precision,
        better="higher",
        explanation="Of the answers that are yes, the share that is right.",
    ),
    Metric(
        name="recall",
        label="Recall of yes",
        formula=lambda sums: rates(sums).recall,
        better="higher",
        explanation="Of the questions to be answered yes, the share that is.",
    ),
    Metric(
        name="f1",
        label="F1",
        formula=lambda sums: rates(sums).f1,
        better="higher",
        explanation="Harmonic mean of precision and recall, over all questions.",
    ),
    Metric(
        name="mean_f1",
        label="Mean F1 of the splits",
        formula=mean_f1,
        better="higher",
        explanation="Papers quote it for the three splits.",
    ),
    Metric(
        name="yes_ratio",
        label="Answers that are yes",
        formula=lambda sums: rates(sums).yes_ratio,
        role="cost",
        explanation="Half of the questions are to be answered yes.",
    ),
    unparsed_metric(),
)


def items(data: PopeData, images: Path, store: "ImageStore") -> list[Item]:
    """The questions with their images, by the names in the question files."""
    questions = [(name_of(part), q.item, q.image, q.text, q.label) for part, q in data.questions]
    return ask_items(questions, images, store)


def large(data: Sequence[Path], answers: Path, mode: Mode, items: Path) -> LargeScores | None:
    """`columns.score_large`, whose reader is imported for large files alone."""
    if len(data) != 1 or not data[0].is_file() or data[0].stat().st_size < LARGE:
        return None
    from groundtune.bench.tasks.pope.columns import score_large

    return score_large(data, answers, mode, items)


POPE: Benchmark[PopeData] = Benchmark(
    name="pope",
    protocol=PROTOCOL,
    revision="AoiDragon/POPE at 08d957b, evaluate.py",
    metrics=METRICS,
    headline="f1",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts='JSON lines of {"question", "answer"} in the order of the questions',
    items=items,
    labels=tuple((split, f"POPE, {split} absent objects") for split in SPLITS),
    columns=yes_no_rules.columns,
    large=large,
)
