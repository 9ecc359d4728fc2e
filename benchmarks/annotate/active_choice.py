"""Do corrections of answers that a labeler doubts teach more than those of random answers?

    python -m benchmarks.annotate.active_choice --out runs/active
    python -m benchmarks.annotate.active_choice --out runs/hard --prompts world-hard:1200 --model M

A pool of answers is drawn once and its claims are checked once. For each order and seed, a
simulated person corrects answers until something was wrong in so many, and a model is trained on
the pairs. Everything is done by commands that a user has; each goes on where it was stopped.
A row is an order and a number: answers of the trained model with an invented object, with anything
wrong, objects named, words, and how many answers the person looked at. Intervals resample images,
with the answers of all seeds together. The last rows say how many corrections halve the base's
share, between the two numbers around it (linear in the logarithm).
"""

import argparse
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.bench.stats.means import Mean, mean_interval
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Score
from groundtune.store.dataset import RecordSet

SHOWN = ("invented", "wrong")


class Arm(NamedTuple):
    """Models that were trained on so many corrections, one a seed."""

    order: str
    corrections: int
    looked_at: float
    invented: Mean
    wrong: Mean
    recall: float
    words: float


def groundtune(*command: object) -> None:
    """Runs a command of the program, its words on this terminal."""
    subprocess.run([sys.executable, "-m", "groundtune", *map(str, command)], check=True)


def measured(asked: argparse.Namespace, model: object, out: Path) -> list[dict[str, float | str]]:
    """Each caption's figures under greedy decoding."""
    benchmark = "world-hard-captions" if "hard" in asked.prompts else "world-captions"
    if not (out / "summary.json").exists():
        groundtune("bench", "run", model, benchmark, "--n", asked.captions, "--out", out)
    rows: list[dict[str, float | str]] = [
        {**row.values, "image": row.image}
        for row in RecordSet(out / "scores", Score).read()
        if row.benchmark == benchmark and row.decoding == "greedy"
    ]
    if not rows:
        raise SystemExit(f"{out} has no scores of {benchmark}")
    return rows


def mean_of(rows: Sequence[dict[str, float | str]], name: str) -> Mean:
    """A share over all answers, with images resampled."""
    values = [float(row[name]) for row in rows]
    return mean_interval(values, [str(row["image"]) for row in rows], share=True)


def trained(asked: argparse.Namespace, order: str, number: int, seed: int) -> Path:
    """The folder of a model that learnt from the first corrections in this order."""
    out = asked.out / f"{order}-{number}-{seed}"
    label = ["label", "--answers", asked.out / "pool", "--out", out, "--order", order]
    groundtune(*label, "--seed", seed, f"enough={number}", "--error-rate", asked.error_rate)
    groundtune("pairs", "--corrections", out)
    epochs = max(2, math.ceil(16 * asked.least_steps / number))
    settings = [f"model={asked.model}", f"pairs={out}", f"seed={seed}", f"epochs={epochs}"]
    groundtune("train", asked.recipe, *settings, *asked.set, "--out", out / "training")
    return out


def arm(asked: argparse.Namespace, order: str, number: int) -> Arm:
    """All seeds of an order and a number of corrections."""
    rows: list[dict[str, float | str]] = []
    looked_at: list[int] = []
    for seed in asked.seeds:
        out = asked.out / f"{order}-{number}-{seed}"
        done = out / "evaluation" / "summary.json"
        if not done.exists():
            trained(asked, order, number, seed)
        rows += measured(asked, out / "training" / "model", out / "evaluation")
        looked_at.append(len(RunFolder(out).corrections.read()))
    return as_arm(order, number, rows, sum(looked_at) / len(looked_at))


def as_arm(
    order: str, number: int, rows: Sequence[dict[str, float | str]], looked_at: float
) -> Arm:
    """The figures of an arm from its captions' figures."""
    named = sum(float(row["classes"]) for row in rows)
    there = sum(float(row["truth_classes"]) for row in rows)
    words = sum(float(row["words"]) for row in rows) / len(rows)
    invented, wrong = (mean_of(rows, name) for name in SHOWN)
    return Arm(order, number, looked_at, invented, wrong, named / there, words)


def to_halve(arms: Sequence[Arm], base: float) -> float | None:
    """The number of corrections at which the share is half of the base's; None if never."""
    before: tuple[float, float] | None = None
    for each in sorted(arms, key=lambda arm: arm.corrections):
        share = each.invented.value
        if share <= base / 2:
            if before is None:
                return float(each.corrections)
            number, above = before
            part = (above - base / 2) / (above - share)
            return number * (each.corrections / number) ** part
        before = float(each.corrections), share
    return None


def told(each: Arm) -> str:
    """A row of the table."""
    shares = [f"{100 * m.value:.1f} ({100 * m.low:.1f} to {100 * m.high:.1f})" for m in each[3:5]]
    cells = [each.order, str(each.corrections), f"{each.looked_at:.0f}", *shares]
    return "| " + " | ".join([*cells, f"{100 * each.recall:.1f}", f"{each.words:.1f}"]) + " |"


def main() -> None:
    """Runs what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="world:base")
    parser.add_argument("--labeler", default="world:labeler")
    parser.add_argument("--prompts", default="world:1200")
    parser.add_argument("--recipe", default="world-ddpo")
    parser.add_argument("--set", nargs="*", default=[], help="settings of the recipe")
    parser.add_argument("--orders", nargs="*", default=["random", "uncertain", "suspected"])
    parser.add_argument("--numbers", nargs="*", type=int, default=[25, 50, 100, 200, 400])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--captions", type=int, default=300)
    parser.add_argument("--error-rate", type=float, default=0.0)
    parser.add_argument("--least-steps", type=int, default=40, help="more epochs on few pairs")
    asked = parser.parse_args()
    pool = asked.out / "pool"
    groundtune(
        *("sample", "--model", asked.model, "--prompts", asked.prompts, "--n", 1, "--out", pool),
        *("--temperature", 0.3),
    )
    groundtune("label", "--answers", pool, "--by", "claims", "--labeler", asked.labeler)
    base = as_arm("base", 0, measured(asked, asked.model, asked.out / "base"), 0)
    arms = [arm(asked, order, number) for number in asked.numbers for order in asked.orders]
    print("| order | corrections | looked at | invented % | anything wrong % | recall % | words |")
    print("|---|---|---|---|---|---|---|")
    for each in [base, *arms]:
        print(told(each))
    for order in asked.orders:
        number = to_halve([each for each in arms if each.order == order], base.invented.value)
        print(f"{order}: half at {'never' if number is None else round(number)}")


if __name__ == "__main__":
    main()
