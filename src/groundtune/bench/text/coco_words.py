"""Finds COCO's objects in tokens: the synonym list, word pairs, and base forms of words.

The official scripts reduce each token to a base form, join certain pairs, drop "seat" if there is a
toilet, and keep the words of the synonym list. Their base forms are in `tables/word_forms.json`
(built by tools/make_word_tables.py) for the words of the two published lists; a word of another
list is found unchanged and with a regular plural ending.

Errors of the official rules that `STRICT` corrects:

- singularize removes the s of "bus", "minibus", "tennis" and "sports", so that they never match;
- entries of the list that begin with a blank ("cheesecake", "motor bike") or a capital (iPhone)
  never match, nor do pairs that the scripts don't join, nor the triple "stove top oven";
- words joined by a hyphen or a slash are never split: strict splits at a slash, and uses the last
  two parts of a hyphened word if they are a pair of the list ("traffic-light"), else the last part;
- "orange" is always the fruit: strict requires that it looks like a noun ("an orange and a pear");
- "computer mouse" is a laptop and a mouse, "computer monitor" a laptop and a tv;
- every "seat" is dropped in a caption with a toilet: strict drops "toilet seat" and "seat of the
  toilet" alone.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files as package_files
from typing import Literal, NamedTuple


def _split(text: str, sign: str = " ") -> tuple[str, ...]:
    return tuple(text.split(sign))


ANIMALS = _split("bird cat dog horse sheep cow elephant bear zebra giraffe animal cub")
VEHICLES = ("jet", "train")
CHAIR_PAIRS = _split(
    "motor bike,motor cycle,air plane,traffic light,street light,traffic signal,stop light,"
    "fire hydrant,stop sign,parking meter,suit case,sports ball,baseball bat,baseball glove,"
    "tennis racket,wine glass,hot dog,cell phone,mobile phone,teddy bear,hair drier,potted plant,"
    "laptop computer,stove top oven,home plate,train track",
    ",",
)
"""The pairs that CHAIR's script joins, besides those of `_renamed_pairs`."""
_NEVER_OBJECTS = ("home plate", "train track")
_COMPUTER_PARTS = ("mouse", "monitor", "keyboard", "desk", "table", "chair")
_COLOURS = _split(
    "white black red blue green yellow brown gray grey pink purple tan gold silver cream"
)
_BEFORE_FRUIT = _split(
    "a an one the half sliced peeled whole fresh ripe another each mandarin cut single"
)
_AFTER_FRUIT = _split(
    "and or on in is with next beside near at slice slices peel half halves juice tree segment"
    " segments wedge wedges to sits lies are was . , ; ! ? ) ' ''"
)

STRICT_FORMS = {"ties": "tie", "collies": "collie", "doggies": "doggie", "buses": "bus"}
"""Plurals for which singularize returns "ty" and the like."""

FormTable = Literal["singularize", "lemma"]


class CocoMention(NamedTuple):
    """A word or pair of a caption that names an object."""

    word: str
    """As in the list."""
    node: str
    """Its class: the first word of its line in the list."""
    at: int
    """Index of its first token."""
    tokens: int
    """1 or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoWords:
    """A synonym list, ready for look-up."""

    nodes: Mapping[str, str]
    """Each word of the list, and its class."""
    pairs: Mapping[str, str]
    """Two base forms joined by a blank, and the word that they become."""
    forms: Mapping[str, str]
    """Base forms of tokens, if they differ from the token."""
    strict: bool = False
    starts: frozenset[str] = field(default=frozenset())
    """First words of pairs."""
    names: frozenset[str] = field(default=frozenset())
    """Base forms of words that can name an object, alone or as the start of a pair; most tokens
    have none."""

    def mentions(self, tokens: Sequence[str]) -> list[CocoMention]:
        """The objects named by a caption's lower-case tokens, in order."""
        return self._strict(tokens) if self.strict else self._official(tokens)

    def classes(self, tokens: Sequence[str]) -> set[str]:
        """The classes of these objects."""
        return {mention.node for mention in self.mentions(tokens)}

    def _official(self, tokens: Sequence[str]) -> list[CocoMention]:
        words = list(map(self.forms.get, tokens, tokens))
        if self.names.isdisjoint(words):
            return []
        pairs, starts, nodes, names = self.pairs, self.starts, self.nodes, self.names
        candidates: list[tuple[str, int, int]] = []
        toilet, past, end = "toilet" in words, 0, len(words)
        for i in [i for i, word in enumerate(words) if word in names]:
            if i < past:
                continue
            word = words[i]
            if word in starts and i + 1 < end:
                joined = pairs.get(f"{word} {words[i + 1]}")
                if joined is not None:
                    candidates.append((joined, i, 2))
                    toilet = toilet or joined == "toilet"
                    past = i + 2
                    continue
            candidates.append((word, i, 1))
        return [
            CocoMention(word, nodes[word], at, n)
            for word, at, n in candidates
            if word in nodes and not (toilet and word == "seat")
        ]

    def _strict(self, tokens: Sequence[str]) -> list[CocoMention]:
        split_tokens = _split_at_slashes(tokens)
        parts = tokens if split_tokens is None else [part for part, _ in split_tokens]
        words = list(map(self.forms.get, parts, parts))
        names = self.names
        places = [i for i, word in enumerate(words) if word in names or "-" in word]
        if not places:
            return []
        split_tokens = split_tokens or list(zip(tokens, range(len(tokens)), strict=True))
        mentions: list[CocoMention] = []
        past = 0
        for i in places:
            if i < past:
                continue
            word, n = self._longest(words, i)
            node = self.nodes.get(word) or self._compound(words[i])
            if node is not None and not (
                word == "orange" and not _is_fruit(words, split_tokens, i)
            ):
                mentions.append(
                    CocoMention(
                        word,
                        node,
                        split_tokens[i][1],
                        split_tokens[i + n - 1][1] - split_tokens[i][1] + 1,
                    )
                )
            past = i + n
        return _without_toilet_seats(mentions, words, split_tokens)

    def base(self, token: str) -> str:
        """A token's base form; in mode strict, words of the list have none."""
        return self.forms.get(token, token)

    def _longest(self, words: Sequence[str], i: int) -> tuple[str, int]:
        for n in (3, 2) if words[i] in self.starts else ():
            joined = " ".join(words[i : i + n])
            if i + n <= len(words) and joined in self.pairs:
                return self.pairs[joined], n
        return words[i], 1

    def _compound(self, word: str) -> str | None:
        if "-" not in word.strip("-"):
            return None
        *_, before, last = [self.base(part) for part in word.split("-")]
        joined = self.pairs.get(f"{before} {last}")
        return self.nodes.get(joined if joined is not None else last)


