"""Spans computed from two texts, for data sets without spans (RLHF-V's released pairs, for one).

`words` is our rule: exact characters, whole words, insertions and deletions included.
`published_tokens` is the rule of RLHF-V's released trainer over token ids (github.com/thunlp/Muffin
at 85d72b4, utils/diff_lib.py, `get_diff_ids`), for parity with its results. They differ on purpose:

| | words | published_tokens | |---|---|---| | unit | words, other grapheme clusters, white space;
CJK and Thai by cluster | tokens | | pure insertion or deletion | a change, with an empty span on
the other side | no change at all | | a match between two changes | separates them, unless white
space | absorbed if under 3 tokens | | frequent units in long texts | as any other | no anchors from
200 tokens on (autojunk) |
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Literal, NamedTuple

from groundtune.feedback.graphemes import clusters
from groundtune.feedback.matching_blocks import Block, matching_blocks
from groundtune.records import Span

# Scripts that write no spaces between words: each character is a unit of its own.
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff"  # Han, Kana, Bopomofo
    "\U00020000-\U0003ffff"  # Han, later blocks
)
_UNITS = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+|\s+|[^\w\s]")
_ASCII_UNITS = re.compile(r"\w+|\s+|[^\w\s]")
_WIDE_SPACE = "\u3000"
"""White space that is in the range of an unspaced script."""
_WORD = re.compile(rf"(?![{_UNSPACED}])\w")
_PUBLISHED_SHORTEST_MATCH = 3


class TextDiff(NamedTuple):
    """Edits between two texts, aligned one to one: `rejected[i]` became `chosen[i]`.

    Each side's replacement is the other side's characters, so either list is a list of edits that
    `apply` carries out. An insertion is empty in `rejected`, a deletion in `chosen`.
    """

    rejected: tuple[Span, ...]
    chosen: tuple[Span, ...]


class TokenDiff(NamedTuple):
    """Changes by the published rule: whether each token changed, and the changed tokens' spans."""

    rejected_changed: tuple[bool, ...]
    chosen_changed: tuple[bool, ...]
    rejected: tuple[Span, ...]
    chosen: tuple[Span, ...]


def units(text: str) -> list[str]:
    """Split a text into words, runs of white space and other single characters, in order.

    Joined they give the text. A grapheme cluster (`graphemes`) is never split: letters with
    combining marks, flags, emoji with skin tones or joined with others. A cluster has the kind of
    its first character.
    """
    if text.isascii():
        return _ASCII_UNITS.findall(text)
    all_clusters = clusters(text)
    if len(all_clusters) == len(text) and _WIDE_SPACE not in text:
        return _UNITS.findall(text)
    parts: list[str] = []
    before = ""
    for cluster in all_clusters:
        kind = _kind(cluster)
        if kind in ("word", "space") and kind == before:
            parts[-1] += cluster
        else:
            parts.append(cluster)
        before = kind
    return parts


def words(rejected: str, chosen: str) -> TextDiff:
    """Return the edits that turn `rejected` into `chosen`, in whole units.

    Equal runs of white space are no anchors: changes with nothing but white space between them are
    one. `apply(rejected, words(rejected, chosen).rejected) == chosen` holds exactly, and the
    reverse.
    """
    before, after = units(rejected), units(chosen)
    before_at, after_at = _starts(before), _starts(after)
    from_rejected: list[Span] = []
    from_chosen: list[Span] = []
    for first, last, new_first, new_last in _changed_runs(before, after):
        start, end = before_at[first], before_at[last]
        new_start, new_end = after_at[new_first], after_at[new_last]
        old, new = rejected[start:end], chosen[new_start:new_end]
        from_rejected.append(Span(start=start, end=end, replacement=new, by="diff"))
        from_chosen.append(Span(start=new_start, end=new_end, replacement=old, by="diff"))
    return TextDiff(tuple(from_rejected), tuple(from_chosen))


