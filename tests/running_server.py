"""The server on a real socket in a thread, and models that say what they are told to."""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from PIL import Image

from groundtune.protocols import Reply
from groundtune.records import Claim, Prompt, Sampling
from groundtune.serve.backend import AnswerResult, Backend, ModelTurn
from groundtune.serve.http import build_config
from groundtune.serve.images import LentImages
from groundtune.serve.limits import Limits
from groundtune.serve.local import LocalBackend
from groundtune.serve.service import Service
from groundtune.serve.thread import ModelThread

HTTP = httpx.Client(verify=False, trust_env=False, timeout=20)
"""One client for all tests: each new one reads the machine's certificates, which takes a while."""
ANSWER = "A red cup \u2615 stands on the table."


class ScriptedSpeaker:
    """Says `answer(prompt, seed)` word by word; remembers how far it got."""

    def __init__(
        self, answer: Callable[[Prompt, int], str] = lambda p, s: ANSWER, pause_s: float = 0
    ) -> None:
        self.text = answer
        self.pause_s = pause_s
        self.words = 0
        self.began = threading.Event()
        self.stopped = threading.Event()
        self.asked: list[tuple[Prompt, Sampling, tuple[int, ...]]] = []
        self.batches: list[int] = []
        """Requests of each batch."""

    def answer(self, turns: Sequence[ModelTurn]) -> None:
        """Word by word, all requests side by side."""
        self.batches.append(len(turns))
        asked = [turn.request for turn in turns]
        self.asked += [(own.prompt, own.sampling, own.seeds) for own in asked]
        self.began.set()
        words = [[self.text(own.prompt, seed).split(" ") for seed in own.seeds] for own in asked]
        going = list(zip(turns, words, strict=True))
        said = 0
        while going:
            said += 1
            self.words += 1
            time.sleep(self.pause_s)
            going = [(turn, own) for turn, own in going if not self._step(turn, own, said)]

    def _step(self, turn: ModelTurn, words: list[list[str]], said: int) -> bool:
        """Whether the request is over with so many words."""
        most = turn.request.sampling.max_new_tokens
        over = said >= max(min(most, len(own)) for own in words)
        if len(turn.watch(lambda: [" ".join(own[:said]) for own in words])) == len(words):
            self.stopped.set()
            over = True
        if over:
            texts = [" ".join(own[: min(said, most)]) for own in words]
            whole = [len(own) < most for own in words]
            sizes = [min(said, most, len(own)) for own in words]
            turn.end(AnswerResult(list(map(Reply, texts, sizes, whole)), 5))
        return over


def service_of(speaker: ScriptedSpeaker | None = None, **own: Any) -> Service:
    """A service over a scripted speaker, or over the `backend` given."""
    thread = ModelThread()
    backend: Backend = own.pop("backend", None) or LocalBackend(
        speaker or ScriptedSpeaker(), thread
    )
    limits = Limits.model_validate(own.pop("limits", {}))
    return Service(
        model="tiny", backend=backend, images=LentImages(), thread=thread, limits=limits, **own
    )


@contextmanager
def serving(service: Service, token: str = "") -> Iterator[str]:
    """The base URL of the running server, without /v1."""
    config = build_config(service, token=token, port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def png(colour: str = "red", size: tuple[int, int] = (8, 6)) -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def data_url(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def body(text: str = "What?", image: str | None = None, **own: Any) -> dict[str, Any]:
    """A request."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if image is not None:
        parts.insert(0, {"type": "image_url", "image_url": {"url": image}})
    return {"model": "tiny", "messages": [{"role": "user", "content": parts}], **own}


def events(response: httpx.Response) -> list[Any]:
    """The events of a whole stream; the last is "[DONE]" if it ended well."""
    lines = [line[6:] for line in response.text.split("\n\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def claims_of(prompts: Sequence[Prompt], answers: Sequence[str]) -> list[list[Claim]]:
    """Two claims of each answer: the cup is there, it is not red."""
    return [_two_claims(answer) for answer in answers]


def _two_claims(answer: str) -> list[Claim]:
    place = answer.index("red")
    common = {"answer": "a", "question": "Is it so?"}
    cup = {"key": "1", "start": place, "end": place + 7, "text": "There is a cup."}
    red = {"key": "2", "start": place, "end": place + 3, "text": "It is red."}
    return [
        Claim(**common, **cup, p_yes=0.9, p_no=0.05, status="supported"),
        Claim(**common, **red, p_yes=0.2, p_no=0.7, status="rejected"),
    ]


def refused(response: httpx.Response) -> tuple[int, str | None, str | None]:
    """Status, code and field of an error, which must have the API's form."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "Traceback" not in response.text
    return response.status_code, error["code"], error["param"]


@contextmanager
def sent(base: str, request: dict[str, Any]) -> Iterator[None]:
    """A request whose client hangs up at the end."""
    parts, data = urlsplit(base), json.dumps(request).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
    head += "Content-Type: application/json\r\n"
    with socket.create_connection((parts.hostname, parts.port)) as client:
        client.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        yield
