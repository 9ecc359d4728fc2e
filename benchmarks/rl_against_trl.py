"""Groundtune's reinforcement learning against TRL's GRPOTrainer, side by side: `make bench-rl`.

    rl_against_trl.py            measures all cases, then writes the results and the table
    rl_against_trl.py CASE...    measures these cases again, keeps the other results, and prints the
                                 table without writing the page
    rl_against_trl.py --list     names the cases
    rl_against_trl.py --table    only writes the table from the results

For each case, first each side in a process of its own takes two steps on answers that are fixed,
whose token ids, losses and gradient norms must agree, and a step on answers of its own; their peak
memory is taken. With a LoRA, ours then does so without a reference and without drawing, which is
one model with adapters in training. Then one process runs both in turns, A B B A. This process
loads no model and only starts the others. What was stopped goes on with the same command.
"""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rl_parts import PARTS, Took, forget_peak, peak
from train_against_trl import chosen_of, fingerprint, keep, result_of, versions
from train_cases import RL_CASES, Case, rl_case_of

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "rl.json"
PART = RESULTS.with_name("rl.part.json")
MEASURED = ("engine", "generate", "methods", "pipeline/rl", "train", "vlm")
MEASURES = ("rl_parts", "rl_sides", "rl_theirs", "train_cases", "train_models", "train_sides")
"""Rooms of the code, and files here, whose change makes measured pieces stale."""
TOLERANCE = 1e-4
"""Relative, of the first step's loss and gradient norm."""
LATER_TOLERANCE = 1e-2
"""Of the second step's. AdamW's first step is the gradient's sign, so that a weight whose gradient
is rounding alone may go either way."""


def main() -> None:
    """Measures or shows, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="names of cases; all if none is given")
    parser.add_argument("--list", action="store_true", help="name the cases, measure nothing")
    parser.add_argument("--table", action="store_true", help="measure nothing, write the table")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        print("RESULT " + json.dumps(_work(json.loads(arguments.work))))
        return
    if arguments.list:
        print("\n".join(f"{case.name:20} {case.label}" for case in RL_CASES))
        return
    import rl_report

    if not arguments.table:
        with TemporaryDirectory() as scratch:
            measure(chosen_of(parser, arguments.cases, RL_CASES), Path(scratch))
    results = json.loads(RESULTS.read_bytes())
    if arguments.cases:
        print(rl_report.tables(results, arguments.cases))
    else:
        print(rl_report.write(results))


class Pieces:
    """What was measured so far, kept until its case is complete, for the same code and versions."""

    def __init__(self, start: Callable[[dict[str, str]], Any], made_of: str) -> None:
        """`start` does a piece of work in a process of its own."""
        self._start = start
        kept: dict[str, Any] = json.loads(PART.read_bytes()) if PART.is_file() else {}
        fresh = {"made_of": made_of, "pieces": {}}
        self._part = kept if kept.get("made_of") == made_of else fresh

    def get(self, case: Case, kind: str, side: str = "") -> Any:
        """A piece of a case, measured unless it is there."""
        name = " ".join(filter(None, (case.name, kind, side)))
        pieces = self._part["pieces"]
        if name not in pieces:
            pieces[name] = self._start({"kind": kind, "side": side, "case": case.name})
            keep(self._part, PART)
        return pieces[name]

    def drop(self, case: Case) -> None:
        """Forgets a case, which is in the results."""
        pieces = self._part["pieces"]
        left = {n: each for n, each in pieces.items() if n.partition(" ")[0] != case.name}
        self._part["pieces"] = left
        if left:
            keep(self._part, PART)
        else:
            PART.unlink(missing_ok=True)


def measure(cases: Sequence[Case], scratch: Path) -> None:
    """Measures the cases and adds each to the results."""

    def start(work: dict[str, str]) -> Any:
        return _start(work, scratch)

    for model in sorted({case.model for case in cases}):
        start({"kind": "build", "model": model})
    made_with = start({"kind": "versions"})
    pieces = Pieces(start, fingerprint(MEASURED, MEASURES))
    for case in cases:
        found = _case(case, pieces)
        results = json.loads(RESULTS.read_bytes()) if RESULTS.is_file() else {"cases": {}}
        results["cases"][case.name] = {**found, "made_with": made_with}
        keep(results, RESULTS)
        pieces.drop(case)


def _case(case: Case, pieces: Pieces) -> dict[str, Any]:
    alone = {side: pieces.get(case, "alone", side) for side in ("ours", "trl")}
    check = agree(case, alone["ours"], alone["trl"])
    print(f"{case.name}: {check}", flush=True)
    if case.lora:
        alone["plain"] = pieces.get(case, "plain")
    memory = {side: each["memory_mb"] for side, each in alone.items()}
    print(f"{case.name}: {memory}", flush=True)
    return {**pieces.get(case, "time"), "memory_mb": memory, "agreement": check}


def agree(case: Case, ours: dict[str, Any], trl: dict[str, Any]) -> dict[str, Any]:
    """Relative differences of the steps on fixed answers; stops everything if they are large."""
    assert trl["ids"] == ours["ids"], f"{case.name}: the sides have different tokens"
    found = {
        name: [
            abs(mine - other) / abs(other)
            for mine, other in zip(ours[name], trl[name], strict=True)
        ]
        for name in ("loss", "norm")
    }
    assert max(each[0] for each in found.values()) < TOLERANCE, f"{case.name}: {ours} {trl}"
    assert max(map(max, found.values())) < LATER_TOLERANCE, f"{case.name}: {ours} {trl}"
    shown = {f"{name}_differs": [float(f"{x:.1e}") for x in each] for name, each in found.items()}
    return {"loss": ours["loss"], "norm": ours["norm"], **shown}


def _start(work: dict[str, str], scratch: Path) -> Any:
    """Runs a piece of work in a process of its own, with one thread and without a network."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TOKENIZERS_PARALLELISM": "false",
    }
    return result_of(__file__, {**work, "scratch": str(scratch)}, environment)


