"""MMStar: 1,500 multiple-choice questions that need the image, as a control of general ability.

Chen et al. 2024, arXiv 2403.20330. Six categories of 250, eighteen axes. Mode official follows
eval/vlmeval/evaluate/mmstar.py of MMStar-Benchmark/MMStar at 88f243a (`choices.paper`): an answer
without a parsed letter is wrong, and "Dog" is D. Its headline is the share of right answers;
lmms-eval's is the mean over the axes. Both are reported, with the results of VLMEvalKit's and
lmms-eval's parsers on the same answers. Mode strict parses letters with `choices.strict`.

The options are in the question ("Options: A: ..., B: ..."), or in columns A to D as in
OpenCompass's table; VLMEvalKit's rule searches for their texts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import by_id
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.metric import Floats, Metric, ratio, unparsed_metric, words_metric
from groundtune.bench.tasks.choice.table import ENDING, ChoiceQuestion, items_of, read_table
from groundtune.bench.text import choices
from groundtune.records import Score
from groundtune.store.images import ImageStore

NAME = "mmstar"
ROWS = 1500
REVISION = "MMStar-Benchmark/MMStar at 88f243a, eval/vlmeval/evaluate/mmstar.py"
_RIGHT, _ALL = "right:", "all:"
"""Columns an axis: right answers and all."""
_LE_RIGHT = "lmms_eval_right:"
_COLUMNS = ("prediction", "answer", "response", "text", "output")


def read_answers(path: Path, data: Sequence[ChoiceQuestion]) -> list[ItemAnswer]:
    """A table with index and prediction (MMStar's and VLMEvalKit's), or lmms-eval's samples."""
    answers = list(answers_of(path, text=_COLUMNS, item=("index", "question_id", "id")))
    return by_id(answers, [question.id for question in data], path)


def score(
    data: Sequence[ChoiceQuestion], answers: Sequence[ItemAnswer], scoring: Scoring
) -> list[Score]:
    """One score per question."""
    return [
        _score(question, answer.text, scoring)
        for question, answer in zip(data, answers, strict=True)
    ]


def _score(question: ChoiceQuestion, text: str, scoring: Scoring) -> Score:
    letters = sorted({*question.options, *"ABCD", question.answer})
    if scoring.mode == "official":
        letter = choices.paper(text, letters)
    else:
        letter = choices.strict(text, question.options)
    axis = question.strata.get("l2_category", "")
    right = float(letter == question.answer)
    others = {
        "vlmevalkit": choices.vlmevalkit(text, question.options),
        "lmms_eval": choices.lmms_eval(text, "ABCD"),
    }
    values = {
        "right": right,
        "all": 1.0,
        _RIGHT + axis: right,
        _ALL + axis: 1.0,
        "vlmevalkit_right": float(others["vlmevalkit"] == question.answer),
        "lmms_eval_right": float(others["lmms_eval"] == question.answer),
        _LE_RIGHT + axis: float(others["lmms_eval"] == question.answer),
        "words": float(len(text.split())),
    }
    unlike = [
        f"{tool} reads {other_letter or 'nothing'}"
        for tool, other_letter in others.items()
        if other_letter != letter
    ]
    why = [f"no letter is read, {question.answer} is right"] if not letter else []
    why += [f"{letter} is read, {question.answer} is right"] if letter and not right else []
    return Score(
        key=score_key(MMSTAR, question.id, text, scoring),
        benchmark=NAME,
        item=question.id,
        image=question.id,
        model=scoring.model,
        answer=text,
        values={} if not letter and scoring.mode == "strict" else values,
        extracted=(letter,) if letter else (),
        why="; ".join([*why, *unlike]),
        strata=dict(question.strata),
        status="scored" if letter else "unparsed",
    )


def _mean_of_axes(right: str, sums: Mapping[str, Floats]) -> Floats:
    """The mean of the axes' shares; an axis that a resample lacks is left out."""
    axes = [name.removeprefix(_ALL) for name in sums if name.startswith(_ALL)]
    if not axes:
        return np.full_like(sums["all"], np.nan)
    shares = np.stack([ratio(sums[right + axis], sums[_ALL + axis]) for axis in axes])
    has_value = np.isfinite(shares)
    return ratio(np.where(has_value, shares, 0.0).sum(0), has_value.sum(0).astype(np.float64))


def _macro(sums: Mapping[str, Floats]) -> Floats:
    return _mean_of_axes(_RIGHT, sums)


def _macro_lmms_eval(sums: Mapping[str, Floats]) -> Floats:
    return _mean_of_axes(_LE_RIGHT, sums)


def items(data: Sequence[ChoiceQuestion], images: Path, store: ImageStore) -> list[Item]:
    """The questions with the table's images."""
    return items_of(NAME, data, images, store)


def notes(
    data: Sequence[ChoiceQuestion], answers: Sequence[ItemAnswer], scores: Sequence[Score]
) -> list[str]:
    """Return notes on incomplete data and on answers that the tools parse differently."""
    sentences: list[str] = []
    if len(data) != ROWS:
        sentences.append(f"The data has {len(data):,} questions; MMStar has {ROWS:,}.")
    unlike = [score_ for score_ in scores if "reads" in score_.why]
    if unlike:
        sentences.append(
            f"For {len(unlike):,} of {len(scores):,} answers VLMEvalKit or lmms-eval parses "
            "another letter; see each score's `why`."
        )
    return sentences


def _share(name: str, label: str, value: str, explanation: str) -> Metric:
    return Metric(
        name=name,
        label=label,
        numerator={value: 1},
        denominator={"all": 1},
        better="higher",
        explanation=explanation,
    )


MMSTAR = Benchmark(
    name=NAME,
    protocol=Protocol(
        label="MMStar",
        prompt=f"The question with its options and, on a new line, {ENDING!r}",
        parser="MMStar's mmstar.py: a letter at the beginning, after (, option or the answer is",
        counted="right letters; an answer without a letter is wrong",
        source="Chen et al. 2024, arXiv 2403.20330",
        max_new_tokens=32,
    ),
    revision=REVISION,
    metrics=(
        _share("accuracy", "Right answers", "right", "MMStar's and VLMEvalKit's headline."),
        Metric(
            name="accuracy_macro",
            label="Right answers, mean of the 18 axes",
            formula=_macro,
            better="higher",
            explanation="Computed as lmms-eval's headline.",
        ),
        _share(
            "vlmevalkit_accuracy",
            "Right answers as VLMEvalKit reads them",
            "vlmevalkit_right",
            "can_infer without a judge.",
        ),
        Metric(
            name="lmms_eval_accuracy",
            label="Mean of the axes as lmms-eval reads the answers",
            formula=_macro_lmms_eval,
            better="higher",
            explanation="extract_mcq_answer.",
        ),
        words_metric(),
        unparsed_metric(),
    ),
    headline="accuracy",
    read_data=read_table,
    read_answers=read_answers,
    score=score,
    layouts="table of index and prediction (.xlsx, .tsv, .csv), or JSON lines",
    items=items,
    images_inside=True,
    notes=notes,
)
