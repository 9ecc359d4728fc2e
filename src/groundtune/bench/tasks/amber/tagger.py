"""A part-of-speech tagger that gives NLTK's tags for words in descriptions.

It reads from left to right and uses the features of NLTK's averaged perceptron (Honnibal 2013,
after Collins 2002): the word, its ending and first letter, two words on each side, and the two tags
before. So a wrong tag affects the next words as it does there. The weights are its own: they were
trained on NLTK's output (tools/make_noun_table.py), and words with only one tag are in a list.
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
    """The trained weights and the words with only one tag."""

    known: Mapping[str, str]
    """The tag of words that always have the same."""
    weights: Mapping[str, Mapping[str, int]]
    """Of each feature, by tag; the highest sum wins."""


def tags_of(words: Sequence[str], table: TagTable) -> list[str]:
    """The Penn Treebank tag of each token."""
    around = [*BEFORE, *(alike(token) for token in words), *BEHIND]
    tags = list[str](BEFORE)
    for i, token in enumerate(words):
        tag = table.known.get(token)
        if tag is None:
            tag = _best(features(token, around[i : i + 5], tags[-1], tags[-2]), table.weights)
        tags.append(tag)
    return tags[len(BEFORE) :]


def alike(token: str) -> str:
    """A token as a feature: in lower case; compounds, years and other numbers are one word."""
    if "-" in token and token[0] != "-":
        return "!compound"
    if token.isdigit() and len(token) == 4:
        return "!year"
    return "!number" if token[0].isdigit() else token.lower()


def features(token: str, around: Sequence[str], before: str, further: str) -> list[str]:
    """The features of a token; `around` is it with two on each side, then the tags before it."""
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


def _best(features_: Sequence[str], weights: Mapping[str, Mapping[str, int]]) -> str:
    sums: dict[str, int] = {}
    for name in features_:
        for tag, weight in weights.get(name, {}).items():
            sums[tag] = sums.get(tag, 0) + weight
    return max(sums, key=lambda tag: (sums[tag], tag), default="NN")


@lru_cache(maxsize=1)
def tag_table() -> TagTable:
    """The shipped table."""
    path = package_files("groundtune.bench.tasks.amber") / "tags.json"
    return TagTable(**json.loads(path.read_text(encoding="utf-8")))
