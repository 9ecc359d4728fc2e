"""A local model as a judge: system text and request form one user turn."""

from collections.abc import Callable, Generator, Mapping

from groundtune import protocols
from groundtune.bench.judge.asking import Failure, JudgeOutput, Outcome
from groundtune.bench.judge.judge import Request, join_texts
from groundtune.generate.thoughts import without_thoughts
from groundtune.records import Message, Prompt, Sampling, TextPart
from groundtune.store.keys import key_of

AT_ONCE = 32
"""Requests per call of the generator."""


class LocalAsker:
    """An `Asker` for a generator; `repeat` is the seed."""

    cost = ""

    def __init__(self, generator: protocols.Generator, sampling: Sampling) -> None:
        self.generator = generator
        self.sampling = sampling
        producer = generator.producer(sampling, 0)
        self.model = self.where = producer.name
        self.revision = producer.revision

    def parameters(self) -> dict[str, float | str]:
        """Return temperature, token limit and revision of the weights."""
        sampling = self.sampling
        return {
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_new_tokens,
            "revision": self.revision,
        }

    def describe(self) -> dict[str, str]:
        """Return the model's name."""
        return {"judge": self.model}

    def plan(self, requests: Mapping[str, Request]) -> str:
        """Return the number of requests as text."""
        return f"{len(requests)} requests to a model on this machine"

    def ask(
        self, requests: Mapping[str, Request], repeat: int, stop: Callable[[], bool]
    ) -> Generator[tuple[str, Outcome]]:
        """Yield each request's reply, in order."""
        items = list(requests.items())
        for start in range(0, len(items), AT_ONCE):
            if stop():
                return
            batch = items[start : start + AT_ONCE]
            prompts = [_prompt(request) for _, request in batch]
            replies = self.generator.generate(prompts, self.sampling, [repeat] * len(batch))
            for (key, _), reply in zip(batch, replies, strict=True):
                yield key, self._outcome(reply)

    def _outcome(self, reply: protocols.Reply) -> Outcome:
        reply = without_thoughts(reply)
        finish = "stop" if reply.finished else "length"
        if not reply.text:
            return Failure(why=f"the reply has no text (finish: {finish})")
        return JudgeOutput(
            text=reply.text,
            model=self.model,
            finish=finish,
            thoughts=reply.thoughts,
            tokens_out=reply.tokens,
        )


def _prompt(request: Request) -> Prompt:
    messages = (Message(role="user", content=(TextPart(text=join_texts(request)),)),)
    return Prompt(key=key_of("judge", messages), messages=messages)
