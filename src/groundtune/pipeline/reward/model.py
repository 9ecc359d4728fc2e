"""A reward model in memory: a `Rewarder`, and a `SpanRewarder` if it learnt which words are wrong.

Shapes: T tokens of an answer.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.reward.judging import RewardRequests, check_facts, encode_judged
from groundtune.pipeline.reward.sharing import LoadedBase
from groundtune.pipeline.reward.spec import (
    HEAD,
    Probe,
    Reading,
    RewardSpec,
    processor_hash,
    read_spec,
)
from groundtune.protocols import Images, SpanReward
from groundtune.records import Prompt
from groundtune.store import checksums

if TYPE_CHECKING:
    from torch import Tensor

    from groundtune.engine.hidden import TokenValues
    from groundtune.train.judged import JudgedAnswer
    from groundtune.train.reward_head import RewardHead
    from groundtune.vlm.load import Vlm

EXACT = 0.01
"""Largest difference of a recorded score in float32, as a share of the scores' spread."""
ROUNDED = 0.25
"""The same in 16 bits, or in another type than the recorded one."""


class Reads(NamedTuple):
    """What a model reads to score an answer."""

    prompt: Prompt
    answer: str
    request: str


@dataclass(kw_only=True)
class RewardModel:
    """Scores answers to prompts; `images` has the prompts' images."""

    vlm: "Vlm"
    values: "TokenValues"
    reading: Reading
    images: Images
    pool: tuple[Prompt, ...] = ()
    """Prompts whose facts a placebo may show; those that are scored together if empty."""
    max_tokens: int = 4096
    """Tokens of a forward pass; an answer that needs more runs alone."""
    why_apart: str = ""
    """Why it has weights of its own although others were offered; "" if it shares them."""

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """Return a reward per answer, in order; NaN for an empty answer.

        Raises:
            UserError: an image is missing, or a text contains a special token.
        """
        return [self._reward(judged, values) for judged, values in self._scored(prompts, answers)]

    def reward_spans(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> list[list[SpanReward]]:
        """Return a reward per word of each answer: below 0 where the model calls it wrong.

        Raises:
            UserError: as `reward`; or the model learnt no words.
        """
        if self.reading.learn != "words":
            raise UserError(
                "The reward model scores whole answers, not words.",
                self.vlm.name,
                "Train one with learn=words from corrections.",
            )
        scored = self._scored(prompts, answers)
        return [
            [] if judged is None else list(self._words(text, judged, values))
            for text, (judged, values) in zip(answers, scored, strict=True)
        ]

    def _scored(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> "list[tuple[JudgedAnswer | None, Tensor | None]]":
        """Return each answer's tokens and their values; None for an empty one."""
        distinct = {prompt.key: prompt for prompt in prompts}
        pool = self.pool or tuple(distinct.values())
        facts = self.reading.judging.facts
        check_facts(list(distinct.values()), facts, "the prompts to score", pool)
        judging = RewardRequests(self.reading.judging, self.reading.seed, pool)
        judged = {key: judging.prompt(prompt) for key, prompt in distinct.items()}
        reads = [
            Reads(judged[p.key], a, judging.request(p, a))
            for p, a in zip(prompts, answers, strict=True)
        ]
        return self.score(reads)

    def score(self, reads: Sequence[Reads]) -> "list[tuple[JudgedAnswer | None, Tensor | None]]":
        """Return the values of what is read; answers to one prompt run together."""
        import torch

        from groundtune.engine.rows import PromptRow
        from groundtune.vlm.encode import encode_prompt

        groups: dict[str, list[int]] = {}
        for index, each in enumerate(reads):
            if each.answer.strip():
                groups.setdefault(each.prompt.key, []).append(index)
        scores: list[tuple[JudgedAnswer | None, Tensor | None]] = [(None, None)] * len(reads)
        self.vlm.model.eval()
        for group in groups.values():
            prompt = encode_prompt(self.vlm, reads[group[0]].prompt, self._images())
            twice = self.reading.judging.read_twice
            judged = {
                i: encode_judged(self.vlm, reads[i].answer, reads[i].request, twice=twice)
                for i in group
            }
            for some in _parts(group, judged, len(prompt.ids), self.max_tokens):
                row = PromptRow(prompt, tuple(judged[i].encoded for i in some))
                with torch.inference_mode():
                    [values] = self.values(self.vlm, [row])
                for i, values_T in zip(some, values, strict=True):
                    scores[i] = judged[i], values_T.cpu()
        return scores

    def _images(self) -> Images:
        if not self.reading.judging.hide_image:
            return self.images
        from groundtune.methods.pairwise import View
        from groundtune.train.views import ViewedImages

        return ViewedImages(self.images, View("blank", "blank"), 0)

    def _reward(self, judged: "JudgedAnswer | None", values_T: "Tensor | None") -> float:
        from groundtune.train.reward_head import read_reward

        if judged is None or values_T is None:
            return math.nan
        if self.reading.learn == "answers":
            return float(read_reward(values_T, judged.places, self.reading.readout))
        text_T = values_T[judged.places][:-1] - self.reading.threshold
        return -float((-text_T).sigmoid().sum())

    def _words(
        self, text: str, judged: "JudgedAnswer", values_T: "Tensor | None"
    ) -> Iterator[SpanReward]:
        """Yield each word with the lowest value of its tokens, less the threshold."""
        assert values_T is not None
        offsets = judged.encoded.offsets[: judged.length - 1]
        for word in re.finditer(r"\S+", text):
            word_values = [
                float(value)
                for (start, end), value in zip(offsets, values_T[judged.places], strict=False)
                if max(start, word.start()) < min(end, word.end())
            ]
            value = min(word_values) - self.reading.threshold if word_values else math.nan
            yield SpanReward(word.start(), word.end(), value)

    def probe(self, reads: Reads) -> float:
        """Return the score that is recorded for an answer."""
        [(judged, values_T)] = self.score([reads])
        if self.reading.learn == "words" and values_T is not None:
            return float(values_T.mean())
        return self._reward(judged, values_T)


def _parts(
    group: Sequence[int], judged: "dict[int, JudgedAnswer]", prompt: int, limit: int
) -> Iterator[list[int]]:
    """Split answers to a prompt so that each part fits into a forward pass."""
    part, tokens = list[int](), prompt
    for index in group:
        more = len(judged[index].encoded.ids)
        if part and tokens + more > limit:
            yield part
            part, tokens = [], prompt
        part.append(index)
        tokens += more
    yield part


def load_reward_model(
    folder: Path,
    images: Images,
    *,
    device: str = "auto",
    dtype: str = "auto",
    allow_chance: bool = False,
    base: LoadedBase | None = None,
) -> RewardModel:
    """Load a reward model, and check that it scores as it did when it was trained.

    With `base`, which must fit (`why_apart`), its adapter is loaded on these weights.

    Raises:
        UserError: the folder has none, is damaged, or its head or processor doesn't fit; recorded
            scores aren't reproduced; or it is no better than a guess, unless `allow_chance`.
    """
    spec = read_spec(folder)
    checksums.refuse_damaged_folder(folder, "Restore it from a copy, or train it again.")
    if spec.accuracy.at_chance and not allow_chance:
        raise at_chance(spec, folder)
    from groundtune.engine.hidden import HiddenStates, TokenValues
    from groundtune.vlm.load import load
    from groundtune.vlm.shared_base import on_base

    if base is None:
        vlm = load(str(folder.resolve()), device=device, dtype=dtype)
        processor = processor_hash(vlm.processor)
    else:
        vlm, processor = on_base(base.vlm, folder), base.processor
    vlm.special_tokens = spec.settings.get("special_tokens", "refuse")
    if processor != spec.processor:
        raise UserError(
            "The model's processor isn't the one that the reward model was trained with.",
            str(folder),
            "Restore the folder, and the base model that its adapter names.",
        )
    head = _load_head(vlm, spec, folder)
    model = RewardModel(
        vlm=vlm,
        values=TokenValues(head.to(vlm.device), HiddenStates()),
        reading=spec.reading,
        images=images,
    )
    _refuse_other_scores(model, spec, folder)
    return model


def at_chance(spec: RewardSpec, folder: Path) -> UserError:
    """Return the error for a model that is no better than a guess."""
    a = spec.accuracy
    return UserError(
        f"The reward model is at chance: {a.metric} {a.value:.1%} (95% CI {a.low:.1%} to "
        f"{a.high:.1%}, n = {a.n}), where a guess reaches {a.chance:.1%}.",
        str(folder),
        "Train it on more feedback, or with other settings (docs/reward.md).",
    )


def _load_head(vlm: "Vlm", spec: RewardSpec, folder: Path) -> "RewardHead":
    from safetensors import SafetensorError

    from groundtune.train.checkpoint import read_head
    from groundtune.train.reward_head import RewardHead
    from groundtune.vlm.plain import plain_model

    file = folder / f"{HEAD}.safetensors"
    width = plain_model(vlm.model).config.get_text_config().hidden_size
    head = RewardHead(width, spec.reading.head)
    try:
        read_head(head, file)
    except (RuntimeError, OSError, SafetensorError, ValueError) as error:
        raise UserError(
            f"The head doesn't fit the model, whose states have {width} numbers: "
            f"{next(iter(str(error).splitlines()), type(error).__name__)}",
            str(file),
            "Restore the folder, and the base model that its adapter names.",
        ) from error
    return head


def _refuse_other_scores(model: RewardModel, spec: RewardSpec, folder: Path) -> None:
    """Raise UserError unless the model gives the recorded answers their recorded scores."""
    from groundtune.store.images import ImageStore

    stored = RewardModel(
        vlm=model.vlm,
        values=model.values,
        reading=model.reading,
        images=ImageStore(folder / "images"),
    )
    dtype = str(model.vlm.model.dtype).removeprefix("torch.")
    exact = dtype == spec.dtype == "float32"
    limit = (EXACT if exact else ROUNDED) * spec.spread + 1e-5
    for number, probe in enumerate(spec.probes, 1):
        score = stored.probe(_reads(probe))
        if not abs(score - probe.score) <= limit:
            raise UserError(
                f"The reward model doesn't reproduce its recorded scores: answer {number} has "
                f"{score:.6g} instead of {probe.score:.6g} (at most {limit:.2g} apart).",
                str(folder),
                "Restore the folder and the base model; or use the recorded type "
                f"(dtype={spec.dtype}).",
            )


def _reads(probe: Probe) -> Reads:
    return Reads(probe.prompt, probe.answer, probe.request)
