"""A judge's budget: the cost so far and the possible cost of requests in flight never exceed a cap.

A request in flight counts with its worst case: one token per byte of its texts, the tokens that the
server's template adds, and the longest reply. Servers count tokens differently, so each reported
usage corrects the worst case of all requests, including those in flight. Until the first report,
requests are sent one at a time.
"""

import math
import threading

from groundtune.bench.judge.cost import Price, count_bytes
from groundtune.bench.judge.judge import Request
from groundtune.generate.completion import Completion

TEMPLATE_TOKENS = 100
"""Least number of tokens that a chat template adds: a default system text, dates, special
tokens."""
ENOUGH = 8
"""Number of usages from which a server's fixed and per-byte counts can be separated."""
MARGIN = 2
"""Assumed longest reply of a server that ignores the limit, as a multiple of the longest so far."""


class Budget:
    """Money spent and reserved, and its cap. Thread-safe.

    A failed try that the server may have charged for, and a reply without usage, cost the worst
    case.
    """

    def __init__(self, price: Price, max_tokens: int, cap: float = math.inf) -> None:
        self.price = price
        self.max_tokens = max_tokens
        """Maximum tokens per reply."""
        self.cap = cap
        self.spent = 0.0
        self._counts = _Counts(max_tokens)
        self._in_flight: list[int] = []  # bytes of the requests in flight
        self._lock = threading.Lock()

    @property
    def reserved(self) -> float:
        """Maximum cost of the requests in flight."""
        return sum(map(self._worst_case, self._in_flight))

    def reserve(self, request: Request) -> bool:
        """Reserve a request's worst case; return False if the cap doesn't allow it now."""
        size = count_bytes(request)
        with self._lock:
            alone = self.cap < math.inf and not self._counts.may_be_trusted
            if self._in_flight and alone:
                return False
            if self.spent + self.reserved + self._worst_case(size) > self.cap:
                return False
            self._in_flight.append(size)
            return True

    def settle(self, request: Request, completion: Completion | None) -> None:
        """Replace the reservation of a finished request by its cost; no reply costs nothing."""
        size = count_bytes(request)
        with self._lock:
            self._in_flight.remove(size)
            if completion is not None:
                self.spent += self._cost(size, completion)

    def charge_failed_try(self, request: Request) -> bool:
        """Charge a failed try of a request at its worst case; return whether a retry fits."""
        with self._lock:
            self.spent += self._worst_case(count_bytes(request))
            return self.spent + self.reserved <= self.cap

    def _worst_case(self, size: int) -> float:
        return self.price.of(self._counts.most_in(size), self._counts.most_out)

    def _cost(self, size: int, completion: Completion) -> float:
        tokens_in, tokens_out = completion.tokens_in, completion.tokens_out
        if tokens_in is None or tokens_out is None:
            self._counts.replies += 1
            return self._worst_case(size)
        self._counts.add(size, tokens_in, tokens_out)
        return self.price.of(tokens_in, tokens_out)


class _Counts:
    """The server's counts so far, and the maximum that it may count next."""

    def __init__(self, max_tokens: int) -> None:
        self.replies = 0
        self.most_out = self._limit = max_tokens
        self._usages: list[tuple[int, int]] = []  # (bytes, tokens) of requests
        self._template = 0  # no more than any request's tokens
        self._per_byte = 1.0  # above the template
        self._largest = 1.0  # without it
        self._exceeded_estimate = False

    @property
    def may_be_trusted(self) -> bool:
        """Whether several requests may be in flight."""
        return self.replies > 0 and self.most_out == self._limit

    def add(self, size: int, tokens_in: int, tokens_out: int) -> None:
        """Record a usage."""
        self.replies += 1
        self._exceeded_estimate = self._exceeded_estimate or tokens_in > size + TEMPLATE_TOKENS
        if tokens_out > self._limit:
            self.most_out = max(self.most_out, MARGIN * tokens_out)
        usage = (max(1, size), tokens_in)
        self._usages.append(usage)
        lower = len(self._usages) == 1 or tokens_in < self._template
        self._template = tokens_in if lower else self._template
        for bytes_, tokens in self._usages if lower else [usage]:
            self._per_byte = max(self._per_byte, (tokens - self._template) / bytes_)
        self._largest = max(self._largest, tokens_in / usage[0])

    def most_in(self, size: int) -> int:
        """Return the maximum tokens that the server may count for a request of `size` bytes."""
        maximum = self._per_byte * size + max(TEMPLATE_TOKENS, self._template)
        if self._exceeded_estimate and len(self._usages) < ENOUGH:
            maximum = max(maximum, self._largest * size)
        return math.ceil(maximum)
