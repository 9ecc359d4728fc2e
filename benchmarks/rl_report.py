"""The table of the benchmark of reinforcement learning, from its results. Nothing here measures."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from rl_parts import LEARN, PARTS
from train_bounds import rl_bound
from train_cases import RANK, RL_CASES, SIZES, Case
from train_report import DOCS, _against, _spread, put

PAGE = DOCS / "measured" / "reinforcement.md"
BEGIN, END = "<!-- rl: begin -->", "<!-- rl: end -->"
ROWS = {**{part: (part,) for part in PARTS}, "reference and update": LEARN, "whole step": PARTS}
"""Rows of a case: what is added up in each."""


def tables(results: dict[str, Any], names: Sequence[str] = ()) -> str:
    """The tables of some cases, of all if none is named."""
    known = results["cases"]
    cases = [case for case in RL_CASES if case.name in (names or known)]
    machines: dict[str, list[str]] = {}
    for case in cases:
        machines.setdefault(_machine(known[case.name]), []).append(case.name)
    lines = [f"- {', '.join(names)}: {line}" for line, names in machines.items()]
    return "\n\n".join(
        ["\n".join(lines), _seconds(cases, known), _memory(cases, known), _agreement(cases, known)]
    )


def write(results: dict[str, Any]) -> str:
    """Writes the tables into docs/, and returns them."""
    return put(tables(results), BEGIN, END, PAGE)


def _machine(found: dict[str, Any]) -> str:
    made, load = found["made_with"], found["load"]
    names = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    return (
        f"{made['machine']}, one thread, float32, {made['day']};"
        f" load average {min(load)} to {max(load)} from other work. {names}."
    )


def of(times: dict[str, list[float]], parts: Sequence[str]) -> list[float]:
    """The seconds of some parts together, of each step."""
    return [sum(step) for step in zip(*(times[part] for part in parts), strict=True)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _trained(case: Case) -> str:
    return f"LoRA r{RANK}" if case.lora else "full"


def _seconds(cases: Sequence[Case], known: dict[str, Any]) -> str:
    rows: list[list[str]] = []
    for case in cases:
        trl, ours = (known[case.name][side]["cpu"] for side in ("trl", "ours"))
        for name, parts in ROWS.items():
            theirs, mine = of(trl, parts), of(ours, parts)
            learn = parts == LEARN
            faster = median(theirs) / median(mine) if median(mine) else 0.0
            rows.append(
                [
                    case.label,
                    _trained(case),
                    name,
                    _spread(theirs),
                    _spread(mine),
                    _against(faster, case.goals.step if learn else None) if faster else "-",
                    f"{rl_bound(case, SIZES[case.model]):.2f}x" if learn else "",
                ]
            )
    head = ["a step", "trained", "part", "TRL, s", "Groundtune, s", "faster", "FLOP bound"]
    return _table(head, rows)


def _memory(cases: Sequence[Case], known: dict[str, Any]) -> str:
    rows: list[list[str]] = []
    for case in cases:
        memory = known[case.name]["memory_mb"]
        each = [
            f"{memory['ours'].get(part, 0):,} of {memory['trl'].get(part, 0):,}"
            for part in ("rollout", "reference", "update", "whole")
        ]
        plain = memory.get("plain")
        alone = "-"
        if plain:
            against = _against(
                memory["ours"]["whole"] / plain["whole"], case.goals.memory, most=True
            )
            alone = f"{memory['ours']['whole']:,} of {plain['whole']:,}, {against}"
        rows.append([case.label, _trained(case), *each, alone])
    head = ["a step", "trained", "rollout", "reference", "update", "whole", "one model in training"]
    return "Peak memory in MiB, Groundtune of TRL:\n\n" + _table(head, rows)


def _agreement(cases: Sequence[Case], known: dict[str, Any]) -> str:
    found = [known[case.name]["agreement"] for case in cases]

    def worst(name: str, step: int) -> float:
        return max(each[f"{name}_differs"][step] for each in found)

    tokens = [known[case.name]["tokens"] for case in cases]
    return (
        f"On fixed answers the first step's losses differ by {worst('loss', 0):.0e} of their value"
        f" at the most, gradient norms by {worst('norm', 0):.0e}; the second step's by"
        f" {worst('loss', 1):.0e} and {worst('norm', 1):.0e}. Drawn answers have"
        f" {min(each['ours'] for each in tokens):.1f} tokens or more on Groundtune's side,"
        f" {min(each['trl'] for each in tokens):.1f} or more on TRL's."
    )
