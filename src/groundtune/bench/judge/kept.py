"""A judge that is asked, an endpoint or a local model, with every reply kept.

A reply is kept in a file by the hash of request, model and settings (`replies.py`), so a run that
was stopped resumes and asks nothing twice. A request that can't be answered is failed, with its
reason, and isn't kept: the next run asks again. The judge's own name for itself may not change
within a run.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from groundtune.bench.judge.asking import Asker, Failure, JudgeOutput, Outcome
from groundtune.bench.judge.judge import Reply, Request
from groundtune.bench.judge.replies import Recorded, ReplyFile
from groundtune.errors import UserError
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.store.keys import key_of

GIVE_UP_AFTER = 10
"""Failed requests in a row that mean that the judge is down or refuses all."""


class Usage(Record):
    """What was asked and answered, for the report."""

    asked: int = 0
    """Requests that were replied to; tries of one request count once."""
    kept: int = 0
    """Replies that were in the file already."""
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class KeptJudge:
    """`Replies` of whoever `asker` asks, kept in the file `cache`.

    Raises:
        UserError: the file is damaged.
    """

    def __init__(self, asker: Asker, cache: Path, *, dry_run: bool = False) -> None:
        self.asker = asker
        self.dry_run = dry_run
        """Instead of asking, raises a UserError that says what it would take."""
        self.file = ReplyFile(cache)
        self.usage = Usage()
        self.served = ""
        """The judge's own name for itself; empty before the first reply."""

    def described(self) -> dict[str, str]:
        """The judge, where it is, and its settings."""
        settings = {name: f"{value}" for name, value in self.asker.parameters().items()}
        return self.asker.described() | {"served": self.served} | settings

    def key(self, request: Request, repeat: int = 0) -> str:
        """The cache's key: request, model, settings and sample."""
        return key_of("reply", request.hash, self.asker.model, self.asker.parameters(), repeat)

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[Reply]:
        """Return the reply to each request, from the file or from the judge.

        Raises:
            UserError: the judge can't be asked or refuses all, it changed, the budget is spent, or
                the disk is full. What was replied is kept.
        """
        keys = [self.key(request, repeat) for request in requests]
        wanted = dict(zip(keys, requests, strict=True))
        missing = {key: each for key, each in wanted.items() if key not in self.file.by_key}
        for key in wanted.keys() - missing.keys():
            self._refuse_drift(self.file.by_key[key].model)
        self._count(kept=len(wanted) - len(missing))
        failures = self._ask(missing, repeat, progress) if missing else {}
        return [
            self.file.by_key[key].to_reply(request, repeat)
            if key in self.file.by_key
            else _failed(request, repeat, failures[key])
            for key, request in zip(keys, requests, strict=True)
        ]

    def _ask(self, missing: dict[str, Request], repeat: int, progress: Progress) -> dict[str, str]:
        """Ask for all; return why those failed that did, by key."""
        planned = self.asker.planned(missing)
        if self.dry_run:
            raise UserError(
                f"Nothing was asked. It would be {planned}.",
                self.asker.where,
                "Take dry_run out to ask; what depends on these replies isn't counted.",
            )
        progress.start(f"ask the judge {self.asker.model}: {planned}", total=len(missing))
        failures: dict[str, str] = {}
        errors: list[UserError] = []
        row = 0
        with closing(self.asker.ask(missing, repeat, lambda: bool(errors))) as outcomes:
            for key, outcome in outcomes:
                wrong = self._take(key, missing[key], repeat, outcome)
                failures |= {key: outcome.why} if isinstance(outcome, Failure) else {}
                row = row + 1 if key in failures else 0
                wrong = wrong or self._dead(row, failures.get(key, ""))
                errors += [wrong] if wrong else []
                cost = f", cost {self.asker.spent:.4f}" if self.asker.spent else ""
                progress.advance(note=f"{self.usage.failed} failed{cost}")
        if errors:
            raise errors[0]
        return failures

    def _take(self, key: str, request: Request, repeat: int, outcome: Outcome) -> UserError | None:
        """Keep a reply; return the error that ends the run, if it is one."""
        if isinstance(outcome, UserError):
            return outcome
        if isinstance(outcome, Failure):
            self._count(failed=1)
            return None
        self._count(asked=1, tokens_in=outcome.tokens_in, tokens_out=outcome.tokens_out)
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
                f"The judge changed within the run: {self.served} became {model}.",
                self.asker.where,
                f"Ask for a dated snapshot, or judge all again with another file than "
                f"{self.file.path}.",
            )

    def _count(self, **more: int) -> None:
        update = {name: getattr(self.usage, name) + value for name, value in more.items()}
        self.usage = self.usage.model_copy(update=update)

    def _dead(self, row: int, why: str) -> UserError | None:
        if row < GIVE_UP_AFTER:
            return None
        return UserError(
            f"{GIVE_UP_AFTER} requests to the judge failed in a row.",
            f"{self.asker.where}: {why}",
            "See to the endpoint and run again: what was replied is kept.",
        )


def _recorded(key: str, request: Request, repeat: int, output: JudgeOutput, asked: str) -> Recorded:
    return Recorded(
        id=request.item,
        part=request.part,
        repeat=repeat,
        request_hash=request.hash,
        key=key,
        reply=output.text,
        model=output.model,
        asked=asked,
        finish=output.finish,
        tokens_in=output.tokens_in,
        tokens_out=output.tokens_out,
    )


def _failed(request: Request, repeat: int, why: str) -> Reply:
    return Reply(item=request.item, part=request.part, repeat=repeat, status="failed", why=why)
