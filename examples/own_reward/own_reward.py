"""A reward of your own: fewer words are better."""

from collections.abc import Sequence

from groundtune.protocols import Images
from groundtune.records import Prompt


class FewWords:
    """Minus the number of an answer's words."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """Return one reward per answer, in order; NaN where there is none."""
        return [-float(len(answer.split())) for answer in answers]
