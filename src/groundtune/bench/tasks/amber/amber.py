"""AMBER: objects in descriptions, and yes/no questions on existence, attributes and relations.

Wang et al. 2023, arXiv 2311.07397. 1,004 images; for each a list of what is there ("truth") and
of what models like to add ("hallu"). Item k is row k of the annotations, from 1.

Generative (1,004 descriptions), by the nouns of AMBER's vocabulary that a description names:

    chair = nouns that are none of the image's, of all its nouns
    cover = the image's objects that are named
    hal   = descriptions with such a noun
    cog   = the likely additions that are named

Discriminative (14,216 questions): accuracy, and precision, recall and f1 with "No" as the positive
class. The parts are existence, attribute (state, number, action) and relation. And

    amber_score = (100 - chair + f1) / 2

which is in the paper alone. All are points, 0 to 100.

Data: a folder with annotations.json, relation.json and safe_words.txt; query/*.json tell the
images and what is asked. Answers: [{"id", "response"}]; VLMEvalKit's table and lmms-eval's
samples are joined by image and question. As in the official script, a part of the items may be
answered, and several answers to an item are counted each; the notes say how many.

Mode official is inference.py at 534babf: only "Yes" and "No" are answers, letter by letter;
denominators begin at .001, rates are rounded to one decimal, F1 is made of the rounded rates with
.0001 (existence alone: .001) in its denominator and rounded again. Mode strict reads any yes or no
(`yes_no_rules.strict`), leaves unread answers out and rounds nothing.

Nouns are found by `amber_nouns.py`, without NLTK and its tagger. The official script takes two
nouns as equal if spaCy's en_core_web_lg says so (similarity above 0.8). Those vectors are not
included: without `Scoring.similarity` only equal words match (every `why` and a note say so), which
makes chair and hal higher and cover and cog lower than with the vectors.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.answers import answers_of
from groundtune.bench.files.checks import name_further_answers, without_number
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.tasks.amber.data import KINDS, AmberData, AmberRow, read_data
from groundtune.bench.tasks.amber.nouns import nouns_of
from groundtune.bench.tasks.amber.rates import METRICS
from groundtune.bench.text import yes_no as yes_no_rules
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.images import ImageStore

SIMILAR = 0.8
"""Two nouns above this similarity are the same."""
PROTOCOL = Protocol(
    label="AMBER",
    prompt="the query alone",
    parser="nouns of AMBER's vocabulary; exactly Yes or No. strict: yes_no_rules",
    counted="No is the positive class; without vectors only equal nouns are the same",
    source="Wang et al. 2023, arXiv 2311.07397",
    max_new_tokens=512,
    items="1,004 descriptions and 14,216 questions about 1,004 images",
)

Similarity = Callable[[str, str], float]


def read_answers(path: Path, data: AmberData) -> list[ItemAnswer]:
    """Responses with their item's number, in the annotations' order.

    Raises:
        UserError: an item is unknown, or a response is not text.
    """
    answers = list(
        answers_of(path, text=("response", "prediction", "answer", "text"), item=("id",))
    )
    if any("question" in answer.extra and "id" not in answer.extra for answer in answers):
        places = _places(data)
        answers = [_by_query(path, answer, places) for answer in answers]
    for answer in answers:
        is_number = answer.item.isdecimal() and len(answer.item) < 10
        if not is_number or not 1 <= int(answer.item) <= len(data.rows):
            raise UserError(
                f"The id {answer.item[:40]!r} is none of the {len(data.rows):,} items.",
                f"{path}:{answer.row}",
                "Ids are the numbers of the annotations, from 1.",
            )
    if not answers:
        raise UserError("The file has no responses.", str(path), "Give a list of {id, response}.")
    return name_further_answers(sorted(answers, key=lambda answer: int(answer.item)))


def _number(answer: ItemAnswer) -> int:
    return int(without_number(answer.item))


def _places(data: AmberData) -> dict[tuple[str, str], list[int]]:
    """The items of each image and question; ten questions are repeated for the same image."""
    places: dict[tuple[str, str], list[int]] = {}
    for queries_ in (data.queries, data.other_queries):
        for item, (image, query) in queries_.items():
            places.setdefault((Path(image).stem, query.strip().lower()), []).append(item)
    return places


def _by_query(
    path: Path, answer: ItemAnswer, places: Mapping[tuple[str, str], list[int]]
) -> ItemAnswer:
    """The answer with its item's number, which is removed from `places` unless it is the last."""
    names = ("image", "image_path", "image_name", "image_id")
    image = next((answer.extra[name] for name in names if answer.extra.get(name)), "")
    question = answer.extra.get("question", "").strip().lower()
    question = question.removesuffix("please answer yes or no.").strip()
    item_numbers = places.get((Path(image).stem, question))
    if not item_numbers:
        raise UserError(
            f"The row has no id, and no query is {question[:60]!r} about {image!r}.",
            f"{path}:{answer.row}",
            "Give AMBER's query files with --data, and the image's name in the answers.",
        )
    place = item_numbers.pop(0) if len(item_numbers) > 1 else item_numbers[0]
    return ItemAnswer(text=answer.text, item=str(place), row=answer.row, extra=answer.extra)


