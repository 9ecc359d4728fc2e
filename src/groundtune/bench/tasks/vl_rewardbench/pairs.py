"""VL-RewardBench's pairs, shown in both orders, as data and as questions to a judge."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, cast

from groundtune.bench.files.checks import find_files, find_image
from groundtune.bench.item import Item
from groundtune.errors import UserError
from groundtune.records import ImagePart, Message, Prompt, Source, TextPart
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of
from groundtune.store.numbers import float_of
from groundtune.store.rows import Row, plain
from groundtune.store.sheets import rows_of
from groundtune.store.tables import column_names, read_rows

NAME = "vl_rewardbench"
_COLUMNS = ("id", "query", "response", "human_ranking")
_PREFIXES = {
    "RLAIF": "hallucination",
    "RLHF": "hallucination",
    "hallucination": "hallucination",
    "mathverse": "reasoning",
    "mmmu": "reasoning",
}
"""Group by the id's beginning, up to the first "_" or "-"; all others are general."""

PROMPT = """Two answers to a question about the image are given. Say which one is better.

Question: {query}

Answer 1: {first}

Answer 2: {second}

Compare them by what the image shows: is everything that they say true of it, do they answer the \
whole question, are they clear, and do they keep to the question and the image? Explain briefly. \
End with the line "Overall Judgment: Answer 1 is better." or "Overall Judgment: Answer 2 is \
better."
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardPair:
    """Two answers to one question."""

    id: str
    """That of the row, with a number where several pairs share it."""
    row_id: str
    query: str
    responses: tuple[str, str]
    worse: int
    """Place of the worse answer: 0 or 1."""
    group: str
    file: Path
    row: int

    @property
    def identity(self) -> "Identity":
        """The identity by which the official code knows the pair."""
        return identity_of(self.row_id, self.query, self.responses)


class OrderedPair(NamedTuple):
    """A pair in one of its two orders: an item."""

    pair: RewardPair
    swapped: bool

    @property
    def item(self) -> str:
        """The item's name."""
        return f"{self.pair.id}/{1 + self.swapped}"

    @property
    def worse_number(self) -> int:
        """The number, 1 or 2, under which the worse answer is shown."""
        return 1 + (self.pair.worse ^ self.swapped)


Identity = tuple[str, str, tuple[str, ...]]


def read_data(paths: Sequence[Path]) -> list[OrderedPair]:
    """Both orders of each pair.

    Raises:
        UserError: a row has no two answers with their ranking, or a pair is repeated.
    """
    id_counts: Counter[str] = Counter()
    pairs_by_identity: dict[Identity, str] = {}
    showings: list[OrderedPair] = []
    for path in find_files(paths, "*.parquet", "*.jsonl", "*.json"):
        for row in _rows(path, *_COLUMNS):
            pair = _pair(path, row)
            id_counts[pair.id] += 1
            identity = pair.identity
            if identity in pairs_by_identity:
                problem = f"The pair {pair.id!r} is there twice."
                raise UserError(
                    problem, row.where, f"Keep one; the other is {pairs_by_identity[identity]}."
                )
            pairs_by_identity[identity] = row.where
            showings += [OrderedPair(pair, swapped) for swapped in (False, True)]
    if not showings:
        raise UserError("The data has no pair.", ", ".join(map(str, paths)), "Give the Parquet.")
    return _with_numbers(showings, id_counts)


def _rows(path: Path, *names: str) -> Iterable[Row]:
    """The rows of a file; for a Parquet file, only the named columns."""
    if path.suffix != ".parquet":
        return rows_of(path)
    columns = [name for name in names if name in column_names(path)]
    return (
        Row(where=f"{path}, row {number}", number=number, content=fields)
        for number, fields in enumerate(read_rows(path, columns), start=1)
    )


def _with_numbers(showings: Sequence[OrderedPair], id_counts: Counter[str]) -> list[OrderedPair]:
    """Add numbers to the ids of pairs with the same id."""
    turn: Counter[str] = Counter()
    result: list[OrderedPair] = []
    for pair, swapped in showings:
        if id_counts[pair.id] == 1:
            result.append(OrderedPair(pair, swapped))
            continue
        turn[pair.id] += not swapped
        renamed_pair = replace(pair, id=f"{pair.id} ({turn[pair.id]})")
        result.append(OrderedPair(renamed_pair, swapped))
    return result


