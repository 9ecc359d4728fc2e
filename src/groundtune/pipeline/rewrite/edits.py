"""Texts that an editor makes of answers: corrected, extended, reworded. Resumable by key."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from groundtune.protocols import Draft, Progress
from groundtune.records import Answer, Key, Producer, Record
from groundtune.store.dataset import RecordSet
from groundtune.store.keys import key_of

AT_ONCE = 50
"""Texts between two writes: what a kill loses at the most."""

Step = Literal["correct", "extend", "reword"]
Edit = Callable[[Sequence[Draft]], list[str]]


class EditedText(Record):
    """A text that an editor made of another."""

    key: Key
    answer: Key
    """The model's answer that it comes from."""
    step: Step
    side: Literal["chosen", "rejected"]
    index: int = 0
    """Which wording, from 0."""
    before: str
    text: str
    """"" where there is none: the reply could not be read, or nothing was left."""
    by: Producer

    def as_answer(self, prompt: Key) -> Answer:
        """The text as an answer to a prompt, under its own key."""
        return Answer(key=self.key, prompt=prompt, text=self.text, producer=self.by)


class Task(NamedTuple):
    """A text to be made."""

    answer: Key
    step: Step
    side: Literal["chosen", "rejected"]
    wording: int
    """Which wording, from 0."""
    draft: Draft

    def key(self, by: Producer) -> str:
        """Of all that the text depends on."""
        facts = [
            [s.text, s.question] for each in (self.draft.wrong, self.draft.facts) for s in each
        ]
        draft = self.draft.prompt.key, self.draft.text, len(self.draft.wrong), facts
        return key_of("edited", self.answer, self.step, self.side, self.wording, draft, by)


def edit_texts(
    stored: RecordSet[EditedText],
    tasks: Sequence[Task],
    by: Producer,
    edit: Edit,
    progress: Progress,
) -> list[EditedText]:
    """The text of each task, in order; those that `stored` lacks are made by `edit`."""
    keys = {task.key(by): task for task in tasks}
    missing = stored.missing(keys)
    progress.start(tasks[0].step if tasks else "edit", total=len(missing))
    for first in range(0, len(missing), AT_ONCE):
        some = [keys[key] for key in missing[first : first + AT_ONCE]]
        texts = edit([task.draft for task in some])
        stored.append([_row(t, text, by) for t, text in zip(some, texts, strict=True)])
        progress.advance(len(some))
    rows = {row.key: row for row in stored.read()}
    return [rows[task.key(by)] for task in tasks]


def _row(task: Task, text: str, by: Producer) -> EditedText:
    return EditedText(
        key=task.key(by),
        answer=task.answer,
        step=task.step,
        side=task.side,
        index=task.wording,
        before=task.draft.text,
        text=text.strip(),
        by=by,
    )
