"""A tagger of parts of speech that answers as NLTK's does, for words as they stand in descriptions.

It goes from left to right and looks at what NLTK's averaged perceptron looks at (Honnibal 2013,
after Collins 2002): the word, its ending and first letter, two words on each side, the tags that
it gave to the two before. A mistake of that tagger is so passed on to the next words as it is
there. The weights are its own: they were learnt from NLTK's answers (tools/make_noun_table.py),
and words that always had one tag are a list.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files as package_files
from typing import NamedTuple

BEFORE = ("^^", "^")
"""What stands before the first token, as words and as tags."""
BEHIND = ("$", "$$")


class TagTable(NamedTuple):
    """What was learnt."""

    known: Mapping[str, str]
    """The tag of words that always have the same."""
    weights: Mapping[str, Mapping[str, int]]
    """Of each feature, by tag; the highest sum wins."""


def tags_of(said: Sequence[str], table: TagTable) -> list[str]:
    """The Penn Treebank's tag of each token."""
    around = [*BEFORE, *(alike(token) for token in said), *BEHIND]
    tags = list[str](BEFORE)
    for i, token in enumerate(said):
        tag = table.known.get(token)
        if tag is None:
            tag = _best(features(token, around[i : i + 5], tags[-1], tags[-2]), table.weights)
        tags.append(tag)
    return tags[len(BEFORE) :]


def alike(token: str) -> str:
    """A token as others see it: lower case; compounds, years and other numbers are one word."""
    if "-" in token and token[0] != "-":
        return "!compound"
    if token.isdigit() and len(token) == 4:
        return "!year"
    return "!number" if token[0].isdigit() else token.lower()


def features(token: str, around: Sequence[str], before: str, further: str) -> list[str]:
    """What is looked at; `around` is the token with two on each side, then the tags before it."""
    two, one, word, after, second = around
    return [
        "bias",
        f"end {token[-3:]}",
        f"first {token[0]}",
        f"w {word}",
        f"p {one}",
        f"pp {two}",
        f"n {after}",
        f"nn {second}",
        f"ep {one[-3:]}",
        f"en {after[-3:]}",
        f"t {before}",
        f"tt {further}",
        f"t+tt {before} {further}",
        f"t+w {before} {word}",
    ]


def _best(found: Sequence[str], weights: Mapping[str, Mapping[str, int]]) -> str:
    sums: dict[str, int] = {}
    for name in found:
        for tag, weight in weights.get(name, {}).items():
            sums[tag] = sums.get(tag, 0) + weight
    return max(sums, key=lambda tag: (sums[tag], tag), default="NN")


@lru_cache(maxsize=1)
def tag_table() -> TagTable:
    """The shipped table."""
    path = package_files("groundtune.bench.tasks.amber") / "tags.json"
    return TagTable(**json.loads(path.read_text(encoding="utf-8")))
