"""LLaVA-Bench: open answers compared with GPT-4's, which saw a description instead of the image.

Liu et al. 2023, arXiv 2304.08485 (COCO: 90 questions about 30 images) and 2310.03744 (in the
wild: 60 questions about 24). A judge that sees the description gives both answers a score of 1 to
10; `relative_score` is the model's mean over GPT-4's, in points.

Data (`data.py`): questions, GPT-4's answers, descriptions and rule.json of either set, which is
detected from the files. Answers: JSON lines of {question_id, text} in the order of the questions.
Replies: the review file that the official script wrote stands in for a judge.

Mode official is eval_gpt_review_visual.py (COCO) or eval_gpt_review_bench.py (in the wild), and
summarize_gpt_review.py. A reply's first line, with commas as blanks, must be two numbers with one
blank between: "8,9" is read, "8, 9" is not, and both scores are then -1 and averaged in. If a
review file has scores next to the reply (people corrected some), these count. Means are rounded to
three decimals before they are divided. "nan 8" and "inf 8" are numbers to it: what they make NaN or
infinite has no value here, and the answer counts as unparsed. Reviews that are missing are left
out. Mode strict takes two numbers from 0 to 10 on the first line that isn't empty, with a comma,
blanks or "and" between; anything else is unparsed.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import find_image, in_order, refuse_second_answers
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.judge.judge import JudgeReply, Judging, Request, as_judging
from groundtune.bench.judge.prompts import PromptKind, ScriptPrompt, judge_prompt
from groundtune.bench.judge.scores import excerpt, over_repeats, variance_note
from groundtune.bench.metric import Floats, Metric, ratio, unparsed_metric
from groundtune.bench.tasks.llava_bench.data import LlavaData, LlavaQuestion, read_data
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.images import ImageStore

_EXPRESSIONS = {
    "cap_str": "captions",
    "box_str": "boxes",
    "ques['text']": "question",
    "role": "role",
    "ans1['text']": "answer_1",
    "ans2['text']": "answer_2",
    "prompt": "rule",
}
_FIELDS = ("captions", "question", "role", "answer_1", "answer_2", "rule")
COCO = PromptKind(
    name="llava_bench_coco",
    fields=(*_FIELDS, "boxes"),
    script=ScriptPrompt(variable="content", expressions=_EXPRESSIONS),
)
WILD = PromptKind(
    name="llava_bench_wild",
    fields=_FIELDS,
    script=ScriptPrompt(variable="content", expressions=_EXPRESSIONS),
)
PROTOCOL = Protocol(
    label="LLaVA-Bench",
    prompt="the question alone",
    parser='first line "s1 s2", else -1 and -1; strict: two numbers from 0 to 10, else unparsed',
    counted="the model's mean score over that of GPT-4's answers, times 100",
    source="Liu et al. 2023, arXiv 2304.08485 and 2310.03744",
    max_new_tokens=1024,
    judge="a text model that sees a description of the image and both answers",
    items="90 questions about COCO, or 60 in the wild",
)
_SCORE = r"([0-9]+(?:\.[0-9]+)?)"
_ENDLESS = (math.inf, -math.inf, math.nan)
_TWO = re.compile(rf"[\s*_`\"'(\[]*{_SCORE}(?:\s*,\s*|\s+and\s+|\s+){_SCORE}[\s*_`\"')\].]*")


class ScorePair(NamedTuple):
    """The two scores of a review."""

    first: float
    second: float


def read_answers(path: Path, data: LlavaData) -> list[ItemAnswer]:
    """Answers in order; ids in the file must be the questions'.

    Raises:
        UserError: another number of answers, or one is to another question.
    """
    unordered = list(answers_of(path))
    refuse_second_answers((answer for answer in unordered if answer.item), path)
    answers = in_order(unordered, len(data.questions), path)
    for answer, question in zip(answers, data.questions, strict=True):
        if answer.item not in ("", question.item):
            raise UserError(
                f"The answer is to question {answer.item}, not {question.item}.",
                f"{path}:{answer.row}",
                "Sort the answers in the order of the questions.",
            )
    return answers


def requests(data: LlavaData, answers: Sequence[ItemAnswer], judging: Judging) -> list[Request]:
    """GPT-4's answer first, the model's second; then the other order if the judging wants both."""
    prompt = judge_prompt(COCO if data.is_coco else WILD, judging)
    all_requests: list[Request] = []
    for part in ("", "swapped") if judging.swap else ("",):
        for question, answer in zip(data.questions, answers, strict=True):
            pair = (question.reference, answer.text)
            first, second = reversed(pair) if part else pair
            text = prompt.fill(
                captions=question.captions,
                boxes=question.boxes,
                question=question.text,
                role=question.role,
                answer_1=first,
                answer_2=second,
                rule=question.rule,
            )
            all_requests.append(
                Request(
                    item=question.item,
                    part=part,
                    system=prompt.system,
                    text=text,
                    answer=answer.text,
                )
            )
    return all_requests


def official_pair(reply: str) -> ScorePair | None:
    """The first line's two numbers; None if the official script gives -1 and -1."""
    parts = reply.split("\n")[0].replace(",", " ").split(" ")
    if len(parts) != 2:
        return None
    try:
        return ScorePair(float(parts[0]), float(parts[1]))
    except ValueError:
        return None