def score(data: AmberData, answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """Compare each response with its row of the annotations."""
    vocabulary = data.vocabulary
    return [_score(data, vocabulary, answer, scoring) for answer in answers]


def _score(
    data: AmberData, vocabulary: frozenset[str], answer: ItemAnswer, scoring: Scoring
) -> Score:
    row = data.rows[_number(answer) - 1]
    part, attribute = KINDS[row.type]
    strict = scoring.mode == "strict"
    if part != "generative":
        reading = _answer(row, attribute or part, answer.text, strict=strict)
    elif strict and not re.search(r"\w", answer.text):
        reading = AmberReading({}, (), "the answer has no words", "unparsed")
    else:
        nouns = nouns_of(answer.text.lower() if strict else answer.text, vocabulary)
        reading = describe(data, row, answer.text, nouns, scoring.similarity)
    mark = {} if strict else {"official": 1.0}
    return Score(
        key=score_key(AMBER, answer.item, answer.text, scoring),
        benchmark=f"{AMBER.name}/{part}",
        item=answer.item,
        image=data.queries.get(_number(answer), (str(_number(answer)), ""))[0],
        model=scoring.model,
        answer=answer.text,
        values=reading.values | mark if reading.values else {},
        extracted=reading.extracted,
        why=reading.why,
        strata=_strata(row, part, attribute),
        status=reading.status,
    )


def _strata(row: AmberRow, part: str, attribute: str) -> dict[str, str]:
    """For a yes/no question its label, and its attribute if it has one."""
    strata_ = {} if part == "generative" else {"label": row.truth[0]}
    return strata_ | ({"attribute": attribute} if attribute else {})


class AmberReading(NamedTuple):
    """What was read in a response."""

    values: dict[str, float]
    extracted: tuple[str, ...] = ()
    why: str = ""
    status: Literal["scored", "unparsed"] = "scored"


def _answer(row: AmberRow, kind: str, text: str, *, strict: bool) -> AmberReading:
    """A yes or no; in mode official everything else is an answer too, and never right."""
    yes_or_no = yes_no_rules.strict(text) if strict else yes_no_rules.amber(text)
    (truth,) = row.truth
    if strict and yes_or_no == "unread":
        return AmberReading({}, (), "neither yes nor no can be read", "unparsed")
    yes, no = truth == "yes", yes_or_no == "no"
    values = {
        "num": 1,
        "correct": yes_or_no == "yes" if yes else no,
        "no_num": not yes,
        "no_score": not yes and no,
        "said_no": no,
        "said_no_score": truth == "no" and no,
    }
    return AmberReading(
        {f"{kind}:{name}": float(value) for name, value in values.items()},
        () if yes_or_no == "unread" else (yes_or_no,),
        "not exactly Yes or No" if yes_or_no == "unread" else "" if yes_or_no == truth else truth,
        "unparsed" if yes_or_no == "unread" else "scored",
    )


def describe(
    data: AmberData, row: AmberRow, text: str, nouns: Sequence[str], similarity: Similarity | None
) -> AmberReading:
    """Compare the nouns of a description with the image's lists."""
    objects, additions = (
        ObjectNames.of(row.truth, data.relation),
        ObjectNames.of(row.hallu, data.relation),
    )
    wrong: list[str] = []
    for noun in nouns:
        if noun in data.safe or objects.take(noun):
            continue
        additions.take(noun)
        if similarity is not None:
            additions.take_similar(noun, similarity)
        if similarity is None or not objects.take_similar(noun, similarity):
            wrong.append(noun)
    same = "only equal nouns match" if similarity is None else _called(similarity)
    values = {
        "nouns": len(nouns),
        "wrong_nouns": len(wrong),
        "objects": len(row.truth),
        "covered": sum(objects.hits),
        "additions": len(row.hallu),
        "added": sum(additions.hits),
        "described": 1,
        "faultless": not wrong,
        "words": len(text.split()),
        "by_similarity": similarity is not None,
    }
    return AmberReading(
        {name: float(value) for name, value in values.items()},
        tuple(nouns),
        f"not there: {', '.join(wrong)} ({same})" if wrong else "",
    )


def _called(similarity: Similarity) -> str:
    return f"similarity: {getattr(similarity, '__name__', type(similarity).__name__)}"


@dataclass(slots=True)
class ObjectNames:
    """Objects of a list, their other names, and which of them were named."""

    names: list[tuple[str, int]]
    """(name, index of its object): first the other names, object by object, then their own."""
    hits: list[bool]

    @classmethod
    def of(cls, objects: Sequence[str], relation: Mapping[str, Sequence[str]]) -> "ObjectNames":
        """The names of a list's objects."""
        others = [(name, i) for i, noun in enumerate(objects) for name in relation[noun]]
        return cls(
            [*others, *((noun, i) for i, noun in enumerate(objects))], [False] * len(objects)
        )

    def take(self, noun: str) -> bool:
        """Marks the first object that is called so; whether there is one."""
        return self._mark(i for name, i in self.names if name == noun)

    def take_similar(self, noun: str, similarity: Similarity) -> bool:
        """Marks the first object with a name that is similar enough; whether there is one."""
        return self._mark(i for name, i in self.names if similarity(noun, name) > SIMILAR)

    def _mark(self, indices: Iterable[int]) -> bool:
        for i in indices:
            self.hits[i] = True
            return True
        return False


def notes(data: AmberData, answers: Sequence[ItemAnswer], scores: Sequence[Score]) -> list[str]:
    """Notes on missing items, the comparison of nouns, and the effect of the exact yes/no rule."""
    sentences: list[str] = []
    parts = [KINDS[row.type][0] for row in data.rows]
    for part in dict.fromkeys(parts):
        answered_items = sum(parts[item - 1] == part for item in set(map(_number, answers)))
        if 0 < answered_items < parts.count(part):
            sentences.append(
                f"Only {answered_items:,} of {parts.count(part):,} {part} items are answered."
            )
    several = sum(times > 1 for times in Counter(map(_number, answers)).values())
    if several:
        sentences.append(f"{several:,} items have several answers; the official code counts each.")
    if any(score.values.get("by_similarity") == 0 for score in scores):
        sentences.append(
            "No word vectors were given, so only equal nouns match: chair and hal are higher, "
            "cover and cog lower than in the paper."
        )
    inexact = sum(a.text.strip() in ("yes", "no", "Yes.", "No.", "YES", "NO") for a in answers)
    if inexact:
        sentences.append(
            f"{inexact:,} answers are not exactly Yes or No; the official script counts them wrong."
        )
    return sentences


def items(data: AmberData, images: Path, store: ImageStore) -> list[Item]:
    """All queries with their images.

    Raises:
        UserError: there is no query file, or an image is missing.
    """
    if not data.queries:
        raise UserError(
            "No queries were given.", "--data", "Give AMBER's folder with its query/ files."
        )
    questions = [
        (f"{AMBER.name}/{KINDS[data.rows[item - 1].type][0]}", str(item), image, query)
        for item, (image, query) in sorted(data.queries.items())
    ]
    return ask_items(questions, images, store)


AMBER: Benchmark[AmberData] = Benchmark(
    name="amber",
    protocol=PROTOCOL,
    revision="junyangwang0410/AMBER at 534babf, inference.py",
    metrics=METRICS,
    headline="amber_score",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts='[{"id", "response"}], by the number of the item',
    log_fields=lambda score: {"id": score.item},
    items=items,
    labels=tuple(
        (part, f"AMBER, {part}") for part in ("generative", "existence", "attribute", "relation")
    ),
    notes=notes,
    columns=yes_no_rules.columns,
    vectors=True,
)
