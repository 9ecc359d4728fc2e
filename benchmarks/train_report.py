"""The benchmark's table and chart, from its results. Nothing here measures."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from train_bounds import Bound, bound
from train_cases import (
    CASES,
    GPU_CASES,
    GPU_SIZES,
    LLAVA_7B,
    PROMPT_TOKENS,
    RANK,
    SIZES,
    Case,
)

DOCS = Path(__file__).parents[1] / "docs"
PAGE, CHART = DOCS / "benchmarks.md", DOCS / "images" / "train-against-trl.svg"
BEGIN, END = "<!-- train: begin -->", "<!-- train: end -->"
GPU_BEGIN, GPU_END = "<!-- gpu: begin -->", "<!-- gpu: end -->"


class Figures(NamedTuple):
    """What a case says, as ratios of TRL to ours (memory: ours to TRL)."""

    case: Case
    found: dict[str, Any]
    ours: float
    """Median processor seconds of a step."""
    trl: float
    step: float
    low: float
    """TRL's shortest step over our longest."""
    high: float
    first_epoch: float
    fourth_epoch: float
    """Of four epochs together, the reference counted once."""
    memory: float
    bound: Bound

    @property
    def share(self) -> float:
        """How much of the bound was reached."""
        return self.step / self.bound.step


def figures(case: Case, found: dict[str, Any]) -> Figures:
    """The figures of a case that was measured."""
    ours, trl = found["ours"]["cpu"], found["trl"]["cpu"]
    once = median(found["reference"]["cpu"]) + found["encoding_cpu"]
    return Figures(
        case=case,
        found=found,
        ours=median(ours),
        trl=median(trl),
        step=median(trl) / median(ours),
        low=min(trl) / max(ours),
        high=max(trl) / min(ours),
        first_epoch=median(trl) / (median(ours) + once),
        fourth_epoch=median(trl) / (median(ours) + once / 4),
        memory=found["memory_mb"]["ours"] / found["memory_mb"]["trl"],
        bound=bound(case, SIZES[case.model]),
    )


def tables(results: dict[str, Any]) -> str:
    """All tables as they stand on the page."""
    measured = _measured(results)
    return "\n\n".join(
        [
            _machines(results["made_with"], measured),
            _steps(measured),
            _epochs(measured),
            _seven_billion(measured),
            _ablation(results["ablation"]),
            _agreement(measured, results["exact"]),
        ]
    )


def tables_of(results: dict[str, Any], names: Sequence[str]) -> str:
    """The machine, the steps and the epochs of some cases."""
    rows = [row for row in _measured(results) if row.case.name in names]
    made_with = {name: results["made_with"][name] for name in names}
    return "\n\n".join([_machines(made_with, rows), _steps(rows), _epochs(rows)])


def write(results: dict[str, Any]) -> str:
    """Writes chart and tables into docs/, and returns the tables."""
    CHART.write_text(chart(_measured(results)), encoding="utf-8")
    return put(tables(results), BEGIN, END)


def write_gpu(results: dict[str, Any]) -> str:
    """Writes the table of what was measured on a GPU into docs/, and returns it."""
    return put(gpu_table(results), GPU_BEGIN, GPU_END)


def put(found: str, begin: str, end: str, page: Path = PAGE) -> str:
    """Writes into a page what stands between two marks, and returns it."""
    before, rest = page.read_text(encoding="utf-8").split(begin)
    page.write_text(f"{before}{begin}\n{found}\n{end}{rest.split(end)[1]}", encoding="utf-8")
    return found


def gpu_table(results: dict[str, Any]) -> str:
    """What was measured, a row a case; "-" where a side was out of memory."""
    made = results["made_with"]
    names = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    reached = made["flop_per_second"]
    head = [
        "a step's pairs",
        "trained",
        "TRL, s",
        "Groundtune, s",
        "faster",
        "FLOP bound",
        "reached of it",
        "first epoch",
        "tokens/s",
        "MFU",
        "peak memory",
    ]
    known = results["cases"]
    lines = [head, ["---"] * len(head)]
    lines += [_gpu_row(c, known[c.name], reached) for c in GPU_CASES if c.name in known]
    return (
        f"{made['machine']}, {made['day']}; a product of 8,192 rows and columns in bfloat16 reaches"
        f" {reached / 1e12:.0f} TFLOP/s here. {names}. Of tokens/s and MFU the first is TRL's.\n\n"
        + "\n".join("| " + " | ".join(line) + " |" for line in lines)
    )


