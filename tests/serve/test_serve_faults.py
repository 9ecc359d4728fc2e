"""What a server meets: bodies of every kind, clients that leave, servers behind it that die."""

import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from groundtune.records import Prompt
from groundtune.serve.errors import STATUS
from running_server import (
    ANSWER,
    HTTP,
    ScriptedSpeaker,
    body,
    data_url,
    events,
    png,
    refused,
    sent,
    service_of,
    serving,
)

CHAT = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}
LIMITS = {
    "body_bytes": 60_000,
    "image_bytes": 20_000,
    "image_pixels": 10_000,
    "images": 2,
    "text_characters": 500,
    "messages": 3,
    "n": 2,
    "max_tokens": 100,
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(service_of(limits=LIMITS)) as base:
        yield base


def short(prompt: Prompt, seed: int) -> str:
    return "short"


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and is a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(b"\0" * 50))
        + chunk(b"IEND", b"")
    )


GOOD = data_url(png())
USER = {"role": "user", "content": "hi"}
BAD_BODIES: dict[str, tuple[Any, int, str]] = {
    "not JSON": (b"{", 400, "invalid_json"),
    "not UTF-8": (b'{"model": "\xff"}', 400, "invalid_json"),
    "nothing": (b"", 400, "invalid_json"),
    "half a surrogate": (rb'{"model": "\ud800"}', 400, "invalid_json"),
    "very deep": (b"[" * 10_000, 400, "invalid_json"),
    "a list": ([], 400, "invalid_value"),
    "no messages": ({"model": "tiny", "messages": []}, 400, "invalid_value"),
    "nobody asks": (
        {"model": "tiny", "messages": [{"role": "system", "content": "x"}]},
        400,
        "invalid_value",
    ),
    "a role that isn't one": (
        {"model": "tiny", "messages": [{"role": "x", "content": "y"}]},
        400,
        "invalid_value",
    ),
    "content of another type": (
        {"model": "tiny", "messages": [{"role": "user", "content": 3}]},
        400,
        "invalid_value",
    ),
    "an unknown field": (body(tool=[]), 400, "unknown_parameter"),
    "a long name of a field": (body() | {"x" * 9_000: 1}, 400, "unknown_parameter"),
    "a number as text": (body(max_tokens="5"), 400, "invalid_value"),
    "NaN": (b'{"model": "tiny", "messages": [], "temperature": NaN}', 400, "invalid_json"),
    "a huge number": (json.dumps(body(seed=10**300)).encode(), 400, "invalid_value"),
    "too hot": (body(temperature=3), 400, "invalid_value"),
    "another model": (body() | {"model": "gpt"}, 404, "model_not_found"),
    "too many answers": (body(n=3), 400, "limit_exceeded"),
    "too much text": (body("x" * 501), 400, "limit_exceeded"),
    "too many messages": ({"model": "tiny", "messages": [USER] * 4}, 400, "limit_exceeded"),
    "thousands of empty messages": (
        b'{"model": "tiny", "messages": [%s{}]}' % (b"{}," * 9_000),
        400,
        "limit_exceeded",
    ),
    "more brackets than text": (b"[" * 10_501, 400, "limit_exceeded"),
    "more commas than text": (b"[" + b"1," * 10_501 + b"1]", 400, "limit_exceeded"),
    "log-probabilities": (body(logprobs=True), 400, "unsupported_parameter"),
    "self-feedback of two answers": (body(n=2, self_feedback={}), 400, "invalid_value"),
    "greedy self-feedback": (body(temperature=0, self_feedback={}), 400, "invalid_value"),
    "an address": (body(image="http://127.0.0.1:1/a.png"), 400, "invalid_image_url"),
    "a file's address": (body(image="file:///etc/passwd"), 400, "invalid_image_url"),
    "no base64": (body(image="data:image/png;base64,%%%"), 400, "invalid_base64"),
    "a text as image": (body(image=data_url(b"hello")), 400, "invalid_image"),
    "an image that ends early": (body(image=data_url(png()[:40])), 400, "invalid_image"),
    "an SVG": (body(image=data_url(b"<svg/>", "image/svg+xml")), 400, "invalid_image"),
    "a line of 201 pixels": (body(image=data_url(png(size=(201, 1)))), 400, "invalid_image"),
    "a column of 6,000 pixels": (body(image=data_url(png(size=(1, 6000)))), 400, "invalid_image"),
    "an image of too many bytes": (body(image=data_url(b"x" * 20_004)), 400, "image_too_large"),
    "an image of too many pixels": (
        body(image=data_url(bomb(101, 100))),
        400,
        "too_many_pixels",
    ),
    "a decompression bomb": (body(image=data_url(bomb(60_000, 60_000))), 400, "too_many_pixels"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused_in_the_apis_form(url: str, name: str):
    sent, status, code = BAD_BODIES[name]
    data = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    response = HTTP.post(url + CHAT, content=data, headers=JSON, timeout=20)
    assert refused(response)[:2] == (status, code)


def test_half_a_character_is_named_as_such(url: str):
    data, _, _ = BAD_BODIES["half a surrogate"]
    response = HTTP.post(url + CHAT, content=data, headers=JSON, timeout=20)
    assert "half a character (a lone surrogate)" in response.json()["error"]["message"]


def test_an_image_that_is_just_not_too_thin_is_answered(url: str):
    response = HTTP.post(url + CHAT, json=body(image=data_url(png(size=(200, 1)))))
    assert response.status_code == 200


def test_an_error_names_the_field_of_the_third_image(url: str):
    parts = [{"type": "image_url", "image_url": {"url": GOOD}}] * 2
    parts[1] = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    sent = {"model": "tiny", "messages": [USER, {"role": "user", "content": parts}]}
    response = HTTP.post(url + CHAT, json=sent)
    assert refused(response)[2] == "messages.1.content.1.image_url.url"
    sent["messages"] = [{"role": "user", "content": [*parts, *parts]}]
    assert refused(HTTP.post(url + CHAT, json=sent))[:2] == (400, "limit_exceeded")


def test_a_byte_order_mark_before_the_body_is_no_fault(url: str):
    data = b"\xef\xbb\xbf" + json.dumps(body()).encode()
    assert HTTP.post(url + CHAT, content=data, headers=JSON).status_code == 200


def test_the_pixels_of_all_images_are_bounded_together(url: str):
    half = {"type": "image_url", "image_url": {"url": data_url(png(size=(71, 71)))}}
    one = {"model": "tiny", "messages": [{"role": "user", "content": [half]}]}
    assert HTTP.post(url + CHAT, json=one).status_code == 200
    two = {"model": "tiny", "messages": [{"role": "user", "content": [half, half]}]}
    assert refused(HTTP.post(url + CHAT, json=two))[:2] == (400, "too_many_pixels")


def test_a_body_that_is_too_large_is_refused_with_and_without_its_length(url: str):
    big = b"x" * 60_001
    assert refused(HTTP.post(url + CHAT, content=big, headers=JSON))[:2] == (413, "body_too_large")
    pieces = (big[i : i + 5000] for i in range(0, len(big), 5000))
    assert refused(HTTP.post(url + CHAT, content=pieces, headers=JSON))[:2] == (
        413,
        "body_too_large",
    )
    assert HTTP.post(url + CHAT, json=body()).status_code == 200


def test_a_body_that_never_ends_is_given_up():
    with serving(service_of(limits={"body_seconds": 0.5})) as url:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        reply = raw(url, f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert json_of(reply)["error"]["code"] == "body_timeout"


def test_other_paths_methods_and_types_are_refused_in_the_apis_form(url: str):
    assert refused(HTTP.get(f"{url}/v1/completions"))[:2] == (404, "not_found")
    assert refused(HTTP.get(url + CHAT))[:2] == (405, "method_not_allowed")
    missing = refused(HTTP.get(f"{url}/v1/models/other/one"))
    assert missing == (404, "model_not_found", "model")
    assert missing == refused(HTTP.post(url + CHAT, json=body() | {"model": "other/one"}))
    text = HTTP.post(url + CHAT, content=json.dumps(body()), headers={"Content-Type": "text/plain"})
    assert refused(text)[0] == 415


def test_the_token_is_asked_for_everywhere_but_the_page_and_health():
    with serving(service_of(), token="s3cret") as base:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
            assert refused(HTTP.post(base + CHAT, json=body(), headers=headers))[0] == 401
            assert refused(HTTP.get(f"{base}/metrics", headers=headers))[0] == 401
        right = {"Authorization": "Bearer s3cret", "Host": "my.machine:80"}
        assert HTTP.post(base + CHAT, json=body(), headers=right).status_code == 200
        assert HTTP.get(f"{base}/health").status_code == 200
        assert HTTP.get(base).status_code == 200
        client = openai.OpenAI(base_url=f"{base}/v1", api_key="no", max_retries=0)
        with client, pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_without_a_token_another_host_name_or_site_gets_nothing(url: str):
    response = HTTP.get(f"{url}/v1/models", headers={"Host": "evil.example"})
    assert refused(response)[:2] == (403, "wrong_host")
    assert HTTP.get(f"{url}/v1/models", headers={"Host": "[::1]:80"}).status_code == 200
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = HTTP.options(url + CHAT, headers=asked)
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("localhost.", 200),
        ("127.0.0.1:1", 200),
        ("127.8.9.1", 200),
        ("[::1]", 200),
        ("[0:0:0:0:0:0:0:1]:80", 200),
        ("", 403),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("128.0.0.1", 403),
        ("0.0.0.0", 403),
        ("2130706433", 403),
        ("[::2]", 403),
        ("[::1", 400),
        ("::1", 400),
        ("[::1]x", 400),
        ("[::1%25lo]", 400),
        ("[1:2]", 400),
        ("[]", 400),
        ("localhost:80:80", 400),
        ("localhost:port", 400),
        ("localhost:123456", 400),
        ("me@localhost", 400),
        ("localhost/", 400),
        ("local host", 400),
        ("localhost, evil.example", 400),
        ("\u2115ocalhost", 400),
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/health/"])
def test_the_host_is_read_as_the_standard_says(url: str, host: str, expected: int, path: str):
    codes = {400: "invalid_host", 403: "wrong_host"}
    response = HTTP.get(url + path, headers=[(b"Host", host.encode())])
    if expected in codes:
        assert refused(response)[:2] == (expected, codes[expected])
    else:
        assert response.status_code in (200, 307)


def test_with_a_token_any_host_is_answered_that_is_one():
    with serving(service_of(), token="t") as base:
        for host, status in (("my_server:80", 200), ("10.0.0.3", 200), ("[::1", 400)):
            assert HTTP.get(f"{base}/health", headers={"Host": host}).status_code == status


def raw(base: str, *pieces: bytes, answered: bool = False) -> bytes:
    """What the server sends until it closes the connection.

    With `answered` each piece is sent after the JSON that answers the one before.
    """
    parts, found = urlsplit(base), b""
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
        for piece in pieces:
            while answered and found[-1:] not in (b"", b"}"):
                found += client.recv(4000)
            client.sendall(piece)
            found += client.recv(4000) if answered else b""
        while data := client.recv(4000):
            found += data
    return found


def json_of(response: bytes) -> Any:
    return json.loads(response.rpartition(b"\r\n\r\n")[2])


HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


def test_headers_that_never_end_are_given_up_and_others_are_answered():
    with serving(service_of(limits={"header_seconds": 0.3})) as base:
        refusal = raw(base, HEAD, b"X-Slow: ")
        assert refusal.startswith(b"HTTP/1.1 408 ")
        assert json_of(refusal)["error"]["code"] == "header_timeout"
        assert b"x-request-id: req_" in refusal
        assert raw(base) == b""
        pipelined = raw(base, HEAD + b"\r\n" + HEAD)
        kept = raw(base, HEAD + b"\r\n", HEAD, answered=True)
        for found in (pipelined, kept):
            assert found.count(b"HTTP/1.1 200 ") == 1
            assert json_of(found)["error"]["code"] == "header_timeout"


def test_the_limit_for_headers_is_none_for_answers_and_bodies():
    speaker = ScriptedSpeaker(pause_s=0.1)
    with serving(service_of(speaker, limits={"header_seconds": 0.3})) as base:
        assert HTTP.post(base + CHAT, json=body()).status_code == 200
        pieces = iter([b'{"model": "tiny", ', b'"messages": [{"role": "user", "content": "hi"}]}'])
        slow = (piece for piece in pieces if not time.sleep(0.4))
        assert HTTP.post(base + CHAT, content=slow, headers=JSON).status_code == 200


def test_what_is_no_http_is_refused_in_the_apis_form(url: str):
    for request in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", HEAD + b"Host: evil\r\n\r\n"):
        response = raw(url, request)
        assert response.startswith(b"HTTP/1.1 400 ")
        assert json_of(response)["error"]["code"] == "invalid_http"


def test_every_reply_has_a_request_id_the_clients_own_if_it_is_plain(url: str):
    def ids(**own: Any) -> list[str]:
        sent = [
            HTTP.get(url, **own),
            HTTP.get(f"{url}/no/where", **own),
            HTTP.post(url + CHAT, json=body(), **own),
            HTTP.post(url + CHAT, json=body(stream=True), **own),
            HTTP.post(url + CHAT, json={}, **own),
        ]
        return [response.headers["x-request-id"] for response in sent]

    assert len({*ids()}) == 5
    assert all(found.startswith("req_") for found in ids(headers={"x-request-id": "a b\x7f"}))
    assert set(ids(headers={"x-request-id": "my-id:7"})) == {"my-id:7"}
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        reply = client.chat.completions.create(model="tiny", messages=[USER])  # type: ignore[list-item]
        assert (reply._request_id or "").startswith("req_")  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve("other")
        assert (caught.value.request_id or "").startswith("req_")


def test_the_page_of_the_docs_lists_each_code_with_its_status():
    page = (Path(__file__).parents[2] / "docs" / "serve-api.md").read_text("utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    listed = {row[1].strip().strip("`"): row[2].strip() for row in rows if len(row) == 5}
    assert {code: listed.get(code) for code in STATUS} == {
        code: "any" if code == "upstream_refused" else str(status)
        for code, status in STATUS.items()
    }


def test_a_full_queue_is_reported_at_once_and_empties_again():
    go_on = threading.Event()
    speaker = ScriptedSpeaker(lambda prompt, seed: ANSWER * go_on.wait(20))
    service = service_of(speaker, limits={"waiting": 0, "running": 1})
    with serving(service) as base, ThreadPoolExecutor(1) as pool:
        first = pool.submit(HTTP.post, base + CHAT, json=body(stream=True))
        assert speaker.began.wait(20)
        response = HTTP.post(base + CHAT, json=body())  # which the first one holds up no more
        assert refused(response)[:2] == (429, "queue_full")
        assert 1 <= int(response.headers["retry-after"]) <= 60
        go_on.set()
        assert events(first.result())[-1] == "[DONE]"
        assert HTTP.post(base + CHAT, json=body()).status_code == 200


def test_bodies_together_have_a_bound_too():
    with serving(service_of(limits={"bodies_bytes": 1000, "running": 2})) as base:
        assert refused(HTTP.post(base + CHAT, json=body("x" * 1000)))[:2] == (429, "too_many_bytes")
        assert HTTP.post(base + CHAT, json=body("x" * 500)).status_code == 200
        assert HTTP.post(base + CHAT, json=body("x" * 500)).status_code == 200


def test_an_answer_that_takes_too_long_is_a_timeout_and_stops_the_model():
    speaker = ScriptedSpeaker(lambda prompt, seed: "word " * 1000, pause_s=0.02)
    with serving(service_of(speaker, limits={"seconds": 0.3})) as base:
        assert refused(HTTP.post(base + CHAT, json=body()))[:2] == (504, "timeout")
        assert speaker.stopped.wait(20)
        told = events(HTTP.post(base + CHAT, json=body(stream=True)))
        assert told[-1]["error"]["code"] == "timeout"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_stops_its_work(stream: bool):
    speaker = ScriptedSpeaker(lambda prompt, seed: "word " * 1000, pause_s=0.01)
    service = service_of(speaker)
    with serving(service) as base:
        with sent(base, body(image=GOOD, stream=stream)):
            assert speaker.began.wait(20)
        assert speaker.stopped.wait(20)
        assert speaker.words < 500
        speaker.text = short
        assert HTTP.post(base + CHAT, json=body()).status_code == 200
        assert service.gate.inside == 0
        assert service.metrics.value("requests_total", path=CHAT, status="499") == 1
    assert len(service.images) == 0


def test_a_model_that_breaks_is_an_error_of_the_server_and_not_its_end(
    caplog: pytest.LogCaptureFixture,
):
    def broken(prompt: Prompt, seed: int) -> str:
        if prompt.question == "break":
            raise ZeroDivisionError("secret detail")
        return "whole"

    with serving(service_of(ScriptedSpeaker(broken))) as base:
        response = HTTP.post(base + CHAT, json=body("break"))
        assert refused(response)[:2] == (500, "internal_error")
        assert "secret" not in response.text
        assert response.headers["x-request-id"] in response.json()["error"]["message"]
        assert response.headers["x-request-id"] in caplog.text
        assert HTTP.post(base + CHAT, json=body()).status_code == 200
    assert "secret detail" in caplog.text
