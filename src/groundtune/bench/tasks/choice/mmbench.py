"""MMBench with circular evaluation, as a control of general ability.

Liu et al. 2023, arXiv 2307.06281. A question is asked once per option, each time with the options
rotated by one. It counts only if every turn is right, so guessing A gains nothing. The index of a
turn is that of its question plus a multiple of 1,000,000.

Mode official follows mcq_circular_eval of VLMEvalKit, which MMBench names as its evaluation
(vlmeval/dataset/utils/multiple_choice.py at e8e78f0). Without a judge it is the exact_matching
policy: `choices.vlmevalkit` parses letters, and an unparsed turn is wrong. Rows without a first
turn are ignored there, so they have no values here. Mode strict parses letters with
`choices.strict`; a question with an unparsed turn is unparsed, unless another turn is wrong.

With a judge, in both modes, the judge matches turns that the rule can't parse (`judge.py`), except
where another turn's wrong letter decides the question. First turns are always judged. A turn
without a usable judgement leaves its question unparsed, as in mode strict. The strata read_by/rule
and read_by/judge separate the turns.

`accuracy` is circular, `vanilla_accuracy` uses each question's first turn. A question's result is
in its last turn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import by_id
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.judge.judge import as_judging
from groundtune.bench.judge.scores import over_repeats, variance_note
from groundtune.bench.metric import Metric, unparsed_metric, words_metric
from groundtune.bench.tasks.choice.judge import ChoiceReading, by_judge
from groundtune.bench.tasks.choice.table import ENDING, ChoiceQuestion, items_of, read_table
from groundtune.bench.text import choices
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.images import ImageStore

NAME = "mmbench"
REVISION = "open-compass/VLMEvalKit at e8e78f0, mcq_circular_eval (exact_matching, or a judge)"
TURN = 1_000_000
_COLUMNS = ("prediction", "answer", "response", "text", "output")


def read_data(paths: Sequence[Path]) -> list[ChoiceQuestion]:
    """MMBench's table, circular (MMBench_DEV_EN.tsv) or not.

    Raises:
        UserError: as for any table, or an index is not a number.
    """
    data = read_table(paths)
    for question in data:
        if not question.id.isdecimal():
            raise UserError(
                f"The index {question.id!r} is not a number.",
                f"{question.file}:{question.row}",
                "Fix the row.",
            )
    return data


def read_answers(path: Path, data: Sequence[ChoiceQuestion]) -> list[ItemAnswer]:
    """A table with index and prediction, as VLMEvalKit writes it, or lmms-eval's samples."""
    answers = list(answers_of(path, text=_COLUMNS, item=("index", "question_id", "id")))
    return by_id(answers, [question.id for question in data], path)


def question_of(turn: str) -> str:
    """The index of the question that a turn belongs to."""
    return str(int(turn) % TURN)


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a table, which belong to questions."""

    data: Sequence[ChoiceQuestion]

    @property
    def places(self) -> dict[str, list[int]]:
        """The positions of each question's turns, in the table's order."""
        places_: dict[str, list[int]] = {}
        for place, turn in enumerate(self.data):
            places_.setdefault(question_of(turn.id), []).append(place)
        return places_

    @property
    def first(self) -> set[str]:
        """The questions with a first turn in the table."""
        return {turn.id for turn in self.data if int(turn.id) < TURN}


def score(
    data: Sequence[ChoiceQuestion], answers: Sequence[ItemAnswer], scoring: Scoring
) -> list[Score]:
    """One score per turn."""
    rule = choices.vlmevalkit if scoring.mode == "official" else choices.strict
    readings = [
        ChoiceReading(rule(answer.text, question.options))
        for question, answer in zip(data, answers, strict=True)
    ]
    if scoring.judge is None:
        return _scores(data, answers, readings, scoring)
    judging = as_judging(scoring.judge, NAME)
    open_questions = [(data[place], answers[place].text) for place in _open(data, readings)]

    def once(repeat: int) -> list[Score]:
        judged_readings = by_judge(open_questions, judging, scoring.mode, repeat)
        final = [
            judged_readings.get(question.id, rule_reading)
            for question, rule_reading in zip(data, readings, strict=True)
        ]
        return _scores(data, answers, final, scoring)

    return over_repeats(judging, once, "right")


def _open(data: Sequence[ChoiceQuestion], readings: Sequence[ChoiceReading]) -> list[int]:
    """The turns that need a judge: no letter could be parsed, and it may matter."""
    turns = Turns(data)
    settled_questions = {
        question
        for question, places in turns.places.items()
        if any(readings[i].letter and readings[i].letter != data[i].answer for i in places)
    }
    return [
        place
        for place, turn in enumerate(data)
        if not readings[place].letter
        and question_of(turn.id) in turns.first
        and (int(turn.id) < TURN or question_of(turn.id) not in settled_questions)
    ]


def _scores(
    data: Sequence[ChoiceQuestion],
    answers: Sequence[ItemAnswer],
    readings: Sequence[ChoiceReading],
    scoring: Scoring,
) -> list[Score]:
    turns = Turns(data)
    places, first = turns.places, turns.first
    scores: list[Score] = []
    for place, (turn, answer) in enumerate(zip(data, answers, strict=True)):
        question_id = question_of(turn.id)
        last = places[question_id][-1] == place
        group = [(readings[i].letter, data[i].answer) for i in places[question_id]] if last else []
        values = _values(readings[place].letter, turn, group, scoring)
        turn_values = values if question_id in first else dict[str, float]()
        scores.append(_score(turn, answer.text, readings[place], turn_values, scoring))
    return scores


def _values(
    letter: str, question: ChoiceQuestion, group: Sequence[tuple[str, str]], scoring: Scoring
) -> Mapping[str, float]:
    """The columns of a turn; `group` are (read, right) of all turns of a question, at its last."""
    unread_is_wrong = scoring.mode == "official" and scoring.judge is None
    values: dict[str, float] = {}
    if int(question.id) < TURN and (letter or unread_is_wrong):
        values |= {"vanilla_right": float(letter == question.answer), "vanilla_all": 1.0}
    wrong = any(letter_read and letter_read != right for letter_read, right in group)
    is_unread = any(not letter_read for letter_read, _ in group)
    if group and (wrong or not is_unread or unread_is_wrong):
        values |= {"right": float(not wrong and not is_unread), "questions": 1.0}
    elif group:
        values |= {"unread_questions": 1.0}
    return values


def _score(
    question: ChoiceQuestion,
    text: str,
    reading: ChoiceReading,
    values: Mapping[str, float],
    scoring: Scoring,
) -> Score:
    letter = reading.letter
    why = [f"{letter or 'no letter'} is read, {question.answer} is right"]
    if letter == question.answer:
        why = []
    counts = {"words": float(len(text.split())), "all": 1.0}
    strata_ = {"read_by": reading.by} if scoring.judge is not None else {}
    return Score(
        key=score_key(MMBENCH, question.id, text, scoring),
        benchmark=NAME,
        item=question.id,
        image=question_of(question.id),
        model=scoring.model,
        answer=text,
        values={**values, **counts},
        extracted=(letter,) if letter else (),
        why="; ".join([*why, *([reading.why] if reading.why else [])]),
        strata={**question.strata, **strata_},
        status="scored" if letter else "unparsed",
    )


def items(data: Sequence[ChoiceQuestion], images: Path, store: ImageStore) -> list[Item]:
    """The turns with the table's images."""
    turns = items_of(NAME, data, images, store)
    return [turn.model_copy(update={"image": question_of(turn.key)}) for turn in turns]


