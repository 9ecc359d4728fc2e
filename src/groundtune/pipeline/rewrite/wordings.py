"""Rewords both sides of a draft several times in one style; a wording that changes truth goes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

from groundtune.feedback.diff import words
from groundtune.feedback.joint_claims import NO_CLAIMS, truth_change
from groundtune.pipeline.rewrite.drafts import Room, Sides
from groundtune.pipeline.rewrite.edits import EditedText, Task, edit_texts
from groundtune.protocols import Draft
from groundtune.records import Pair, Prompt
from groundtune.store.keys import key_of

Side = Literal["chosen", "rejected"]
SIDES: tuple[Side, Side] = ("chosen", "rejected")


class Wordings(NamedTuple):
    """The pairs, how many texts were asked for, and why others were left out."""

    pairs: list[Pair]
    number: int
    losses: dict[str, int]


def reword(room: Room, drafts: Sequence[Sides]) -> Wordings:
    """Pairs of the drafts' wordings: the first of both sides, the second of both, and so on."""
    number = room.settings.rewrites
    if not number:
        pairs = [_pair(each, each.chosen, each.answer.text, room.prompts) for each in drafts]
        return Wordings(_distinct(pairs), 0, {})
    tasks = [_tasks(room, drafts, index) for index in range(number)]
    editor = room.rewriter
    rows: list[EditedText] = []
    for index, some in enumerate(tasks):
        edit = partial(editor.reword, index=index)
        rows += edit_texts(room.edited, some, editor.producer(), edit, room.progress)
    about = {each.answer.key: each for each in drafts}
    usable = [row for row in rows if row.text not in ("", row.before.strip())]
    checked = room.verify(
        "texts", [row.as_answer(about[row.answer].answer.prompt) for row in usable]
    )
    text_of: dict[tuple[str, int, str], str] = {}
    losses: Counter[str] = Counter()
    for row in rows:
        each = about[row.answer]
        before = each.right if row.side == "chosen" else each.rejected
        why = "returned the same text" if row.text == row.before.strip() else ""
        why = why or ("could not be read" if not row.text else "")
        after = checked.get(row.key, NO_CLAIMS)
        why = why or truth_change(before, after, row.side, room.settings.least_kept)
        if why:
            losses[f"{row.side}: {why}"] += 1
        else:
            text_of[row.answer, row.index, row.side] = row.text
    pairs: list[Pair] = []
    for each in drafts:
        for index in range(number):
            texts = [text_of.get((each.answer.key, index, side), "") for side in SIDES]
            if all(texts) and texts[0] != texts[1]:
                pairs.append(_pair(each, texts[0], texts[1], room.prompts))
    return Wordings(_distinct(pairs), len(rows), dict(losses.most_common()))


def _tasks(room: Room, drafts: Sequence[Sides], index: int) -> list[Task]:
    return [
        Task(each.answer.key, "reword", side, index, Draft(room.prompts[each.answer.prompt], text))
        for each in drafts
        for side, text in zip(SIDES, (each.chosen, each.answer.text), strict=True)
    ]


def _pair(side: Sides, chosen: str, rejected: str, prompts: Mapping[str, Prompt]) -> Pair:
    diff = words(rejected, chosen)
    return Pair(
        key=key_of("pair", "rewrite", side.answer.key, chosen, rejected),
        prompt=side.answer.prompt,
        chosen=chosen,
        rejected=rejected,
        chosen_spans=diff.chosen,
        rejected_spans=diff.rejected,
        origin="rewrite",
        parents=(side.answer.key,),
        source=prompts[side.answer.prompt].source,
    )


def _distinct(pairs: Sequence[Pair]) -> list[Pair]:
    return list({(pair.prompt, pair.chosen, pair.rejected): pair for pair in pairs}.values())
