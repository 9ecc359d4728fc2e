"""Splits captions into tokens like the official scripts, without their tokeniser or its data.

CHAIR, Object HalBench and AMBER all count NLTK's tokens: sentences first (Punkt: Kiss and Strunk
2006, "Unsupervised Multilingual Sentence Boundary Detection"), then words as the Penn Treebank
writes them. Here a text is split at blanks, and each chunk is split separately, since every rule
depends only on one chunk and on whether a sentence begins or ends with it. The same chunks recur in
many captions, so their tokens are cached.

Only a few abbreviations of Punkt's model are here: a full stop after any other word ends a
sentence. The rest of the model (initials, numbers, frequent sentence starters) decides whether "5."
or "j." is one token or two, and so never affects a word of three letters. The rules are those of
NLTK 3.10; 3.9 and older leave a dash between words ("dog\u2014cat") and an opening single quote
("'dog") in place.
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
"""Abbreviations without the last full stop; a sentence doesn't end with them."""

_ENDS = ".?!"
_AFTER_END = ")\";}]*:@'({[\u2018\u2019\u201c\u201d\xab\xbb?!"
"""Characters that may follow a full stop that ends a sentence, besides a blank."""
_CLOSES = "\"')]}\u2018\u2019\u201c\u201d\xab\xbb"
"""Characters that belong to the sentence that they close."""

_CHUNK = re.compile(r"\S+")
_OTHER_BLANK = re.compile(r"[^\S ]")
_TROUBLE = re.compile(r"[^A-Za-z0-9]")
_CLITIC_FREE = re.compile(r"(?i)cannot|gimme|gonna|gotta|lemme|wanna|d'ye|more'n|'tis|'twas")
_WITH_MARK = re.compile(r"([A-Za-z0-9]+)([.,:?!]|'[sS])")
"""The usual chunks of two tokens, which need none of the rules below."""
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
_CONTRACTIONS = (
    re.compile(r"(?i)\b(can)(not)\b"),
    re.compile(r"(?i)\b(d)('ye)\b"),
    re.compile(r"(?i)\b(gim|lem)(me)\b"),
    re.compile(r"(?i)\b(gon)(na)\b"),
    re.compile(r"(?i)\b(got)(ta)\b"),
    re.compile(r"(?i)\b(more)('n)\b"),
    re.compile(r"(?i)\b(wan)(na)(?=\s)"),
    re.compile(r"(?i)(?<= )('t)(is|was)\b"),
)


_MAX_CACHED, _LONG = 1 << 16, 64
_PLAIN: set[str] = set()
"""Chunks that are one token in any position."""


class _Piece(NamedTuple):
    """A chunk or a part of one, and whether a sentence begins or ends with it."""

    text: str
    first: bool
    last: bool


def tokens(text: str) -> list[str]:
    """The tokens of a text, like NLTK's `word_tokenize`, without changing case."""
    result: list[str] = []
    chunks = text.split()
    before_tabs = _before_tabs(text) if _OTHER_BLANK.search(text) else frozenset[int]()
    first, last, next_chunk = True, len(chunks) - 1, 0
    for i in [i for i, chunk in enumerate(chunks) if chunk not in _PLAIN]:
        if next_chunk < i:
            result += chunks[next_chunk:i]
            first = False
        chunk_tokens, first = _tokens_of(chunks[i], first, i == last, i not in before_tabs)
        result += chunk_tokens
        next_chunk = i + 1
    return result + chunks[next_chunk:]


@lru_cache(maxsize=1 << 16)
def _tokens_of(chunk: str, first: bool, end: bool, spaced: bool) -> tuple[tuple[str, ...], bool]:
    """The tokens of a chunk, and whether a sentence begins after it."""
    if _is_plain(chunk):
        return (chunk,), False
    pieces = _pieces(chunk, first, end)
    result = [token for piece in pieces for token in _split(*piece, spaced)]
    return tuple(result), pieces[-1].last


def _is_plain(chunk: str) -> bool:
    """Whether a chunk is one token in any position; such chunks are cached."""
    if _TROUBLE.search(chunk) or _CLITIC_FREE.search(chunk):
        return False
    if len(_PLAIN) < _MAX_CACHED and len(chunk) < _LONG:
        _PLAIN.add(chunk)
    return True


def _before_tabs(text: str) -> frozenset[int]:
    """The chunks followed by a blank other than a space: one rule needs a space."""
    ends = enumerate(match.end() for match in _CHUNK.finditer(text))
    return frozenset(i for i, end in ends if text[end : end + 1] != " ")


def _pieces(chunk: str, first: bool, end: bool) -> tuple[_Piece, ...]:
    """A chunk, split in two if a sentence ends inside it; `end`: it is the text's last."""
    stop = _last_stop(chunk, end)
    if stop is None or not _breaks(chunk[: stop + 1]):
        return (_Piece(chunk, first, end),)
    rest = chunk[stop + 1 :]
    after_quotes = rest.lstrip(_CLOSES)
    if not after_quotes:
        return (_Piece(chunk, first, True),)
    inside = len(chunk) - len(after_quotes if after_quotes.startswith("--") else rest)
    return _Piece(chunk[:inside], first, True), _Piece(chunk[inside:], True, end)


def _last_stop(chunk: str, end: bool) -> int | None:
    """Index of the last sign that may end a sentence; the text's end needs none."""
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


def _split(chunk: str, first: bool, last: bool, spaced: bool) -> tuple[str, ...]:
    """The tokens of a chunk at a sentence's beginning, end, or neither.

    `spaced`: it is followed by a space.
    """
    if not _TROUBLE.search(chunk) and not _CLITIC_FREE.search(chunk):
        return (chunk,)
    if (match := _WITH_MARK.fullmatch(chunk)) and not _CLITIC_FREE.search(chunk):
        return (chunk,) if match[2] == "." and not last else (match[1], match[2])
    text = chunk if last or not spaced else chunk + " "
    text = _OPENING.sub(r" \g<0> ", text if first else " " + text)
    text = re.sub('^"', " `` ", text)
    text = _OPENING_SINGLE.sub("' ", _OPENING_DOUBLE.sub(" `` ", text))
    if last:
        text = _LAST_STOP.sub(" . ", text)
    text = _COMMA_OR_COLON.sub(lambda match: f" {match[0][0]} {match[1] or ''}", text)
    text = _ALONE.sub(r" \g<0> ", _DOTS.sub(r" \g<0> ", text))
    text = _BRACKET.sub(r" \g<0> ", _CLOSING_SINGLE.sub(" ' ", text))
    text = _CLOSING.sub(lambda match: " '' " if match[0] == '"' else f" {match[0]} ", f" {text} ")
    text = _LONG_CLITIC.sub(r" \1 ", _CLITIC.sub(r" \1 ", text))
    for pattern in _CONTRACTIONS:
        text = pattern.sub(r" \1 \2 ", text)
    return tuple(text.split())
