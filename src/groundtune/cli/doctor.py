"""`groundtune doctor`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundtune.pipeline.doctor.examine import Fit


def doctor(*, folder: Path = Path("."), json: bool = False) -> int:
    """Look at this machine: what works, what is missing, and which models fit.

    Checks Python, packages, accelerator, bfloat16, memory, disk and extras, and estimates which
    models fit for answers, for training a LoRA and for training all weights. Ends with exit status
    1 if something stops commands.

    For example:

        groundtune doctor
        groundtune doctor --json

    Args:
        folder: Where runs will be written.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table
    from groundtune.pipeline.doctor.examine import examine

    machine = examine(folder)
    following = ["groundtune", "demo"]
    if json:
        finish(
            {**machine.model_dump(), "problems": machine.problems},
            next_command=following,
            json=True,
        )
        return 1 if machine.problems else 0
    width = max(len(check.name) for check in machine.checks)
    for check in machine.checks:
        sys.stdout.write(f"{check.state.ljust(7)}  {check.name.ljust(width)}  {check.found}\n")
        if check.fix:
            sys.stdout.write(f"{' ' * (width + 11)}fix: {check.fix}\n")
    print()
    heads = ("model", "answers", "train a LoRA", "train all weights")
    print_table([heads, *(_fit_row(fit) for fit in machine.fits)])
    print()
    finish(
        {
            "memory": f"{machine.memory_gb:.0f} GB for models; what fits (dtype auto) is estimated",
            "problems": machine.problems,
        },
        next_command=following,
    )
    return 1 if machine.problems else 0


def _fit_row(fit: "Fit") -> tuple[str, str, str, str]:
    def shown(fits: bool, gb: float) -> str:
        return f"{'yes' if fits else 'no'}, {gb:.0f} GB"

    return (
        fit.model,
        "yes" if fit.answers else "no",
        shown(fit.lora, fit.lora_gb),
        shown(fit.full, fit.full_gb),
    )
