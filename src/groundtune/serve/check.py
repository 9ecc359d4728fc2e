"""The claims of one answer, divided and checked: the pipeline's stages for a single text."""

from groundtune.feedback.claims import claims_of
from groundtune.feedback.conquer import conquer
from groundtune.pipeline.claims import Labelling, labeler_producer
from groundtune.records import Answer, Claim, Producer, Prompt
from groundtune.store.keys import key_of

_SERVED = Producer(kind="model", name="served")


class LabelledCheck:
    """A `ClaimCheck` by a divider and a labeler."""

    def __init__(self, labelling: Labelling) -> None:
        self._labelling = labelling

    def __call__(self, prompt: Prompt, answer: str) -> list[Claim]:
        """The claims, with the answer's characters, p(yes), p(no) and status."""
        own = self._labelling
        key = key_of("served", prompt.key, answer)
        row = Answer(key=key, prompt=prompt.key, text=answer, producer=_SERVED)
        statements = own.divider.divide([prompt], [row])[0]
        divided = claims_of(row, statements, own.divider.producer())
        by = labeler_producer(own)
        return conquer(divided, {key: prompt}, own.labeler, by, own.asking).claims