def published_tokens(
    rejected_ids: Sequence[int],
    chosen_ids: Sequence[int],
    rejected_offsets: Sequence[tuple[int, int] | None],
    chosen_offsets: Sequence[tuple[int, int] | None],
) -> TokenDiff:
    """Return the tokens that RLHF-V's trainer weighs with gamma: the changed ones of both sides.

    difflib's matching blocks with its defaults (autojunk on), blocks of fewer than 3 tokens dropped
    except the terminal one, and a gap counts only if neither side of it is empty. The trainer
    passes the whole sequence, prompt and answer, without the first token. For parity, pass the
    same: the end of the prompt lengthens a match at the answer's start. `offsets[i]` are the
    characters of token i in its answer, None for a token of the prompt or of an image; an end token
    has an empty range. The spans are the characters of the changed tokens, aligned one to one, and
    their replacement is None: the rule works on tokens, not texts. Raises ValueError if a side's
    offsets and ids differ in number.
    """
    for ids, offsets in ((rejected_ids, rejected_offsets), (chosen_ids, chosen_offsets)):
        if len(ids) != len(offsets):
            raise ValueError(f"{len(ids)} token ids, but {len(offsets)} offsets")
    rejected = _PublishedSide([False] * len(rejected_ids), [])
    chosen = _PublishedSide([False] * len(chosen_ids), [])
    matcher = SequenceMatcher(None, rejected_ids, chosen_ids)
    *matches, terminal = matcher.get_matching_blocks()
    position = new_position = 0
    for match in [*(m for m in matches if m.size >= _PUBLISHED_SHORTEST_MATCH), terminal]:
        if position < match.a and new_position < match.b:
            rejected.mark(position, match.a, rejected_offsets)
            chosen.mark(new_position, match.b, chosen_offsets)
        position, new_position = match.a + match.size, match.b + match.size
    return TokenDiff(
        tuple(rejected.changed), tuple(chosen.changed), tuple(rejected.spans), tuple(chosen.spans)
    )


class _PublishedSide(NamedTuple):
    changed: list[bool]
    spans: list[Span]

    def mark(self, first: int, last: int, offsets: Sequence[tuple[int, int] | None]) -> None:
        self.changed[first:last] = [True] * (last - first)
        ranges = [offset for offset in offsets[first:last] if offset is not None]
        start, end = (ranges[0][0], ranges[-1][1]) if ranges else (0, 0)
        self.spans.append(Span(start=start, end=end, by="published diff"))


def _kind(cluster: str) -> Literal["word", "space", "single"]:
    if cluster.isspace():
        return "space"
    return "word" if _WORD.match(cluster) else "single"


def _starts(pieces: Sequence[str]) -> list[int]:
    """Return where each piece starts, and last the total length."""
    return list(accumulate(map(len, pieces), initial=0))


def _changed_runs(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Return half-open runs of changed units (before first, last, after first, last), in order."""
    head = _common_head(before, after)
    tail = _common_head(before[head:][::-1], after[head:][::-1])
    middle, new_middle = before[head : len(before) - tail], after[head : len(after) - tail]
    # White space as junk: it extends a match of words, but a lone space anchors nothing.
    blocks = matching_blocks(middle, new_middle)
    runs: list[tuple[int, int, int, int]] = []
    first, new_first = head, head
    for block in [*blocks, Block(len(middle), len(new_middle), 0)]:
        last, new_last = head + block.first, head + block.new_first
        if first < last or new_first < new_last:
            run = (first, last, new_first, new_last)
            if runs and all(unit.isspace() for unit in before[runs[-1][1] : first]):
                run = (runs[-1][0], last, runs[-1][2], new_last)
                runs.pop()
            runs.append(run)
        first, new_first = last + block.size, new_last + block.size
    return runs


def _common_head(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the common prefix."""
    for number, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return number
    return min(len(first), len(second))
