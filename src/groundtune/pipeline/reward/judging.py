"""What a reward model reads: a prompt, facts about its images, an answer, a request for a score.

Training, validation and scoring all go through `RewardRequests`, so that they can't differ.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.pipeline.models.prompt_sources import source_of, truth_scorer
from groundtune.pipeline.reward.settings import FactSettings, JudgingSettings
from groundtune.records import Message, Prompt, TextPart
from groundtune.store.keys import key_of, seed_of

if TYPE_CHECKING:
    from groundtune.train.judged import JudgedAnswer
    from groundtune.vlm.load import Vlm


@dataclass(frozen=True, slots=True)
class RewardRequests:
    """Renders prompts and requests; `pool` are the prompts whose facts a placebo may show."""

    settings: JudgingSettings
    seed: int
    pool: tuple[Prompt, ...] = ()

    def facts(self, prompt: Prompt, answer: str = "") -> tuple[str, ...]:
        """Return the facts to show for a prompt, in the order in which they are shown."""
        facts = self.settings.facts
        if facts.show == "none":
            return ()
        source = _other(prompt, self.pool, self.seed) if facts.show == "other-scene" else prompt
        facts_left = list(source.facts)
        if facts.show != "truth" and facts.left_out:
            number = max(1, round(len(facts_left) * (1 - facts.left_out)))
            facts_left = random.Random(seed_of("facts", source.key, self.seed)).sample(
                facts_left, number
            )
        salt = answer if facts.order == "answer" else ""
        random.Random(seed_of("order of facts", prompt.key, self.seed, salt)).shuffle(facts_left)
        options = [f"Options: {'; '.join(source.options)}"] if source.options else []
        return (*facts_left, *options)

    def prompt(self, prompt: Prompt) -> Prompt:
        """Return the prompt that the reward model reads: with facts, if they come before."""
        if self.settings.facts.place == "after":
            return prompt
        facts = self.facts(prompt)
        if not facts:
            return prompt
        text = _lines(facts, self.settings.facts)
        messages = _before_last(prompt.messages, text)
        return prompt.model_copy(
            update={"key": key_of("judged", prompt.key, text), "messages": messages}
        )

    def request(self, prompt: Prompt, answer: str) -> str:
        """Return the text that follows an answer; "" if nothing does."""
        facts = self.facts(prompt, answer) if self.settings.facts.place == "after" else ()
        text = _lines(facts, self.settings.facts) if facts else ""
        return self.settings.request.replace("{facts}", text)


def encode_judged(vlm: "Vlm", answer: str, request: str, *, twice: bool = False) -> "JudgedAnswer":
    """Return an answer's tokens, then those of the request, then the answer's again if `twice`.

    Raises:
        UserError: the answer is empty, or spells a special token.
    """
    from groundtune.train.judged import JudgedAnswer
    from groundtune.vlm.encode import encode_answer
    from groundtune.vlm.encoded import EncodedAnswer

    if not answer.strip():
        raise UserError(
            "The answer is empty, so there is nothing to score.",
            "an answer",
            "Remove it, or leave such answers out with skip_bad=true.",
        )
    encoded = encode_answer(vlm, answer)
    length = len(encoded.ids)
    ids: tuple[int, ...] = ()
    if request:
        ids = tuple(vlm.processor.tokenizer.encode(" " + request, add_special_tokens=False))
    offsets = ((len(answer), len(answer)),) * len(ids)
    if twice:
        ids, offsets = (*ids, *encoded.ids), (*offsets, *encoded.offsets)
    longer = EncodedAnswer(ids=(*encoded.ids, *ids), offsets=(*encoded.offsets, *offsets))
    return JudgedAnswer(longer, length, len(longer.ids) - length if twice else 0)


def check_facts(
    prompts: Sequence[Prompt], facts: FactSettings, where: str, pool: Sequence[Prompt] = ()
) -> None:
    """Refuse facts that aren't there, or that are more than their name says.

    A placebo shows facts of the `pool`, or else of the prompts themselves.

    Raises:
        UserError: no prompt has facts; the whole truth is asked of a source that doesn't know it,
            or would be shown under another name; or a placebo has no other image's facts.
    """
    if facts.show == "none":
        return
    bare = sum(not prompt.facts for prompt in prompts)
    if bare:
        raise UserError(
            f"{bare} of {len(prompts)} prompts have no facts.",
            where,
            "Use facts.show=none, or add facts: groundtune facts.",
        )
    source = source_of(prompts)
    if facts.show == "truth":
        truth_scorer(source, where, "Use facts.show=shown")
    elif source is not None and source.truth is not None and not facts.left_out:
        raise UserError(
            f"The facts of these prompts are the whole truth, which facts.show={facts.show} "
            "would show.",
            where,
            "Leave some out (facts.left_out=0.34), or use facts.show=truth as an upper bound.",
        )
    if facts.show == "other-scene" and len({prompt.images for prompt in pool or prompts}) < 2:
        raise UserError(
            "Facts of another image need prompts about several images.",
            where,
            "Use more prompts, or facts.show=shown.",
        )


def _other(prompt: Prompt, pool: Sequence[Prompt], seed: int) -> Prompt:
    """Return a prompt about other images, with as many facts if there is one."""
    others = [each for each in pool if each.images != prompt.images]
    assert others, "check_facts refuses a pool of one image"
    near = min(abs(len(each.facts) - len(prompt.facts)) for each in others)
    alike = [each for each in others if abs(len(each.facts) - len(prompt.facts)) == near]
    alike.sort(key=lambda each: each.key)
    return alike[seed_of("placebo", prompt.key, seed) % len(alike)]


def _lines(facts: Sequence[str], settings: FactSettings) -> str:
    return "\n".join([settings.lead, *(settings.item + fact for fact in facts)])


def _before_last(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """Return the messages with a text before the first text of the last one."""
    *earlier, last = messages
    content = list(last.content)
    place = next((i for i, p in enumerate(content) if isinstance(p, TextPart)), len(content))
    question = content[place : place + 1]
    joined = "\n".join([text, *(p.text for p in question if isinstance(p, TextPart))])
    content[place : place + 1] = [TextPart(text=joined)]
    return (*earlier, last.model_copy(update={"content": tuple(content)}))
