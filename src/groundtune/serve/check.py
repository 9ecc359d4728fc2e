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
        labelling = self._labelling
        pairs = list(zip(prompts, answers, strict=True))
        keys = [key_of("served", prompt.key, answer) for prompt, answer in pairs]
        about = dict(zip(keys, prompts, strict=True))  # equal answers are merged
        texts = dict(zip(keys, answers, strict=True))
        rows = [
            Answer(key=key, prompt=prompt.key, text=texts[key], producer=_SERVED)
            for key, prompt in about.items()
        ]
        divider = labelling.divider.producer()
        statements_of_row = labelling.divider.divide(list(about.values()), rows)
        all_claims = [
            claim
            for row, statements in zip(rows, statements_of_row, strict=True)
            for claim in claims_of(row, statements, divider)
        ]
        without_image = [claim for claim in all_claims if not about[claim.answer].images]
        with_image = [claim for claim in all_claims if about[claim.answer].images]
        verdicts = conquer(
            with_image, about, labelling.labeler, labeler_producer(labelling), labelling.asking
        ).claims
        claims = by_answer([*verdicts, *without_image])
        return [claims[key] for key in keys]