def notes(
    data: Sequence[ChoiceQuestion], answers: Sequence[ItemAnswer], scores: Sequence[Score]
) -> list[str]:
    """Notes on who read the letters, on an incomplete circle, and on turns without a question."""
    sentences = [*_judge_note(scores), *variance_note(scores, "a question's result")]
    first = Turns(data).first
    if len(first) == len(data):
        sentences.append(
            "The table has one turn a question: the circular accuracy is the vanilla one."
        )
    without_first = sum(question_of(turn.id) not in first for turn in data)
    if without_first:
        sentences.append(
            f"{without_first:,} turns belong to no question of the table and are not counted."
        )
    return sentences


def _judge_note(scores: Sequence[Score]) -> list[str]:
    if not any("read_by" in score.strata for score in scores):
        unread = sum(score.status == "unparsed" for score in scores)
        policy = "no judge was asked, as in VLMEvalKit's exact_matching."
        return [f"The rule can't read {unread:,} turns; {policy}"] if unread else []
    judged_scores = [score for score in scores if score.strata["read_by"] == "judge"]
    unparsed_count = sum(score.status == "unparsed" for score in judged_scores)
    return [
        f"A judge was asked to match {len(judged_scores):,} of {len(scores):,} turns that the rule "
        f"can't parse; for {unparsed_count:,} it gave no usable letter."
    ]


MMBENCH = Benchmark(
    name=NAME,
    protocol=Protocol(
        label="MMBench, circular",
        prompt=f"Hint, question, options A. to D. and, on a new line, {ENDING!r}",
        parser="VLMEvalKit's can_infer; unparsed answers are wrong, or matched by a judge",
        counted="questions that are right in every turn of their options",
        source="Liu et al. 2023, arXiv 2307.06281",
        max_new_tokens=32,
        judge="a text model that names the option that an answer means; or none",
    ),
    revision=REVISION,
    metrics=(
        Metric(
            name="accuracy",
            label="Questions right in every turn",
            numerator={"right": 1},
            denominator={"questions": 1},
            better="higher",
        ),
        Metric(
            name="vanilla_accuracy",
            label="Right answers, first turn only",
            numerator={"vanilla_right": 1},
            denominator={"vanilla_all": 1},
            better="higher",
        ),
        Metric(
            name="unread_questions",
            label="Questions without a result, because a turn is unparsed",
            numerator={"unread_questions": 1},
            denominator={"unread_questions": 1, "questions": 1},
            better="lower",
            role="cost",
        ),
        words_metric(),
        unparsed_metric(),
    ),
    headline="accuracy",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts="table of index and prediction (.xlsx, .tsv, .csv), or JSON lines",
    items=items,
    images_inside=True,
    notes=notes,
)
