"""The nouns of AMBER's vocabulary in a description, as NLTK's tagger finds them or nearly so.

The official script takes what `nltk.pos_tag` calls a noun and brings it to WordNet's base form.
Here only words of the vocabulary are looked at: a small table (made by tools/make_noun_table.py,
which says how) tells from the word and the four around it whether that tagger would call it a
noun. On 5,238 real captions that the table was not made from, the noun lists of 96.3% are equal to
NLTK's, and 99.3% of their nouns; where they differ, a noun stands between nouns ("couch pillows"),
which the tagger at times takes for an adjective, or its neighbour's tag depends on words further
away.
"""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from importlib.resources import files as package_files
from typing import NamedTuple

from groundtune.bench.coco_words import word_forms
from groundtune.bench.words import tokens


class NounTable(NamedTuple):
    """What was learnt."""

    tags: Mapping[str, str]
    """The usual tag of a word in lower case; nouns ("NN") aren't there."""
    weights: Mapping[str, int]
    """Of features; a sum above 0 says noun."""


def nouns_of(text: str, vocabulary: AbstractSet[str]) -> list[str]:
    """The base forms of a text's nouns that the vocabulary has, in order."""
    forms, table, said = word_forms()["lemma"], noun_table(), tokens(text)
    found: list[str] = []
    for i, token in enumerate(said):
        base = forms.get(token, token)
        if base in vocabulary and is_noun(said, i, table):
            found.append(base)
    return found


def is_noun(said: Sequence[str], i: int, table: NounTable) -> bool:
    """Whether the tagger would call token `i` a noun."""
    get = table.weights.get
    return sum(get(name, 0) for name in features(said, i, table.tags)) > 0


def features(said: Sequence[str], i: int, tags: Mapping[str, str]) -> list[str]:
    """What is looked at: the token, two on each side, their usual tags, their endings."""
    word = said[i]
    two, one = (said[i - k] if i >= k else "^" for k in (2, 1))
    after, second = (said[i + k] if i + k < len(said) else "$" for k in (1, 2))
    before, further = _tag(one, tags), _tag(two, tags)
    behind = _tag(after, tags)
    return [
        "bias",
        f"w {word}",
        f"p {one}",
        f"n {after}",
        f"pp {two}",
        f"nn {second}",
        f"tp {before}",
        f"tpp {further}",
        f"tn {behind}",
        f"ep {one[-3:]}",
        f"en {after[-3:]}",
        f"tp tpp {before} {further}",
        f"tp tn {before} {behind}",
        f"tpp tp tn {further} {before} {behind}",
        f"ew tp {word[-3:]} {before}",
        f"w p {word} {one}",
        f"w n {word} {after}",
        f"w pp {word} {two}",
        f"w nn {word} {second}",
        f"w tp {word} {before}",
        f"w tn {word} {behind}",
        f"w tp tpp {word} {before} {further}",
        f"w tp tn {word} {before} {behind}",
        f"w ep {word} {one[-3:]}",
        f"w en {word} {after[-3:]}",
    ]


def _tag(token: str, tags: Mapping[str, str]) -> str:
    return token if token in ("^", "$") else tags.get(token.lower(), "NN")


@lru_cache(maxsize=1)
def noun_table() -> NounTable:
    """The shipped table."""
    path = package_files("groundtune.bench") / "tables" / "nouns.json"
    return NounTable(**json.loads(path.read_text(encoding="utf-8")))
