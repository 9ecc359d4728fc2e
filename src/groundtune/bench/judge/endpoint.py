"""A judge behind an OpenAI-compatible endpoint, with every reply kept.

A reply is kept in a file by the hash of request, model and settings (`judge_replies.py`), so a
run that was stopped goes on where it was and asks nothing twice. Requests that waiting may mend are
tried again (`judge_http.py`); one that can't be answered is failed, with its reason, and isn't
kept. The served model's name may not change within a run. The key comes from an environment
variable, and is in no log, error or file.
"""

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from groundtune.bench.judge.cost import Budget, CostEstimate, Price, count_tokens, estimate_cost
from groundtune.bench.judge.http import Completion, Endpoint, Failure, Sender, check_endpoint
from groundtune.bench.judge.judge import Reply, Request
from groundtune.bench.judge.replies import Recorded, ReplyFile
from groundtune.errors import UserError
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.store.keys import key_of

GIVE_UP_AFTER = 10
"""Failed requests in a row that mean that the endpoint is down or refuses all."""


class Usage(Record):
    """What was asked and answered, for the report."""

    asked: int = 0
    """Requests that were replied to; tries of one request count once."""
    kept: int = 0
    """Replies that were in the file already."""
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    """0 without a price."""


class EndpointJudge:
    """Asks an endpoint, and keeps each reply in the file `cache`.

    Raises:
        UserError: a budget without a price, a damaged cache, or an address or key that can't be
            used.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        cache: Path,
        *,
        price: Price | None = None,
        budget: float | None = None,
        dry_run: bool = False,
    ) -> None:
        if budget is not None and price is None:
            raise UserError(
                "A budget needs a price.",
                f"model {endpoint.model}",
                "Give a price table that has the judge's model.",
            )
        check_endpoint(endpoint)
        self.endpoint = endpoint
        self.price = price
        self.budget = Budget(budget, price) if budget is not None and price else None
        self.dry_run = dry_run
        """Instead of asking, raises a UserError that tells what it would cost."""
        self.file = ReplyFile(cache)
        self.usage = Usage()
        self.served = ""
        """The model's name as the server gives it; empty before the first reply."""

    def described(self) -> dict[str, str]:
        """Model, address and settings."""
        settings = {name: f"{value}" for name, value in self.endpoint.parameters().items()}
        judge = {"judge": self.endpoint.model, "served": self.served, "url": self.endpoint.url}
        return judge | settings

    def key(self, request: Request, repeat: int = 0) -> str:
        """The cache's key: request, model, settings and sample."""
        settings = self.endpoint.parameters()
        return key_of("reply", request.hash, self.endpoint.model, settings, repeat)

    def estimate(self, requests: Sequence[Request], *, repeats: int = 1) -> CostEstimate:
        """What asking will take at the most; nothing is sent."""
        wanted = {self.key(each, r): each for each in requests for r in range(repeats)}
        missing = [each for key, each in wanted.items() if key not in self.file.by_key]
        return estimate_cost(
            missing,
            max_tokens=self.endpoint.max_tokens,
            price=self.price,
            kept=len(wanted) - len(missing),
        )

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[Reply]:
        """The reply to each request, from the file or from the endpoint.

        Raises:
            UserError: the endpoint refuses the key, the model or every request; the served model
                changed; the budget is spent; or the disk is full. What was replied is kept.
        """
        keys = [self.key(request, repeat) for request in requests]
        wanted = dict(zip(keys, requests, strict=True))
        missing = {key: each for key, each in wanted.items() if key not in self.file.by_key}
        for key in wanted.keys() - missing.keys():
            self._refuse_drift(self.file.by_key[key].model)
        self._count(kept=len(wanted) - len(missing))
        told = _told(self.estimate(requests))
        if self.dry_run and missing:
            raise UserError(
                f"Nothing was asked. It would be {told}.",
                f"{self.endpoint.url}, model {self.endpoint.model}",
                "Take dry_run out to ask; what depends on these replies isn't counted.",
            )
        if missing:
            progress.start(f"ask the judge {self.endpoint.model}: {told}", total=len(missing))
        failures = self._ask(missing, repeat, progress) if missing else {}
        return [
            self.file.by_key[key].to_reply(request, repeat)
            if key in self.file.by_key
            else _failed(request, repeat, failures[key])
            for key, request in zip(keys, requests, strict=True)
        ]

    def _ask(self, missing: dict[str, Request], repeat: int, progress: Progress) -> dict[str, str]:
        """Asks for all; why those failed that did, by key. An error waits for what is in flight."""
        todo, failures, error, row = deque(missing), dict[str, str](), None, 0
        with Sender(self.endpoint) as sender:
            while (todo and error is None) or sender.flight:
                while todo and error is None and sender.has_room and self._held(missing[todo[0]]):
                    sender.send(todo[0], missing[todo.popleft()])
                if not sender.flight:
                    error = self._overspent(len(todo))
                    break
                for key, outcome in sender.done():
                    wrong = self._take(key, missing[key], repeat, outcome)
                    failures |= {key: outcome.why} if isinstance(outcome, Failure) else {}
                    row = row + 1 if key in failures else 0
                    error = error or wrong or self._dead(row, failures.get(key, ""))
                    progress.advance(note=self._note())
        if error is not None:
            raise error
        return failures

    def _take(
        self, key: str, request: Request, repeat: int, outcome: Completion | Failure | UserError
    ) -> UserError | None:
        """Keeps a reply and counts what it cost; the error that ends the run, if it is one."""
        most = self._most(request)
        if not isinstance(outcome, Completion):
            self._spend(most, 0.0)
            self._count(failed=isinstance(outcome, Failure))
            return outcome if isinstance(outcome, UserError) else None
        tokens_in = count_tokens(request) if outcome.tokens_in is None else outcome.tokens_in
        tokens_out = outcome.tokens_out
        if tokens_out is None:
            tokens_out = count_tokens(Request(item="", text=outcome.text))
        cost = self.price.of(tokens_in, tokens_out) if self.price else 0.0
        self._spend(most, cost)
        self._count(asked=1, tokens_in=tokens_in, tokens_out=tokens_out, cost=cost)
        try:
            self._refuse_drift(outcome.model)
        except UserError as drift:
            return drift
        self.file.append(
            Recorded(
                id=request.item,
                part=request.part,
                repeat=repeat,
                request_hash=request.hash,
                key=key,
                reply=outcome.text,
                model=outcome.model,
                asked=self.endpoint.model,
                finish=outcome.finish,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
            )
        )
        return None

    def _refuse_drift(self, model: str) -> None:
        self.served = self.served or model
        if model and model != self.served:
            raise UserError(
                f"The judge changed within the run: {self.served} became {model}.",
                f"{self.endpoint.url}, model {self.endpoint.model}",
                f"Ask for a dated snapshot, or judge all again with another file than "
                f"{self.file.path}.",
            )

    def _most(self, request: Request) -> float:
        if self.price is None:
            return 0.0
        return self.price.of(count_tokens(request), self.endpoint.max_tokens)

    def _held(self, request: Request) -> bool:
        return self.budget is None or self.budget.hold(self._most(request))

    def _spend(self, most: float, cost: float) -> None:
        if self.budget is not None:
            self.budget.settle(most, cost)

    def _count(self, **more: float) -> None:
        update = {name: getattr(self.usage, name) + value for name, value in more.items()}
        self.usage = self.usage.model_copy(update=update)

    def _note(self) -> str:
        cost = f", cost {self.usage.cost:.4f}" if self.price else ""
        return f"{self.usage.failed} failed{cost}"

    def _overspent(self, left: int) -> UserError:
        cap = self.budget.cap if self.budget else 0.0
        return UserError(
            f"The budget of {cap:g} allows no further request; {left} are left.",
            f"spent {self.usage.cost:.4f}, all replies kept in {self.file.path}",
            "Raise the budget and run again: what is kept costs nothing.",
        )

    def _dead(self, row: int, why: str) -> UserError | None:
        if row < GIVE_UP_AFTER:
            return None
        return UserError(
            f"{GIVE_UP_AFTER} requests to the judge failed in a row.",
            f"{self.endpoint.url}: {why}",
            "See to the endpoint and run again: what was replied is kept.",
        )


def _told(cost: CostEstimate) -> str:
    price = "" if cost.cost_most is None else f", at most {cost.cost_most:.4f}"
    return (
        f"{cost.requests} requests, about {cost.tokens_in:,} tokens and at most "
        f"{cost.tokens_out_most:,} of replies{price}"
    )


def _failed(request: Request, repeat: int, why: str) -> Reply:
    return Reply(item=request.item, part=request.part, repeat=repeat, status="failed", why=why)
