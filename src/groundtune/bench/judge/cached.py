"""A judge with a cache: an endpoint or a local model, whose replies are saved to a file.

Replies are keyed by the hash of request, model and settings (`replies.py`), so a stopped run
resumes and asks nothing twice. Items with equal requests have a reply each, as the official scripts
ask for each. A failed request is not cached, so the next run asks again. The model name that the
judge reports must not change within a run.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from groundtune.bench.judge.asking import Asker, DryRun, Failure, JudgeOutput, Outcome
from groundtune.bench.judge.judge import JudgeReply, Request
from groundtune.bench.judge.replies import RecordedReply, ReplyFile
from groundtune.errors import UserError
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.store.keys import key_of

GIVE_UP_AFTER = 10
"""Consecutive failed requests after which the judge is considered down."""


class Usage(Record):
    """Counts of requests and tokens."""

    answered: int = 0
    """Requests with a new reply; several tries of one request count once."""
    cached: int = 0
    """Replies that were in the cache already."""
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class CachedJudge:
    """A `ReplySource` that asks `asker` and saves replies to the file `cache`.

    Raises:
        UserError: the file is damaged.
    """

    def __init__(self, asker: Asker, cache: Path, *, dry_run: bool = False) -> None:
        self.asker = asker
        self.dry_run = dry_run
        """Whether to raise `DryRun` with the estimated cost instead of asking."""
        self.file = ReplyFile(cache)
        self.usage = Usage()
        self.served = ""
        """The model name that the judge reports; empty before the first reply."""

    def describe(self) -> dict[str, str]:
        """Return the judge, its URL and its settings."""
        settings = {name: f"{value}" for name, value in self.asker.parameters().items()}
        return self.asker.describe() | {"served": self.served} | settings

    def key(self, request: Request, repeat: int = 0, before: int = 0) -> str:
        """Return the cache key: a hash of request, model, settings and repeat.

        `before` counts the equal requests before this one.
        """
        further = [before] if before else []
        parameters = self.asker.parameters()
        return key_of("reply", request.hash, self.asker.model, parameters, repeat, *further)

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[JudgeReply]:
        """Return the reply to each request, from the cache or from the judge.

        Raises:
            DryRun: a reply is missing in a dry run.
            UserError: the judge can't be reached or refuses all, its model changed, the budget is
                spent, or the disk is full. Replies so far are cached.
        """
        equal: Counter[str] = Counter()
        keys: list[str] = []
        for request in requests:
            keys.append(self.key(request, repeat, equal[request.hash]))
            equal[request.hash] += 1
        by_key = dict(zip(keys, requests, strict=True))
        missing = {key: request for key, request in by_key.items() if key not in self.file.by_key}
        for key in by_key.keys() - missing.keys():
            self._refuse_drift(self.file.by_key[key].model)
        self._count(cached=len(by_key) - len(missing))
        failures = self._ask(missing, repeat, progress) if missing else {}
        return [
            self.file.by_key[key].to_reply(request, repeat)
            if key in self.file.by_key
            else _failed(request, repeat, failures[key])
            for key, request in zip(keys, requests, strict=True)
        ]

    def _ask(self, missing: dict[str, Request], repeat: int, progress: Progress) -> dict[str, str]:
        """Ask for all missing replies; return the reasons of failed ones by key."""
        plan = self.asker.plan(missing)
        if self.dry_run:
            raise DryRun(plan, self.asker.where)
        progress.start(f"ask the judge {self.asker.model}: {plan}", total=len(missing))
        failures: dict[str, str] = {}
        errors: list[UserError] = []
        failures_in_row = 0
        with closing(self.asker.ask(missing, repeat, lambda: bool(errors))) as outcomes:
            for key, outcome in outcomes:
                error = self._cache(key, missing[key], repeat, outcome)
                failures |= {key: outcome.why} if isinstance(outcome, Failure) else {}
                failures_in_row = failures_in_row + 1 if key in failures else 0
                error = error or self._give_up(failures_in_row, failures.get(key, ""))
                errors += [error] if error else []
                cost = f", cost {self.asker.cost}" if self.asker.cost else ""
                progress.advance(note=f"{self.usage.failed} failed{cost}")
        if errors:
            raise errors[0]
        return failures

    def _cache(self, key: str, request: Request, repeat: int, outcome: Outcome) -> UserError | None:
        """Cache a reply; return the error that ends the run, if there is one."""
        if isinstance(outcome, UserError):
            return outcome
        if isinstance(outcome, Failure):
            self._count(failed=1)
            return None
        self._count(answered=1, tokens_in=outcome.tokens_in, tokens_out=outcome.tokens_out)
        try:
            self._refuse_drift(outcome.model)
        except UserError as drift:
            return drift
        self.file.append(_recorded(key, request, repeat, outcome, self.asker.model))
        return None

    def _refuse_drift(self, model: str) -> None:
        self.served = self.served or model
        if model and model != self.served:
            raise UserError(
                f"The judge's model changed during the run: {self.served} became {model}.",
                self.asker.where,
                "Use a dated snapshot of the model, or judge everything again with another file "
                f"than {self.file.path}.",
            )

    def _count(self, **more: int) -> None:
        update = {name: getattr(self.usage, name) + value for name, value in more.items()}
        self.usage = self.usage.model_copy(update=update)

    def _give_up(self, failures_in_row: int, why: str) -> UserError | None:
        if failures_in_row < GIVE_UP_AFTER:
            return None
        return UserError(
            f"{GIVE_UP_AFTER} requests to the judge failed in a row.",
            f"{self.asker.where}: {why}",
            "Check the endpoint and run again: replies so far are cached.",
        )


def _recorded(
    key: str, request: Request, repeat: int, output: JudgeOutput, requested_model: str
) -> RecordedReply:
    return RecordedReply(
        id=request.item,
        part=request.part,
        repeat=repeat,
        request_hash=request.hash,
        key=key,
        reply=output.text,
        model=output.model,
        requested_model=requested_model,
        finish=output.finish,
        thoughts=output.thoughts,
        tokens_in=output.tokens_in,
        tokens_out=output.tokens_out,
    )


def _failed(request: Request, repeat: int, why: str) -> JudgeReply:
    return JudgeReply(item=request.item, part=request.part, repeat=repeat, status="failed", why=why)
