"""HallusionBench: yes/no questions on images and edited versions, to find why answers are wrong.

Guan et al. 2024, arXiv 2310.14566. Visual-dependent questions (VD) need the image.
Visual-supplement questions (VS) are asked without an image (figure 0), with the original, or with
an edited image that changes the answer. Figures, sets and questions cross, so sets are resampled.

Data: HallusionBench.json (tianyi-lab/HallusionBench): all 1,129 questions, or the 951 with an
image, as VLMEvalKit and lmms-eval use them; the result says which. Answers: that file's rows with
"model_prediction", or the tables or samples of those tools. Answers to exactly the 951 can be
scored with the complete file; the other questions are then ignored.

Mode official is utils.py. A judge compares the answer with the reference. A reply that contains
"incorrect" means wrong (0), else "correct" means right (1), else it is uncertain (2); "not correct"
counts as correct. A VS question without an image is also right when uncertain. A second request
asks whether a wrong answer equals the one to figure 0; it is sent only where it matters. Every
reply is required. Mode strict needs exactly one verdict, as a whole word; an answer without one is
excluded, with the figures and pairs that it belongs to.

Without a judge, answers are parsed as strings. This is not the official rule, and the result says
so (stratum "read_by"). Mode official uses VLMEvalKit's parser, with unparsed answers as uncertain;
mode strict uses `yes_no_rules.strict`. The answers 0, 1 and 2 are no, yes and uncertain.

    a_acc   questions        f_acc  figures with all questions right (VS figure 0 has none)
    q_acc   questions with all their figures right; easy_acc, hard_acc without and with the edited
    lh, vi, mixed   of the wrong answers, whose fault: language, vision or both
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.judge.judge import JudgeReplies, Judging, Request, as_judging, require_replies
from groundtune.bench.judge.prompts import PromptKind, ScriptPrompt, judge_prompt
from groundtune.bench.judge.scores import excerpt, over_repeats, variance_note
from groundtune.bench.tasks.hallusionbench.causes import (
    Cause,
    QuestionKind,
    Verdict,
    cause_of,
    needs_same,
    official_same,
    official_verdict,
    strict_same,
    strict_verdict,
)
from groundtune.bench.tasks.hallusionbench.data import (
    HallusionData,
    HallusionQuestion,
    read_answers,
    read_data,
)
from groundtune.bench.tasks.hallusionbench.metrics import METRICS
from groundtune.bench.text import yes_no as yes_no_rules
from groundtune.records import Message, Prompt, Score, Source, TextPart
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of

PROMPT = PromptKind(
    name="hallusionbench",
    fields=("question", "reference", "answer"),
    script=ScriptPrompt(
        variable="prompt",
        function="evaluate_by_chatgpt",
        expressions={
            "sample['question']": "question",
            "sample['gt_answer_details']": "reference",
            "sample[output_entry]": "answer",
        },
    ),
)
SAME = PromptKind(
    name="hallusionbench_same",
    fields=("answer", "other"),
    script=ScriptPrompt(
        variable="prompt",
        function="check_same_by_chatgpt",
        expressions={"sample[output_entry]": "answer", "response2": "other"},
    ),
    is_second=True,
)
PROTOCOL = Protocol(
    label="HallusionBench",
    prompt="the question alone",
    parser="incorrect, else correct, else uncertain, by a judge's characters; strict: one verdict",
    counted="aAcc, fAcc and qAcc; uncertain is right where a VS question has no image",
    source="Guan et al. 2024, arXiv 2310.14566",
    max_new_tokens=512,
    judge="a text model that sees question, right answer and answer; or none, by strings",
    items="1,129 questions, or the 951 that have an image",
)
Reader = Literal["judge", "strings"]


def verdict_requests(
    data: HallusionData, answers: Sequence[ItemAnswer], judging: Judging
) -> list[Request]:
    """Return the requests that compare each answer with the reference."""
    prompt = judge_prompt(PROMPT, judging)
    return [
        Request(
            item=q.item,
            system=prompt.system,
            text=prompt.fill(question=q.text, reference=q.reference, answer=a.text),
            answer=a.text,
        )
        for q, a in zip(data.questions, answers, strict=True)
    ]


class HallusionReadings(NamedTuple):
    """Verdicts on the answers, in the order of the questions."""

    verdicts: list[Verdict | None]
    why: list[str]
    same: dict[str, bool | None]
    """Whether the answer equals that to figure 0, by item, where it matters."""


def score(data: HallusionData, answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """Return each answer's verdict; the values of a figure or pair are in its last question.

    Raises:
        UserError: in mode official, a judge's reply is missing.
    """
    data = data.matching(len(answers))
    if scoring.judge is None:
        return _scores(data, answers, _by_strings(data, answers, scoring), "strings", scoring)
    judging = as_judging(scoring.judge, HALLUSIONBENCH.name)

    def once(repeat: int) -> list[Score]:
        readings = _by_judge(data, answers, judging, scoring, repeat)
        return _scores(data, answers, readings, "judge", scoring)

    return over_repeats(judging, once, "correct")


def _by_judge(
    data: HallusionData,
    answers: Sequence[ItemAnswer],
    judging: Judging,
    scoring: Scoring,
    repeat: int,
) -> HallusionReadings:
    official = scoring.mode == "official"
    parse = official_verdict if official else strict_verdict
    verdict_replies = _ask(judging, verdict_requests(data, answers, judging), repeat, official)
    replies = [verdict_replies.get(question.item) for question in data.questions]
    verdicts: list[Verdict | None] = [
        parse(reply.text) if reply.status == "given" else None for reply in replies
    ]
    originals = _originals(data, verdicts)
    prompt = judge_prompt(SAME, judging)
    text = {
        q.pair: a.text for q, a in zip(data.questions, answers, strict=True) if q.kind.is_original
    }
    same_requests = [
        Request(
            item=q.item,
            part="same",
            system=prompt.system,
            text=prompt.fill(answer=a.text, other=text[q.pair]),
            answer=a.text,
        )
        for q, a, verdict in zip(data.questions, answers, verdicts, strict=True)
        if needs_same(q.kind, verdict, originals.get(q.pair)) and data.is_complete
    ]
    same_replies = _ask(judging, same_requests, repeat, official)
    is_same = official_same if official else strict_same
    same = {
        request.item: is_same(reply.text) if reply.status == "given" else None
        for request in same_requests
        for reply in [same_replies.get(request.item, "same")]
    }
    return HallusionReadings(
        verdicts, [reply.why or excerpt(reply.text) for reply in replies], same
    )


def _ask(judging: Judging, requests: list[Request], repeat: int, official: bool) -> JudgeReplies:
    replies = judging.ask(requests, repeat=repeat)
    if official:
        require_replies(replies, "HallusionBench")
    return replies


def _by_strings(
    data: HallusionData, answers: Sequence[ItemAnswer], scoring: Scoring
) -> HallusionReadings:
    official = scoring.mode == "official"
    parse = yes_no_rules.vlmevalkit if official else yes_no_rules.strict
    codes = {"0": "no", "1": "yes", "2": "uncertain"}
    codes_read = [codes.get(answer.text.strip()) or parse(answer.text) for answer in answers]
    unread: Verdict | None = "2" if official else None
    verdicts: list[Verdict | None] = [
        _by_word(word, question.is_yes, unread)
        for word, question in zip(codes_read, data.questions, strict=True)
    ]
    first = {
        q.pair: w for q, w in zip(data.questions, codes_read, strict=True) if q.kind.is_original
    }
    same: dict[str, bool | None] = {
        q.item: w == first.get(q.pair) for q, w in zip(data.questions, codes_read, strict=True)
    }
    why = ["neither yes nor no can be read" if word == "unread" else word for word in codes_read]
    return HallusionReadings(verdicts, why, same)


def _by_word(word: str, is_yes: bool, unread: Verdict | None) -> Verdict | None:
    if word == "unread":
        return unread
    return "2" if word == "uncertain" else "1" if (word == "yes") == is_yes else "0"


def _originals(
    data: HallusionData, verdicts: Sequence[Verdict | None]
) -> dict[str, Verdict | None]:
    """Return the verdict on figure 0 of each pair."""
    pairs = zip(data.questions, verdicts, strict=True)
    return {q.pair: verdict for q, verdict in pairs if q.kind.is_original}


def _scores(
    data: HallusionData,
    answers: Sequence[ItemAnswer],
    readings: HallusionReadings,
    read_by: Reader,
    scoring: Scoring,
) -> list[Score]:
    verdicts = readings.verdicts
    right = [_is_right(q.kind, v) for q, v in zip(data.questions, verdicts, strict=True)]
    originals = _originals(data, verdicts)
    values = _group_values(data.questions, right)
    scores: list[Score] = []
    for i, (question, answer) in enumerate(zip(data.questions, answers, strict=True)):
        correct, verdict = right[i], verdicts[i]
        blank = Score(
            key=score_key(HALLUSIONBENCH, question.item, answer.text, scoring),
            benchmark=HALLUSIONBENCH.name,
            item=question.item,
            image=question.set,
            model=scoring.model,
            answer=answer.text,
            why=readings.why[i],
            strata={
                "category": question.category,
                "subcategory": f"{question.category} {question.subcategory}",
                "read_by": read_by,
            },
        )
        if correct is None or verdict is None:
            why = readings.why[i] if read_by == "strings" else f"no verdict: {readings.why[i]}"
            scores.append(blank.model_copy(update={"status": "unparsed", "why": why}))
            continue
        same = readings.same.get(question.item)
        cause = cause_of(question.kind, verdict, originals.get(question.pair), same)
        question_values = _values(question, correct, cause if data.is_complete else None)
        update = {"values": question_values | values[i], "extracted": (NAMES[verdict],)}
        scores.append(blank.model_copy(update=update))
    return scores


NAMES: dict[Verdict, str] = {"0": "incorrect", "1": "correct", "2": "uncertain"}


def _is_right(kind: QuestionKind, verdict: Verdict | None) -> bool | None:
    """Return whether an answer is right; uncertain is right for a VS question without an image."""
    if verdict is None:
        return None
    return verdict == "1" or (verdict == "2" and not kind.is_vd and kind.is_original)


def _values(question: HallusionQuestion, correct: bool, cause: Cause | None) -> dict[str, float]:
    values = {
        "questions": 1.0,
        "correct": float(correct),
        # the implied answer: the true one where it is right, else the other
        "yes": float(correct == question.is_yes),
        "true_yes": float(question.is_yes),
        "wrong_no": float(not correct and not question.is_yes),
    }
    return values | ({cause: 1.0} if cause else {})


def _group_values(
    questions: Sequence[HallusionQuestion], right: Sequence[bool | None]
) -> list[dict[str, float]]:
    """Return the columns of figures and pairs, in their last question; unparsed ones have none."""
    values: list[dict[str, float]] = [{} for _ in questions]
    kinds: tuple[tuple[str, Callable[[HallusionQuestion], str]], ...] = (
        ("figures", lambda q: "" if not q.kind.is_vd and q.kind.is_original else q.figure),
        ("pairs", lambda q: q.pair),
        ("easy", lambda q: "" if q.kind.visual_input == "2" else q.pair),
        ("hard", lambda q: q.pair if q.kind.visual_input == "2" else ""),
    )
    for kind, name_of in kinds:
        groups: dict[str, list[int]] = {}
        for i, question in enumerate(questions):
            if name := name_of(question):
                groups.setdefault(name, []).append(i)
        for members in groups.values():
            marks = [right[i] for i in members]
            if None not in marks:
                values[members[-1]] |= _group(kind, [bool(mark) for mark in marks])
    return values


def _group(kind: str, marks: Sequence[bool]) -> dict[str, float]:
    values = {kind: 1.0, f"{kind}_right": float(all(marks))}
    if kind == "figures":
        values["figures_wrong"] = float(not any(marks))
        values["figures_mixed"] = float(any(marks) and not all(marks))
        values["figures_score"] = sum(marks) / len(marks)
    return values


def items(data: HallusionData, images: Path, store: ImageStore) -> list[Item]:
    """Return the questions as items, with the image that the data names, if any."""
    questions = [
        (HALLUSIONBENCH.name, q.item, q.filename, q.text, "yes" if q.is_yes else "no")
        for q in data.questions
    ]
    image_items = iter(
        ask_items([question for question in questions if question[2]], images, store)
    )
    return [next(image_items) if question[2] else _blind(question) for question in questions]


def _blind(fields: tuple[str, str, str, str, str]) -> Item:
    """An item without an image."""
    benchmark, item, _, question, target = fields
    messages = (Message(role="user", content=(TextPart(text=question),)),)
    source = Source(dataset=benchmark, row=item)
    prompt = Prompt(key=key_of(benchmark, messages), messages=messages, source=source)
    return Item(key=item, benchmark=benchmark, image="", prompt=prompt, target=target)


def notes(data: HallusionData, answers: Sequence[ItemAnswer], scores: Sequence[Score]) -> list[str]:
    """Return which questions were answered, and how answers were parsed."""
    complete, data = data, data.matching(len(scores))
    sentences = [f"{len(data.questions):,} questions: {data.size}."]
    if len(data.questions) < len(complete.questions):
        sentences.append(f"The data has {len(complete.questions):,}; the others were not answered.")
    if not data.is_complete:
        sentences.append("Without the image-free questions, causes of errors can't be diagnosed.")
    if scores and scores[0].strata["read_by"] == "strings":
        sentences.append("Answers were parsed as yes or no without a judge: not the official rule.")
    return [*sentences, *variance_note(scores, "being right")]


HALLUSIONBENCH: Benchmark[HallusionData] = Benchmark(
    name="hallusionbench",
    protocol=PROTOCOL,
    revision="tianyi-lab/HallusionBench at 744007c, utils.py and evaluation.py",
    metrics=METRICS,
    headline="a_acc",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts='the question file with "model_prediction" in each row',
    items=items,
    notes=notes,
)
