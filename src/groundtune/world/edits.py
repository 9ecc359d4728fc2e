"""Edits of a caption, segment by segment, that leave a sentence a person would write.

A list loses an item and its joint ("a dog, a cat and two cups" -> "a dog and two cups"), a verb
follows its first noun, a sentence that says nothing true any more goes as a whole. Everything else
stays as it was.
"""

import re
from collections.abc import Mapping, Sequence

from groundtune.records import Record, Span, SpanKind
from groundtune.world.catalogue import CELLS
from groundtune.world.grammar import Said, bare, capital, phrase, sentences
from groundtune.world.read import Mention

_JOINT = re.compile(r"^(?:, and |, | and )$")
_VERB = re.compile(r"\b[Tt]here (is|are)( also)? $")


class Change(Record):
    """What becomes of one mention: another phrase, or nothing (it is taken out of its list)."""

    phrase: str | None
    number: int = 1
    """The new phrase's number: the verb before it follows."""
    kind: SpanKind = "object"


class Edit(Record):
    """Characters [start, end) of a text become something else."""

    start: int
    end: int
    text: str
    kind: SpanKind

    def span(self, by: str) -> Span:
        """The same as a span."""
        return Span(start=self.start, end=self.end, kind=self.kind, replacement=self.text, by=by)


def edits(text: str, mentions: Sequence[Mention], changes: Mapping[int, Change]) -> list[Edit]:
    """The edits that make `changes` (by a mention's index), in the text's order, apart."""
    made: list[Edit] = []
    for start, end in sentences(text):
        inside = [i for i, mention in enumerate(mentions) if start <= mention.start < end]
        if any(i in changes for i in inside):
            free = made[-1].end if made else 0
            made += _sentence(text, (start, end), free, inside, mentions, changes)
    return made


def phrase_at(mention: Mention, category: str, number: int, colour: str) -> str:
    """A phrase for something that fits where a mention stands."""
    said = Said(category=category, number=number, colour=colour)
    if mention.definite:
        return f"the {bare(said.model_copy(update={'colour': ''}))}"
    return phrase(said)


def place_at(text: str, start: int, cell: int) -> str:
    """A place's words, large where the sentence begins with them."""
    return cased_at(text, start, CELLS[cell])


def cased_at(text: str, start: int, new: str) -> str:
    """New words with a large first letter where the text has one."""
    return capital(new) if text[start].isupper() else new


def whole_sentence(text: str, start: int, end: int, free: int = 0) -> Edit:
    """Takes out a sentence and one space beside it; before `free` the text is another edit's."""
    if start > free and text[start - 1] == " ":
        start -= 1
    elif end < len(text) and text[end] == " ":
        end += 1
    return Edit(start=start, end=end, text="", kind="object")


def apply(text: str, made: Sequence[Edit]) -> str:
    """The text after edits that don't overlap."""
    parts: list[str] = []
    position = 0
    for edit in sorted(made, key=lambda edit: (edit.start, edit.end)):
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*parts, text[position:]])


def once(text: str, made: Sequence[Edit]) -> list[Edit]:
    """The edits in the text's order; a sentence that says what an earlier one says goes.

    Whether it stood there twice or an edit would make it so.
    """
    listed = sorted(made, key=lambda edit: (edit.start, edit.end))
    said: set[str] = set()
    for start, end in sentences(text):
        after = _after(text, (start, end), listed).lower()
        if after and after in said:
            listed = [edit for edit in listed if edit not in _within(listed, start, end)]
            free = max((edit.end for edit in listed if edit.end <= start), default=0)
            gone = whole_sentence(text, start, end, free)
            listed.append(gone.model_copy(update={"kind": "other"}))
            listed.sort(key=lambda edit: (edit.start, edit.end))
        said.add(after)
    return listed


