"""Writes the report: one HTML file with embedded images, which opens without a network."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from groundtune.report import charts, plots, tables
from groundtune.report.bench_tables import bench_tables
from groundtune.report.examples import Example
from groundtune.report.figures import duration_text, number
from groundtune.report.images import EmbeddedImage, embed
from groundtune.report.marks import KINDS, Marks, TextPiece, pieces, summary
from groundtune.report.model import BenchmarkSpec, ReportInput
from groundtune.report.verdict import comparisons_text, verdict
from groundtune.store.files import write_atomic


class ShownAnswer(NamedTuple):
    """An answer of an example, ready for the template."""

    colour: int
    label: str
    pieces: tuple[TextPiece, ...]
    marks: Marks
    summary: str
    words: int
    note: str
    verdict: str
    wrong: bool


class ShownExample(NamedTuple):
    """An example, ready for the template."""

    images: tuple[EmbeddedImage, ...]
    prompt: str
    truth: str
    group: str
    item: str
    answers: tuple[ShownAnswer, ...]


def write_report(out: Path, report: ReportInput) -> Path:
    """Write OUT/report.html atomically and return its path.

    Raises:
        UserError: an image can't be read, or the file can't be written.
    """
    path = out / "report.html"
    write_atomic(path, render(report).encode("utf-8"))
    return path


def render(report: ReportInput) -> str:
    """Return the report's HTML. The same input gives the same text.

    Raises:
        UserError: an image can't be read.
    """
    return _template().render(_context(report))


@cache
def _template() -> Template:
    """Return the page's template, which takes longer to compile than a page to render."""
    environment = Environment(
        loader=PackageLoader("groundtune.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., object]] = {
        "duration": duration_text,
        "number": number,
        "tint": tint,
    }
    environment.filters.update(filters)
    return environment.get_template("page.html")


def tint(number_of: int) -> int:
    """Return a model's colour by its number; with its mark (`number_of % 6`) 36 are distinct."""
    return (number_of + number_of // 6) % 6


def _context(report: ReportInput) -> dict[str, object]:
    """Return the values that the templates print."""
    control = report.length_control
    return {
        "report": report,
        "verdict": verdict(report),
        "comparisons": comparisons_text(report.differences),
        "strip": tables.strip(report),
        "models": [(report.colour(m.name), m.label, m.note) for m in report.models],
        "quality": tables.table(report, "quality"),
        "quality_front": tables.front(report, "quality"),
        "cost": tables.table(report, "cost"),
        "cost_front": tables.front(report, "cost"),
        "bench": bench_tables(report),
        "equal": tables.table(report, "", control.estimates, control.differences)
        if control
        else None,
        "hero": charts.headline_panel(report),
        "panels": charts.panels(report, "quality") if len(report.models) > 1 else [],
        "forests": charts.forests(report),
        "scatters": [
            s for pair in report.trade_offs if (s := plots.scatter(report, pair)) is not None
        ],
        "curves": [c for curve in report.curves if (c := plots.curve(report, curve)) is not None],
        "strata": charts.strata_charts(report),
        "counts": [(report.colour(c.model), report.model(c.model).label, c) for c in report.counts],
        "examples": [
            _example_of(report, example, i) for i, example in enumerate(report.examples.shown, 1)
        ],
        "kinds": _legend(report),
        "protocols": _protocols(report),
        "settings": tables.flat(report.provenance.settings),
        "checked": bool(report.estimates),
    }


def _protocols(report: ReportInput) -> list[tuple[str, dict[str, str]]]:
    """Return benchmark protocols by label, merging those that differ only in decoding."""
    alike: dict[tuple[tuple[str, str], ...], list[BenchmarkSpec]] = {}
    for spec in report.subject.benchmarks:
        rest = tuple(entry for entry in spec.protocol.items() if entry[0] != "decoding")
        if spec.protocol:
            alike.setdefault(rest, []).append(spec)
    protocols: list[tuple[str, dict[str, str]]] = []
    for rest, specs in alike.items():
        ways = dict.fromkeys(s.protocol["decoding"] for s in specs if "decoding" in s.protocol)
        labels = dict.fromkeys(_without_decoding(s) if len(ways) > 1 else s.label for s in specs)
        decoding = {"decoding": "; ".join(ways)} if ways else {}
        protocols.append(("; ".join(labels), {**dict(rest), **decoding}))
    return protocols


def _without_decoding(spec: BenchmarkSpec) -> str:
    """A benchmark's label without the decoding at its end."""
    decoding = spec.protocol.get("decoding", "").partition(",")[0]
    return spec.label.removesuffix(f", {decoding}")


def _legend(report: ReportInput) -> list[tuple[str, str]]:
    """Return the legend, with only the kinds that occur."""
    answers = (answer for example in report.examples.shown for answer in example.answers)
    with_marks = (answer for answer in answers if answer.marks == "wrong")
    kinds = {span.kind for answer in with_marks for span in answer.spans}
    return [(kind, description) for kind, description in KINDS.items() if kind in kinds]


def _example_of(report: ReportInput, example: Example, number_of: int) -> ShownExample:
    where = f"example {number_of}" + (f" ({example.item})" if example.item else "")
    answers = [
        ShownAnswer(
            colour=report.colour(answer.model),
            label=report.model(answer.model).label,
            pieces=tuple(pieces(answer.text, answer.spans, answer.marks)),
            marks=answer.marks,
            summary=summary(answer.spans, answer.marks),
            words=len(answer.text.split()),
            note=answer.note,
            verdict=answer.verdict,
            wrong=answer.wrong,
        )
        for answer in example.answers
    ]
    return ShownExample(
        images=tuple(embed(data, where) for data in example.images),
        prompt=example.prompt,
        truth=example.truth,
        group=example.group,
        item=example.item,
        answers=tuple(answers),
    )
