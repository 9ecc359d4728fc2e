"""Splits captions into tokens as the official scripts do, without their tokeniser or its data.

CHAIR, Object HalBench and AMBER all count NLTK's tokens: sentences first (Punkt: Kiss and Strunk
2006, "Unsupervised Multilingual Sentence Boundary Detection"), then words as the Penn Treebank
writes them. Here a text is cut at blanks, and each chunk is cut by itself, since every rule looks
only at one chunk and at whether a sentence begins or ends with it. A caption's chunks come again
and again, so their tokens are kept.

Of Punkt's model nothing is here but a few abbreviations: a full stop after any other word ends a
sentence. What the model knows further (initials, numbers, words that like to begin sentences)
decides whether "5." or "j." is one token or two, and so can't touch a word of three letters.
The rules are those of NLTK 3.10; 3.9 and older leave a dash between words ("dog\u2014cat") and an
opening single quote ("'dog") where they are.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_KNOWN_ABBREVIATIONS = (
    "a.m adm apr aug ave bros calif capt co col colo conn corp cos ct d.c dec dr feb fla ft fri"
    " ga gen gov ill inc j.r jan jr kan ky la lt ltd maj messrs mg mich minn mr mrs ms n.y"
    " nov oct ok okla ore p.m pa ph.d prof reps rep sen sep sept sr st tenn tues u.k u.n u.s"
    " va vs vt w.va wash wed wis"
)
ABBREVIATIONS = frozenset(_KNOWN_ABBREVIATIONS.split())
"""Without the last full stop; a sentence doesn't end with them."""

_ENDS = ".?!"
_AFTER_END = ")\";}]*:@'({[\u2018\u2019\u201c\u201d\xab\xbb?!"
"""What may stand right behind a full stop that ends a sentence, beside a blank."""
_CLOSES = "\"')]}\u2018\u2019\u201c\u201d\xab\xbb"
"""What goes with the sentence that it closes."""

_CHUNK = re.compile(r"\S+")
_OTHER_BLANK = re.compile(r"[^\S ]")
_TROUBLE = re.compile(r"[^A-Za-z0-9]")
_CLITIC_FREE = re.compile(r"(?i)cannot|gimme|gonna|gotta|lemme|wanna|d'ye|more'n|'tis|'twas")
_MARKED = re.compile(r"([A-Za-z0-9]+)([.,:?!]|'[sS])")
"""The usual chunks that are two tokens, which need none of the rules below."""
_OPENING = re.compile("[\xab\u201c\u2018\u201e]|`+")
_OPENING_DOUBLE = re.compile(r"(?<=[ ([{<])(?:\"|'')")
_OPENING_SINGLE = re.compile(r"(?i)(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)")
_LAST_STOP = re.compile("(?<=[^.])\\.(?=[])}>\"' \xbb\u201d\u2019]*$)")
_COMMA_OR_COLON = re.compile(r"[:,](?:(?=$)|(\D))")
_DOTS = re.compile(r"\.{2,}")
_ALONE = re.compile("[;@#$%&\u2012-\u2015?!]")
_CLOSING_SINGLE = re.compile(r"(?<=[^'])' ")
_BRACKET = re.compile(r"[][(){}<>*]|--")
_CLOSING = re.compile("[\xbb\u201d\u2019]|''|\"")
_CLITIC = re.compile(r"(?<=[^' ])('[sSmMdD]|') ")
_LONG_CLITIC = re.compile(r"(?<=[^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ")
_JOINED = (
    re.compile(r"(?i)\b(can)(not)\b"),
    re.compile(r"(?i)\b(d)('ye)\b"),
    re.compile(r"(?i)\b(gim|lem)(me)\b"),
    re.compile(r"(?i)\b(gon)(na)\b"),
    re.compile(r"(?i)\b(got)(ta)\b"),
    re.compile(r"(?i)\b(more)('n)\b"),
    re.compile(r"(?i)\b(wan)(na)(?=\s)"),
    re.compile(r"(?i)(?<= )('t)(is|was)\b"),
)


_KEPT, _LONG = 1 << 16, 64
_PLAIN: set[str] = set()
"""Chunks that were seen to be one token wherever they stand."""


class _Piece(NamedTuple):
    """A chunk or a part of one, and whether a sentence begins or ends with it."""

    text: str
    first: bool
    last: bool