def _work(work: dict[str, str]) -> Any:
    """What a started process does."""
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    scratch = Path(work["scratch"])
    if work["kind"] == "build":
        import train_models

        return train_models.build(work["model"], scratch / work["model"])
    if work["kind"] == "versions":
        return versions()
    case = rl_case_of(work["case"])
    folder = scratch / case.model
    if work["kind"] == "time":
        return _time(case, folder)
    return _alone(case, work["side"] or "ours", folder, plain=work["kind"] == "plain")


def _alone(case: Case, side: str, folder: Path, *, plain: bool) -> dict[str, Any]:
    """One side's first steps: of fixed answers, then one of its own; with its peak memory in MiB.

    The weights are off the reference from the start, so that the KL counts. Memory is what the
    process grew by from before the model was loaded: the peak of each part, and of all with the
    model's loading (`whole`). `plain` leaves out the reference and the drawing.
    """
    from rl_sides import BETA, Ours, apart
    from rl_theirs import Theirs

    forget_peak()
    before, fixed, steps = peak(), case.checked, case.checked + 1
    if side == "ours":
        first, kl = (steps, 0.0) if plain else (fixed, BETA)
        ours = Ours(case, folder, steps, first_drawn=first, kl=kl, memory=True)
        model, parts = ours.model, ours.parts
    else:
        theirs = Theirs(case, folder, steps, first_drawn=fixed, memory=True)
        model, parts = theirs.model, theirs.parts
    peaks = {"loading": peak()}
    apart(model)
    if side == "ours":
        ids = ours.ids()
        told = [ours.step(number) for number in range(steps)]
    else:
        theirs.run()
        told, ids = [each.told for each in theirs.steps], theirs.ids()
    peaks |= parts.peaks
    grown = {part: round((each - before) / 1024) for part, each in peaks.items()}
    return {
        "loss": [each.loss for each in told[:fixed]],
        "norm": [each.norm for each in told[:fixed]],
        "ids": ids,
        "memory_mb": {**grown, "whole": max(grown.values())},
    }


def _time(case: Case, folder: Path) -> dict[str, Any]:
    """Both sides in turns; the first step of each warms up and isn't counted."""
    from rl_sides import Ours
    from rl_theirs import Theirs

    steps, load_before = 2 * case.blocks + 2, os.getloadavg()[0]
    ours = Ours(case, folder, steps)
    theirs = Theirs(case, folder, steps - 1)
    mine: list[dict[str, Took]] = []
    tokens: list[float] = []

    def between(step: int) -> None:
        if step % 2 == 0:
            for number in (step, step + 1):
                ours.step(number)
                mine.append(ours.parts.took)
                tokens.append(ours.tokens)

    theirs.run(between)
    return {
        "load": [round(load_before, 1), round(os.getloadavg()[0], 1)],
        "ours": _seconds(mine[1:]),
        "trl": _seconds([each.took for each in theirs.steps[1:]]),
        "tokens": {
            "ours": sum(tokens[1:]) / len(tokens[1:]),
            "trl": sum(each.tokens for each in theirs.steps[1:]) / len(theirs.steps[1:]),
        },
    }


def _seconds(steps: list[dict[str, Took]]) -> dict[str, dict[str, list[float]]]:
    """Seconds of each step by kind of clock and part."""
    none = Took(0.0, 0.0)
    return {
        clock: {
            part: [round(getattr(step.get(part, none), clock), 3) for step in steps]
            for part in PARTS
        }
        for clock in Took._fields
    }


if __name__ == "__main__":
    main()