def read_list(lines: Sequence[str], *, strict: bool, kind: Literal["chair", "refine"]) -> CocoWords:
    """A synonym list as CHAIR ("chair") or Object HalBench ("refine") uses it.

    Each line has the words of a class, separated by ", "; the first is the class's name.
    """
    nodes: dict[str, str] = {}
    for line in lines:
        words = line.strip().split(", ")
        if strict:
            words = [word.strip().lower() for word in words]
        elif kind == "refine":
            words = [word.strip() for word in words]
        nodes |= dict.fromkeys(words, words[0])
    several = [word for word in nodes if len(word.split(" ")) > 1]
    pairs = {word: word for word in CHAIR_PAIRS} if kind == "chair" else dict[str, str]()
    if kind == "refine" or strict:
        pairs |= {word: word for word in [*several, *_NEVER_OBJECTS]}
    pairs |= _renamed_pairs()
    forms = _forms("singularize" if kind == "chair" else "lemma", nodes, strict=strict)
    if strict:
        pairs |= {f"computer {part}": part for part in _COMPUTER_PARTS}
        pairs |= {" ".join(forms.get(w, w) for w in pair.split()): to for pair, to in pairs.items()}
    starts = frozenset(pair.split(" ")[0] for pair in pairs)
    return CocoWords(
        nodes=nodes,
        pairs=pairs,
        forms=forms,
        strict=strict,
        starts=starts,
        names=starts | nodes.keys(),
    )


def _renamed_pairs() -> dict[str, str]:
    """Pairs that mean another word: a baby bird is a bird, not a person."""
    renamed = {f"{age} {name}": name for age in ("baby", "adult") for name in ANIMALS}
    renamed |= {f"passenger {name}": name for name in VEHICLES}
    return renamed | {"bow tie": "tie", "toilet seat": "toilet", "wine glas": "wine glass"}


def _forms(table: FormTable, nodes: Mapping[str, str], *, strict: bool) -> dict[str, str]:
    forms = dict(word_forms()[table])
    covered = word_forms()["words"]
    for word in nodes:
        if word not in covered and " " not in word:
            forms |= {word + ending: word for ending in ("s", "es")}
    if strict:
        forms = {form: base for form, base in forms.items() if form not in nodes}
        further = {form: word for form, word in STRICT_FORMS.items() if form not in nodes}
        forms |= {form: word for form, word in further.items() if word in nodes}
    return forms


@lru_cache(maxsize=1)
def word_forms() -> dict[str, dict[str, str]]:
    """The tables of base forms by function, and "words": the words that they cover."""
    path = package_files("groundtune.bench.text") / "word_forms.json"
    return json.loads(path.read_text(encoding="utf-8"))


def _split_at_slashes(tokens: Sequence[str]) -> list[tuple[str, int]] | None:
    """The tokens, split at slashes, each with the index of its token; None if none has a slash."""
    joined = "".join(tokens)
    if "/" not in joined and "\\" not in joined:
        return None
    return [(part, i) for i, token in enumerate(tokens) for part in _parts(token)]


def _parts(token: str) -> list[str]:
    return [part for part in re.split(r"[/\\]", token) if part] or [token]


def _is_fruit(words: Sequence[str], split_tokens: Sequence[tuple[str, int]], i: int) -> bool:
    """Whether an "orange" is not a colour: a plural, or one in the position of a noun."""
    if split_tokens[i][0] != "orange":
        return True
    before = words[i - 1] if i else ""
    after = words[i + 1] if i + 1 < len(words) else "."
    further = words[i + 2] if i + 2 < len(words) else ""
    if after in ("and", "or", ",") and further in _COLOURS:
        return False
    return before in _BEFORE_FRUIT and after in _AFTER_FRUIT


def _without_toilet_seats(
    mentions: list[CocoMention], words: Sequence[str], split_tokens: Sequence[tuple[str, int]]
) -> list[CocoMention]:
    if not any(mention.word == "seat" for mention in mentions):
        return mentions
    seats = {
        split_tokens[i][1]
        for i, word in enumerate(words)
        if word == "seat" and words[i + 1 : i + 2] == ["of"] and "toilet" in words[i + 2 : i + 4]
    }
    return [mention for mention in mentions if mention.word != "seat" or mention.at not in seats]