def _pair(path: Path, row: Row) -> RewardPair:
    fields = row.fields
    responses = texts_in(fields.get("response"))
    ranking = numbers_in(fields.get("human_ranking"))
    if len(responses) != 2 or sorted(ranking) != [0, 1]:
        raise UserError(
            "The row has not two answers (response) and their ranks (human_ranking, 0 and 1).",
            row.where,
            "Give VL-RewardBench's own rows.",
        )
    name = plain(fields.get("id"))
    if not name:
        raise UserError("The row has no id.", row.where, "Give VL-RewardBench's own rows.")
    return RewardPair(
        id=name,
        row_id=name,
        query=plain(fields.get("query")),
        responses=(responses[0], responses[1]),
        worse=ranking.index(1),
        group=group_of(name),
        file=path,
        row=row.number,
    )


def group_of(name: str) -> str:
    """Return the group of a row's id."""
    return _PREFIXES.get(re.split("[_-]", name, maxsplit=1)[0], "general")


def texts_in(value: object) -> list[str]:
    """Return a list of texts; [] for anything else."""
    return [str(text) for text in cast("list[object]", value)] if isinstance(value, list) else []


def numbers_in(value: object) -> list[float]:
    """Return a list of finite numbers; [] for anything else."""
    values = cast("list[object]", value) if isinstance(value, list) else []
    numbers = [number for each in values if (number := float_of(each)) is not None]
    return numbers if len(numbers) == len(values) and all(map(math.isfinite, numbers)) else []


def identity_of(name: str, query: str, responses: Iterable[str]) -> Identity:
    """Return a row's id, query and answers, in any order."""
    return name, query, tuple(sorted(responses))


def items(data: Sequence[OrderedPair], images: Path, store: ImageStore) -> list[Item]:
    """Both orders of each pair, with the images of the Parquet file or of a folder by id.

    Raises:
        UserError: an image is in neither, or can't be decoded.
    """
    inside = {
        (path, number): fields.get("image")
        for path in dict.fromkeys(showing.pair.file for showing in data)
        for number, fields in ((row.number, row.fields) for row in _rows(path, "image"))
    }
    hashes: dict[str, str] = {}
    all_items: list[Item] = []
    for showing in data:
        pair = showing.pair
        if pair.id not in hashes:
            image = inside.get((pair.file, pair.row))
            hashes[pair.id] = _store_image(pair, image, images, store)
        all_items.append(_item(showing, hashes[pair.id]))
    return all_items


def question_of(pair: RewardPair, item: Item) -> Prompt:
    """Return the pair's question about its image, as a reward model reads it before an answer."""
    [image] = item.prompt.images
    content = (ImagePart(image=image), TextPart(text=_plain_query(pair)))
    return Prompt(
        key=key_of(NAME, "question", pair.id, pair.query, image),
        messages=(Message(role="user", content=content),),
        source=Source(dataset=NAME, row=pair.id),
    )


def _plain_query(pair: RewardPair) -> str:
    return pair.query.replace("<image>\n", "")


def _store_image(pair: RewardPair, image: object, folder: Path, store: ImageStore) -> str:
    data = cast("Mapping[str, object]", image).get("bytes") if isinstance(image, dict) else None
    if isinstance(data, bytes):
        return store.add(data, name=f"{pair.file}, row {pair.row}")
    return store.add(folder / find_image(folder, f"{pair.row_id}.png"))


def _item(showing: OrderedPair, image: str) -> Item:
    pair, (first, second) = showing.pair, showing.pair.responses
    if showing.swapped:
        first, second = second, first
    text = PROMPT.format(query=_plain_query(pair), first=first, second=second)
    content = (ImagePart(image=image), TextPart(text=text))
    return Item(
        key=showing.item,
        benchmark=NAME,
        image=pair.id,
        prompt=Prompt(
            key=key_of(NAME, showing.item, text, image),
            messages=(Message(role="user", content=content),),
            options=("Answer 1", "Answer 2"),
            source=Source(dataset=NAME, row=showing.item),
        ),
        target=str(3 - showing.worse_number),
        strata={"group": pair.group},
    )
