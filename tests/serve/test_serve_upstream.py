"""A server behind the server: what is passed on and back, and its faults."""

import base64
import json
import threading
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import openai
import pytest
from PIL import Image

from groundtune.generate.endpoint import EndpointSettings
from groundtune.serve.upstream import UpstreamBackend
from running_server import (
    ANSWER,
    HTTP,
    body,
    data_url,
    events,
    png,
    refused,
    sent,
    service_of,
    serving,
)
from scripted_endpoint import ScriptedEndpoint, fail, hang_up, running, send
from waiting import wait_until

CHAT = "/v1/chat/completions"
GOOD = data_url(png())
USER = {"role": "user", "content": "hi"}


@pytest.fixture
def behind() -> Iterator[ScriptedEndpoint]:
    with running(ScriptedEndpoint(lambda body, index: f"{ANSWER} {index}")) as endpoint:
        yield endpoint


@pytest.fixture
def before(behind: ScriptedEndpoint) -> Iterator[str]:
    settings = EndpointSettings(model="big", urls=(behind.url,), timeout_s=3)
    with serving(service_of(backend=UpstreamBackend(settings), limits={"running": 4})) as base:
        yield base


def sse(*chunks: object, done: bool = True) -> Any:
    """A fault that is a stream of these chunks."""
    lines = [f"data: {c if isinstance(c, str) else json.dumps(c)}\n\n" for c in chunks]
    text = "".join([*lines, "data: [DONE]\n\n"] if done else lines)
    return lambda handler: send(handler, 200, text, {"Content-Type": "text/event-stream"})


def delta(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def test_an_upstream_server_gets_the_request_and_its_reply_comes_back(
    behind: ScriptedEndpoint, before: str
):
    sent = body(image=GOOD, seed=2**31 + 4, stop="zebra", temperature=0.5, n=2)
    reply = HTTP.post(before + CHAT, json=sent).json()
    texts = [choice["message"]["content"] for choice in reply["choices"]]
    assert texts == [f"{ANSWER} 0", f"{ANSWER} 1"]
    assert reply["usage"]["total_tokens"] == 7 + 2 * 10
    passed = behind.bodies[0]
    assert passed["messages"] == sent["messages"]
    assert (passed["model"], passed["seed"], passed["n"]) == ("big", 4, 2)
    assert (passed["stop"], passed["temperature"], passed["top_p"]) == (["zebra"], 0.5, 1.0)
    assert (reply["model"], "self_feedback" in passed) == ("tiny", False)


def test_an_upstream_server_gets_plain_messages_whatever_clients_add(
    behind: ScriptedEndpoint, before: str
):
    said = {"role": "assistant", "content": None, "refusal": "No.", "annotations": []}
    asked = {"type": "text", "text": "Why?", "cache_control": {"type": "ephemeral"}}
    sent = body(image=GOOD, tools=[], logit_bias={}, user="me", max_tokens=10**6)
    image, text = sent["messages"][0]["content"]
    detailed = {**image, "image_url": {**image["image_url"], "detail": "high"}}
    first = {"role": "user", "content": [detailed, text]}
    sent["messages"] = [first, said, {"role": "user", "content": [asked], "name": "me"}]
    assert HTTP.post(before + CHAT, json=sent).status_code == 200
    passed = behind.bodies[0]
    assert passed["messages"] == [
        {"role": "user", "content": [detailed, text]},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": [{"type": "text", "text": "Why?"}], "name": "me"},
    ]
    assert passed["max_tokens"] == 2048
    assert not {"tools", "logit_bias", "user"} & set(passed)


def test_an_upstream_stream_is_passed_on(behind: ScriptedEndpoint, before: str):
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    behind.faults = [sse(delta("A "), delta("cup"), delta("", "length"), usage)]
    sent = body(stream=True, stream_options={"include_usage": True})
    told = events(HTTP.post(before + CHAT, json=sent))
    texts = [e["choices"][0]["delta"].get("content") for e in told[:-1] if e["choices"]]
    assert texts == ["", "A ", "cup", None]
    assert told[-3]["choices"][0]["finish_reason"] == "length"
    assert told[-2]["usage"]["total_tokens"] == 5
    assert told[-1] == "[DONE]"
    assert behind.bodies[0]["stream"] is True


def test_what_an_upstream_server_thinks_is_apart_from_what_it_says(
    behind: ScriptedEndpoint, before: str
):
    parts = [{"type": "thinking", "thinking": "A dog?"}, {"type": "text", "text": "A cup."}]
    whole = {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}
    behind.faults = [
        lambda handler: send(handler, 200, whole),
        sse(delta("<think>A d"), delta("og?</think> A"), delta(" cup.", "stop")),
    ]
    message = HTTP.post(before + CHAT, json=body()).json()["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("A cup.", "A dog?")
    told = events(HTTP.post(before + CHAT, json=body(stream=True)))
    pieces = [e["choices"][0]["delta"] for e in told if isinstance(e, dict)]
    assert "".join(piece.get("content", "") for piece in pieces) == "A cup."
    assert [p["reasoning_content"] for p in pieces if "reasoning_content" in p] == ["A dog?"]


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "AVIF", "PNG"])
def test_an_image_that_not_all_servers_read_alike_is_passed_on_as_png(
    behind: ScriptedEndpoint, before: str, kind: str
):
    stream = BytesIO()
    Image.new("RGB" if kind != "PNG" else "L", (5, 4), "white").save(stream, kind)
    sent = data_url(stream.getvalue())
    assert HTTP.post(before + CHAT, json=body(image=sent)).status_code == 200
    parts = behind.bodies[0]["messages"][-1]["content"]
    (url,) = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    head, _, data = url.partition(",")
    image = Image.open(BytesIO(base64.b64decode(data)), formats=["PNG"])
    assert (head, image.mode, image.size) == ("data:image/png;base64", "RGB", (5, 4))


