"""Requests a second of the client of endpoints: `pytest -m bench -s`."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from groundtune.generate.endpoint import EndpointSettings
from groundtune.generate.openai import OpenAIGenerator
from groundtune.records import ImagePart, Message, Prompt, Sampling, TextPart

REQUESTS, ROUNDS, DELAY_S = 1000, 5, 0.02
SERVE = f"""
import sys
from scripted_endpoint import ScriptedEndpoint, running
endpoint = ScriptedEndpoint(lambda body, index: "A red cup is on a wooden table.")
endpoint.delay_s = {DELAY_S}
with running(endpoint):
    print(endpoint.url, flush=True)
    sys.stdin.read()
"""


class Colours:
    def open(self, sha256: str) -> Image.Image:
        return Image.new("RGB", (64, 64), sha256)


@pytest.fixture
def url() -> Iterator[str]:
    """A server in a process of its own, so that its work is not counted."""
    command = [sys.executable, "-c", SERVE]
    folder = Path(__file__).parents[1]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.communicate("")


def prompt(i: int) -> Prompt:
    content = (ImagePart(image=f"#0000{i % 64:02x}"), TextPart(text=f"Question {i}?"))
    return Prompt(key=f"{i}", messages=(Message(role="user", content=content),))


@pytest.mark.bench
def test_requests_a_second(url: str):
    generator = OpenAIGenerator(EndpointSettings(model="tiny", urls=(url,)), Colours())
    prompts = [prompt(i) for i in range(REQUESTS)]
    rates: list[float] = []
    used: list[float] = []
    for _ in range(ROUNDS):
        began, before = time.perf_counter(), time.process_time()
        replies = generator.generate(prompts, Sampling(), range(REQUESTS))
        rates.append(REQUESTS / (time.perf_counter() - began))
        used.append(1000 * (time.process_time() - before) / REQUESTS)
        assert {reply.text for reply in replies} == {"A red cup is on a wooden table."}
    generator.close()
    print(
        f"\n{statistics.median(rates):.0f} requests a second (best {max(rates):.0f}), "
        f"{min(used):.2f} ms of processor time each"
    )
