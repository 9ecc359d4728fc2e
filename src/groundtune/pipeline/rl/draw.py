"""Draws a step's answers with the model in training, and keeps them as records.

A rollout's key follows from the weights that draw it, its prompt, its index and the run, so a step
that starts again uses what it drew before and draws only what is missing.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from groundtune.generate.decode import decode_with_logp
from groundtune.generate.thoughts import split_thoughts
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.records import Prompt
from groundtune.store.dataset import RecordSet
from groundtune.store.keys import key_of, seed_of
from groundtune.train.parallel import Parallel
from groundtune.train.rollouts import Rollout
from groundtune.vlm.encode import decode_answer
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.load import Vlm
from groundtune.vlm.special_tokens import placeholder_ids

PROMPTS_KEPT = 1024
"""Encoded prompts kept in memory, with their image features."""


class Encoded:
    """Prompts as tokens; each key has one object as long as it is kept, so that rows share it."""

    def __init__(self, encode: Callable[[Prompt], EncodedPrompt], prompts: Sequence[Prompt]):
        self._encode = encode
        self._prompts = {prompt.key: prompt for prompt in prompts}
        self._kept: dict[str, EncodedPrompt] = {}

    def __call__(self, key: str) -> EncodedPrompt:
        """Return the prompt of a key."""
        if key not in self._kept:
            while len(self._kept) >= PROMPTS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = self._encode(self._prompts[key])
        return self._kept[key]


def prompts_of_step(prompts: Sequence[Prompt], settings: RLSettings, step: int) -> list[Prompt]:
    """Return the prompts of a step, from 1; all prompts come once before any comes again."""
    size = min(settings.prompts_per_step, len(prompts))
    per_epoch = len(prompts) // size
    epoch, place = divmod(step - 1, per_epoch)
    order = list(prompts)
    Random(f"{settings.seed}/{epoch}").shuffle(order)
    return order[place * size : (place + 1) * size]


@dataclass(frozen=True, kw_only=True)
class InProcess:
    """Draws with the model in training itself."""

    vlm: Vlm
    prompts: Sequence[Prompt]
    encoded: Encoded
    settings: RLSettings
    parallel: Parallel
    folder: Path
    """OUT/rollouts."""

    def __call__(self, step: int) -> list[Rollout]:
        """Return all answers of a step, from 1, in order; each process draws its share.

        Raises:
            UserError: an image is unreadable, probabilities are not numbers, or the disk is full.
        """
        kept = RecordSet(self.folder / f"step-{step:06d}", Rollout)
        asked = prompts_of_step(self.prompts, self.settings, step)
        weights = f"{self.vlm.revision}+{step - 1}"
        keys = {
            self._key(weights, prompt, index): (prompt, index)
            for prompt in asked
            for index in range(self.settings.n)
        }
        [there, *_] = self.parallel.gather(kept.read() if self.parallel.main else [])
        found = {rollout.key: rollout for rollout in there}
        missing: dict[str, list[tuple[str, int]]] = {}
        for key, (prompt, index) in keys.items():
            if key not in found:
                missing.setdefault(prompt.key, []).append((key, index))
        by_key = {prompt.key: prompt for prompt in asked}
        own = [
            rollout
            for batch in self._batches(self.parallel.share(list(missing.items())))
            for rollout in self._drawn(step, weights, batch, by_key)
        ]
        drawn = [rollout for part in self.parallel.gather(own) for rollout in part]
        if self.parallel.main:
            kept.append(drawn)
        found |= {rollout.key: rollout for rollout in drawn}
        return [found[key] for key in keys]

    def _key(self, weights: str, prompt: Prompt, index: int) -> str:
        return key_of("rollout", weights, self._processor, prompt.key, index, self._seed(prompt))

    def _seed(self, prompt: Prompt) -> str:
        return f"{self.settings.seed}/{prompt.key}"

    def _batches(
        self, groups: Sequence[tuple[str, list[tuple[str, int]]]]
    ) -> list[list[tuple[str, list[tuple[str, int]]]]]:
        """Return groups of answers in batches of about `batch_size` rows."""
        size = max(1, self.settings.batch_size // self.settings.n)
        return [list(groups[first : first + size]) for first in range(0, len(groups), size)]

    def _drawn(
        self,
        step: int,
        weights: str,
        batch: Sequence[tuple[str, list[tuple[str, int]]]],
        by_key: dict[str, Prompt],
    ) -> list[Rollout]:
        encoded = [self.encoded(key) for key, _ in batch]
        wants = [(place, *each) for place, (_, some) in enumerate(batch) for each in some]
        seeds = [
            seed_of(self.settings.seed, step, batch[place][0], index) for place, _, index in wants
        ]
        answers = decode_with_logp(
            self.vlm,
            encoded,
            [place for place, _, _ in wants],
            seeds,
            self.settings.sampling,
            banned=self._banned,
        )
        found: list[Rollout] = []
        for (place, key, index), seed, answer in zip(wants, seeds, answers, strict=True):
            prompt = by_key[batch[place][0]]
            text = split_thoughts(decode_answer(self.vlm, answer.ids)).answer
            found.append(
                Rollout(
                    key=key,
                    step=step,
                    prompt=prompt.key,
                    index=index,
                    seed=seed,
                    text=text,
                    prompt_ids=encoded[place].ids,
                    answer_ids=tuple(answer.ids),
                    logp=tuple(answer.logp),
                    mode="raw",
                    finish="stop" if answer.ids[-1] in self.vlm.eos_ids else "length",
                    images=prompt.images,
                    processor=self._processor,
                    weights=weights,
                )
            )
        return found

    @cached_property
    def _banned(self) -> frozenset[int]:
        return placeholder_ids(self.vlm)

    @cached_property
    def _processor(self) -> str:
        images: Any = self.vlm.processor.image_processor
        return key_of(json.loads(images.to_json_string()))
