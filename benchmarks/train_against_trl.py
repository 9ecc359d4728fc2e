"""Groundtune's trainer against TRL's DPOTrainer, side by side: `make bench-train`.

    train_against_trl.py            measures all cases, then writes results, table and chart
    train_against_trl.py CASE...    measures these cases anew and keeps the other results
    train_against_trl.py --table    only writes table and chart from the results

For each case, first each side in a process of its own takes two steps: their losses, gradient norms
and token ids must agree, and their peak memory is taken. Then one process runs both in turns, A B B
A. This process loads no model and only starts the others.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from train_cases import CASES, Case, case_of

RESULTS = Path(__file__).parent / "results" / "train.json"
TOLERANCE = 1e-4
"""Relative, of losses and of the first step's gradient norm."""
NORM_TOLERANCE = 1e-2
"""Of the second step's norm. AdamW's first step is the gradient's sign, so that a weight whose
gradient is rounding alone may go either way."""


def main() -> None:
    """Measures or shows, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="names of cases; all if none is given")
    parser.add_argument("--table", action="store_true", help="measure nothing, write the table")
    parser.add_argument("--no-ablation", action="store_true", help="leave the ablation as it is")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        print("RESULT " + json.dumps(_work(json.loads(arguments.work))))
        return
    if not arguments.table:
        chosen = [case_of(name) for name in arguments.cases] or list(CASES)
        with TemporaryDirectory() as scratch:
            _measure(chosen, Path(scratch), ablation=not arguments.no_ablation)
    import train_report

    print(train_report.write(json.loads(RESULTS.read_text())))


def _measure(cases: list[Case], scratch: Path, *, ablation: bool) -> None:
    found = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"cases": {}}
    for model in sorted(
        {case.model for case in cases} | ({"llava", "qwen"} if ablation else set())
    ):
        _start({"kind": "build", "model": model}, scratch)
    for case in cases:
        found["cases"][case.name] = _case(case, scratch)
        _keep(found)
    if ablation:
        found["ablation"] = _start({"kind": "ablation"}, scratch)
        found["exact"] = _start({"kind": "exact"}, scratch)
    found["made_with"] = _start({"kind": "versions"}, scratch)
    found["made_with"]["cpu_seconds"] = round(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]))
    _keep(found)


def _case(case: Case, scratch: Path) -> dict[str, Any]:
    ours = _start({"kind": "alone", "side": "ours", "case": case.name}, scratch)
    trl = _start({"kind": "alone", "side": "trl", "case": case.name}, scratch)
    check = _agree(case, ours, trl)
    print(f"{case.name}: {check}", flush=True)
    load_before = os.getloadavg()[0]
    timed = _start({"kind": "time", "case": case.name}, scratch)
    print(f"{case.name}: ours {timed['ours']['cpu']} s, TRL {timed['trl']['cpu']} s", flush=True)
    return {
        **timed,
        "load": [round(load_before, 1), round(os.getloadavg()[0], 1)],
        "memory_mb": {"ours": ours["memory_mb"], "trl": trl["memory_mb"]},
        "agreement": check,
    }


def _agree(case: Case, ours: dict[str, Any], trl: dict[str, Any]) -> dict[str, Any]:
    """Relative differences of the first steps; stops everything where they are too large."""
    assert trl["ids"] == ours["ids"], f"{case.name}: the sides have different tokens"
    found = {
        name: [
            abs(mine - other) / abs(other)
            for mine, other in zip(ours[name], trl[name], strict=True)
        ]
        for name in ("loss", "norm")
    }
    close = max([*found["loss"], found["norm"][0]]) < TOLERANCE
    later = max(found["norm"]) < NORM_TOLERANCE
    assert close, f"{case.name}: {found}"
    assert later, f"{case.name}: {found}"
    return {
        "loss": ours["loss"],
        "norm": ours["norm"],
        "loss_differs": [float(f"{each:.1e}") for each in found["loss"]],
        "norm_differs": [float(f"{each:.1e}") for each in found["norm"]],
    }


def _start(work: dict[str, str], scratch: Path) -> Any:
    """Runs a piece of work in a process of its own, with one thread and without a network."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TOKENIZERS_PARALLELISM": "false",
    }
    command = [sys.executable, __file__, "--work", json.dumps({**work, "scratch": str(scratch)})]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


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
    if work["kind"] == "alone":
        return _alone(case_of(work["case"]), work["side"], scratch)
    if work["kind"] == "time":
        return _time(case_of(work["case"]), scratch)
    if work["kind"] == "versions":
        return _made_with()
    import train_ablation

    return getattr(train_ablation, work["kind"])(scratch)


def _alone(case: Case, side: str, scratch: Path) -> dict[str, Any]:
    """One side's first steps, and by how much the process grew from before the model was loaded."""
    from train_sides import Ours, Theirs

    if side == "trl":
        import trl.trainer.dpo_trainer  # what it imports is no growth  # noqa: F401
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    folder = scratch / case.model
    if side == "ours":
        ours = Ours(case, folder, case.checked)
        told = [ours.step(number)[1] for number in range(case.checked)]
        ids = ours.ids()
    else:
        theirs = Theirs(case, folder, case.checked)
        theirs.run()
        told = [each for _, each in theirs.steps]
        ids = theirs.ids()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "loss": [each.loss for each in told],
        "norm": [each.norm for each in told],
        "memory_mb": round(grown / 1024),
        "ids": ids,
    }


def _time(case: Case, scratch: Path) -> dict[str, Any]:
    """Both sides in turns; the first step of each warms up and isn't counted."""
    from train_sides import Ours, Theirs, Took

    steps = 2 * case.blocks + 2
    folder = scratch / case.model
    ours = Ours(case, folder, steps)
    theirs = Theirs(case, folder, steps - 1)
    mine: list[Took] = []
    passes: list[Took] = []

    def between(step: int) -> None:
        if step % 2 == 0:
            mine.extend(ours.step(number)[0] for number in (step, step + 1))
            passes.append(ours.reference_step(step))

    theirs.run(between)
    return {
        "attention": ours.attention,
        "encoding_cpu": round(ours.encoding, 4),
        "ours": _seconds(mine[1:]),
        "reference": _seconds(passes),
        "trl": _seconds([took for took, _ in theirs.steps[1:]]),
    }


def _seconds(took: list[Any]) -> dict[str, list[float]]:
    return {
        "cpu": [round(each.cpu, 3) for each in took],
        "wall": [round(each.wall, 3) for each in took],
    }


def _made_with() -> dict[str, Any]:
    from importlib.metadata import version

    names = ("groundtune", "trl", "transformers", "torch", "peft", "accelerate", "datasets")
    return {
        "machine": f"{os.cpu_count()} cores, AVX2",
        "threads": 1,
        "day": datetime.now(UTC).date().isoformat(),
        "versions": {name: version(name) for name in names},
    }


def _keep(found: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
