"""A model in this process as a judge: it reads the system text and the request in one user turn."""

from collections.abc import Callable, Generator, Mapping

from groundtune import protocols
from groundtune.bench.judge.asking import Failure, JudgeOutput, Outcome
from groundtune.bench.judge.judge import Request, joined
from groundtune.records import Message, Prompt, Sampling, TextPart
from groundtune.store.keys import key_of

AT_ONCE = 32
"""Requests between two writes."""


class LocalAsker:
    """An `Asker` over a generator; `repeat` is the seed."""

    spent = 0.0

    def __init__(self, generator: protocols.Generator, sampling: Sampling) -> None:
        self.generator = generator
        self.sampling = sampling
        producer = generator.producer(sampling, 0)
        self.model = self.where = producer.name
        self.revision = producer.revision

    def parameters(self) -> dict[str, float | str]:
        """Temperature, limit, and the weights."""
        own = self.sampling
        return {
            "temperature": own.temperature,
            "max_tokens": own.max_new_tokens,
            "revision": self.revision,
        }

    def described(self) -> dict[str, str]:
        """The model's name."""
        return {"judge": self.model}

    def planned(self, requests: Mapping[str, Request]) -> str:
        """How many requests."""
        return f"{len(requests)} requests to a model on this machine"

    def ask(
        self, requests: Mapping[str, Request], repeat: int, stop: Callable[[], bool]
    ) -> Generator[tuple[str, Outcome]]:
        """Yield each request's reply, in order."""
        items = list(requests.items())
        for first in range(0, len(items), AT_ONCE):
            if stop():
                return
            some = items[first : first + AT_ONCE]
            prompts = [_prompt(request) for _, request in some]
            drawn = self.generator.generate(prompts, self.sampling, [repeat] * len(some))
            for (key, _), reply in zip(some, drawn, strict=True):
                yield key, self._outcome(reply)

    def _outcome(self, reply: protocols.Reply) -> Outcome:
        finish = "stop" if reply.finished else "length"
        if not reply.text:
            return Failure(why=f"the reply has no text (finish: {finish})")
        return JudgeOutput(
            text=reply.text, model=self.model, finish=finish, tokens_out=reply.tokens
        )


def _prompt(request: Request) -> Prompt:
    messages = (Message(role="user", content=(TextPart(text=joined(request)),)),)
    return Prompt(key=key_of("judge", messages), messages=messages)
