"""Clients that hold a connection without saying anything, or that say it very slowly."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from groundtune.pipeline.annotate.project import open_project
from groundtune.web import guard, server
from running_app import HTTP, app_of

HEAD = b"GET /api/project HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(server.WebProtocol, "header_seconds", 0.3)
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.3)
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    with app_of(project) as found:
        yield found


def raw(url: str, *pieces: bytes) -> bytes:
    """What the server sends until it closes the connection."""
    found = b""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 30) as client:
        for piece in pieces:
            client.sendall(piece)
        while data := client.recv(4000):
            found += data
    return found


def error_of(response: bytes) -> dict[str, str]:
    """An error, which must have three lines."""
    found = json.loads(response.rpartition(b"\r\n\r\n")[2])
    assert all(found[name] for name in ("what", "where", "fix"))
    return found


def test_headers_that_never_end_are_given_up_and_others_are_answered(url: str):
    refusal = raw(url, HEAD, b"X-Slow: ")
    assert refusal.startswith(b"HTTP/1.1 408 ")
    assert "headers" in error_of(refusal)["what"]
    assert raw(url) == b""
    pipelined = raw(url, HEAD + b"\r\n" + HEAD)
    assert pipelined.count(b"HTTP/1.1 200 ") == 1
    assert "headers" in error_of(pipelined)["what"]
    assert HTTP.get(f"{url}/api/project").status_code == 200


def test_a_body_that_never_ends_is_given_up(url: str):
    head = b"POST /api/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    refusal = raw(url, head, b"{")
    assert refusal.startswith(b"HTTP/1.1 408 ")
    assert "arrive" in error_of(refusal)["what"]


def test_what_is_no_http_is_refused_in_three_lines(url: str):
    refusal = raw(url, b"what is this\r\n\r\n")
    assert refusal.startswith(b"HTTP/1.1 400 ")
    error_of(refusal)


def test_the_limit_for_headers_is_none_for_bodies(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "BODY_SECONDS", 30)
    pieces = iter([b'{"events"', b": []}"])
    slow = (piece for piece in pieces if not time.sleep(0.4))
    headers = {"content-type": "application/json", "content-length": "14"}
    response = HTTP.post(f"{url}/api/events", content=slow, headers=headers)
    assert response.status_code == 200
