"""Draws a step's answers, with the model in training or by a server, and keeps them as records.

A rollout's key follows from the weights that draw it, its prompt, its index and the run, so a step
that starts again uses what it drew before and draws only what is missing.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Any, Protocol

from groundtune.errors import UserError
from groundtune.generate.decode import decode_with_logp
from groundtune.generate.rollout_server import RolloutServer, ServedAnswer, WantedAnswer
from groundtune.generate.thoughts import split_thoughts
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.records import Prompt
from groundtune.store.dataset import RecordSet
from groundtune.store.files import remove_folder
from groundtune.store.keys import key_of, seed_of
from groundtune.train.checkpoint import write_model
from groundtune.train.parallel import Parallel
from groundtune.train.rollout import Rollout
from groundtune.vlm.encode import decode_answer
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.load import Vlm
from groundtune.vlm.special_tokens import placeholder_ids

Group = tuple[str, list[tuple[str, int]]]
"""A prompt's key, and the key and index of each of its answers."""
PROMPTS_KEPT = 1024
"""Encoded prompts kept in memory, with their image features."""


class _DrawnAnswer(Protocol):
    """An answer as an engine drew it."""

    @property
    def ids(self) -> Sequence[int]: ...

    @property
    def logp(self) -> Sequence[float]: ...


class PromptTokens:
    """Prompts as tokens; each key has one object as long as it is kept, so that rows share it."""

    def __init__(self, encode: Callable[[Prompt], EncodedPrompt], prompts: Sequence[Prompt]):
        self._encode = encode
        self._prompts = {prompt.key: prompt for prompt in prompts}
        self._encoded: dict[str, EncodedPrompt] = {}

    def __call__(self, key: str) -> EncodedPrompt:
        """Return the prompt of a key."""
        if key not in self._encoded:
            while len(self._encoded) >= PROMPTS_KEPT:
                self._encoded.pop(next(iter(self._encoded)))
            self._encoded[key] = self._encode(self._prompts[key])
        return self._encoded[key]


def prompts_of_step(prompts: Sequence[Prompt], settings: RLSettings, step: int) -> list[Prompt]:
    """Return the prompts of a step, from 1: all in a new order, then all in another one.

    Prompts that don't fill a step at the end of an order are left out of it.
    """
    size = min(settings.prompts_per_step, len(prompts))
    per_epoch = len(prompts) // size
    epoch, place = divmod(step - 1, per_epoch)
    order = list(prompts)
    Random(f"{settings.seed}/{epoch}").shuffle(order)
    return order[place * size : (place + 1) * size]


@dataclass(frozen=True, kw_only=True)
class Drawing(ABC):
    """What draws a step's answers; what was drawn before is used, and only the rest is drawn."""

    vlm: Vlm
    prompts: Sequence[Prompt]
    encoded: PromptTokens
    settings: RLSettings
    parallel: Parallel
    folder: Path
    """OUT/rollouts."""

    def __call__(self, step: int) -> list[Rollout]:
        """Return all answers of a step, from 1, in order, the same in every process.

        Raises:
            UserError: an image is unreadable, probabilities are not numbers, or the disk is full.
        """
        stored = RecordSet(self.folder / f"step-{step:06d}", Rollout)
        prompts = prompts_of_step(self.prompts, self.settings, step)
        weights = f"{self.vlm.revision}+{step - 1}"
        keys = {
            self._key(weights, prompt, index): (prompt, index)
            for prompt in prompts
            for index in range(self.settings.n)
        }
        [there, *_] = self.parallel.gather(stored.read() if self.parallel.main else [])
        by_rollout_key = {rollout.key: rollout for rollout in there}
        missing: dict[str, list[tuple[str, int]]] = {}
        for key, (prompt, index) in keys.items():
            if key not in by_rollout_key:
                missing.setdefault(prompt.key, []).append((key, index))
        by_key = {prompt.key: prompt for prompt in prompts}
        rollouts = self.draw(step, weights, list(missing.items()), by_key, stored)
        by_rollout_key |= {rollout.key: rollout for rollout in rollouts}
        return [by_rollout_key[key] for key in keys]

    @abstractmethod
    def draw(
        self,
        step: int,
        weights: str,
        groups: Sequence[Group],
        by_key: Mapping[str, Prompt],
        stored: RecordSet[Rollout],
    ) -> list[Rollout]:
        """Return the answers of groups, the same in every process, once they are kept."""

    def _key(self, weights: str, prompt: Prompt, index: int) -> str:
        return key_of("rollout", weights, self._processor, prompt.key, index, self._seed(prompt))

    def _seed(self, prompt: Prompt) -> str:
        return f"{self.settings.seed}/{prompt.key}"

    def _rollout(
        self,
        step: int,
        weights: str,
        prompt: Prompt,
        want: tuple[str, int],
        answer: _DrawnAnswer,
        banned: float = 0.0,
    ) -> Rollout:
        key, index = want
        return Rollout(
            key=key,
            step=step,
            prompt=prompt.key,
            index=index,
            seed=self._seed_of(step, prompt.key, index),
            text=split_thoughts(decode_answer(self.vlm, answer.ids)).answer,
            prompt_ids=self.encoded(prompt.key).ids,
            answer_ids=tuple(answer.ids),
            logp=tuple(answer.logp),
            banned=banned,
            mode="raw",
            finish="stop" if answer.ids[-1] in self.vlm.eos_ids else "length",
            images=prompt.images,
            processor=self._processor,
            weights=weights,
        )

    def _seed_of(self, step: int, prompt: str, index: int) -> int:
        return seed_of(self.settings.seed, step, prompt, index)

    @cached_property
    def _banned(self) -> frozenset[int]:
        return placeholder_ids(self.vlm)

    @cached_property
    def _processor(self) -> str:
        images: Any = self.vlm.processor.image_processor
        return key_of(json.loads(images.to_json_string()))


