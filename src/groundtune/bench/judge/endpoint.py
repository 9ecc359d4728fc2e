"""A judge behind an OpenAI-compatible endpoint: the client of `generate`, within a budget."""

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sized
from concurrent.futures import FIRST_COMPLETED, Future, wait

from groundtune.bench.judge.asking import Failure, JudgeOutput, Outcome
from groundtune.bench.judge.cost import (
    Budget,
    CostEstimate,
    count_text,
    count_tokens,
    estimate_cost,
)
from groundtune.bench.judge.judge import Request
from groundtune.errors import UserError
from groundtune.generate.client import EndpointClient, EndpointFault
from groundtune.generate.completion import Completion
from groundtune.generate.endpoint import EndpointSettings, read_key
from groundtune.generate.endpoint_body import chat_body
from groundtune.generate.loop_thread import LoopThread
from groundtune.records import Sampling

FATAL = frozenset({401, 403, 404})
"""Refusals that every other request would get too."""


class EndpointAsker:
    """An `Asker` over an endpoint.

    Raises:
        UserError: the key can't be sent.
    """

    def __init__(
        self, settings: EndpointSettings, sampling: Sampling, budget: Budget | None = None
    ) -> None:
        read_key(settings)
        self.settings = settings
        self.sampling = sampling
        self.budget = budget
        self.model = settings.model
        self.where = f"{settings.urls[0]}, model {settings.model}"

    @property
    def spent(self) -> float:
        """What the replies cost so far; 0 without a price."""
        return self.budget.spent if self.budget else 0.0

    def parameters(self) -> dict[str, float | str]:
        """Temperature and limit."""
        own = self.sampling
        return {"temperature": own.temperature, self.settings.limit_field: own.max_new_tokens}

    def described(self) -> dict[str, str]:
        """Model and address."""
        return {"judge": self.model, "url": self.settings.urls[0]}

    def planned(self, requests: Mapping[str, Request]) -> str:
        """Requests, tokens and cost."""
        return self.estimate(requests).in_words()

    def estimate(self, requests: Mapping[str, Request]) -> CostEstimate:
        """Return what asking for these will take at the most; nothing is sent."""
        price = self.budget.price if self.budget else None
        most = self.sampling.max_new_tokens
        return estimate_cost(requests.values(), max_tokens=most, price=price)

    def ask(
        self, requests: Mapping[str, Request], repeat: int, stop: Callable[[], bool]
    ) -> Generator[tuple[str, Outcome]]:
        """Yield each request's outcome; `concurrency` are in flight, as far as the budget allows.

        Raises:
            UserError: the budget allows no further request.
        """
        todo, flight = deque(requests), dict[Future[Completion], str]()
        loop = LoopThread()
        client = loop.run(_open(self.settings))
        try:
            while flight or (todo and not stop()):
                while todo and not stop() and self._has_room(flight, requests[todo[0]]):
                    key = todo.popleft()
                    flight[loop.submit(self._complete(client, requests[key]))] = key
                if not flight:
                    raise self._overspent(f"{len(todo)} are left")
                for future in wait(flight, return_when=FIRST_COMPLETED).done:
                    key = flight.pop(future)
                    yield key, self._outcome(future, requests[key])
        finally:
            for future in flight:
                future.cancel()
            loop.run(client.close())
            loop.stop()

    async def _complete(self, client: EndpointClient, request: Request) -> Completion:
        system = [{"role": "system", "content": request.system}] if request.system else []
        messages = [*system, {"role": "user", "content": request.text}]
        body = chat_body(self.settings, messages, self.sampling)
        return await client.complete(body, request.hash, lost=lambda: self._lose(request))

    def _outcome(self, future: Future[Completion], request: Request) -> Outcome:
        """What became of a request, which is no longer in flight."""
        error = future.exception()
        found = future.result() if error is None else None
        if self.budget:
            self.budget.settle(request, found)
        if found is not None:
            return _output(found, request)
        if isinstance(error, EndpointFault):
            return error if error.status in FATAL else Failure(why=error.why)
        if isinstance(error, UserError):
            return error
        assert error is not None
        raise error

    def _has_room(self, flight: Sized, request: Request) -> bool:
        if len(flight) >= self.settings.concurrency:
            return False
        return self.budget is None or self.budget.hold(request)

    def _lose(self, request: Request) -> None:
        """A try may have been charged for: stop where the budget doesn't allow another."""
        if self.budget and not self.budget.lose(request):
            raise self._overspent("this request failed and may have been charged for")

    def _overspent(self, left: str) -> UserError:
        assert self.budget is not None
        return UserError(
            f"The budget of {self.budget.cap:g} allows no further request: {left}.",
            f"{self.where}, spent {self.budget.spent:.4f}",
            "Raise the budget and run again: what was replied is kept and costs nothing.",
        )


async def _open(settings: EndpointSettings) -> EndpointClient:
    return EndpointClient(settings)


def _output(found: Completion, request: Request) -> JudgeOutput | Failure:
    (choice,) = found.choices
    if choice.refused:
        return Failure(why=f"the judge refused: {choice.text}")
    if not choice.text:
        return Failure(why=f"the reply has no text (finish: {choice.finish or 'not given'})")
    tokens_in, tokens_out = found.tokens_in, found.tokens_out
    return JudgeOutput(
        text=choice.text,
        model=found.model,
        finish=choice.finish,
        tokens_in=count_tokens(request) if tokens_in is None else tokens_in,
        tokens_out=count_text(choice.text) if tokens_out is None else tokens_out,
    )
