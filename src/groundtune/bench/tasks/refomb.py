"""RefoMB: a model's open answers against GPT-4V's, by a judge that reads a long description.

Yu et al. 2024, arXiv 2405.17220 (RLAIF-V). 99 questions (development set) about 73 images, each
with a description that is meant to be complete. The judge says whether GPT-4V (A) or the model (B)
is better, or neither ([[C]]); `win_score` is the mean of 1, 0 and 1/2 for B, A and C. A second
judge reads the first one's review and says which of the two hallucinates less: the
`hallucination_score`, likewise. The authors say to average three runs or more.

Data: gpt4v_RefoMB_dev_0521.jsonl (RLHF-V/RLAIF-V, eval/data), which has questions, descriptions and
GPT-4V's answers. Answers: JSON lines or a list of {image_url, question or prompt, answer or text},
joined by image and question. Replies: the review files that the official scripts wrote.

Mode official is eval_RefoMB_p0.py and eval_hallucination.py: the first of [[A]], [[B]] and [[C]] in
a reply counts; a reply without one is asked for again without end, so here, as a missing one, it is
left out. Mode strict takes no verdict from a reply that names several.

The order is fixed, GPT-4V first. `Judging.swap` asks in the other order too and takes the mean.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import (
    by_id,
    expect_rows,
    find_files,
    find_image,
    refuse_duplicates,
)
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.judge.judge import JudgeReply, Judging, Request, as_judging
from groundtune.bench.judge.prompts import PromptKind, ScriptPrompt, judge_prompt
from groundtune.bench.judge.scores import excerpt, over_repeats, variance_note
from groundtune.bench.metric import Metric, unparsed_metric
from groundtune.records import Score
from groundtune.store.images import ImageStore
from groundtune.store.rows import Row, text_field
from groundtune.store.sheets import rows_of

ROWS = 99
HALLUCINATION = "hallucination"
"""The part of a request to the second judge; "swapped hallucination" for the other order."""
PROMPT = PromptKind(
    name="refomb",
    fields=("description", "question", "answer_a", "answer_b"),
    script=ScriptPrompt(
        variable="prompt",
        function="construct_gpt4_query",
        expressions={
            "image_descriptsion": "description",
            "text_instruction": "question",
            "modelA_answer": "answer_a",
            "modelB_answer": "answer_b",
        },
    ),
)
SECOND = PromptKind(
    name="refomb_hallucination",
    fields=("review",),
    script=ScriptPrompt(
        variable="prompt", function="construct_gpt4_query", expressions={"review_text": "review"}
    ),
    is_second=True,
)
PROTOCOL = Protocol(
    label="RefoMB",
    prompt="the question alone",
    parser="the first of [[A]], [[B]], [[C]]; strict: the only one",
    counted="1 where the model is better than GPT-4V, 1/2 where neither is",
    source="Yu et al. 2024, arXiv 2405.17220",
    max_new_tokens=1024,
    judge="a text model that sees a long description and both answers",
    items="99 questions about 73 images",
)
_VERDICT = re.compile(r"\[\[([ABC])\]\]")
WORTH = {"A": 0.0, "B": 1.0, "C": 0.5}
"""What a verdict is worth to B."""


class RefombQuestion(NamedTuple):
    """One of the 99."""

    item: str
    """Its place, from 0."""
    url: str
    type: str
    text: str
    description: str
    reference: str
    """GPT-4V's answer."""

    @property
    def key(self) -> str:
        """The key by which answers are joined."""
        return f"{self.url}: {self.text}"


def read_data(paths: Sequence[Path]) -> tuple[RefombQuestion, ...]:
    """The questions with GPT-4V's answers.

    Raises:
        UserError: there are not 99, or a question is repeated.
    """
    files = find_files(paths, "gpt4v*RefoMB*.jsonl")
    questions = tuple(_question(row, place) for place, row in enumerate(rows_of(files[0])))
    expect_rows(len(questions), {ROWS: "the development set"}, files[0])
    refuse_duplicates((question.key for question in questions), files[0], "question")
    return questions


def _question(row: Row, place: int) -> RefombQuestion:
    names = ("image_url", "type", "question", "description", "answer")
    return RefombQuestion(str(place), *(text_field(row, name) for name in names))


def read_answers(path: Path, data: Sequence[RefombQuestion]) -> list[ItemAnswer]:
    """Answers by image and question.

    Raises:
        UserError: an answer is missing, unknown or repeated.
    """
    answers = [
        ItemAnswer(
            text=a.text.replace("<|endoftext|>", "<EOT>"),
            item=f"{a.extra.get('image_url', '')}: {_question_of(a)}",
            row=a.row,
            extra=a.extra,
        )
        for a in answers_of(path, text=("answer", "text", "prediction", "response"))
    ]
    return by_id(answers, [question.key for question in data], path)


def _question_of(answer: ItemAnswer) -> str:
    return answer.extra.get("question", answer.extra.get("prompt", ""))


def requests(
    data: Sequence[RefombQuestion], answers: Sequence[ItemAnswer], judging: Judging
) -> list[Request]:
    """Requests with GPT-4V's answer as A; also as B, if the judging uses both orders."""
    prompt = judge_prompt(PROMPT, judging)
    return [
        Request(
            item=question.item,
            part=part,
            system=prompt.system,
            text=prompt.fill(
                description=question.description,
                question=question.text,
                answer_a=answer.text if part else question.reference,
                answer_b=question.reference if part else answer.text,
            ),
            answer=answer.text,
        )
        for part in _orders(judging)
        for question, answer in zip(data, answers, strict=True)
    ]


