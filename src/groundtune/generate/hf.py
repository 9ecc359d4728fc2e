"""Answers and yes/no probabilities of a model in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from groundtune.generate.decode import decode
from groundtune.generate.first import first_logits
from groundtune.generate.thoughts import split_thoughts
from groundtune.generate.yes_no import YesNoIds, yes_no_ids
from groundtune.protocols import Images, Reply, YesNoReply
from groundtune.records import Producer, Prompt, Sampling
from groundtune.vlm.encode import decode_answer, encode_prompt
from groundtune.vlm.load import Vlm

if TYPE_CHECKING:
    from torch import Tensor

ASKED_TOGETHER = 4
"""Questions about the same images that are worth a pass of their own behind those images."""


class HfGenerator:
    """A `Generator` and a `YesNo` over one loaded model.

    `batch_size` is the maximum number of rows per forward pass; `name` replaces the model's name as
    the producer of answers.
    """

    def __init__(self, vlm: Vlm, images: Images, batch_size: int = 16, *, name: str = "") -> None:
        self.vlm = vlm
        self.images = images
        self.batch_size = batch_size
        self.name = name or vlm.name

    def producer(self, sampling: Sampling, seed: int) -> Producer:
        """The producer of the answers; part of their keys."""
        return Producer(
            kind="model",
            name=self.name,
            revision=self.vlm.revision,
            sampling=sampling,
            seed=seed,
        )

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        """Return one reply per prompt, in order. `seeds[i]` alone decides the draw of reply i.

        Prompts with one key are one prompt: it is read once per batch.

        Raises:
            UserError: an image is missing or unreadable, or the model's probabilities are not
                numbers.
        """
        replies: dict[int, Reply] = {}
        order = sorted(range(len(prompts)), key=lambda i: (*_length(prompts[i]), prompts[i].key))
        for batch in self._batches(order):
            places = {prompts[i].key: i for i in batch}
            keys = list(places)
            encoded = [encode_prompt(self.vlm, prompts[i], self.images) for i in places.values()]
            rows = [keys.index(prompts[i].key) for i in batch]
            answers = decode(self.vlm, encoded, rows, [seeds[i] for i in batch], sampling)
            replies |= {i: self._reply(ids) for i, ids in zip(batch, answers, strict=True)}
        return [replies[i] for i in range(len(prompts))]

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """Return one reply per prompt, in order, from the softmax over an answer's first token.

        p_yes and p_no are the raw masses on the tokens of yes and of no (`yes_no_ids`). Questions
        about one image cost little more than one: ask them together.

        Raises:
            UserError: an image is missing or unreadable, or the tokenizer can't tell yes from no.
        """
        groups: dict[tuple[str, ...], list[int]] = {}
        for i, prompt in enumerate(prompts):
            groups.setdefault(prompt.images, []).append(i)
        replies: dict[int, YesNoReply] = {}
        for group in groups.values():
            if len(group) >= ASKED_TOGETHER:
                replies |= self._behind_one_image(prompts, group)
        apart = [i for group in groups.values() for i in group if i not in replies]
        apart.sort(key=lambda i: (len(prompts[i].images), prompts[i].images))
        for batch in self._batches(apart):
            probs_BV = self._next_token([prompts[i] for i in batch])
            spellings = (self._answers.yes, self._answers.no)
            yes_B, no_B = (probs_BV[:, sorted(ids)].sum(-1) for ids in spellings)
            for place, i in enumerate(batch):
                replies[i] = YesNoReply(float(yes_B[place]), float(no_B[place]))
        return [replies[i] for i in range(len(prompts))]

    def _behind_one_image(
        self, prompts: Sequence[Prompt], group: Sequence[int]
    ) -> dict[int, YesNoReply]:
        """Return replies to questions about the same images; none where they can't share them."""
        from groundtune.generate.one_image import log_p_next

        yes, no, lead = (sorted(self._answers.yes), sorted(self._answers.no), self._answers.lead)
        group_prompts = [prompts[i] for i in group]
        logp_NW = log_p_next(self.vlm, group_prompts, self.images, (*yes, *no), lead=lead)
        if logp_NW is None:
            return {}
        p_NW = logp_NW.exp()
        yes_N, no_N = p_NW[:, : len(yes)].sum(-1), p_NW[:, len(yes) :].sum(-1)
        return {
            i: YesNoReply(float(yes_N[place]), float(no_N[place])) for place, i in enumerate(group)
        }

    @cached_property
    def _answers(self) -> YesNoIds:
        return yes_no_ids(self.vlm)

    def _next_token(self, prompts: Sequence[Prompt]) -> "Tensor":
        encoded = [encode_prompt(self.vlm, prompt, self.images) for prompt in prompts]
        encoded = [replace(prompt, ids=(*prompt.ids, *self._answers.lead)) for prompt in encoded]
        logits_BV = first_logits(self.vlm, encoded, [prompt.images for prompt in prompts])
        return logits_BV.float().softmax(-1)

    def _batches(self, order: Sequence[int]) -> Iterator[Sequence[int]]:
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size]

    def _reply(self, ids: list[int]) -> Reply:
        finished = bool(ids) and ids[-1] in self.vlm.eos_ids
        reply = split_thoughts(decode_answer(self.vlm, ids))
        return Reply(reply.answer, len(ids), finished, reply.thoughts)


def _length(prompt: Prompt) -> tuple[int, int]:
    """Return the sort key that puts prompts of similar length together: images, characters."""
    parts = (part for message in prompt.messages for part in message.content)
    return len(prompt.images), sum(len(part.text) for part in parts if part.type == "text")