class InProcess(Drawing):
    """Draws with the model in training itself; each process draws its share."""

    def draw(
        self,
        step: int,
        weights: str,
        groups: Sequence[Group],
        by_key: Mapping[str, Prompt],
        stored: RecordSet[Rollout],
    ) -> list[Rollout]:
        """Return the answers of groups; the main process keeps them."""
        own_rollouts = [
            rollout
            for batch in self._batches(self.parallel.share(list(groups)))
            for rollout in self._drawn(step, weights, batch, by_key)
        ]
        rollouts = [rollout for part in self.parallel.gather(own_rollouts) for rollout in part]
        if self.parallel.main:
            stored.append(rollouts)
        return rollouts

    def _batches(self, groups: Sequence[Group]) -> list[list[Group]]:
        """Return groups of answers in batches of about `batch_size` rows."""
        size = max(1, self.settings.batch_size // self.settings.n)
        return [list(groups[first : first + size]) for first in range(0, len(groups), size)]

    def _drawn(
        self, step: int, weights: str, batch: Sequence[Group], by_key: Mapping[str, Prompt]
    ) -> list[Rollout]:
        requests = [(place, want) for place, (_, some) in enumerate(batch) for want in some]
        answers = decode_with_logp(
            self.vlm,
            [self.encoded(key) for key, _ in batch],
            [place for place, _ in requests],
            [self._seed_of(step, batch[place][0], index) for place, (_, index) in requests],
            self.settings.sampling,
            banned=self._banned,
        )
        return [
            self._rollout(
                step, weights, by_key[batch[place][0]], want, answer, banned=answer.banned
            )
            for (place, want), answer in zip(requests, answers, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class FromServer(Drawing):
    """Has a server draw with an adapter of the newest weights; the main process asks it.

    Each answer is kept as soon as it is there.
    """

    server: RolloutServer
    served: Path
    """Folder of the adapters that the server loads."""

    def draw(
        self,
        step: int,
        weights: str,
        groups: Sequence[Group],
        by_key: Mapping[str, Prompt],
        stored: RecordSet[Rollout],
    ) -> list[Rollout]:
        """Return the answers of groups, drawn by the weights of the step.

        Raises:
            UserError: the server can't load the weights, or doesn't return what is needed.
        """
        rollouts: list[Rollout] = []
        if self.parallel.main and groups:
            self._refresh(step)
            requests = [(by_key[key], want) for key, indices in groups for want in indices]
            answers = self.server.draw(
                [
                    WantedAnswer(
                        prompt, self.encoded(prompt.key).ids, self._seed_of(step, prompt.key, index)
                    )
                    for prompt, (_, index) in requests
                ],
                self.settings.sampling,
                image_ids=self._banned,
            )
            for number, answer in answers:
                prompt, want = requests[number]
                self._refuse_other_tokens(answer, prompt)
                rollouts.append(self._rollout(step, weights, prompt, want, answer))
                stored.append(rollouts[-1:])
        if self.parallel.main:
            stored.compact()
        return self.parallel.gather(rollouts)[0]

    def _refuse_other_tokens(self, answer: ServedAnswer, prompt: Prompt) -> None:
        """Refuse tokens that the model doesn't have, and an end that is none of its own."""
        where = f"{self.server.settings.urls[0]}, prompt {prompt.key}"
        size: int = self.vlm.model.get_input_embeddings().num_embeddings
        if not all(0 <= token < size for token in answer.ids):
            raise UserError(
                f"The server drew token {max(answer.ids)}, but the model has {size}.",
                where,
                "Serve the same model.",
            )
        if answer.finish == "stop" and answer.ids[-1] not in self.vlm.eos_ids:
            raise UserError(
                f"The server ended an answer with token {answer.ids[-1]}, which is no end token.",
                where,
                "Serve the model with its own end tokens and without stop words.",
            )

    def _refresh(self, step: int) -> None:
        """Write the adapter of a step's weights, and have the server load it.

        Its name is new each time: the server may still have the one of a run that was killed. What
        is in the folder was loaded before, and is forgotten.
        """
        name = f"{self.served.parent.name}-step-{step:06d}-{token_hex(4)}"
        write_model(self.vlm, self.served / name)
        self.server.load(name, self.served / name)
        for old in self.served.iterdir():
            if old.is_dir() and old.name != name:
                self.server.unload(old.name)
                remove_folder(old)
