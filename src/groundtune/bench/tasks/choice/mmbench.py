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
        UserError: as for any table, or an index that is no number.
    """
    data = read_table(paths)
    for each in data:
        if not each.id.isdecimal():
            raise UserError(
                f"The index {each.id!r} is not a number.", f"{each.file}:{each.row}", "Fix the row."
            )
    return data


def read_answers(path: Path, data: Sequence[ChoiceQuestion]) -> list[ItemAnswer]:
    """A table with index and prediction, as VLMEvalKit writes it, or lmms-eval's samples."""
    told = list(answers_of(path, text=_COLUMNS, item=("index", "question_id", "id")))
    return by_id(told, [question.id for question in data], path)


def question_of(turn: str) -> str:
    """The index of the question that a turn belongs to."""
    return str(int(turn) % TURN)


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a table, which belong to questions."""

    data: Sequence[ChoiceQuestion]

    @property
    def places(self) -> dict[str, list[int]]:
        """Where the turns of each question stand, in the table's order."""
        found: dict[str, list[int]] = {}
        for place, each in enumerate(self.data):
            found.setdefault(question_of(each.id), []).append(place)
        return found

    @property
    def first(self) -> set[str]:
        """The questions whose first turn is in the table."""
        return {each.id for each in self.data if int(each.id) < TURN}


def score(
    data: Sequence[ChoiceQuestion], answers: Sequence[ItemAnswer], scoring: Scoring
) -> list[Score]:
    """One score a turn."""
    rule = choices.vlmevalkit if scoring.mode == "official" else choices.strict
    read = [
        ChoiceReading(rule(answer.text, each.options))
        for each, answer in zip(data, answers, strict=True)
    ]
    if scoring.judge is None:
        return _scores(data, answers, read, scoring)
    judging = as_judging(scoring.judge, NAME)
    asked = [(data[place], answers[place].text) for place in _open(data, read)]

    def once(repeat: int) -> list[Score]:
        matched = by_judge(asked, judging, scoring.mode, repeat)
        told = [matched.get(each.id, own) for each, own in zip(data, read, strict=True)]
        return _scores(data, answers, told, scoring)

    return over_repeats(judging, once, "right")


def _open(data: Sequence[ChoiceQuestion], read: Sequence[ChoiceReading]) -> list[int]:
    """The turns that a judge is asked about: no letter is read, and it may matter."""
    turns = Turns(data)
    settled = {
        question
        for question, places in turns.places.items()
        if any(read[i].letter and read[i].letter != data[i].answer for i in places)
    }
    return [
        place
        for place, each in enumerate(data)
        if not read[place].letter
        and question_of(each.id) in turns.first
        and (int(each.id) < TURN or question_of(each.id) not in settled)
    ]


def _scores(
    data: Sequence[ChoiceQuestion],
    answers: Sequence[ItemAnswer],
    read: Sequence[ChoiceReading],
    scoring: Scoring,
) -> list[Score]:
    turns = Turns(data)
    places, first = turns.places, turns.first
    made: list[Score] = []
    for place, (each, answer) in enumerate(zip(data, answers, strict=True)):
        own = question_of(each.id)
        last = places[own][-1] == place
        group = [(read[i].letter, data[i].answer) for i in places[own]] if last else []
        values = _values(read[place].letter, each, group, scoring)
        kept = values if own in first else dict[str, float]()
        made.append(_score(each, answer.text, read[place], kept, scoring))
    return made


def _values(
    letter: str, asked: ChoiceQuestion, group: Sequence[tuple[str, str]], scoring: Scoring
) -> Mapping[str, float]:
    """The columns of a turn; `group` are (read, right) of all turns of a question, at its last."""
    unread_is_wrong = scoring.mode == "official" and scoring.judge is None
    values: dict[str, float] = {}
    if int(asked.id) < TURN and (letter or unread_is_wrong):
        values |= {"vanilla_right": float(letter == asked.answer), "vanilla_all": 1.0}
    wrong = any(read and read != right for read, right in group)
    unread = any(not read for read, _ in group)
    if group and (wrong or not unread or unread_is_wrong):
        values |= {"right": float(not wrong and not unread), "questions": 1.0}
    elif group:
        values |= {"unread_questions": 1.0}
    return values


def _score(
    asked: ChoiceQuestion,
    text: str,
    read: ChoiceReading,
    values: Mapping[str, float],
    scoring: Scoring,
) -> Score:
    letter = read.letter
    why = [f"{letter or 'no letter'} is read, {asked.answer} is right"]
    if letter == asked.answer:
        why = []
    counted = {"words": float(len(text.split())), "all": 1.0}
    judged = {"read_by": read.by} if scoring.judge is not None else {}
    return Score(
        key=score_key(MMBENCH, asked.id, text, scoring),
        benchmark=NAME,
        item=asked.id,
        image=question_of(asked.id),
        model=scoring.model,
        answer=text,
        values={**values, **counted},
        extracted=(letter,) if letter else (),
        why="; ".join([*why, *([read.why] if read.why else [])]),
        strata={**asked.strata, **judged},
        status="scored" if letter else "unparsed",
    )


def items(data: Sequence[ChoiceQuestion], images: Path, store: ImageStore) -> list[Item]:
    """The turns with the table's images."""
    made = items_of(NAME, data, images, store)
    return [each.model_copy(update={"image": question_of(each.key)}) for each in made]


def notes(
    data: Sequence[ChoiceQuestion], answers: Sequence[ItemAnswer], scores: Sequence[Score]
) -> list[str]:
    """Who read the letters, and where the table isn't circular or turns have no question."""
    told = [*_judge_note(scores), *variance_note(scores, "a question's result")]
    first = Turns(data).first
    if len(first) == len(data):
        told.append("The table has one turn a question: the circular accuracy is the vanilla one.")
    lost = sum(question_of(each.id) not in first for each in data)
    if lost:
        told.append(f"{lost:,} turns belong to no question of the table and are not counted.")
    return told


def _judge_note(scores: Sequence[Score]) -> list[str]:
    if not any("read_by" in score.strata for score in scores):
        unread = sum(score.status == "unparsed" for score in scores)
        policy = "no judge was asked, as in VLMEvalKit's exact_matching."
        return [f"The rule can't read {unread:,} turns; {policy}"] if unread else []
    asked = [score for score in scores if score.strata["read_by"] == "judge"]
    lost = sum(score.status == "unparsed" for score in asked)
    return [
        f"A judge was asked to match {len(asked):,} of {len(scores):,} turns that the rule can't "
        f"parse; for {lost:,} it gave no usable letter."
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
    notes=notes,
)
