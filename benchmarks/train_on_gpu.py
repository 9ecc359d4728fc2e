"""Groundtune's trainer and TRL's on a GPU, on models as large as those that are used.

    train_on_gpu.py              measures all cases, then writes results and table
    train_on_gpu.py CASE...      measures these cases anew and keeps the other results
    train_on_gpu.py --list       names the cases
    train_on_gpu.py --table      only writes the table from the results
    train_on_gpu.py --rehearse   all of it on the CPU with small models: it works, and says no more

Both sides would not fit beside each other, and nothing else bends a GPU's time: so each side of a
case is a process of its own, and its steps are measured on the clock. Weights that are frozen are
bfloat16, those that are trained float32, and both sides compute in bfloat16.

MFU is the arithmetic that a side's step needs without what checkpointing does again
(train_bounds.py), over its time and over what a large product of bfloat16 reaches on the same GPU.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from train_against_trl import chosen_of, keep, result_of, versions
from train_cases import GPU_CASES, GPU_SIZES, Case, case_of

RESULTS = Path(__file__).parent / "results" / "train-gpu.json"
OFFLINE = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
"""What a piece of work runs in."""
WARM = 2
"""First steps of each side that aren't counted."""
LARGE = 8192
"""Rows and columns of the product that MFU is held against."""
TOLERANCE = 0.05
"""Relative, of the first step's loss and norm: both sides round to bfloat16."""


def main() -> None:
    """Measures or shows, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="names of cases; all if none is given")
    parser.add_argument("--list", action="store_true", help="name the cases, measure nothing")
    parser.add_argument("--table", action="store_true", help="measure nothing, write the table")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with small models")
    parser.add_argument("--scratch", type=Path, help="where models of up to 15 GB may lie")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        print("RESULT " + json.dumps(_work(json.loads(arguments.work))))
        return
    if arguments.list:
        print("\n".join(f"{case.name:32} {case.label}" for case in GPU_CASES))
        return
    if not arguments.table:
        chosen = chosen_of(parser, arguments.cases, GPU_CASES)
        with TemporaryDirectory(dir=arguments.scratch) as scratch:
            results = measure(chosen, Path(scratch), rehearse=arguments.rehearse)
        if arguments.rehearse:
            print(json.dumps(results, indent=1))
            return
    import train_report

    print(train_report.write_gpu(json.loads(RESULTS.read_bytes())))


def measure(chosen: Sequence[Case], scratch: Path, *, rehearse: bool) -> dict[str, Any]:
    """Measures the cases; each result is kept as soon as it is there, but of a rehearsal."""

    def start(kind: str, **work: str) -> Any:
        told = {"kind": kind, "scratch": str(scratch), "rehearse": rehearse, **work}
        return result_of(__file__, told, OFFLINE)

    there = RESULTS.is_file() and not rehearse
    results: dict[str, Any] = json.loads(RESULTS.read_bytes()) if there else {"cases": {}}
    results["made_with"] = start("versions")
    for model in GPU_SIZES:
        own = [case for case in chosen if case.model == model]
        if not own:
            continue
        start("build", model=model)
        for case in own:
            found = {side: start("side", side=side, case=case.name) for side in ("ours", "trl")}
            results["cases"][case.name] = found | {"agreement": _agreement(case, found)}
            print(f"{case.name}: {json.dumps(results['cases'][case.name])}", flush=True)
            if not rehearse:
                keep(results, RESULTS)
    return results


def _agreement(case: Case, found: dict[str, Any]) -> dict[str, float]:
    """Relative differences of what both sides tell of their first steps.

    It stops everything if the first step's are large. A side that was out of memory tells nothing.
    """
    ours, trl = found["ours"], found["trl"]
    ids = [side.pop("ids", None) for side in (ours, trl)]
    if "out_of_memory" in ours or "out_of_memory" in trl:
        return {}
    assert ids[0] == ids[1], f"{case.name}: the sides have different tokens"
    differ = {
        name: abs(ours[of][step] / trl[of][step] - 1)
        for name, of, step in (("loss", "loss", 0), ("norm", "norm", 0), ("second_loss", "loss", 1))
    }
    assert max(differ["loss"], differ["norm"]) < TOLERANCE, f"{case.name}: {differ}"
    return {name: float(f"{value:.1e}") for name, value in differ.items()}


def _work(work: dict[str, Any]) -> Any:
    """What a started process does."""
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    if work["rehearse"]:
        _shrink()
    scratch, device = Path(work["scratch"]), "cpu" if work["rehearse"] else "cuda"
    if work["kind"] == "versions":
        return versions() | _device(device)
    if work["kind"] == "build":
        from train_models import Place, build

        return build(work["model"], scratch / work["model"], Place(device, "bfloat16"))
    return _side(case_of(work["case"]), work["side"], scratch, device)


def _side(case: Case, side: str, scratch: Path, device: str) -> dict[str, Any]:
    """One side's steps: what they tell, their seconds, and the most memory that they held."""
    import torch
    from train_models import Place
    from train_sides import Ours, Theirs

    dtype = "bfloat16" if case.lora and device == "cuda" else "float32"
    place = Place(device, dtype, bf16=device == "cuda")
    steps = WARM + 2 * case.blocks
    folder = scratch / case.model
    found: dict[str, Any] = {}
    try:
        if side == "ours":
            ours = Ours(case, folder, steps, place=place)
            took = [ours.step(number) for number in range(steps)]
            found["reference"] = [round(ours.reference_step(n).wall, 5) for n in range(steps)][
                WARM:
            ]
            found |= {"encoding": round(ours.encoding, 5), "attention": ours.attention}
            ids = ours.ids()
        else:
            theirs = Theirs(case, folder, steps, place=place)
            theirs.run()
            took, ids = theirs.steps, theirs.ids()
    except torch.OutOfMemoryError:
        return {"out_of_memory": _memory(device)}
    return {
        **found,
        "ids": ids,
        "seconds": [round(each.wall, 5) for each, _ in took][WARM:],
        "loss": [told.loss for _, told in took],
        "norm": [told.norm for _, told in took],
        "memory_mb": _memory(device),
    }


def _memory(device: str) -> int:
    """The most MiB that tensors took; of a rehearsal that the whole process did."""
    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated() // 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _device(device: str) -> dict[str, Any]:
    """Which one it is, and the multiplications with additions (FLOP) that it does in a second."""
    import torch

    size = LARGE if device == "cuda" else 256
    name = torch.cuda.get_device_name() if device == "cuda" else "a rehearsal's CPU"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    matrix = torch.randn(size, size, dtype=dtype, device=device)
    times: list[float] = []
    for _ in range(20):
        before = time.perf_counter()
        for _ in range(5):
            matrix @ matrix
        if device == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - before) / 5)
    return {"machine": name, "flop_per_second": 2 * size**3 / min(times[5:])}


def _shrink() -> None:
    """Makes the models small enough for a CPU."""
    import train_models

    small = {"layers": 3, "hidden": 256, "inner": 512, "queries": 256, "keys": 128}
    tower = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "depth": 3,
        "num_heads": 4,
        "deepstack_visual_indexes": [0, 1],
    }
    for model, size in GPU_SIZES.items():
        GPU_SIZES[model] = replace(size, **small, vocabulary=32_064)
        vision = train_models.FAMILIES[model].vision
        vision.update({name: value for name, value in tower.items() if name in vision})


if __name__ == "__main__":
    main()
