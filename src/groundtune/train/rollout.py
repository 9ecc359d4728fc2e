"""Rollouts: answers that a policy drew to learn from, with all that their use depends on."""

from typing import Literal, Self

from pydantic import FiniteFloat, model_validator

from groundtune.records import Key, Record


class Rollout(Record):
    """One answer as its engine drew it, by the engine's own tokens: text is never encoded again."""

    key: Key
    step: int
    """Step of the run, from 1, in which it is learnt from."""
    prompt: Key
    index: int
    """Which of the group's answers, from 0."""
    seed: int
    text: str
    """The answer without its thoughts and surrounding white space: what rewards read."""
    prompt_ids: tuple[int, ...]
    """Tokens of the prompt by one call of the processor, images expanded."""
    answer_ids: tuple[int, ...]
    """Tokens of the answer, the end token included if there is one."""
    logp: tuple[FiniteFloat, ...]
    """log p of each token by the engine that drew it, nats."""
    banned: float = 0.0
    """Expected number of image placeholders among the tokens, had they not been banned; 0 from a
    server, which doesn't say."""
    mode: Literal["raw", "processed"]
    """Whether these are of the model's logits, or of the distribution after temperature, top-p and
    so on."""
    finish: Literal["stop", "length"]
    images: tuple[str, ...]
    """sha256 of each image's file."""
    processor: str
    """Hash of the processor's settings."""
    weights: str
    """Which weights drew it: the model's revision and the steps trained since."""

    @model_validator(mode="after")
    def _each_token_has_a_log_probability(self) -> Self:
        if len(self.logp) != len(self.answer_ids) or not self.answer_ids:
            raise ValueError(
                f"{len(self.answer_ids)} tokens have {len(self.logp)} log-probabilities"
            )
        return self
