"""What a run was made with and what it took, for its report."""

import platform
from collections.abc import Mapping
from pathlib import Path

from groundtune.pipeline.jobs import Done, cores, memory_mb
from groundtune.report import build, model
from groundtune.store.run import read_run


def run_facts(out: Path, steps: Mapping[str, Done]) -> model.RunFacts:
    """What the run was made with, and what it took."""
    facts = build.facts_of(
        read_run(out),
        seconds={name.replace("-", " "): done.seconds for name, done in steps.items()},
    )
    machine = {
        "cores": str(cores()),
        "system": f"{platform.system()} on {platform.machine()}",
        "memory": f"{memory_mb(steps.values()):,.0f} MB, all processes together",
    }
    return facts.model_copy(update={"machine": machine})
