"""Edits of a caption, segment by segment, that leave a natural sentence.

A list loses an item and its joint ("a dog, a cat and two cups" -> "a dog and two cups"), a verb
agrees with its first noun, a sentence without any true statement is removed. The rest stays
unchanged.
"""

import re
from collections.abc import Mapping, Sequence

from groundtune.records import Record, Span, SpanKind
from groundtune.world.catalogue import CELLS
from groundtune.world.grammar import NounPhrase, bare, capital, phrase, sentences
from groundtune.world.read import Mention

_JOINT = re.compile(r"^(?:, and |, | and )$")
_VERB = re.compile(r"\b[Tt]here (is|are)( also)? $")


class Change(Record):
    """The change of one mention: another phrase, or None to remove it from its list."""

    phrase: str | None
    number: int = 1
    """The new phrase's number, for the verb before it."""
    kind: SpanKind = "object"


class Edit(Record):
    """Replacement of characters [start, end) of a text."""

    start: int
    end: int
    text: str
    kind: SpanKind

    def span(self, by: str) -> Span:
        """Return the edit as a span."""
        return Span(start=self.start, end=self.end, kind=self.kind, replacement=self.text, by=by)


def edits(text: str, mentions: Sequence[Mention], changes: Mapping[int, Change]) -> list[Edit]:
    """Return the edits for `changes` (by a mention's index), in order, not overlapping."""
    result: list[Edit] = []
    for start, end in sentences(text):
        inside = [i for i, mention in enumerate(mentions) if start <= mention.start < end]
        if any(i in changes for i in inside):
            free = result[-1].end if result else 0
            result += _sentence(text, (start, end), free, inside, mentions, changes)
    return result


def phrase_at(mention: Mention, category: str, number: int, colour: str) -> str:
    """A phrase that fits in place of a mention."""
    noun_phrase = NounPhrase(category=category, number=number, colour=colour)
    if mention.definite:
        return f"the {bare(noun_phrase.model_copy(update={'colour': ''}))}"
    return phrase(noun_phrase)


def place_at(text: str, start: int, cell: int) -> str:
    """A place's words, capitalised at the beginning of a sentence."""
    return cased_at(text, start, CELLS[cell])


def cased_at(text: str, start: int, new: str) -> str:
    """New words, capitalised if the text is at `start`."""
    return capital(new) if text[start].isupper() else new


def sentence_removal(text: str, start: int, end: int, free: int = 0) -> Edit:
    """Remove a sentence and one adjacent space; the text before `free` belongs to another edit."""
    if start > free and text[start - 1] == " ":
        start -= 1
    elif end < len(text) and text[end] == " ":
        end += 1
    return Edit(start=start, end=end, text="", kind="object")


def apply(text: str, all_edits: Sequence[Edit]) -> str:
    """Return the text after edits that don't overlap."""
    parts: list[str] = []
    position = 0
    for edit in sorted(all_edits, key=lambda edit: (edit.start, edit.end)):
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*parts, text[position:]])


def without_repeats(text: str, all_edits: Sequence[Edit]) -> list[Edit]:
    """Return the edits in order; a sentence that repeats an earlier one is removed.

    Whether it was repeated in the text or becomes so by an edit.
    """
    ordered = sorted(all_edits, key=lambda edit: (edit.start, edit.end))
    sentences_so_far: set[str] = set()
    for start, end in sentences(text):
        after = _after(text, (start, end), ordered).lower()
        if after and after in sentences_so_far:
            ordered = [edit for edit in ordered if edit not in _within(ordered, start, end)]
            free = max((edit.end for edit in ordered if edit.end <= start), default=0)
            removal = sentence_removal(text, start, end, free)
            ordered.append(removal.model_copy(update={"kind": "other"}))
            ordered.sort(key=lambda edit: (edit.start, edit.end))
        sentences_so_far.add(after)
    return ordered


def _after(text: str, sentence: tuple[int, int], all_edits: Sequence[Edit]) -> str:
    """A sentence after the edits; "" if it is removed."""
    start, end = sentence
    if any(edit.start <= start and end <= edit.end and not edit.text for edit in all_edits):
        return ""
    shifted_edits = [
        edit.model_copy(update={"start": edit.start - start, "end": edit.end - start})
        for edit in _within(all_edits, start, end)
    ]
    return apply(text[start:end], shifted_edits)


def _within(all_edits: Sequence[Edit], start: int, end: int) -> list[Edit]:
    return [edit for edit in all_edits if start <= edit.start and edit.end <= end]


