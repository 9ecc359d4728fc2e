"""Counters, gauges and histograms in Prometheus' text format (version 0.0.4)."""

from collections import defaultdict
from collections.abc import Callable, Mapping

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_HELP = {
    "requests_total": ("counter", "Requests by path and status; 499: the client hung up."),
    "request_seconds": ("histogram", "Seconds of a completely answered chat completion."),
    "prompt_tokens_total": ("counter", "Prompt tokens, as far as known."),
    "completion_tokens_total": ("counter", "Generated tokens, including candidates of best of n."),
    "clamped_total": ("counter", "Requests whose max_tokens was above the limit."),
    "claims_total": ("counter", "Claims by verdict."),
    "thumbs_total": ("counter", "Thumbs that were stored."),
    "requests_running": ("gauge", "Requests that are running."),
    "requests_waiting": ("gauge", "Requests that wait for their turn."),
}
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """The server's counters. Gauges are functions, called on each scrape."""

    def __init__(self, gauges: Mapping[str, Callable[[], float]]) -> None:
        self._gauges = gauges
        self._counts: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._buckets = [0] * (len(_SECONDS) + 1)
        self._sum = 0.0

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Add to a counter. Labels are few and fixed, never a client's text."""
        self._counts[name][tuple(sorted(labels.items()))] += by

    def value(self, name: str, **labels: str) -> float:
        """Return a counter's value."""
        return self._counts[name][tuple(sorted(labels.items()))]

    def record_duration(self, seconds: float) -> None:
        """Record the duration of a complete request."""
        place = sum(seconds > bound for bound in _SECONDS)
        self._buckets[place] += 1
        self._sum += seconds

    def text(self) -> str:
        """Return all metrics in Prometheus' text format."""
        lines: list[str] = []
        for name, (kind, description) in _HELP.items():
            full = f"groundtune_{name}"
            lines += [f"# HELP {full} {description}", f"# TYPE {full} {kind}"]
            if kind == "histogram":
                lines += self._histogram(full)
            elif kind == "gauge":
                lines.append(f"{full} {self._gauges[name]():g}")
            else:
                counts = self._counts[name] or {(): 0.0}
                lines += [
                    f"{full}{_labels(labels)} {value:g}" for labels, value in sorted(counts.items())
                ]
        return "\n".join(lines) + "\n"

    def _histogram(self, full: str) -> list[str]:
        lines: list[str] = []
        total = 0
        for bound, count in zip((*_SECONDS, "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'{full}_bucket{{le="{bound}"}} {total}')
        return [*lines, f"{full}_sum {self._sum:g}", f"{full}_count {total}"]


def _labels(labels: Labels) -> str:
    text = ",".join(f'{name}="{_escape(value)}"' for name, value in labels)
    return f"{{{text}}}" if text else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
