"""Verifies texts by two labelers: both are asked about one division, in folders of their own.

FOLDER/answers/ division/ claims/   the texts, their claims, and what the labeler says of them
FOLDER/second/                      what the second labeler says of the same claims
"""

from collections.abc import Sequence
from typing import NamedTuple

from groundtune.feedback.joint_claims import JointClaims, joint_claims
from groundtune.pipeline.feedback.claims import Labelling, label_claims
from groundtune.pipeline.rewrite.settings import RewriteSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Divider, Progress, YesNo, YesNoReply
from groundtune.records import Answer, Prompt


class Remembering:
    """A labeler that is asked each question about an image once in its life."""

    def __init__(self, labeler: YesNo) -> None:
        self._labeler = labeler
        self._replies: dict[str, YesNoReply] = {}

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """One reply per prompt, in order."""
        new = {p.key: p for p in prompts if p.key not in self._replies}
        if new:
            replies = self._labeler.yes_no(list(new.values()))
            self._replies |= dict(zip(new, replies, strict=True))
        return [self._replies[prompt.key] for prompt in prompts]


class Verifiers(NamedTuple):
    """The labeler with the divider, and the second labeler; None believes the first alone."""

    first: Labelling
    second: Labelling | None
    settings: RewriteSettings
    progress: Progress
    command: tuple[str, ...]

    def verify(self, folder: RunFolder, divider: Divider | None = None) -> dict[str, JointClaims]:
        """What both say of a folder's answers, by key; `divider` replaces the usual one."""
        if not folder.answers.parts():
            return {}
        first = self._label(folder, folder, self.first, divider)
        if self.second is None:
            return joint_claims(first.claims.read(), first.claims.read())
        there = RunFolder(folder.path / "second")
        second = self._label(folder, there, self.second, divider)
        return joint_claims(first.claims.read(), second.claims.read())

    def _label(
        self, source: RunFolder, out: RunFolder, who: Labelling, divider: Divider | None
    ) -> RunFolder:
        labelling = who if divider is None else who._replace(divider=divider)
        label_claims(
            source.path,
            out.path,
            labelling,
            self.progress,
            settings=self.settings,
            command=self.command,
        )
        return out


def texts_folder(
    path: RunFolder, source: RunFolder, prompts: Sequence[Prompt], texts: Sequence[Answer]
) -> RunFolder:
    """A folder with these texts as answers to prompts of `source`; what it has stays."""
    path.take_prompts(source, {prompt.key: prompt for prompt in prompts}.values())
    path.answers.add(texts)
    return path