def _after(text: str, sentence: tuple[int, int], made: Sequence[Edit]) -> str:
    """What becomes of a sentence; empty where it goes."""
    start, end = sentence
    if any(edit.start <= start and end <= edit.end and not edit.text for edit in made):
        return ""
    own = [
        edit.model_copy(update={"start": edit.start - start, "end": edit.end - start})
        for edit in _within(made, start, end)
    ]
    return apply(text[start:end], own)


def _within(made: Sequence[Edit], start: int, end: int) -> list[Edit]:
    return [edit for edit in made if start <= edit.start and edit.end <= end]


def _sentence(
    text: str,
    sentence: tuple[int, int],
    free: int,
    inside: list[int],
    mentions: Sequence[Mention],
    changes: Mapping[int, Change],
) -> list[Edit]:
    lists = _lists(text, inside, mentions)
    gone = [all(i in changes and changes[i].phrase is None for i in items) for items in lists]
    if any(gone):
        return [whole_sentence(text, *sentence, free)]
    made: list[Edit] = []
    for items in lists:
        made += _list(text, sentence[0], items, mentions, changes)
    return made


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
    """Edits of one list that keeps at least one item."""
    kept = [i for i in items if i not in changes or changes[i].phrase is not None]
    first, last = mentions[items[0]], mentions[items[-1]]
    made: list[Edit] = []
    position = first.start
    for rank, i in enumerate(kept):
        mention = mentions[i]
        joint = "" if rank == 0 else (" and " if rank == len(kept) - 1 else ", ")
        if text[position : mention.start] != joint:
            made.append(Edit(start=position, end=mention.start, text=joint, kind="object"))
        change = changes.get(i)
        old = text[mention.start : mention.end]
        if change is not None and change.phrase not in (None, old):
            assert change.phrase is not None
            made.append(_replace(text, mention, change.phrase, change.kind))
        position = mention.end
    if position != last.end:
        made.append(Edit(start=position, end=last.end, text="", kind="object"))
    verb = _verb(text, sentence, first, mentions[kept[0]], changes.get(kept[0]))
    made = [verb, *made] if verb else made
    if first.start == sentence:
        made = _with_capital(text, made, sentence, mentions[kept[0]])
    return made


def _replace(text: str, mention: Mention, new: str, kind: SpanKind) -> Edit:
    """The smallest edit at words that turns a mention into a new phrase."""
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
    if not middle and start <= stop:  # only words go: one space goes with them
        start, stop = (start, stop + 1) if tail else (start - 1, stop)
    elif start > stop:  # only words come in
        start = stop = start if tail else mention.end
        middle = middle + " " if tail else " " + middle
    return Edit(start=start, end=stop, text=middle, kind=kind)


def _verb(
    text: str, sentence: int, first: Mention, kept: Mention, change: Change | None
) -> Edit | None:
    """The edit that makes "there is" agree with the first thing that is left."""
    match = _VERB.search(text, sentence, first.start)
    if match is None or match.end() != first.start:
        return None
    number = kept.number if change is None else change.number
    verb = "is" if number in (1, None) else "are"
    if match[1] == verb:
        return None
    return Edit(start=match.start(1), end=match.end(1), text=verb, kind="number")


def _with_capital(text: str, made: list[Edit], sentence: int, kept: Mention) -> list[Edit]:
    """Keeps the sentence's first letter large."""
    after = apply(text[: kept.end], [edit for edit in made if edit.end <= kept.end])
    letter = after[sentence : sentence + 1]
    if letter == letter.upper():
        return made
    if kept.start == sentence or any(edit.end == kept.start for edit in made):
        edited = next((edit for edit in made if edit.start == kept.start and edit.text), None)
        if edited is not None:
            rest = [edit for edit in made if edit is not edited]
            return [*rest, edited.model_copy(update={"text": capital(edited.text)})]
        end = kept.start + 1
        return [
            *made,
            Edit(start=kept.start, end=end, text=text[kept.start].upper(), kind="object"),
        ]
    return made
