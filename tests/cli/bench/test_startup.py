import statistics
import subprocess
import sys
import time

import pytest


@pytest.mark.bench
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["bench", "--help"]])
def test_the_command_line_starts_in_less_than_half_a_second(arguments: list[str]) -> None:
    times_s: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "groundtune", *arguments], capture_output=True, check=False
        )
        times_s.append(time.perf_counter() - began)
    print(
        f"\ngroundtune {' '.join(arguments)}: {1000 * statistics.median(times_s):.0f} ms (median)"
    )
    assert min(times_s) < 0.5