def tokens(text: str) -> list[str]:
    """The tokens of a text, as NLTK's `word_tokenize` gives them, case kept."""
    found: list[str] = []
    chunks = text.split()
    tabbed = _before_tabs(text) if _OTHER_BLANK.search(text) else frozenset[int]()
    first, last, done = True, len(chunks) - 1, 0
    for i in [i for i, chunk in enumerate(chunks) if chunk not in _PLAIN]:
        if done < i:
            found += chunks[done:i]
            first = False
        own, first = _tokens_of(chunks[i], first, i == last, i not in tabbed)
        found += own
        done = i + 1
    return found + chunks[done:]


@lru_cache(maxsize=1 << 16)
def _tokens_of(chunk: str, first: bool, end: bool, spaced: bool) -> tuple[tuple[str, ...], bool]:
    """The tokens of a chunk, and whether a sentence begins behind it."""
    if _is_plain(chunk):
        return (chunk,), False
    pieces = _pieces(chunk, first, end)
    cut = [token for piece in pieces for token in _cut(*piece, spaced)]
    return tuple(cut), pieces[-1].last


def _is_plain(chunk: str) -> bool:
    """Whether a chunk is one token wherever it stands; it is noted."""
    if _TROUBLE.search(chunk) or _CLITIC_FREE.search(chunk):
        return False
    if len(_PLAIN) < _KEPT and len(chunk) < _LONG:
        _PLAIN.add(chunk)
    return True


def _before_tabs(text: str) -> frozenset[int]:
    """The chunks with another blank than a space behind them: one rule wants a space."""
    ends = enumerate(found.end() for found in _CHUNK.finditer(text))
    return frozenset(i for i, end in ends if text[end : end + 1] != " ")


def _pieces(chunk: str, first: bool, end: bool) -> tuple[_Piece, ...]:
    """A chunk, in two where a sentence ends inside it; `end`: it is the text's last."""
    stop = _last_stop(chunk, end)
    if stop is None or not _breaks(chunk[: stop + 1]):
        return (_Piece(chunk, first, end),)
    rest = chunk[stop + 1 :]
    opened = rest.lstrip(_CLOSES)
    if not opened:
        return (_Piece(chunk, first, True),)
    inside = len(chunk) - len(opened if opened.startswith("--") else rest)
    return _Piece(chunk[:inside], first, True), _Piece(chunk[inside:], True, end)


def _last_stop(chunk: str, end: bool) -> int | None:
    """Where the last sign stands that may end a sentence; at the text's very end none needs to."""
    for i in range(len(chunk) - 1, -1, -1):
        if chunk[i] in _ENDS and (not end if i + 1 == len(chunk) else chunk[i + 1] in _AFTER_END):
            return i
    return None


def _breaks(before: str) -> bool:
    """Whether a sentence ends with a text's last character, which is one of `_ENDS`."""
    if before[-1] != "." or before.endswith(".."):
        return True
    word = re.split("[" + re.escape(_AFTER_END + '"`#&') + "]", before[:-1])[-1].lower()
    word = word.lstrip("-,")
    return not (word in ABBREVIATIONS or word.rpartition("-")[2] in ABBREVIATIONS)


def _cut(chunk: str, first: bool, last: bool, spaced: bool) -> tuple[str, ...]:
    """The tokens of a chunk that stands at a sentence's beginning, end, or neither.

    `spaced`: the blank behind it is a space.
    """
    if not _TROUBLE.search(chunk) and not _CLITIC_FREE.search(chunk):
        return (chunk,)
    if (found := _MARKED.fullmatch(chunk)) and not _CLITIC_FREE.search(chunk):
        return (chunk,) if found[2] == "." and not last else (found[1], found[2])
    text = chunk if last or not spaced else chunk + " "
    text = _OPENING.sub(r" \g<0> ", text if first else " " + text)
    text = re.sub('^"', " `` ", text)
    text = _OPENING_SINGLE.sub("' ", _OPENING_DOUBLE.sub(" `` ", text))
    if last:
        text = _LAST_STOP.sub(" . ", text)
    text = _COMMA_OR_COLON.sub(lambda found: f" {found[0][0]} {found[1] or ''}", text)
    text = _ALONE.sub(r" \g<0> ", _DOTS.sub(r" \g<0> ", text))
    text = _BRACKET.sub(r" \g<0> ", _CLOSING_SINGLE.sub(" ' ", text))
    text = _CLOSING.sub(lambda found: " '' " if found[0] == '"' else f" {found[0]} ", f" {text} ")
    text = _LONG_CLITIC.sub(r" \1 ", _CLITIC.sub(r" \1 ", text))
    for pattern in _JOINED:
        text = pattern.sub(r" \1 \2 ", text)
    return tuple(text.split())
