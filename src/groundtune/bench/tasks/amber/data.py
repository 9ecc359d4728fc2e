"""AMBER's data folder: annotations, vocabulary, safe words, queries.

Item k is row k of the annotations, from 1. The generative rows list the objects that are there
("truth") and those that models like to add ("hallu"); the others have "yes" or "no".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from groundtune.bench.files.checks import expect_rows, find_files, one_file_per_name
from groundtune.errors import UserError
from groundtune.store.rows import json_file, json_rows, plain, text_of

KINDS = {
    "generative": ("generative", ""),
    "discriminative-hallucination": ("existence", ""),
    "discriminative-attribute-state": ("attribute", "state"),
    "discriminative-attribute-number": ("attribute", "number"),
    "discriminative-attribute-action": ("attribute", "action"),
    "discriminative-relation": ("relation", ""),
    "relation": ("relation", ""),
}
"""Part, and kind of attribute, by the annotations' type."""
ROWS = 15_220
"""Entries of annotations.json: 1,004 images to describe and 14,216 questions."""
STARTS = 0.001
"""What the counts of AMBER's metrics.txt that end with num begin at."""


@dataclass(frozen=True, slots=True)
class AmberRow:
    """A row of the annotations."""

    type: str
    truth: tuple[str, ...]
    """Objects that are there; or ("yes",) or ("no",)."""
    hallu: tuple[str, ...] = ()
    """Objects that models like to add."""


@dataclass(frozen=True, slots=True)
class AmberData:
    """Annotations, vocabulary and queries."""

    rows: Sequence[AmberRow]
    relation: Mapping[str, Sequence[str]]
    """What else each noun may be called."""
    safe: frozenset[str]
    """Nouns that never count as hallucinated."""
    queries: Mapping[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    """(image, query) by item."""
    other_queries: Mapping[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    """What another of the query files asks instead: the published ones disagree on item 13193."""

    @property
    def vocabulary(self) -> frozenset[str]:
        """All nouns to search for."""
        return frozenset(self.relation) | {n for others in self.relation.values() for n in others}


def read_data(paths: Sequence[Path]) -> AmberData:
    """Read AMBER's data folder, or its files.

    Raises:
        UserError: a file is missing or damaged, the annotations are incomplete, or a row has an
            unknown type.
    """
    files = find_files(
        paths,
        "annotations.json",
        "relation.json",
        "safe_words.txt",
        "metrics.txt",
        "query*.json",
        "query/query*.json",
    )
    single = (path for path in files if not path.name.startswith("query"))
    by_name = one_file_per_name(single, lambda path: path.name.split(".")[0])
    for name in ("annotations", "relation", "safe_words"):
        if name not in by_name:
            raise UserError(
                f"AMBER's {name} file is missing.",
                ", ".join(map(str, paths)),
                "Give the folder data/ of junyangwang0410/AMBER with --data.",
            )
    if "metrics" in by_name:
        _refuse_other_starts(by_name["metrics"])
    queries, others = _queries([path for path in files if path.name.startswith("query")])
    data = AmberData(
        rows=_rows(by_name["annotations"]),
        relation=_relation(by_name["relation"]),
        safe=_safe(by_name["safe_words"]),
        queries=queries,
        other_queries=others,
    )
    _refuse_unrelated(data, by_name["annotations"])
    return data


def _rows(path: Path) -> list[AmberRow]:
    rows: list[AmberRow] = []
    for row in json_rows(path):
        fields, kind = row.fields, str(row.fields.get("type"))
        where = row.where
        if plain(fields.get("id")) != str(row.number):
            raise UserError(
                f"Entry {row.number} has the id {fields.get('id')!r}; ids are positions.",
                where,
                "Give the complete annotations.json in its original order.",
            )
        truth = fields.get("truth")
        if kind not in KINDS or not isinstance(truth, list if kind == "generative" else str):
            raise UserError(
                f"The type {kind!r} is unknown, or the truth has another shape.", where, "Fix it."
            )
        truth_list = [truth] if isinstance(truth, str) else cast("list[str]", truth)
        rows.append(
            AmberRow(kind, tuple(map(str, truth_list)), tuple(map(str, fields.get("hallu", []))))
        )
    expect_rows(len(rows), {ROWS: "all of AMBER's"}, path)
    return rows


def _safe(path: Path) -> frozenset[str]:
    text = text_of(path)
    if not text.strip():
        raise UserError(
            "The list of safe words is empty; all of them would count as hallucinated.",
            str(path),
            "Give AMBER's published safe_words.txt.",
        )
    return frozenset(text.split("\n"))


def _relation(path: Path) -> dict[str, list[str]]:
    give = "Give AMBER's relation.json."
    content = json_file(path, give)
    lists = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    if not lists or not all(isinstance(others, list) for others in lists.values()):
        raise UserError("The file is no JSON object of lists.", str(path), give)
    return {noun: list(map(str, cast("list[object]", others))) for noun, others in lists.items()}


Queries = dict[int, tuple[str, str]]


def _queries(paths: Sequence[Path]) -> tuple[Queries, Queries]:
    """(image, query) by item, from the first file that has it, and differing later ones."""
    queries_: Queries = {}
    others: Queries = {}
    for path in paths:
        for row in json_rows(path):
            try:
                item = int(row.fields["id"])
                query = (str(row.fields["image"]), str(row.fields["query"]))
                others |= {item: query} if queries_.setdefault(item, query) != query else {}
            except (KeyError, ValueError, TypeError, OverflowError) as error:
                raise UserError(
                    f"A query lacks id, image or query: {error}.",
                    row.where,
                    "Give AMBER's published query files.",
                ) from error
    return queries_, others


def _refuse_other_starts(path: Path) -> None:
    """Refuse a metrics.txt with unpublished numbers; it is text and is never run."""
    for number, line in enumerate(text_of(path).split("\n"), 1):
        name, sign, value = line.partition("=")
        start = STARTS if name.strip().endswith("num") else 0
        try:
            right = not sign or float(value) == start
        except ValueError:
            right = False
        if not right:
            raise UserError(
                f"{name.strip()} begins at {value.strip()}, in AMBER's published file at {start}.",
                f"{path}:{number}",
                "Give AMBER's published metrics.txt, or none.",
            )


def _refuse_unrelated(data: AmberData, where: Path) -> None:
    for number, row in enumerate(data.rows, 1):
        unknown = set(row.truth + row.hallu) - data.relation.keys()
        if row.type == "generative" and unknown:
            raise UserError(
                f"Entry {number} names {sorted(unknown)[0]!r}, which relation.json doesn't have.",
                str(where),
                "Give the relation.json that belongs to these annotations.",
            )
