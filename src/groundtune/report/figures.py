"""Formats numbers for people: a share becomes "10.8%", its difference "21.5 points"."""

from typing import Protocol

from groundtune.bench.metric import Metric

MINUS = "\u2212"


class HasInterval(Protocol):
    """A value with its 95% interval: an estimate, a share, a rate."""

    @property
    def value(self) -> float:
        """The value."""
        ...

    @property
    def low(self) -> float:
        """The interval's lower end."""
        ...

    @property
    def high(self) -> float:
        """The interval's upper end."""
        ...


def number(value: float, decimals: int) -> str:
    """A number with a real minus sign, never "-0.0"."""
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def quantity(count: int, noun: str) -> str:
    """A count with its noun, as in "1 step" and "1,200 steps"."""
    return f"{number(count, 0)} {noun}{'' if count == 1 else 's'}"


def value_text(value: float, spec: Metric) -> str:
    """A metric's value, with "%" if it is a share; other units are in the label."""
    return number(value * spec.scale, spec.decimals) + ("%" if spec.unit == "%" else "")


def range_text(low: float, high: float, spec: Metric) -> str:
    """An interval in the metric's unit, without the unit: "8.2 to 13.4"."""
    ends = (number(end * spec.scale, spec.decimals) for end in (low, high))
    return " to ".join(ends)


def interval_text(row: HasInterval, spec: Metric) -> str:
    """A value's interval in the metric's unit, without the unit."""
    return range_text(row.low, row.high, spec)


def signed_text(value: float, spec: Metric) -> str:
    """A difference with its sign."""
    text = number(value * spec.scale, spec.decimals)
    positive = value > 0 and text.strip("0.,") != ""
    return f"+{text}" if positive else text


def signed_range_text(low: float, high: float, spec: Metric) -> str:
    """A difference's interval, both ends with their signs."""
    return f"{signed_text(low, spec)} to {signed_text(high, spec)}"


def signed_interval(row: HasInterval, spec: Metric) -> str:
    """A difference's interval, both ends with their signs."""
    return signed_range_text(row.low, row.high, spec)


def with_interval(row: HasInterval | None, spec: Metric) -> str:
    """A value and its 95% interval: "10.8% [8.2 to 13.4]"; "-" if there is none."""
    if row is None:
        return "-"
    return f"{value_text(row.value, spec)} [{interval_text(row, spec)}]"


def signed_with_interval(row: HasInterval, spec: Metric) -> str:
    """A difference and its 95% interval, all with their signs."""
    return f"{signed_text(row.value, spec)} [{signed_interval(row, spec)}]"


def change_text(row: HasInterval, spec: Metric) -> str:
    """A difference with its sign and its unit: "-21.5 points"."""
    return f"{signed_text(row.value, spec)} {unit_of_change(spec)}".strip()


def unit_of_change(spec: Metric) -> str:
    """The unit of differences: points for shares."""
    return "points" if spec.unit == "%" else spec.unit


def amount_text(value: float, spec: Metric) -> str:
    """The size of a difference with its unit: "21.5 points"."""
    unit = unit_of_change(spec)
    return number(abs(value) * spec.scale, spec.decimals) + (f" {unit}" if unit else "")


def percent_text(share: float) -> str:
    """The size of a relative change: "67%"; one decimal below 10."""
    percent = abs(share) * 100
    return number(percent, 0 if percent >= 10 else 1) + "%"


def in_sentence(label: str) -> str:
    """A label within a sentence: in lower case unless it begins with an abbreviation."""
    second = label[1:2]
    return label if second.isupper() else label[:1].lower() + label[1:]


def listed(words: list[str]) -> str:
    """Join words for a sentence: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def duration_text(seconds: float) -> str:
    """Wall time: "48 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def p_text(p: float) -> str:
    """Return a p-value as text, "< 0.001" for smaller ones; 0.05 is never a rounded 0.051."""
    if p < 0.001:
        return "< 0.001"
    text = f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
    return f"{p:.4f}" if text == "0.050" and p > 0.05 else text
