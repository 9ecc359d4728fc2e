"""From verified answers to drafts: corrected, extended, and verified again."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from groundtune.feedback.joint_claims import NO_CLAIMS, JointClaims
from groundtune.pipeline.rewrite.edits import EditedText, Step, Task, edit_texts
from groundtune.pipeline.rewrite.settings import RewriteSettings
from groundtune.pipeline.rewrite.verify import Verifiers, texts_folder
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Draft, Editor, Progress, Statement
from groundtune.records import Answer, Producer, Prompt
from groundtune.store.dataset import RecordSet
from groundtune.store.keys import key_of

Lost = dict[str, int]


class Sides(NamedTuple):
    """A model's answer, and the text that is to be preferred to it."""

    answer: Answer
    rejected: JointClaims
    chosen: str
    right: JointClaims
    """The claims of the chosen text."""
    key: str
    """Of the chosen text."""
    corrected: bool = False
    extended: bool = False


class Room(NamedTuple):
    """Where a run's texts are, and who makes and verifies them."""

    folder: RunFolder
    prompts: Mapping[str, Prompt]
    edited: RecordSet[EditedText]
    corrector: Editor
    rewriter: Editor
    verifiers: Verifiers
    settings: RewriteSettings
    progress: Progress

    def verify(self, name: str, rows: Sequence[Answer]) -> dict[str, JointClaims]:
        """What both labelers say of texts, which are kept in the folder `name`."""
        prompts = [self.prompts[row.prompt] for row in rows]
        there = texts_folder(RunFolder(self.folder.path / name), self.folder, prompts, rows)
        return self.verifiers.verify(there)


class _Proposing:
    """A divider that gives what might be so of a text instead of what it says."""

    def __init__(
        self,
        by: Producer,
        propose: Callable[[Sequence[Draft]], list[list[Statement]]],
        wrong: Mapping[str, Sequence[Statement]],
    ) -> None:
        self._by = by
        self._propose = propose
        self._wrong = wrong

    def producer(self) -> Producer:
        """The editor."""
        return self._by

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """What is proposed for each text; places in it mean nothing."""
        drafts = [
            Draft(prompt, answer.text, tuple(self._wrong.get(answer.key, ())))
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        return [
            [s._replace(start=0, end=0) for s in statements] for statements in self._propose(drafts)
        ]


def correct(
    room: Room, answers: Sequence[Answer], claims: Mapping[str, JointClaims], losses: Lost
) -> tuple[list[Sides], dict[str, JointClaims]]:
    """Correct the answers in which something is wrong; the others stay as they are.

    Returns the sides of each that has a text, and what the labelers made of the alternatives.
    """
    wrong = {a.key: claims[a.key].wrong for a in answers if claims[a.key].wrong}
    if not room.settings.correct:
        wrong = {}
    there = [answer for answer in answers if answer.key in wrong]
    proposed = _propose(room, "alternatives", there, wrong)
    tasks = [
        _task(room, answer, "correct", answer.text, wrong[answer.key], proposed[answer.key].right)
        for answer in there
    ]
    editor = room.corrector
    rows = edit_texts(room.edited, tasks, editor.producer(), editor.correct, room.progress)
    texts = {answer.key: row for answer, row in zip(there, rows, strict=True)}
    for answer in there:
        text = texts[answer.key].text
        if text in ("", answer.text.strip()):
            losses["unchanged" if text else "no_text"] += 1
            del texts[answer.key]
    about = {answer.key: answer.prompt for answer in there}
    checked = room.verify("texts", [row.as_answer(about[k]) for k, row in texts.items()])
    sides: list[Sides] = []
    for answer in answers:
        answer_claims = claims[answer.key]
        if answer.key not in wrong:
            sides.append(Sides(answer, answer_claims, answer.text, answer_claims, answer.key))
        elif answer.key in texts:
            row = texts[answer.key]
            claims_now = checked[row.key]
            if claims_now.is_read and not claims_now.wrong:
                sides.append(
                    Sides(answer, answer_claims, row.text, claims_now, row.key, corrected=True)
                )
            else:
                losses["still_wrong"] += 1
    return sides, proposed


def extend(
    room: Room, sides: Sequence[Sides], losses: Lost
) -> tuple[list[Sides], dict[str, JointClaims]]:
    """Add what both labelers find in the image and the texts don't say."""
    if not room.settings.extend or not sides:
        return list(sides), {}
    proposed = _propose(room, "additions", [_as_text(each) for each in sides], {})
    tasks: dict[str, Task] = {}
    for each in sides:
        facts = proposed[each.key].surest(room.settings.most_added)
        if facts:
            tasks[each.key] = _task(room, each.answer, "extend", each.chosen, (), facts)
    editor = room.corrector
    rows = edit_texts(
        room.edited, list(tasks.values()), editor.producer(), editor.extend, room.progress
    )
    row_by_key = {key: row for key, row in zip(tasks, rows, strict=True)}
    about = {each.key: each for each in sides}
    good = {
        k: row for k, row in row_by_key.items() if row.text not in ("", about[k].chosen.strip())
    }
    checked = room.verify(
        "texts", [row.as_answer(about[k].answer.prompt) for k, row in good.items()]
    )
    sides_now: list[Sides] = []
    for each in sides:
        row = good.get(each.key)
        claims = checked[row.key] if row else NO_CLAIMS
        if row and claims.is_read and claims.number("wrong") <= each.right.number("wrong"):
            each = each._replace(chosen=row.text, right=claims, key=row.key, extended=True)
        elif row:
            losses["extensions_wrong"] += 1
        elif each.key in row_by_key:
            losses["extensions_unread"] += 1
        sides_now.append(each)
    return sides_now, proposed


def _as_text(side: Sides) -> Answer:
    return side.answer.model_copy(update={"key": side.key, "text": side.chosen})


def _task(
    room: Room,
    answer: Answer,
    step: Step,
    text: str,
    wrong: Sequence[Statement],
    facts: Sequence[Statement],
) -> Task:
    draft = Draft(room.prompts[answer.prompt], text, tuple(wrong), tuple(facts))
    return Task(answer.key, step, "chosen", 0, draft)


def _propose(
    room: Room, name: str, texts: Sequence[Answer], wrong: Mapping[str, Sequence[Statement]]
) -> dict[str, JointClaims]:
    """What both labelers say of an editor's proposals for each text, by its key."""
    editor = room.corrector
    context = [[key, [s.text for s in statements]] for key, statements in wrong.items()]
    by = editor.producer().model_copy(update={"prompt_hash": key_of(name, context)[:12]})
    propose = editor.alternatives if name == "alternatives" else editor.additions
    prompts = [room.prompts[text.prompt] for text in texts]
    there = texts_folder(RunFolder(room.folder.path / name), room.folder, prompts, texts)
    claims = room.verifiers.verify(there, _Proposing(by, propose, wrong))
    return {text.key: claims.get(text.key, NO_CLAIMS) for text in texts}
