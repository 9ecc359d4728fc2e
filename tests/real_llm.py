"""A language model that nobody here wrote, at a server that nobody here wrote: for text stages.

GROUNDTUNE_TEST_LLM names a folder of one in Hugging Face's layout, which `transformers serve` then
serves, or a server that runs, as openai:MODEL@URL. What such a model says is as good as it is, so
tests look at what is counted, recorded and refused, never at quality.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from waiting import wait_until

VARIABLE = "GROUNDTUNE_TEST_LLM"
START_S = 600


def named_llm() -> str:
    """What the variable names; "" if it isn't set."""
    return os.environ.get(VARIABLE, "")


@contextmanager
def served(name: str, log: Path) -> Iterator[str]:
    """The model's name as a setting takes it: openai:MODEL@URL."""
    if name.startswith("openai:"):
        yield name
        return
    if not Path(name).is_dir():
        raise ValueError(f"{VARIABLE} names {name}, which is not a folder")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", name]
    command += ["--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(url, process, log), START_S)
        yield f"openai:{name}@{url}/v1"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(url: str, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"transformers serve ended: {log.read_text()[-2000:]}")
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False
