"""The budget of a judge: a cap that what was spent and what is in flight never exceed.

A request in flight is held at its worst case: a token per byte of its texts, what the server's
template adds, and the longest reply. The server decides what it counts, so each usage that it
reports corrects the worst case of all requests, those in flight too. Until it has reported one,
requests go out one by one.
"""

import math
import threading

from groundtune.bench.judge.cost import Price, count_bytes
from groundtune.bench.judge.judge import Request
from groundtune.generate.completion import Completion

TEMPLATE_TOKENS = 100
"""What a chat template adds, at least: a default system text, dates, special tokens."""
ENOUGH = 8
"""Usages from which one may tell what a server adds from what it counts per byte."""
MARGIN = 2
"""Longest reply of a server that doesn't keep to the limit, in lengths of the longest so far."""


class Budget:
    """Money spent and held, and their cap. Thread-safe.

    A failed try that may have been charged for, and a reply without usage, cost the worst case.
    """

    def __init__(self, price: Price, max_tokens: int, cap: float = math.inf) -> None:
        self.price = price
        self.max_tokens = max_tokens
        """Maximum tokens per reply."""
        self.cap = cap
        self.spent = 0.0
        self._counts = _Counts(max_tokens)
        self._held: list[int] = []  # bytes of the requests in flight
        self._lock = threading.Lock()

    @property
    def reserved(self) -> float:
        """What the requests in flight may cost."""
        return sum(map(self._most, self._held))

    def reserve(self, request: Request) -> bool:
        """Hold a request's worst case; return False if the cap doesn't allow it now."""
        size = count_bytes(request)
        with self._lock:
            alone = self.cap < math.inf and not self._counts.may_be_trusted
            if self._held and alone:
                return False
            if self.spent + self.reserved + self._most(size) > self.cap:
                return False
            self._held.append(size)
            return True

    def settle(self, request: Request, completion: Completion | None) -> None:
        """Replace what is held for a finished request by its cost; no reply costs nothing."""
        size = count_bytes(request)
        with self._lock:
            self._held.remove(size)
            if completion is not None:
                self.spent += self._cost(size, completion)

    def charge_failed_try(self, request: Request) -> bool:
        """Charge a failed try of a request at its worst case; return whether a retry fits."""
        with self._lock:
            self.spent += self._most(count_bytes(request))
            return self.spent + self.reserved <= self.cap

    def _most(self, size: int) -> float:
        return self.price.of(self._counts.most_in(size), self._counts.most_out)

    def _cost(self, size: int, completion: Completion) -> float:
        tokens_in, tokens_out = completion.tokens_in, completion.tokens_out
        if tokens_in is None or tokens_out is None:
            self._counts.replies += 1
            return self._most(size)
        self._counts.add(size, tokens_in, tokens_out)
        return self.price.of(tokens_in, tokens_out)


class _Counts:
    """What a server counted so far, and the most that it may count next."""

    def __init__(self, max_tokens: int) -> None:
        self.replies = 0
        self.most_out = self._limit = max_tokens
        self._usages: list[tuple[int, int]] = []  # (bytes, tokens) of requests
        self._template = 0  # no more than any request's tokens
        self._per_byte = 1.0  # above the template
        self._largest = 1.0  # without it
        self._surprised = False

    @property
    def may_be_trusted(self) -> bool:
        """Whether several requests may be in flight."""
        return self.replies > 0 and self.most_out == self._limit

    def add(self, size: int, tokens_in: int, tokens_out: int) -> None:
        """Note a usage."""
        self.replies += 1
        self._surprised = self._surprised or tokens_in > size + TEMPLATE_TOKENS
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
        """Return the most tokens that the server may count for a request of some bytes."""
        most = self._per_byte * size + max(TEMPLATE_TOKENS, self._template)
        if self._surprised and len(self._usages) < ENOUGH:
            most = max(most, self._largest * size)
        return math.ceil(most)