def second_requests(reviews: Sequence[JudgeReply], judging: Judging) -> list[Request]:
    """Requests to the second judge, one per review."""
    prompt = judge_prompt(SECOND, judging)
    return [
        Request(
            item=review.item,
            part=f"{review.part} {HALLUCINATION}".strip(),
            system=prompt.system,
            text=prompt.fill(review=review.text),
            answer=review.text,
        )
        for review in reviews
    ]


def official_verdict(reply: str) -> str | None:
    """The first verdict; None if the official script would ask again."""
    match = _VERDICT.search(reply)
    return match[1] if match else None


def strict_verdict(reply: str) -> str | None:
    """The only verdict; None if there is none, or a different one too."""
    verdicts = set(_VERDICT.findall(reply))
    return verdicts.pop() if len(verdicts) == 1 else None


def score(
    data: Sequence[RefombQuestion], answers: Sequence[ItemAnswer], scoring: Scoring
) -> list[Score]:
    """Score each answer by its verdicts.

    Raises:
        UserError: no judge.
    """
    judging = as_judging(scoring.judge, REFOMB.name)
    first_requests = requests(data, answers, judging)
    parse = official_verdict if scoring.mode == "official" else strict_verdict

    def once(repeat: int) -> list[Score]:
        reviews = judging.ask(first_requests, repeat=repeat)
        readable_reviews = [r for r in reviews.by_request.values() if parse(r.text) is not None]
        second = judging.ask(second_requests(readable_reviews, judging), repeat=repeat)
        return [
            _score(
                question,
                answer,
                [reviews.get(question.item, part) for part in _orders(judging)],
                second.by_request,
                scoring,
            )
            for question, answer in zip(data, answers, strict=True)
        ]

    return over_repeats(judging, once, "win")


def _score(
    question: RefombQuestion,
    answer: ItemAnswer,
    reviews: Sequence[JudgeReply],
    second: dict[tuple[str, str], JudgeReply],
    scoring: Scoring,
) -> Score:
    parse = official_verdict if scoring.mode == "official" else strict_verdict
    verdicts = [parse(review.text) for review in reviews]
    blank = Score(
        key=score_key(REFOMB, question.item, answer.text, scoring),
        benchmark=REFOMB.name,
        item=question.item,
        image=question.url,
        model=scoring.model,
        answer=answer.text,
        why="\n".join(review.why or excerpt(review.text) for review in reviews),
        strata={"type": question.type},
    )
    wins = _worth(verdicts, reviews)
    if wins is None:
        has_review = any(review.status == "given" for review in reviews)
        why = f"no verdict can be read: {blank.why}" if has_review else blank.why
        return blank.model_copy(update={"status": "unparsed", "why": why})
    parts = [f"{review.part} {HALLUCINATION}".strip() for review in reviews]
    counts = [second[(question.item, part)] for part in parts]
    fewer = _worth([parse(count.text) for count in counts], reviews)
    values = {"judged": 1.0, "win": wins}
    values |= {} if fewer is None else {"compared": 1.0, "fewer": fewer}
    verdict_texts = tuple(verdict for verdict in verdicts if verdict)
    return blank.model_copy(update={"values": values, "extracted": verdict_texts})


def _worth(verdicts: Sequence[str | None], reviews: Sequence[JudgeReply]) -> float | None:
    """The mean worth to the model over the orders; None if one can't be read."""
    worth = [
        1 - WORTH[verdict] if review.part else WORTH[verdict]
        for verdict, review in zip(verdicts, reviews, strict=True)
        if verdict is not None
    ]
    return sum(worth) / len(worth) if len(worth) == len(reviews) else None


def _orders(judging: Judging) -> tuple[str, ...]:
    return ("", "swapped") if judging.swap else ("",)


METRICS: tuple[Metric, ...] = (
    Metric(
        name="win_score",
        label="Better than GPT-4V's answer",
        numerator={"win": 1},
        denominator={"judged": 1},
        better="higher",
        explanation="Ties count half; the authors' overall score.",
    ),
    Metric(
        name="hallucination_score",
        label="Fewer hallucinations than GPT-4V's answer",
        numerator={"fewer": 1},
        denominator={"compared": 1},
        better="higher",
        explanation="Ties count half; by a second judge that reads the first one's review.",
    ),
    unparsed_metric(),
)


def items(data: Sequence[RefombQuestion], images: Path, store: ImageStore) -> list[Item]:
    """The questions; images have the names in their URLs."""
    questions = [(REFOMB.name, q.item, find_image(images, q.url), q.text) for q in data]
    return ask_items(questions, images, store)


def notes(
    data: Sequence[RefombQuestion], answers: Sequence[ItemAnswer], scores: Sequence[Score]
) -> list[str]:
    """Notes on the judge, and the number of answers without the second judge's verdict."""
    with_second = sum("judged" in score.values for score in scores)
    lack = with_second - sum("compared" in score.values for score in scores)
    text = (
        f"{lack} of {with_second} answers with a verdict have none of the second judge: "
        "hallucination_score is without them."
    )
    return [*([text] if lack else []), *variance_note(scores, "winning")]


REFOMB: Benchmark[Sequence[RefombQuestion]] = Benchmark(
    name="refomb",
    protocol=PROTOCOL,
    revision="RLHF-V/RLAIF-V at 83d917b, eval/eval_RefoMB_p0.py and eval_hallucination.py",
    metrics=METRICS,
    headline="win_score",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts='JSON lines of {"image_url", "question", "answer"}',
    log_fields=lambda score: {"image_url": score.image},
    items=items,
    notes=notes,
    judged=True,
    verdict="win",
)