def strict_pair(reply: str) -> ScorePair | None:
    """The two numbers from 0 to 10 that make up the first non-empty line."""
    line = next((line for line in reply.splitlines() if line.strip()), "")
    match = _TWO.fullmatch(line)
    if match is None:
        return None
    pair = ScorePair(float(match[1]), float(match[2]))
    return pair if max(pair) <= 10 else None


def score(data: LlavaData, answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """Score each answer by the judge's two scores.

    Raises:
        UserError: no judge.
    """
    judging = as_judging(scoring.judge, LLAVA_BENCH.name)
    all_requests = requests(data, answers, judging)
    orders = ("", "swapped") if judging.swap else ("",)

    def once(repeat: int) -> list[Score]:
        replies = judging.ask(all_requests, repeat=repeat)
        return [
            _score(question, answer, [replies.get(question.item, part) for part in orders], scoring)
            for question, answer in zip(data.questions, answers, strict=True)
        ]

    return over_repeats(judging, once, "model")


def _score(
    question: LlavaQuestion, answer: ItemAnswer, replies: Sequence[JudgeReply], scoring: Scoring
) -> Score:
    official = scoring.mode == "official"
    valid_replies = [reply for reply in replies if reply.status == "given"]
    pairs_of_replies = [_read(reply, official) for reply in valid_replies]
    blank = Score(
        key=score_key(LLAVA_BENCH, question.item, answer.text, scoring),
        benchmark=LLAVA_BENCH.name,
        item=question.item,
        image=question.image,
        model=scoring.model,
        answer=answer.text,
        why="\n".join(reply.why or excerpt(reply.text) for reply in replies),
        strata={"category": question.category},
    )
    pairs = [pair for pair in pairs_of_replies if pair is not None]
    if len(pairs) < len(replies):
        # the official script averages its -1 in, but knows nothing of a review that isn't there
        faulty = [pair or ScorePair(-1.0, -1.0) for pair in pairs_of_replies]
        values = _values(faulty) if official and faulty else {}
        why = f"two scores can't be parsed: {blank.why}" if valid_replies else blank.why
        return blank.model_copy(update={"status": "unparsed", "why": why, "values": values})
    marks = tuple(f"{mark:g}" for pair in pairs for mark in pair)
    update: dict[str, object] = {"values": _values(pairs), "extracted": marks}
    if not all(math.isfinite(mark) for pair in pairs for mark in pair):
        update |= {"status": "unparsed", "why": f"a score is not a finite number: {blank.why}"}
    return blank.model_copy(update=update)


def _read(reply: JudgeReply, official: bool) -> ScorePair | None:
    """(GPT-4's, the model's) score."""
    stored_pair = ScorePair(*reply.stored) if len(reply.stored) == 2 else None
    if official:
        # a stored -1 is counted as an answer that can't be read, and is worth the same
        pair = stored_pair or official_pair(reply.text)
        pair = None if pair == (-1, -1) else pair
    else:
        pair = strict_pair(reply.text)
        usable = stored_pair is not None and all(0 <= mark < math.inf for mark in stored_pair)
        pair = stored_pair if pair is None and usable else pair
    return ScorePair(pair.second, pair.first) if pair and reply.part == "swapped" else pair


def _values(pairs: Sequence[ScorePair]) -> dict[str, float]:
    n = len(pairs)
    means = {
        "reference": sum(pair.first for pair in pairs) / n,
        "model": sum(pair.second for pair in pairs) / n,
    }
    # a NaN or an infinity is counted apart from the sums: in them it would spoil every metric
    return {"reviews": 1.0} | {
        name if math.isfinite(mean) else f"{name}:{mean}": mean if math.isfinite(mean) else 1.0
        for name, mean in means.items()
    }


def _mean(sums: Mapping[str, Floats], name: str) -> Floats:
    """The mean score, rounded to three decimals like the official summary."""
    total = sums[name]
    with np.errstate(invalid="ignore"):  # inf - inf
        for endless in _ENDLESS:
            total = np.where(sums[f"{name}:{endless}"] > 0, total + endless, total)
    means = ratio(total, sums["reviews"])
    return np.array([round(float(mean), 3) for mean in means])


def _relative(sums: Mapping[str, Floats]) -> Floats:
    with np.errstate(invalid="ignore"):  # inf / inf
        return ratio(_mean(sums, "model"), _mean(sums, "reference")) * 100


def _points(name: str, label: str, column: str) -> Metric:
    return Metric(
        name=name,
        label=label,
        formula=lambda sums: _mean(sums, column) * 10,
        better="higher" if column == "model" else "neutral",
        unit="points",
        scale=1,
        range=(-10, 100),
    )


METRICS: tuple[Metric, ...] = (
    Metric(
        name="relative_score",
        label="Score relative to GPT-4's answers",
        formula=_relative,
        better="higher",
        unit="points",
        scale=1,
        range=(0, None),
    ),
    _points("model_score", "The model's mean score, times 10", "model"),
    _points("reference_score", "GPT-4's mean score, times 10", "reference"),
    unparsed_metric(),
)


def items(data: LlavaData, images: Path, store: ImageStore) -> list[Item]:
    """The questions; COCO's images may also be named as in val2014."""
    questions = [
        (
            LLAVA_BENCH.name,
            q.item,
            find_image(images, q.image, f"COCO_val2014_{q.image}"),
            q.text,
            q.reference,
        )
        for q in data.questions
    ]
    return ask_items(questions, images, store)


def notes(data: LlavaData, answers: Sequence[ItemAnswer], scores: Sequence[Score]) -> list[str]:
    """Notes on the set and the judge."""
    return [
        f"LLaVA-Bench {data.name}: {len(data.questions)} questions.",
        *variance_note(scores, "the model's score"),
    ]


LLAVA_BENCH: Benchmark[LlavaData] = Benchmark(
    name="llava_bench",
    protocol=PROTOCOL,
    revision="haotian-liu/LLaVA at c121f04, llava/eval: eval_gpt_review_visual.py, "
    "eval_gpt_review_bench.py, summarize_gpt_review.py",
    metrics=METRICS,
    headline="relative_score",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts='JSON lines of {"question_id", "text"} in the order of the questions',
    items=items,
    notes=notes,
    judged=True,
    verdict="model",
)
