"""Writes the tables of docs/bench-metrics.md and docs/bench-data.md: the registry, places of data.

python tools/bench_table.py
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.files.sources import OFFICIAL
from groundtune.bench.metric import Metric
from groundtune.bench.registry import TARGETS, load, names

DOCS = Path(__file__).parents[1] / "docs"
TABLES = "<!-- tables: tools/bench_table.py -->", "<!-- end of tables -->"
PLACES = "<!-- places: tools/bench_table.py -->", "<!-- end of places -->"


def tables() -> str:
    """The table of layouts and that of metrics, in the registry's order; third parties' not."""
    ours = [load(name) for name in names() if name in TARGETS]
    rows = [
        "| benchmark | official answers | official code of mode `official`, or our rules |",
        "|---|---|---|",
        *(
            f"| `{each.name}` | {cell(each.layouts)} | {cell(each.revision)} |"
            for each in ours
            if each.read_answers is not None
        ),
        "",
        "| benchmark | metric | unit | range | what it is |",
        "|---|---|---|---|---|",
        *(row for each in ours for row in metric_rows(each)),
    ]
    return "\n".join(rows)


def places() -> str:
    """The table of the places of data, a row a set."""
    rows = ["| data | place | size | licence | by hand |", "|---|---|---|---|---|"]
    for name, data in OFFICIAL.items():
        for chosen, files in data.sets.items() or [("", ())]:
            named = f"`{name}:{chosen}`" if chosen else f"`{name}`"
            where = ", ".join(dict.fromkeys(file.place.source for file in files)) or "none"
            sizes = [file.size for file in files]
            size = f"{sum(sizes) / 1e6:.1f} MB" if all(sizes) and sizes else ""
            first = chosen == next(iter(data.sets), "")
            by_hand = data.by_hand if first else ""
            rows.append(f"| {named} | {where} | {size} | {data.licence} | {cell(by_hand)} |")
    return "\n".join(rows)


def metric_rows(benchmark: Benchmark[Any]) -> Iterator[str]:
    """One row per metric; the headline is bold."""
    for metric in (*benchmark.metrics, *benchmark.further_metrics):
        name = f"`{metric.name}`"
        name = f"**{name}**" if metric.name == benchmark.headline else name
        told = f"{metric.label}. {metric.explanation}".strip()
        yield f"| `{benchmark.name}` | {name} | {unit(metric)} | {span(metric)} | {cell(told)} |"


def unit(metric: Metric) -> str:
    """What a value is counted in, in JSON."""
    return "share" if metric.is_share else metric.unit or "number"


def span(metric: Metric) -> str:
    """The least and the greatest value."""
    least, most = metric.bounds
    if metric.range == (None, None):
        return "any"
    if least is None and most is None:
        return "0 and up" if not metric.is_share else ""
    return f"{least:g} to {most:g}" if most is not None else f"{least:g} and up"


def cell(text: str) -> str:
    """A text that breaks no table."""
    return text.replace("|", "\\|").replace("\n", " ")


def pages() -> dict[Path, str]:
    """The pages with their tables made anew."""
    made = (("bench-metrics.md", tables(), TABLES), ("bench-data.md", places(), PLACES))
    return {DOCS / name: renewed(DOCS / name, table, marks) for name, table, marks in made}


def renewed(page: Path, table: str, marks: tuple[str, str]) -> str:
    """A page with the table between its two marks made anew."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(marks[0])
    _, end, after = rest.partition(marks[1])
    assert (begin, end) == marks, f"{page.name} lacks {marks}"
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
