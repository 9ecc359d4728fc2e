"""A judge behind an OpenAI-compatible endpoint, limited by a budget."""

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sized
from concurrent.futures import FIRST_COMPLETED, Future, wait

from groundtune.bench.judge.asking import Failure, JudgeOutput, Outcome
from groundtune.bench.judge.budget import Budget
from groundtune.bench.judge.cost import (
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
"""HTTP statuses that every further request would get too."""


class EndpointAsker:
    """An `Asker` for an endpoint.

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
    def cost(self) -> str:
        """The cost of the replies so far, with its currency; empty without a price."""
        budget = self.budget
        return budget.price.in_words(budget.spent) if budget and budget.spent else ""

    def parameters(self) -> dict[str, float | str]:
        """Return temperature and token limit."""
        sampling = self.sampling
        return {
            "temperature": sampling.temperature,
            self.settings.limit_field: sampling.max_new_tokens,
        }

    def describe(self) -> dict[str, str]:
        """Return model and URL."""
        return {"judge": self.model, "url": self.settings.urls[0]}

    def plan(self, requests: Mapping[str, Request]) -> str:
        """Return the expected requests, tokens and cost as text."""
        return self.estimate(requests).in_words()

    def estimate(self, requests: Mapping[str, Request]) -> CostEstimate:
        """Return an upper bound on tokens and cost; nothing is sent."""
        price = self.budget.price if self.budget else None
        max_tokens = self.sampling.max_new_tokens
        return estimate_cost(requests.values(), max_tokens=max_tokens, price=price)

    def ask(
        self, requests: Mapping[str, Request], repeat: int, stop: Callable[[], bool]
    ) -> Generator[tuple[str, Outcome]]:
        """Yield each request's outcome; up to `concurrency` are in flight, within the budget.

        Raises:
            UserError: the budget allows no further request.
        """
        todo, in_flight = deque(requests), dict[Future[Completion], str]()
        loop = LoopThread()
        client = loop.run(_open(self.settings))
        try:
            while in_flight or (todo and not stop()):
                while todo and not stop() and self._has_room(in_flight, requests[todo[0]]):
                    key = todo.popleft()
                    in_flight[loop.submit(self._complete(client, requests[key]))] = key
                if not in_flight:
                    raise self._overspent(f"{len(todo)} requests are left")
                for future in wait(in_flight, return_when=FIRST_COMPLETED).done:
                    key = in_flight.pop(future)
                    yield key, self._outcome(future, requests[key])
        finally:
            for future in in_flight:
                future.cancel()
            loop.run(client.close())
            loop.stop()

    async def _complete(self, client: EndpointClient, request: Request) -> Completion:
        system = [{"role": "system", "content": request.system}] if request.system else []
        messages = [*system, {"role": "user", "content": request.text}]
        body = chat_body(self.settings, messages, self.sampling)
        return await client.complete(
            body, request.hash, on_loss=lambda: self._charge_failed_try(request)
        )

    def _outcome(self, future: Future[Completion], request: Request) -> Outcome:
        """Return the outcome of a finished request, and settle its cost."""
        error = future.exception()
        completion = future.result() if error is None else None
        if self.budget:
            self.budget.settle(request, completion)
        if completion is not None:
            return _output(completion, request)
        if isinstance(error, EndpointFault):
            return error if error.status in FATAL else Failure(why=error.why)
        if isinstance(error, UserError):
            return error
        assert error is not None
        raise error

    def _has_room(self, in_flight: Sized, request: Request) -> bool:
        if len(in_flight) >= self.settings.concurrency:
            return False
        return self.budget is None or self.budget.reserve(request)

    def _charge_failed_try(self, request: Request) -> None:
        """Charge a failed try; stop if the budget doesn't allow a retry."""
        if self.budget and not self.budget.charge_failed_try(request):
            raise self._overspent("this request failed and may have been charged for")

    def _overspent(self, reason: str) -> UserError:
        assert self.budget is not None
        price, cap, cost = self.budget.price, self.budget.cap, self.budget.spent
        return UserError(
            f"The budget of {price.in_words(cap, 'g')} allows no further request: {reason}.",
            f"{self.where}, spent {price.in_words(cost)}",
            "Raise the budget and run again: cached replies cost nothing.",
        )


async def _open(settings: EndpointSettings) -> EndpointClient:
    return EndpointClient(settings)


def _output(completion: Completion, request: Request) -> JudgeOutput | Failure:
    (choice,) = completion.choices
    if choice.refused:
        return Failure(why=f"the judge refused: {choice.text}")
    if not choice.text:
        return Failure(why=f"the reply has no text (finish: {choice.finish or 'not given'})")
    tokens_in, tokens_out = completion.tokens_in, completion.tokens_out
    return JudgeOutput(
        text=choice.text,
        model=completion.model,
        finish=choice.finish,
        thoughts=choice.thoughts,
        tokens_in=count_tokens(request) if tokens_in is None else tokens_in,
        tokens_out=count_text(choice.text) if tokens_out is None else tokens_out,
    )
