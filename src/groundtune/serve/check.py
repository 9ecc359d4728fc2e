"""Claim checks of served answers, by the pipeline's divider and labeler."""

from collections.abc import Sequence

from groundtune.feedback.claims import by_answer, claims_of
from groundtune.feedback.conquer import conquer
from groundtune.pipeline.feedback.claims import Labelling, labeler_producer
from groundtune.records import Answer, Claim, Producer, Prompt
from groundtune.store.keys import key_of

_SERVED = Producer(kind="model", name="served")


class LabelledCheck:
    """A `ClaimCheck` by a divider and a labeler."""

    def __init__(self, labelling: Labelling) -> None:
        self._labelling = labelling

    def __call__(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[list[Claim]]:
        """Return each answer's claims, with characters, p(yes), p(no) and status.

        Claims about no image stay unchecked.
        """
        own = self._labelling
        given = list(zip(prompts, answers, strict=True))
        keys = [key_of("served", prompt.key, answer) for prompt, answer in given]
        about = dict(zip(keys, prompts, strict=True))  # two equal answers are one
        texts = dict(zip(keys, answers, strict=True))
        rows = [
            Answer(key=key, prompt=prompt.key, text=texts[key], producer=_SERVED)
            for key, prompt in about.items()
        ]
        divider = own.divider.producer()
        found = own.divider.divide(list(about.values()), rows)
        divided = [
            claim
            for row, statements in zip(rows, found, strict=True)
            for claim in claims_of(row, statements, divider)
        ]
        blind = [claim for claim in divided if not about[claim.answer].images]
        seen = [claim for claim in divided if about[claim.answer].images]
        checked = conquer(seen, about, own.labeler, labeler_producer(own), own.asking).claims
        claims = by_answer([*checked, *blind])
        return [claims[key] for key in keys]