def _sentence(
    text: str,
    sentence: tuple[int, int],
    free: int,
    inside: list[int],
    mentions: Sequence[Mention],
    changes: Mapping[int, Change],
) -> list[Edit]:
    lists = _lists(text, inside, mentions)
    empties = [all(i in changes and changes[i].phrase is None for i in items) for items in lists]
    if any(empties):
        return [sentence_removal(text, *sentence, free)]
    result: list[Edit] = []
    for items in lists:
        result += _list(text, sentence[0], items, mentions, changes)
    return result


def _lists(text: str, inside: list[int], mentions: Sequence[Mention]) -> list[list[int]]:
    """Runs of mentions that are joined by commas and "and"."""
    runs: list[list[int]] = []
    for i in inside:
        if runs and _JOINT.match(text[mentions[runs[-1][-1]].end : mentions[i].start]):
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _list(
    text: str,
    sentence: int,
    items: list[int],
    mentions: Sequence[Mention],
    changes: Mapping[int, Change],
) -> list[Edit]:
    """Edits of one list of which at least one item stays."""
    remaining = [i for i in items if i not in changes or changes[i].phrase is not None]
    first, last = mentions[items[0]], mentions[items[-1]]
    result: list[Edit] = []
    position = first.start
    for rank, i in enumerate(remaining):
        mention = mentions[i]
        joint = "" if rank == 0 else (" and " if rank == len(remaining) - 1 else ", ")
        if text[position : mention.start] != joint:
            result.append(Edit(start=position, end=mention.start, text=joint, kind="object"))
        change = changes.get(i)
        old = text[mention.start : mention.end]
        if change is not None and change.phrase not in (None, old):
            assert change.phrase is not None
            result.append(_replace(text, mention, change.phrase, change.kind))
        position = mention.end
    if position != last.end:
        result.append(Edit(start=position, end=last.end, text="", kind="object"))
    verb = _verb(text, sentence, first, mentions[remaining[0]], changes.get(remaining[0]))
    result = [verb, *result] if verb else result
    if first.start == sentence:
        result = _with_capital(text, result, sentence, mentions[remaining[0]])
    return result


def _replace(text: str, mention: Mention, new: str, kind: SpanKind) -> Edit:
    """The smallest edit, in whole words, that turns a mention into a new phrase."""
    old, words = text[mention.start : mention.end].split(" "), new.split(" ")
    head = 0
    while head < min(len(old), len(words)) and old[head] == words[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(words)) - head and old[-1 - tail] == words[-1 - tail]:
        tail += 1
    start = mention.start + sum(len(word) + 1 for word in old[:head])
    stop = mention.end - sum(len(word) + 1 for word in old[len(old) - tail :])
    middle = " ".join(words[head : len(words) - tail])
    if not middle and start <= stop:  # only removes words: also remove one space
        start, stop = (start, stop + 1) if tail else (start - 1, stop)
    elif start > stop:  # only inserts words
        start = stop = start if tail else mention.end
        middle = middle + " " if tail else " " + middle
    return Edit(start=start, end=stop, text=middle, kind=kind)


def _verb(
    text: str, sentence: int, first: Mention, next_mention: Mention, change: Change | None
) -> Edit | None:
    """The edit that makes "there is" agree with the first remaining object."""
    match = _VERB.search(text, sentence, first.start)
    if match is None or match.end() != first.start:
        return None
    number = next_mention.number if change is None else change.number
    verb = "is" if number in (1, None) else "are"
    if match[1] == verb:
        return None
    return Edit(start=match.start(1), end=match.end(1), text=verb, kind="number")


def _with_capital(text: str, list_edits: list[Edit], sentence: int, first: Mention) -> list[Edit]:
    """Keep the sentence's first letter capitalised."""
    after = apply(text[: first.end], [edit for edit in list_edits if edit.end <= first.end])
    letter = after[sentence : sentence + 1]
    if letter == letter.upper():
        return list_edits
    if first.start == sentence or any(edit.end == first.start for edit in list_edits):
        first_edit = next(
            (edit for edit in list_edits if edit.start == first.start and edit.text), None
        )
        if first_edit is not None:
            rest = [edit for edit in list_edits if edit is not first_edit]
            return [*rest, first_edit.model_copy(update={"text": capital(first_edit.text)})]
        end = first.start + 1
        return [
            *list_edits,
            Edit(start=first.start, end=end, text=text[first.start].upper(), kind="object"),
        ]
    return list_edits
