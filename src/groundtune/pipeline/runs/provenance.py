"""How a run was made: command, settings, versions, seconds and memory, for its report."""

import platform
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from groundtune.pipeline.runs.jobs import JobResult, cores, memory_mb
from groundtune.report.model import Provenance
from groundtune.store.run_json import read_run

NONE: Mapping[str, JobResult] = MappingProxyType({})


def provenance_of(folder: Path, steps: Mapping[str, JobResult] = NONE) -> Provenance:
    """What a folder's `run.json` says, empty without one; with `steps`, also time and machine."""
    if not (folder / "run.json").exists():
        return Provenance()
    run = read_run(folder)
    machine = {
        "cores": str(cores()),
        "system": f"{platform.system()} on {platform.machine()}",
        "memory": f"{memory_mb(steps.values()):,.0f} MB, all processes together",
    }
    return Provenance(
        command=shlex.join(run.command),
        created=f"{datetime.fromisoformat(run.started):%Y-%m-%d, %H:%M %Z}",
        settings=run.recipe,
        versions=run.versions,
        seeds=run.seeds,
        inputs=run.inputs,
        seconds={name.replace("-", " "): step.seconds for name, step in steps.items()},
        machine=machine if steps else {},
    )
