"""Groundtune's trainer against TRL's DPOTrainer, side by side: `make bench-train`.

    train_against_trl.py            measures all cases, then writes results, table and chart
    train_against_trl.py CASE...    measures these cases again, keeps the other results with their
                                    machines and days, and prints the table without writing the page
    train_against_trl.py --list     names the cases
    train_against_trl.py --table    only writes table and chart from the results

What was stopped goes on with the same command: cases that it has measured stand in
results/train.part.json until all are there, and are measured again only where the code or a version
changed since, or with --anew.

For each case, first each side in a process of its own takes two steps: their losses, gradient norms
and token ids must agree, and their peak memory is taken. Then one process runs both in turns, A B B
A. This process loads no model and only starts the others.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from train_cases import CASES, Case, case_of

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "train.json"
PART = RESULTS.with_name("train.part.json")
NAMES = ("groundtune", "trl", "transformers", "torch", "peft", "accelerate", "datasets")
MEASURED = ("engine", "methods", "train", "vlm")
"""Rooms of the code whose change makes measured cases stale."""
ALONE = ("ablation", "exact")
"""What is measured beside the cases, on both models."""
TOLERANCE = 1e-4
"""Relative, of losses and of the first step's gradient norm."""
NORM_TOLERANCE = 1e-2
"""Of the second step's norm. AdamW's first step is the gradient's sign, so that a weight whose
gradient is rounding alone may go either way."""


def main() -> None:
    """Measures or shows, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="names of cases; all if none is given")
    parser.add_argument("--list", action="store_true", help="name the cases, measure nothing")
    parser.add_argument("--table", action="store_true", help="measure nothing, write the table")
    parser.add_argument("--no-ablation", action="store_true", help="leave the ablation as it is")
    parser.add_argument("--anew", action="store_true", help="forget what a stopped run measured")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        print("RESULT " + json.dumps(_work(json.loads(arguments.work))))
        return
    if arguments.list:
        print("\n".join(f"{case.name:20} {case.label}" for case in CASES))
        return
    if not arguments.table:
        chosen = chosen_of(parser, arguments.cases, CASES)
        if arguments.anew:
            PART.unlink(missing_ok=True)
        with TemporaryDirectory() as scratch:
            wanted = [*chosen, *(() if arguments.no_ablation else ALONE)]
            measure(wanted, lambda work: _start(work, Path(scratch)), fingerprint())
    some = arguments.cases or [case.name for case in CASES if arguments.no_ablation]
    print(report(json.loads(RESULTS.read_bytes()), [] if arguments.table else some))


def report(results: dict[str, Any], names: Sequence[str]) -> str:
    """Return the tables of some cases; without names, write all tables into the page."""
    import train_report

    if not names:
        return train_report.write(results)
    kept = f"{train_report.PAGE.name} is unchanged; --table writes it from all results."
    return f"{train_report.tables_of(results, names)}\n\n{kept}"


def measure(
    wanted: Sequence[Case | str], start: Callable[[dict[str, str]], Any], made_of: str
) -> None:
    """Measures what an earlier, stopped run of the same code has not, then adds it to the results.

    `start` does a piece of work in a process of its own. `made_of` tells one code from another.
    """
    part: dict[str, Any] = json.loads(PART.read_bytes()) if PART.is_file() else {}
    if part.get("made_of") != made_of:
        part = {"made_of": made_of, "found": {}, "cpu_seconds": {}}
    left = [each for each in wanted if _name(each) not in part["found"]]
    for model in sorted({m for each in left for m in _models(each)}):
        start({"kind": "build", "model": model})
    for each in left:
        before = _children()
        found = _case(each, start) if isinstance(each, Case) else start({"kind": each})
        part["found"][_name(each)] = found
        part["cpu_seconds"][_name(each)] = round(_children() - before)
        keep(part, PART)
    results = json.loads(RESULTS.read_bytes()) if RESULTS.is_file() else {"cases": {}}
    made_with = start({"kind": "versions"})
    for name in map(_name, wanted):
        (results if name in ALONE else results["cases"])[name] = part["found"].pop(name)
        results.setdefault("made_with", {})[name] = made_with
        results.setdefault("cpu_seconds", {})[name] = part["cpu_seconds"].pop(name)
    keep(results, RESULTS)
    if part["found"]:  # of a longer list, whose run was stopped
        keep(part, PART)
    else:
        PART.unlink()


def _name(each: Case | str) -> str:
    return each.name if isinstance(each, Case) else each


def _models(each: Case | str) -> tuple[str, ...]:
    """The models that a case, or what is measured beside the cases, runs on."""
    return (each.model,) if isinstance(each, Case) else ("llava", "qwen")


def _children() -> float:
    """Processor seconds of all the processes that were started."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def fingerprint(rooms: Sequence[str] = MEASURED, files: Sequence[str] = ("*",)) -> str:
    """Of the code that is measured, of the benchmark, and of the versions of what they stand on."""
    import groundtune

    package = Path(groundtune.__path__[0])
    paths = [path for room in rooms for path in (package / room).rglob("*.py")]
    paths += [path for name in files for path in HERE.glob(f"{name}.py")]
    digest = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in NAMES).encode())
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _case(case: Case, start: Callable[[dict[str, str]], Any]) -> dict[str, Any]:
    ours = start({"kind": "alone", "side": "ours", "case": case.name})
    trl = start({"kind": "alone", "side": "trl", "case": case.name})
    check = _agree(case, ours, trl)
    print(f"{case.name}: {check}", flush=True)
    load_before = os.getloadavg()[0]
    timed = start({"kind": "time", "case": case.name})
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
    return result_of(__file__, {**work, "scratch": str(scratch)}, environment)


def result_of(script: str, work: dict[str, Any], environment: dict[str, str]) -> Any:
    """What a script says of a piece of work, which it does in a process of its own."""
    command = [sys.executable, script, "--work", json.dumps(work)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def chosen_of(
    parser: argparse.ArgumentParser, names: Sequence[str], cases: Sequence[Case]
) -> list[Case]:
    """The cases of these names, all where none is given; ends the program where one is unknown."""
    known = {case.name: case for case in cases}
    if unknown := set(names) - known.keys():
        parser.error(f"no case {', '.join(sorted(unknown))}; --list names them")
    return [known[name] for name in names] or list(cases)


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
        return versions()
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


def versions() -> dict[str, Any]:
    """The machine, the day, and the versions of what was measured."""
    from torch.backends.cpu import get_cpu_capability

    return {
        "machine": f"{os.cpu_count()} cores, {get_cpu_capability()}",
        "threads": 1,
        "day": datetime.now(UTC).date().isoformat(),
        "versions": {name: version(name) for name in NAMES},
    }


def keep(found: dict[str, Any], path: Path) -> None:
    """Writes what was found, whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    main()
