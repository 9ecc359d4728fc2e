"""SHR: the share of sentences of a long description that are hallucinated, by a judge.

Zhao et al. 2023, arXiv 2311.16839 (HA-DPO). Images of Visual Genome; the judge sees the regions'
descriptions and facts, and labels each sentence hallucination, correct or cannot judge.

Data: val_images_final.json, shr_factual_part1.jsonl and shr_factual_part2.jsonl of SHR; for asking
a judge also image_data.json and region_descriptions.json of Visual Genome. Answers: a JSON object
{image id: description}, or JSON lines of {image_id, text}. Replies: judgement.json can replace a
judge.

Mode official is ha_dpo/shr_eval (json_eval.py): a description is split at full stops, and sentences
that an earlier one contains are dropped. Of the reply the lines below the first that has
"Judgement:" count, without their first word, up to the colon. Where there are more or fewer of them
than sentences, the whole description is in no ratio, but in the counts of sentences and words; a
label that is none of the three leaves its sentence out. A reply without "Judgement:" is asked for
again or ends the script; here, like a missing one, it excludes the description. (The scripts that
also generate skip prompts over 15,000 characters; this one does not.) Mode strict matches lines by
number, in any markup ("**1.** Correct"), excludes sentences without a label, and a description
without any label is unparsed.

Short descriptions lower the ratio, so sentences, words and distinct n-grams are reported too.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.checks import find_image
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.judge.judge import JudgeReply, Judging, Request, as_judging
from groundtune.bench.judge.prompts import PromptKind, ScriptPrompt, judge_prompt
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.bench.judge.scores import excerpt, over_repeats, variance_note
from groundtune.bench.metric import Metric, unparsed_metric
from groundtune.bench.tasks.shr.data import ShrImage, read_answers, read_data
from groundtune.errors import UserError
from groundtune.records import Score, Span
from groundtune.store.images import ImageStore

QUESTION = "Describe this image in detail."
LABELS = ("hallucination", "correct", "cannot judge")
PROMPT = PromptKind(
    name="shr",
    fields=("regions", "facts", "sentences"),
    script=ScriptPrompt(variable="GPT_JUDGE_PROMPT"),
)
PROTOCOL = Protocol(
    label="SHR",
    prompt=QUESTION,
    parser="split at full stops; one label a line of the reply; strict: by the lines' numbers",
    counted="hallucinated sentences among those with a label",
    source="Zhao et al. 2023, arXiv 2311.16839",
    max_new_tokens=512,
    judge="a text model that sees Visual Genome's regions and facts",
    items="descriptions of the images of val_images_final.json",
)
_LINE = re.compile(r"^\W*(\d+)\W+(hallucination|correct|cannot\s+judge)\b", re.IGNORECASE)


class Sentence(NamedTuple):
    """A sentence to judge: its text without the full stop, and its position."""

    text: str
    start: int
    end: int


def sentences(description: str) -> list[Sentence]:
    """The sentences in order, without those that an earlier one contains."""
    result: list[Sentence] = []
    place = 0
    for part in description.split("."):
        text = part.strip()
        start = place + len(part) - len(part.lstrip())
        if text and not any(text in earlier.text for earlier in result):
            result.append(Sentence(text, start, start + len(text)))
        place += len(part) + 1
    return result


def official_labels(reply: str, count: int) -> list[str | None] | None:
    """One label per sentence like the official script; None without a line "Judgement:".

    All are None if the numbers of lines and sentences differ.
    """
    lines = [line for line in reply.split("\n") if line]
    begin = next((i for i, line in enumerate(lines) if "Judgement:" in line), None)
    if begin is None:
        return None
    line_labels = [" ".join(line.split(" ")[1:]).strip() for line in lines[begin + 1 :]]
    labels: list[str | None] = [line.split(":")[0].lower() for line in line_labels if line]
    if len(labels) != count:
        return list[str | None]([None] * count)
    return [label if label in LABELS else None for label in labels]


def strict_labels(reply: str, count: int) -> list[str | None] | None:
    """One label per sentence by the lines' numbers; None if no sentence has one.

    A sentence with two different labels has none.
    """
    by_number: dict[int, set[str]] = {}
    for line in reply.splitlines():
        match = _LINE.match(line)
        if match:
            label = " ".join(match[2].lower().split())
            by_number.setdefault(int(match[1]), set()).add(label)
    labels = [by_number.get(number, set()) for number in range(1, count + 1)]
    unique_labels = [
        next(iter(labels_of_line)) if len(labels_of_line) == 1 else None
        for labels_of_line in labels
    ]
    return unique_labels if any(unique_labels) else None


def distinct(description: str, n: int) -> float | None:
    """Distinct n-grams over all; None if the description has fewer than n words."""
    for mark in ".:\n?,":
        description = description.replace(mark, "")
    words = description.split()
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None


def requests(
    data: Sequence[ShrImage], answers: Sequence[ItemAnswer], judging: Judging
) -> list[Request]:
    """The requests to the judge.

    Raises:
        UserError: Visual Genome's files are missing, and the judge is not recorded.
    """
    prompt = judge_prompt(PROMPT, judging)
    all_requests: list[Request] = []
    for image, answer in zip(data, answers, strict=True):
        if image.regions is None and not isinstance(judging.source, RecordedJudge):
            raise UserError(
                "The judge needs Visual Genome's regions, which are not in the data.",
                f"image {image.item}",
                "Give image_data.json and region_descriptions.json with --data too.",
            )
        lines = (f"{i}. {sentence.text}\n" for i, sentence in enumerate(sentences(answer.text), 1))
        text = prompt.fill(regions=image.regions or "", facts=image.facts, sentences="".join(lines))
        all_requests.append(
            Request(item=image.item, system=prompt.system, text=text, answer=answer.text)
        )
    return all_requests


def score(data: Sequence[ShrImage], answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """Score each description by its labels.

    Raises:
        UserError: there is no judge, or it needs regions that are missing.
    """
    judging = as_judging(scoring.judge, SHR.name)
    all_requests = requests(data, answers, judging)

    def once(repeat: int) -> list[Score]:
        replies = judging.ask(all_requests, repeat=repeat)
        return [
            _score(image, answer, replies.get(image.item), scoring)
            for image, answer in zip(data, answers, strict=True)
        ]

    return over_repeats(judging, once, "hallucinated")


def _score(image: ShrImage, answer: ItemAnswer, reply: JudgeReply, scoring: Scoring) -> Score:
    parts = sentences(answer.text)
    parse = official_labels if scoring.mode == "official" else strict_labels
    labels = parse(reply.text, len(parts)) if reply.status == "given" else None
    grams = {f"distinct_{n}": distinct(answer.text, n) for n in (1, 2, 3, 4)}
    values = {name: value for name, value in grams.items() if value is not None}
    values |= {f"grams_{name[-1]}": 1.0 for name in list(values)}
    blank = Score(
        key=score_key(SHR, image.item, answer.text, scoring),
        benchmark=SHR.name,
        item=image.item,
        image=image.item,
        model=scoring.model,
        answer=answer.text,
        why=reply.why or excerpt(reply.text),
        values=values,
    )
    if labels is None:
        why = f"no judgement can be read: {blank.why}" if reply.status == "given" else blank.why
        return blank.model_copy(update={"status": "unparsed", "why": why})
    labelled_sentences = list(zip(parts, labels, strict=True))
    return blank.model_copy(
        update={
            "values": values | _values(labelled_sentences),
            "extracted": tuple(label or "unread" for label in labels),
            "spans": tuple(
                Span(start=sentence.start, end=sentence.end, by="judge")
                for sentence, label in labelled_sentences
                if label == "hallucination"
            ),
            "status": "scored" if any(labels) or not parts else "unparsed",
        }
    )


def _values(pairs: Sequence[tuple[Sentence, str | None]]) -> dict[str, float]:
    """Sums of sentences and words: all, labelled, and hallucinated ones."""

    def words(selection: Sequence[tuple[Sentence, str | None]]) -> float:
        return float(sum(len(each.text.split(" ")) for each, _ in selection))

    with_label = [each for each in pairs if each[1] is not None]
    wrong = [each for each in with_label if each[1] == "hallucination"]
    return {
        "descriptions": 1.0,
        "sentences": float(len(pairs)),
        "words": words(pairs),
        "labelled": float(len(with_label)),
        "labelled_words": words(with_label),
        "hallucinated": float(len(wrong)),
        "hallucinated_words": words(wrong),
    }


def _mean(name: str, label: str, value: str, unit: str, *, wrong: bool = False) -> Metric:
    return Metric(
        name=name,
        label=label,
        numerator={value: 1},
        denominator={"descriptions": 1},
        better="lower" if wrong else "neutral",
        role="quality" if wrong else "cost",
        unit=unit,
        scale=1,
        range=(0, None),
    )


METRICS: tuple[Metric, ...] = (
    Metric(
        name="shr",
        label="Hallucinated sentences",
        numerator={"hallucinated": 1},
        denominator={"labelled": 1},
        better="lower",
        explanation="Of the sentences with a label.",
    ),
    Metric(
        name="shr_words",
        label="Words in hallucinated sentences",
        numerator={"hallucinated_words": 1},
        denominator={"labelled_words": 1},
        better="lower",
    ),
    _mean(
        "hallucinated_sentences",
        "Hallucinated sentences per description",
        "hallucinated",
        "sentences",
        wrong=True,
    ),
    _mean(
        "hallucinated_words",
        "Words in hallucinated sentences per description",
        "hallucinated_words",
        "words",
        wrong=True,
    ),
    _mean("sentences", "Sentences per description", "sentences", "sentences"),
    _mean("words", "Words per description", "words", "words"),
    *(
        Metric(
            name=f"distinct_{n}",
            label=f"Different {n}-grams" if n > 1 else "Different words",
            numerator={f"distinct_{n}": 1},
            denominator={f"grams_{n}": 1},
            better="higher",
            role="cost",
            explanation="Among all of a description; the official code calls it repetition.",
        )
        for n in (1, 2, 3, 4)
    ),
    unparsed_metric(),
)


def items(data: Sequence[ShrImage], images: Path, store: ImageStore) -> list[Item]:
    """One question for all; images have Visual Genome's numbers as names."""
    questions = [(SHR.name, p.item, find_image(images, f"{p.item}.jpg"), QUESTION) for p in data]
    return ask_items(questions, images, store)


def notes(
    data: Sequence[ShrImage], answers: Sequence[ItemAnswer], scores: Sequence[Score]
) -> list[str]:
    """Notes on the number of images, the meaning of lengths, and the judge."""
    return [
        f"{len(data)} images. Shorter descriptions lower the ratio; compare at equal length.",
        *variance_note(scores, "hallucinated sentences"),
    ]


SHR: Benchmark[Sequence[ShrImage]] = Benchmark(
    name="shr",
    protocol=PROTOCOL,
    revision="opendatalab/HA-DPO at 42f72c5, ha_dpo/shr_eval",
    metrics=METRICS,
    headline="shr",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts="a JSON object {image id: description}",
    items=items,
    notes=notes,
    judged=True,
    verdict="hallucinated",
)