def _gpu_row(case: Case, found: dict[str, Any], reached: float) -> list[str]:
    size, ours, trl = GPU_SIZES[case.model], found["ours"], found["trl"]
    sides = [median(side["seconds"]) if "seconds" in side else None for side in (trl, ours)]
    work = bound(replace(case, checkpointing=False), size)
    done = [2 * work.baseline, 2 * work.ours]
    useful = size.image_tokens + PROMPT_TOKENS + case.answers * case.tokens

    def each(tell: Callable[[float, float], str]) -> str:
        told = [tell(s, flop) if s else "-" for s, flop in zip(sides, done, strict=True)]
        return " and ".join(told)

    row = [case.label, f"LoRA r{RANK}" if case.lora else "full"]
    row += [_spread(side["seconds"], 3) if "seconds" in side else "-" for side in (trl, ours)]
    if sides[0] and sides[1]:
        most, faster = bound(case, size), sides[0] / sides[1]
        once = median(ours["reference"]) + ours["encoding"]
        first = sides[0] / (sides[1] + once)
        row += [
            _against(faster, case.goals.step),
            _times(most.step),
            f"{faster / most.step:.0%}",
            _against(first, case.goals.first_epoch),
        ]
    else:
        row += ["-"] * 4
    memory = [side.get("memory_mb") or side["out_of_memory"] for side in (ours, trl)]
    whole = all("memory_mb" in side for side in (ours, trl))
    told = f"{memory[0]:,} of {memory[1]:,} MiB"
    less = _against(memory[0] / memory[1], case.goals.memory, most=True)
    return [
        *row,
        each(lambda s, _: f"{useful / s:.0f}"),
        each(lambda s, flop: f"{flop / s / reached:.0%}"),
        f"{told}, {less}" if whole else f"{told}, where one ended",
    ]


def _measured(results: dict[str, Any]) -> list[Figures]:
    known = results["cases"]
    return [figures(case, known[case.name]) for case in CASES if case.name in known]


def _machines(made_with: dict[str, dict[str, Any]], measured: Sequence[Figures]) -> str:
    """Machine, day and versions: one line if all are alike, else one per run with its cases."""
    groups: list[tuple[dict[str, Any], list[str]]] = []
    for name, made in made_with.items():
        own = next((names for other, names in groups if other == made), None)
        if own is None:
            groups.append((made, [name]))
        else:
            own.append(name)
    rows = {row.case.name: row for row in measured}
    lines = [_machine(m, [rows[name] for name in names if name in rows]) for m, names in groups]
    if len(groups) == 1:
        return lines[0]
    return "\n".join(
        f"- {', '.join(names)}: {line}" for line, (_, names) in zip(lines, groups, strict=True)
    )


def _machine(made: dict[str, Any], measured: Sequence[Figures]) -> str:
    names = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    load = [each for figure in measured for each in figure.found["load"]]
    other = f"; load average {min(load)} to {max(load)} from other work" if load else ""
    return f"{made['machine']}, one thread, float32, {made['day']}{other}. {names}."


Cell = Callable[[Figures], str]


def _table(rows: Sequence[Figures], columns: dict[str, Cell]) -> str:
    head = ["a step's pairs", "trained", *columns]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        trained = f"LoRA r{RANK}" if row.case.lora else "full"
        lines.append([row.case.label, trained, *(cell(row) for cell in columns.values())])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _times(value: float) -> str:
    return f"{value:.2f}x"


def _spread(seconds: Sequence[float], digits: int = 2) -> str:
    shown = [f"{each:.{digits}f}" for each in (median(seconds), min(seconds), max(seconds))]
    return f"{shown[0]} ({shown[1]} to {shown[2]}, n={len(seconds)})"


def _against(value: float, goal: float | None, *, most: bool = False) -> str:
    """A figure with its goal beside it."""
    if goal is None:
        return _times(value)
    met = value <= goal if most else value >= goal
    return f"{_times(value)} (goal {goal:g}x{'' if met else ', missed'})"


def _share(row: Figures) -> str:
    goal = row.case.goals.share
    return f"{row.share:.0%} (goal {goal:.0%}{'' if row.share >= goal else ', missed'})"


def _steps(rows: Sequence[Figures]) -> str:
    return _table(
        rows,
        {
            "TRL, s": lambda row: _spread(row.found["trl"]["cpu"]),
            "Groundtune, s": lambda row: _spread(row.found["ours"]["cpu"]),
            "faster": lambda row: _against(row.step, row.case.goals.step),
            "FLOP bound": lambda row: _times(row.bound.step),
            "reached of it": _share,
        },
    )


def _epochs(rows: Sequence[Figures]) -> str:
    def tokens(row: Figures) -> str:
        case = row.case
        useful = SIZES[case.model].image_tokens + PROMPT_TOKENS + case.answers * case.tokens
        return f"{useful / row.trl:.0f} and {useful / row.ours:.0f}"

    def memory(row: Figures) -> str:
        mb = row.found["memory_mb"]
        return (
            f"{mb['ours']:,} of {mb['trl']:,} MiB,"
            f" {_against(row.memory, row.case.goals.memory, most=True)}"
        )

    return _table(
        rows,
        {
            "first epoch": lambda row: _against(row.first_epoch, row.case.goals.first_epoch),
            "its bound": lambda row: _times(row.bound.first_epoch),
            "four epochs": lambda row: _times(row.fourth_epoch),
            "tokens/s, TRL and Groundtune": tokens,
            "peak memory": memory,
        },
    )


