"""First-sentence pairs: after a verified prefix, the first wrong sentence against its correction.

What follows the first wrong sentence often rests on it, so a pair ends there: both sides share the
prefix and differ in one sentence.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from groundtune.feedback.diff import words
from groundtune.feedback.divide_align import sentences_of
from groundtune.feedback.joint_claims import JointClaims
from groundtune.pipeline.rewrite.drafts import Room
from groundtune.pipeline.rewrite.edits import Task, edit_texts
from groundtune.protocols import Draft
from groundtune.records import Answer, Pair
from groundtune.store.keys import key_of


class FirstWrong(NamedTuple):
    """Where an answer's first wrong sentence is."""

    start: int
    end: int


class FirstPairs(NamedTuple):
    """The pairs, and why other answers made none."""

    pairs: list[Pair]
    losses: dict[str, int]


def first_wrong(text: str, claims: JointClaims) -> FirstWrong | str:
    """The first sentence with a wrong claim, if all before it is verified; else why there is none.

    Verified: each claim that was asked about is right.
    """
    for start, end in sentences_of(text):
        sentence_claims = [each for each in claims.claims if start <= each.statement.start < end]
        if any(each.status == "wrong" for each in sentence_claims):
            return FirstWrong(start, end)
        if any(each.status in ("unsure", "unread") for each in sentence_claims):
            return "prefix not verified"
    return "nothing wrong"


def first_sentence_pairs(
    room: Room,
    answers: Sequence[Answer],
    claims: Mapping[str, JointClaims],
    alternatives: Mapping[str, JointClaims],
) -> FirstPairs:
    """A pair per answer with a wrong sentence after a verified prefix, its correction verified."""
    losses: Counter[str] = Counter()
    tasks: dict[str, Task] = {}
    places: dict[str, FirstWrong] = {}
    for answer in answers:
        first = first_wrong(answer.text, claims[answer.key])
        if isinstance(first, str):
            losses[first] += 1
            continue
        wrong = [s for s in claims[answer.key].wrong if first.start <= s.start < first.end]
        facts = alternatives[answer.key].right if answer.key in alternatives else ()
        text = answer.text[: first.end]
        draft = Draft(room.prompts[answer.prompt], text, tuple(wrong), facts)
        tasks[answer.key] = Task(answer.key, "correct", "chosen", 1, draft)
        places[answer.key] = first
    editor = room.corrector
    rows = edit_texts(
        room.edited, list(tasks.values()), editor.producer(), editor.correct, room.progress
    )
    about = {answer.key: answer for answer in answers}
    texts = [row.as_answer(about[row.answer].prompt) for row in rows if row.text]
    checked = room.verify("texts", texts)
    pairs: list[Pair] = []
    for row in rows:
        answer, place = about[row.answer], places[row.answer]
        prefix, wrong = answer.text[: place.start], answer.text[: place.end].strip()
        after = checked.get(row.key)
        if not row.text or row.text in (wrong, prefix.strip()):
            losses["no sentence instead"] += 1
        elif not row.text.startswith(prefix.strip()):
            losses["prefix was changed"] += 1
        elif after is None or after.wrong or not after.is_read:
            losses["correction still wrong"] += 1
        else:
            pairs.append(_pair(room, answer, row.text, wrong))
    return FirstPairs(pairs, dict(losses.most_common()))


def _pair(room: Room, answer: Answer, chosen: str, rejected: str) -> Pair:
    diff = words(rejected, chosen)
    return Pair(
        key=key_of("pair", "first-sentence", answer.key, chosen, rejected),
        prompt=answer.prompt,
        chosen=chosen,
        rejected=rejected,
        chosen_spans=diff.chosen,
        rejected_spans=diff.rejected,
        origin="rewrite",
        parents=(answer.key,),
        source=room.prompts[answer.prompt].source,
    )
