"""MMBench with circular evaluation, as a control of general ability.

Liu et al. 2023, arXiv 2307.06281. A question is asked as often as it has options, each time with
the options moved on by one; it counts only if every turn is right, so that guessing A gains
nothing. A turn's index is the question's plus a multiple of 1,000,000.

Mode official follows mcq_circular_eval of VLMEvalKit, which MMBench names as its evaluation
(vlmeval/dataset/utils/multiple_choice.py at e8e78f0), under its exact_matching policy: letters are
read by `choices.vlmevalkit` and a turn that can't be read is wrong; no judge is asked to match it.
Rows without a first turn are left out there, and so have no values here. Mode strict reads letters
by `choices.strict`; a question of which a turn can't be read is unparsed, unless another turn is
wrong, which settles it.

`accuracy` is the circular one, `vanilla_accuracy` that of each question's first turn. A question's
result stands in the last of its turns.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune.bench import choices
from groundtune.bench.answer_files import answers_of
from groundtune.bench.benchmark import Item, Metric, Protocol, unparsed_metric, words_metric
from groundtune.bench.choice_table import ENDING, Question, items_of, read_table
from groundtune.bench.files import by_id
from groundtune.bench.official import FileAnswer, FileBenchmark, Scoring, score_key
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.images import ImageStore

NAME = "mmbench"
REVISION = "open-compass/VLMEvalKit at e8e78f0, mcq_circular_eval (exact_matching)"
TURN = 1_000_000
_COLUMNS = ("prediction", "answer", "response", "text", "output")


def read_data(paths: Sequence[Path]) -> list[Question]:
    """MMBench's table, circular (MMBench_DEV_EN.tsv) or not.

    Raises:
        UserError: as for any table, or an index that is no number.
    """
    data = read_table(paths)
    for each in data:
        if not each.id.isdecimal():
            raise UserError(
                f"The index {each.id!r} is no number.", f"{each.file}:{each.row}", "Mend the row."
            )
    return data


def read_answers(path: Path, data: Sequence[Question]) -> list[FileAnswer]:
    """A table with index and prediction, as VLMEvalKit writes it, or lmms-eval's samples."""
    told = list(answers_of(path, text=_COLUMNS, item=("index", "question_id", "id")))
    return by_id(told, [question.id for question in data], path)


def question_of(turn: str) -> str:
    """The index of the question that a turn belongs to."""
    return str(int(turn) % TURN)


def score(data: Sequence[Question], answers: Sequence[FileAnswer], scoring: Scoring) -> list[Score]:
    """One score a turn."""
    read = [_letter(each, answer, scoring) for each, answer in zip(data, answers, strict=True)]
    turns: dict[str, list[int]] = {}
    for place, each in enumerate(data):
        turns.setdefault(question_of(each.id), []).append(place)
    first = {each.id for each in data if int(each.id) < TURN}
    made: list[Score] = []
    for place, (each, answer) in enumerate(zip(data, answers, strict=True)):
        own = question_of(each.id)
        last = turns[own][-1] == place
        group = [(read[i], data[i].answer) for i in turns[own]] if last else []
        values = _values(read[place], each, group, scoring)
        kept = values if own in first else dict[str, float]()
        made.append(_score(each, answer.text, read[place], kept, scoring))
    return made


def _letter(asked: Question, answer: FileAnswer, scoring: Scoring) -> str:
    rule = choices.vlmevalkit if scoring.mode == "official" else choices.strict
    return rule(answer.text, asked.options)


def _values(
    letter: str, asked: Question, group: Sequence[tuple[str, str]], scoring: Scoring
) -> Mapping[str, float]:
    """The columns of a turn; `group` are (read, right) of all turns of a question, at its last."""
    strict = scoring.mode == "strict"
    values: dict[str, float] = {}
    if int(asked.id) < TURN and (letter or not strict):
        values |= {"vanilla_right": float(letter == asked.answer), "vanilla_all": 1.0}
    wrong = any(read and read != right for read, right in group)
    unread = any(not read for read, _ in group)
    if group and (wrong or not unread or not strict):
        values |= {"right": float(not wrong and not unread), "questions": 1.0}
    elif group:
        values |= {"unread_questions": 1.0}
    return values


def _score(
    asked: Question, text: str, letter: str, values: Mapping[str, float], scoring: Scoring
) -> Score:
    why = "" if letter == asked.answer else f"{letter} is read, {asked.answer} is right"
    counted = {"words": float(len(text.split())), "all": 1.0}
    return Score(
        key=score_key(MMBENCH, asked.id, text, scoring),
        benchmark=NAME,
        item=asked.id,
        image=question_of(asked.id),
        model=scoring.model,
        answer=text,
        values={**values, **counted},
        extracted=(letter,) if letter else (),
        why=why if letter else f"no letter is read, {asked.answer} is right",
        strata=dict(asked.strata),
        status="scored" if letter else "unparsed",
    )


def items(data: Sequence[Question], pictures: Path, store: ImageStore) -> list[Item]:
    """The turns with the table's pictures."""
    made = items_of(NAME, data, pictures, store)
    return [each.model_copy(update={"image": question_of(each.key)}) for each in made]


def notes(
    data: Sequence[Question], answers: Sequence[FileAnswer], scores: Sequence[Score]
) -> list[str]:
    """Where the table isn't circular, or turns have no question."""
    told: list[str] = []
    first = {each.id for each in data if int(each.id) < TURN}
    if len(first) == len(data):
        told.append("The table has one turn a question: the circular accuracy is the vanilla one.")
    lost = sum(question_of(each.id) not in first for each in data)
    if lost:
        told.append(f"{lost:,} turns belong to no question of the table and are not counted.")
    return told


MMBENCH = FileBenchmark(
    name=NAME,
    protocol=Protocol(
        label="MMBench, circular",
        prompt=f"Hint, question, options A. to D. and, on a new line, {ENDING!r}",
        parser="VLMEvalKit's can_infer, without a judge",
        counted="questions that are right in every turn of their options",
        source="Liu et al. 2023, arXiv 2307.06281",
        max_new_tokens=32,
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
            label="Right answers, first turn alone",
            numerator={"vanilla_right": 1},
            denominator={"vanilla_all": 1},
            better="higher",
        ),
        Metric(
            name="unread_questions",
            label="Questions that a turn that can't be read leaves open",
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