def _seven_billion(rows: Sequence[Figures]) -> str:
    shown = [row for row in rows if row.case.model == "llava"]
    return "Bounds of the same pairs on LLaVA-1.5-7B (counted, not run):\n\n" + _table(
        shown,
        {
            "a step": lambda row: _times(bound(row.case, LLAVA_7B).step),
            "first epoch": lambda row: _times(bound(row.case, LLAVA_7B).first_epoch),
        },
    )


def _ablation(times: dict[str, list[float]]) -> str:
    base = next((median(each) for label, each in times.items() if label.startswith("base")), 0.0)
    lines = ["| one thing at a time | s | against the base |", "|---|---|---|"]
    lines += [
        f"| {label} | {median(each):.2f} | {base / median(each):.2f}x |"
        for label, each in times.items()
    ]
    return "\n".join(lines)


def _agreement(rows: Sequence[Figures], exact: dict[str, dict[str, float]]) -> str:
    def worst(name: str) -> float:
        return max(row.found["agreement"][name][0] for row in rows)

    second = [max(row.found["agreement"]["loss_differs"][1:], default=0.0) for row in rows]
    lines = [
        f"The first step's losses of both sides differ by {worst('loss_differs'):.0e} of their"
        f" value at the most, their gradient norms by {worst('norm_differs'):.0e}, the second"
        f" step's losses by {max(second):.0e}.",
        "",
        "| packed against separate rows, float32, relative | loss | gradient |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name.removesuffix('-100-full')}, {kind} | {_small(found[f'{kind} loss'])}"
        f" | {_small(found[f'{kind} gradient'])} |"
        for name, found in exact.items()
        for kind in ("dense", "segments")
    ]
    return "\n".join(lines)


def _small(value: float) -> str:
    return f"{value:.0e}" if value >= 1e-7 else "under 1e-7"


LEFT, WIDE, ROW, TOP = 345, 420, 34, 64
"""Pixels: labels' width, the axis' width, a row's height, what is above the first."""
TICKS = (1, 1.5, 2, 2.5, 3, 4, 5, 7, 10)
INK, GREY, OURS = "#1f2328", "#6b7280", "#0b6e99"


def chart(rows: Sequence[Figures]) -> str:
    """A dot a case with its range, and a mark where the bound is, as SVG."""
    end = 1.1 * max(max(row.high, row.bound.step) for row in rows)

    def x(value: float) -> float:
        return LEFT + WIDE * log(value) / log(end)

    height = TOP + ROW * len(rows) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 60} {height}"'
        ' font-family="system-ui, sans-serif" font-size="12" role="img">',
        "<title>How many times as fast a step is as TRL's</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        _text(16, 24, "How many times as fast as TRL's a training step is", INK, 15),
        _text(
            16,
            44,
            "Dot: median; line: shortest to longest steps; bar: FLOP bound; logarithmic",
            GREY,
        ),
    ]
    for tick in (tick for tick in TICKS if tick <= end):
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{height - 36}"'
            f' stroke="#e5e7eb"/>'
        )
        parts.append(_text(x(tick), height - 18, f"{tick:g}x", GREY, anchor="middle"))
    for number, row in enumerate(rows):
        parts += _row(row, TOP + ROW * number + ROW / 2, x)
    return "\n".join([*parts, "</svg>\n"])


def _row(row: Figures, y: float, x: Callable[[float], float]) -> list[str]:
    trained = "LoRA" if row.case.lora else "full"
    first, _, rest = row.case.label.partition(", ")
    bar = x(row.bound.step)
    return [
        _text(LEFT - 12, y - 3, f"{rest} ({trained})", INK, anchor="end"),
        _text(LEFT - 12, y + 11, first, GREY, 10, anchor="end"),
        f'<line x1="{bar:.1f}" x2="{bar:.1f}" y1="{y - 9}" y2="{y + 9}" stroke="{INK}"'
        ' stroke-width="2"/>',
        f'<line x1="{x(max(row.low, 1)):.1f}" x2="{x(row.high):.1f}" y1="{y}" y2="{y}"'
        f' stroke="{OURS}" stroke-width="2"/>',
        f'<circle cx="{x(row.step):.1f}" cy="{y}" r="5" fill="{OURS}"/>',
        _text(max(bar, x(row.high)) + 8, y + 4, _times(row.step), INK),
    ]


def _text(
    x: float, y: float, words: str, colour: str, size: int = 12, *, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}"'
        f' text-anchor="{anchor}">{words}</text>'
    )