UPSTREAM_FAULTS: dict[str, tuple[Any, int]] = {
    "breaks off": (hang_up, 502),
    "fails": (fail(500, "trace"), 502),
    "is not found": (fail(404), 502),
    "refuses our key": (fail(401, "sk-123"), 502),
    "refuses the request": (fail(400, "too long"), 400),
    "is busy": (fail(429, headers={"Retry-After": "7"}), 429),
    "says no JSON": (lambda h: send(h, 200, "<html>"), 502),
    "says another thing": (lambda h: send(h, 200, {"choices": []}), 502),
    "says a list": (lambda h: send(h, 200, "[1]"), 502),
    "says too much": (lambda h: send(h, 200, {"choices": [{"index": 5}]}), 502),
}


@pytest.mark.parametrize("name", UPSTREAM_FAULTS)
def test_a_fault_upstream_is_reported_in_the_apis_form(
    behind: ScriptedEndpoint, before: str, name: str
):
    fault, status = UPSTREAM_FAULTS[name]
    behind.faults = [fault]
    response = HTTP.post(before + CHAT, json=body())
    assert refused(response)[0] == status
    assert "sk-123" not in response.text
    if status == 429:
        assert response.headers["retry-after"] == "7"
    assert HTTP.post(before + CHAT, json=body()).status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        sse(delta("A "), done=False),
        sse(delta("A "), "{broken"),
        sse(delta("A "), {"error": {"message": "out of memory"}}),
    ],
)
def test_a_stream_that_breaks_off_upstream_ends_with_an_error_event(
    behind: ScriptedEndpoint, before: str, fault: Any
):
    behind.faults = [fault]
    told = events(HTTP.post(before + CHAT, json=body(stream=True)))
    assert told[1]["choices"][0]["delta"]["content"] == "A "
    assert told[-1]["error"]["code"] == "upstream_failed"
    with openai.OpenAI(base_url=f"{before}/v1", api_key="x", max_retries=0) as client:
        behind.faults = [fault]
        with pytest.raises(openai.APIError):
            list(client.chat.completions.create(model="tiny", messages=[USER], stream=True))  # type: ignore[list-item]


def test_an_upstream_server_that_dies_is_a_502_and_one_that_returns_is_used_again():
    with running(ScriptedEndpoint(lambda body, index: "up")) as endpoint:
        port = int(endpoint.url.split(":")[2].split("/")[0])
        settings = EndpointSettings(model="big", urls=(endpoint.url,), timeout_s=3)
        service = service_of(backend=UpstreamBackend(settings))
        with serving(service) as base:
            assert HTTP.post(base + CHAT, json=body()).status_code == 200
            endpoint.stop()
            gone = [HTTP.post(base + CHAT, json=body(stream=s)) for s in (False, True)]
            assert [refused(response)[:2] for response in gone] == [(502, "upstream_failed")] * 2
            with running(ScriptedEndpoint(lambda body, index: "again"), port):
                reply = HTTP.post(base + CHAT, json=body()).json()
    assert reply["choices"][0]["message"]["content"] == "again"


def test_a_client_that_hangs_up_lets_go_of_the_upstream_server():
    go_on = threading.Event()
    with running(ScriptedEndpoint(lambda body, index: "late" * go_on.wait(60))) as endpoint:
        settings = EndpointSettings(model="big", urls=(endpoint.url,))
        service = service_of(backend=UpstreamBackend(settings))
        with serving(service) as base:
            with sent(base, body()):
                wait_until(lambda: endpoint.bodies)
            wait_until(lambda: service.gate.inside == 0, seconds=20)
        go_on.set()
