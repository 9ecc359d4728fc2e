"""Many clients at once: each gets an answer, or is told at once to come back."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from groundtune.records import Prompt
from running_server import ScriptedSpeaker, body, data_url, png, service_of, serving

STORM = Path(__file__).parents[1] / "storm.py"


@contextmanager
def storm(url: str, clients: int, sent: dict[str, Any]) -> Iterator[Iterator[dict[str, Any]]]:
    """The replies to so many clients at one moment, in the order in which they come."""
    command = [sys.executable, str(STORM), url, str(clients)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(json.dumps(sent).encode())
        program.stdin.close()
        yield (json.loads(line) for line in program.stdout)
    assert program.returncode == 0


def test_whoever_finds_the_queue_full_is_refused_while_the_others_still_wait():
    go_on = threading.Event()

    def answer(prompt: Prompt, seed: int) -> str:
        go_on.wait(20)
        go_on.set()  # so that a gate that lets all in fails soon
        return "done"

    service = service_of(ScriptedSpeaker(answer), limits={"running": 1, "waiting": 9})
    with serving(service) as base, storm(base, 40, body(image=data_url(png()))) as replies:
        first = [next(replies) for _ in range(30)]
        go_on.set()
        rest = list(replies)
    assert [reply["status"] for reply in first] == [429] * 30
    assert all(1 <= int(reply["retry_after"]) <= 60 for reply in first)
    assert [reply["status"] for reply in rest] == [200] * 10
    assert service.gate.inside == 0


def resident_bytes() -> int:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.bench
@pytest.mark.parametrize("kilobytes", [0, 500])
def test_two_hundred_clients_are_answered_or_refused_within_a_second(kilobytes: int):
    words = "nine words that are said one after the other"
    limits = {"running": 1, "waiting": 32}
    service = service_of(ScriptedSpeaker(lambda prompt, seed: words, 0.005), limits=limits)
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            most[0] = max(most[0], resident_bytes())

    watcher = threading.Thread(target=watch)
    sent = body(image=data_url(png() + b"\0" * 1000 * kilobytes))
    with serving(service) as base:
        before = resident_bytes()
        watcher.start()
        with storm(base, 200, sent) as replies:
            told = list(replies)
        over.set()
        watcher.join()
    answered = [reply["seconds"] for reply in told if reply["status"] == 200]
    refused = [reply["seconds"] for reply in told if reply["status"] == 429]
    print(
        f"\n200 clients, {len(json.dumps(sent)):,} bytes each, {limits}: {len(answered)} answered "
        f"(the last after {max(answered):.2f} s), {len(refused)} refused (the last after "
        f"{max(refused, default=0):.2f} s); memory grew by {(most[0] - before) / 2**20:.0f} MiB"
    )
    assert len(answered) + len(refused) == 200
    assert len(answered) >= 33
    assert max(refused) < 1
    assert service.gate.inside == 0
