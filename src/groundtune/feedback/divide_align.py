"""Finds the characters of an answer that a model's wording of a claim refers to.

First the words that the model copied, matched exactly except for case and white space. Otherwise
the sentence with most of the claim's content words: in it, from the first to the last of them. A
claim that shares too little with every sentence gets the nearest whole sentence, so that it always
has a range.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# Reason: regex ships no types.

import re
from collections.abc import Iterator
from typing import NamedTuple

import regex

from groundtune.feedback.graphemes import widen

ENOUGH = 0.5
"""Share of a claim's content words that a sentence must have for a range inside it."""

_WORD = regex.compile(r"[\p{L}\p{N}_]\w*(?:['\u2019]\w+)?")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_CJK = "\u3002\uff01\uff1f"
"""Full stop, exclamation and question mark of Chinese and Japanese: no space follows them."""
_SENTENCE = re.compile(
    rf"[^\s.!?{_CJK}][^.!?{_CJK}]*(?:[.!?]+(?!\s|$|[{_CJK}])[^.!?{_CJK}]*)*[.!?{_CJK}]*"
)
_EMPTY_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "there",
        "here",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "has",
        "have",
        "had",
        "do",
        "does",
        "did",
        "of",
        "in",
        "on",
        "at",
        "to",
        "and",
        "or",
        "with",
        "it",
        "its",
        "they",
        "their",
        "he",
        "she",
        "his",
        "her",
        "i",
        "we",
        "you",
        "can",
        "as",
        "by",
        "for",
        "from",
        "image",
        "picture",
        "photo",
        "scene",
    ]
)


class TextRange(NamedTuple):
    """Characters [start, end) of an answer."""

    start: int
    end: int


def align(answer: str, copied: str, claim: str) -> TextRange:
    """Return where a claim is in an answer, given the words that were copied from it (or "")."""
    place = _literal(answer, copied) or _literal(answer, claim.rstrip(". "))
    if place is not None:
        return place
    claim_words = content_words(claim) or content_words(copied)
    best, best_share = TextRange(0, len(answer)), -1.0
    for start, end in sentences_of(answer):
        words = list(_words(answer, start, end))
        common = {stem for _, _, stem in words} & claim_words
        share = len(common) / len(claim_words) if claim_words else 0.0
        if share > best_share:
            best, best_share = TextRange(start, end), share
            if share >= ENOUGH:
                hits = [(first, last) for first, last, stem in words if stem in common]
                best = TextRange(*widen(answer, hits[0][0], hits[-1][1]))
    return best


def sentences_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield [start, end) of each sentence; a full stop inside a word or number ends none."""
    for match in _SENTENCE.finditer(text):
        end = match.start() + len(match.group().rstrip())
        yield match.start(), end


def _literal(answer: str, words: str) -> TextRange | None:
    """Return the first place of the words, ignoring case and white space."""
    pieces = words.strip().strip("\"'\u201c\u201d").split()
    if not pieces:
        return None
    pattern = r"\s+".join(re.escape(piece) for piece in pieces)
    left = r"\b" if _ends_at_spaces(pieces[0][0]) else ""
    right = r"\b" if _ends_at_spaces(pieces[-1][-1]) else ""
    match = regex.search(left + pattern + right, answer, regex.IGNORECASE)
    return TextRange(*widen(answer, *match.span())) if match else None


def _ends_at_spaces(character: str) -> bool:
    """Whether a word ends at this letter or digit: not in scripts that write no spaces."""
    return character.isalnum() and not _UNSPACED.match(character)


def _words(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    for match in _WORD.finditer(text, start, end):
        yield match.start(), match.end(), _stem(match.group())


def content_words(text: str) -> set[str]:
    """Return the stems of a text's words, without function words."""
    return {stem for _, _, stem in _words(text, 0, len(text)) if stem not in _EMPTY_WORDS}


def _stem(word: str) -> str:
    """Return a word in lower case without the ending of a plural or a verb's third person."""
    word = word.lower()
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
