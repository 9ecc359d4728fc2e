"""How many requests a served local model answers, one by one and together: `pytest -m bench -s`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest

from groundtune.world.render import render
from groundtune.world.scenes import scenes
from running_server import HTTP, body, data_url

ROUNDS = ((1, 2), (8, 8), (32, 32))
"""Clients, and requests of all of them."""


class Server(NamedTuple):
    api: str
    pid: int

    def cpu_s(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(batch_size: int) -> Iterator[Server]:
    command = [sys.executable, "-m", "groundtune", "serve", "world:base", "--port", "0", "--json"]
    command += ["--batch-size", str(batch_size)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as program:
        assert program.stdout is not None
        yield Server(json.loads(program.stdout.readline())["api"], program.pid)
        program.terminate()


def images(number: int) -> list[str]:
    urls: list[str] = []
    for scene in scenes("development", number):
        stream = BytesIO()
        render(scene).save(stream, "PNG")
        urls.append(data_url(stream.getvalue()))
    return urls


def answers(own: Server, urls: Sequence[str], clients: int, requests: int) -> list[str]:
    """So many clients, each of which asks again when it has its answer."""

    def ask(number: int) -> str:
        sent = body("Describe the image.", urls[number], temperature=0) | {"model": "world:base"}
        reply = HTTP.post(f"{own.api}/chat/completions", json=sent, timeout=3000).json()
        return reply["choices"][0]["message"]["content"]

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(ask, range(requests)))


@pytest.mark.bench
def test_requests_a_second_one_by_one_and_together():
    urls = images(max(requests for _, requests in ROUNDS))
    with ExitStack() as stack:
        servers = {size: stack.enter_context(server(size)) for size in (1, 16)}
        for own in servers.values():
            answers(own, urls, 1, 1)
        for clients, requests in ROUNDS:
            found: dict[int, list[str]] = {}
            for size, own in servers.items():
                began, before = time.monotonic(), own.cpu_s()
                found[size] = answers(own, urls, clients, requests)
                took, used = time.monotonic() - began, own.cpu_s() - before
                print(
                    f"\n{clients} clients, {size} at a time: {requests / took:.3f} requests a "
                    f"second, {requests / used:.2f} a second of processor time",
                    flush=True,
                )
            same = sum(a == b for a, b in zip(found[1], found[16], strict=True))
            print(f"{same} of {requests} answers are the same text", flush=True)
            assert same == requests
