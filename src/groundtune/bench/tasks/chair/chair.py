"""CHAIR: the share of objects named in captions that are not in the image.

Rohrbach, Hendricks, Burns, Darrell, Saenko 2018, "Object Hallucination in Image Captioning",
arXiv 1809.02156. Objects are COCO's 80 classes. The objects in an image are those of COCO's
segmentations and of its five reference captions.

    chair_s = captions that name an object that isn't there / captions
    chair_i = mentions of objects that aren't there / mentions, each as often as it is said
    recall  = distinct classes named that are there / classes there, sums over all captions

Data: COCO's instances_*.json and captions_*.json of 2014 (or the finished sets, chair.pkl, of
Maxlinn/CHAIR-metric-standalone) and the synonym list, each with --data or all in one folder.
Answers: {"imgToEval": {...}} as COCO's evaluation writes it, or rows of {image_id, caption};
VLMEvalKit's tables and lmms-eval's samples too. Several captions of an image are scored each.

Mode official is utils/chair.py at 6e4d33c, with NLTK 3.10 and Pattern 3.6 as they read English
today; recall is from Maxlinn's copy of it. An empty caption counts as correct. Where no caption
names any object, the official script stops with a division by zero; chair_i has no value here.
Mode strict fixes the parser (see `coco_words.py`), and an answer without a word is unparsed. In
both modes, "there is no dog" is a mention of a dog.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import name_further_answers, without_number
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.metric import Metric, unparsed_metric
from groundtune.bench.tasks.chair.classes import by_class
from groundtune.bench.tasks.chair.data import ChairData, read_data
from groundtune.bench.tasks.chair.tally import ChairTally
from groundtune.bench.text.coco import image_number
from groundtune.bench.text.coco_words import CocoMention, CocoWords
from groundtune.bench.text.tokens import tokens
from groundtune.errors import UserError
from groundtune.records import Score, Span
from groundtune.store.images import ImageStore
from groundtune.store.rows import Row, beginning, json_members, text_field

INSTRUCTION = "Describe this image in detail."
IMAGES = (".jpg", ".jpeg", ".png")
PROTOCOL = Protocol(
    label="CHAIR",
    prompt=INSTRUCTION,
    parser="NLTK's tokens, singular forms, pairs of words, COCO's synonyms; negation isn't seen",
    counted="empty captions are among those without error; each mention counts",
    source="Rohrbach et al. 2018, arXiv 1809.02156",
    max_new_tokens=512,
    items="any images of COCO's train2014 and val2014; papers draw 500, not the same ones",
)
_QUOTE = re.compile("``|''|\"")
_WRONG = re.compile(r": no ([^;:]+) there(?=;|$)")
MAX_MARKED = 1000
"""Mentions of a caption that are marked in its text; all are counted."""
ASKED = ("question", "prompt", "raw_question")
"""Columns of answers that are kept."""


def read_answers(path: Path, data: ChairData) -> list[ItemAnswer]:
    """Captions with the number of their image in `item`, in the order of the file.

    Raises:
        UserError: an image has no number, or is not in the data.
    """
    rows = name_further_answers(
        _evaluated_rows(path) if _is_evaluation(path) else _caption_rows(path)
    )
    unknown = [row for row in rows if image_of(row) not in data.images.numbers]
    if unknown:
        raise UserError(
            f"{len(unknown):,} of {len(rows):,} captions are about images that are not in the "
            f"annotations; the first is {image_of(unknown[0])}.",
            f"{path}:{unknown[0].row}",
            "Give the annotations of train2014 and of val2014, as the official script reads them.",
        )
    if not rows:
        raise UserError("The file has no captions.", str(path), "Give one row an image.")
    return rows


def image_of(answer: ItemAnswer) -> int:
    """The number of the image that a caption is about."""
    return int(without_number(answer.item))


def _is_evaluation(path: Path) -> bool:
    if path.suffix != ".json":
        return False
    head = beginning(path, 1 << 16)
    return head.startswith("{") and '"imgToEval"' in head


def _evaluated_rows(path: Path) -> Iterator[ItemAnswer]:
    rows = json_members(path, {"imgToEval"}, inner=True, fix="Give the official script's results.")
    return (_evaluated_one(path, row) for _, row in rows)


def _evaluated_one(path: Path, row: Row) -> ItemAnswer:
    text = text_field(row, "caption")
    if "image_id" not in row.fields:
        raise UserError('"image_id" is missing.', row.where, "Fix the row.")
    return _captioned(path, ItemAnswer(text=text, row=row.number), str(row.fields["image_id"]))


def _caption_rows(path: Path) -> Iterator[ItemAnswer]:
    columns = ("caption", "text", "answer", "response", "prediction", "output")
    names = ("image_id", "image", "image_path", "question_id", "id", "index")
    return (
        _captioned(path, answer, answer.item)
        for answer in answers_of(path, text=columns, item=names)
    )


def _captioned(path: Path, answer: ItemAnswer, image: str) -> ItemAnswer:
    number = image_number(image)
    if number is None:
        raise UserError(
            f"No number of a COCO image can be read from {image!r}.",
            f"{path}:{answer.row}",
            "Give it as image_id: 42, or COCO_val2014_000000000042.jpg.",
        )
    question_fields = {name: answer.extra[name] for name in ASKED if name in answer.extra}
    return ItemAnswer(text=answer.text, item=str(number), row=answer.row, extra=question_fields)


def score(data: ChairData, answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """Compare the objects that each caption names with its image."""
    strict = scoring.mode == "strict"
    words = data.strict if strict else data.official
    return [
        _score(answer, data.truth(image_of(answer), strict=strict), words, scoring)
        for answer in answers
    ]


def _score(
    answer: ItemAnswer, true_classes: frozenset[str], words: CocoWords, scoring: Scoring
) -> Score:
    text = answer.text
    if scoring.mode == "strict" and not re.search(r"\w", text):
        return _record(answer, scoring, status="unparsed", why="the answer has no words")
    caption_tokens = tokens(text.lower())
    mentions = words.mentions(caption_tokens)
    wrong = [mention for mention in mentions if mention.node not in true_classes]
    right = {mention.node for mention in mentions} & true_classes
    return _record(
        answer,
        scoring,
        values={
            "invented": float(bool(wrong)),
            "invented_mentions": float(len(wrong)),
            "mentions": float(len(mentions)),
            "classes": float(len(right)),
            "truth_classes": float(len(true_classes)),
            "words": float(len(text.split())),
            "empty": float(not text.strip()),
        },
        extracted=tuple([mention.node for mention in mentions]),
        why="; ".join([f"{word}: no {node} there" for word, node, _, _ in wrong]),
        spans=spans_of(text, caption_tokens, wrong),
    )


def _record(answer: ItemAnswer, scoring: Scoring, **fields: Any) -> Score:
    return Score(
        key=score_key(CHAIR, answer.item, answer.text, scoring),
        benchmark=CHAIR.name,
        item=answer.item,
        image=str(image_of(answer)),
        model=scoring.model,
        answer=answer.text,
        **fields,
    )


def spans_of(
    text: str, caption_tokens: Sequence[str], mentions: Sequence[CocoMention]
) -> tuple[Span, ...]:
    """The spans of the first `MAX_MARKED` mentions, as far as the text has their tokens."""
    lower, mentions = text.lower(), mentions[:MAX_MARKED]
    if not mentions or len(lower) != len(text):  # a few letters become two in lower case
        return ()
    at: list[tuple[int, int]] = []
    position = 0
    for token in caption_tokens[: mentions[-1].at + mentions[-1].tokens]:
        start, end = _place(lower, token, position)
        at.append((start, end))
        position = end if start >= 0 else position
    last = [(at[m.at], at[m.at + m.tokens - 1]) for m in mentions]
    return tuple(
        [
            Span(start=first[0], end=end[1], kind="object")
            for first, end in last
            if 0 <= first[0] < end[1]
        ]
    )


def _place(text: str, token: str, position: int) -> tuple[int, int]:
    """The position of a token; quotes are written differently in the text."""
    if token not in ("``", "''"):
        start = text.find(token, position)
        return start, start + len(token)
    match = _QUOTE.search(text, position)
    return match.span() if match else (-1, -1)


def classes(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """The captions that name each class, with only the mentions of that class."""
    return by_class(scores, [_WRONG.findall(score.why) for score in scores])


def items(data: ChairData, images: Path, store: ImageStore) -> list[Item]:
    """One instruction per image of a folder that is in the annotations, sorted by name.

    Raises:
        UserError: there is none.
    """
    names = sorted(path.name for path in images.iterdir() if path.suffix.lower() in IMAGES)
    names_with_data = [name for name in names if image_number(name) in data.images.numbers]
    if not names_with_data:
        raise UserError(
            "The folder has no image of the annotations.",
            str(images),
            "Name the images as COCO does: COCO_val2014_000000000042.jpg.",
        )
    return ask_items(
        ((CHAIR.name, str(image_number(name)), name, INSTRUCTION) for name in names_with_data),
        images,
        store,
    )


def _mean(name: str, label: str, unit: str) -> Metric:
    return Metric(
        name=name,
        label=label,
        numerator={name: 1},
        denominator={"scored": 1},
        role="cost",
        unit=unit,
        scale=1,
        range=(0, None),
    )


METRICS: tuple[Metric, ...] = (
    Metric(
        name="chair_s",
        label="Captions that name an object that isn't there",
        numerator={"invented": 1},
        denominator={"scored": 1},
        better="lower",
        explanation="CHAIRs, over all captions.",
    ),
    Metric(
        name="chair_i",
        label="Objects named that aren't there",
        numerator={"invented_mentions": 1},
        denominator={"mentions": 1},
        better="lower",
        explanation="CHAIRi: each mention counts, however often.",
    ),
    Metric(
        name="recall",
        label="Classes in the image that are named",
        numerator={"classes": 1},
        denominator={"truth_classes": 1},
        better="higher",
        role="cost",
        explanation="Distinct classes, summed over the captions; not in the official script.",
    ),
    _mean("mentions", "Objects named per caption", "objects"),
    _mean("words", "Words per caption", "words"),
    Metric(
        name="empty",
        label="Empty captions",
        numerator={"empty": 1},
        denominator={"scored": 1},
        role="cost",
        explanation="The official rates count them as correct.",
    ),
    unparsed_metric(),
)

CHAIR: Benchmark[ChairData] = Benchmark(
    name="chair",
    protocol=PROTOCOL,
    revision="LisaAnne/Hallucination at 6e4d33c, utils/chair.py; NLTK 3.10, Pattern 3.6",
    metrics=METRICS,
    headline="chair_i",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts='{"imgToEval": {...}}, or rows of {"image_id", "caption"}',
    items=items,
    tally=ChairTally,
    classes=classes,
)
