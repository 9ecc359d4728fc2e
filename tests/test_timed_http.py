"""Connections of both servers."""

import asyncio
import socket
from typing import Any

import httpx
import pytest
import uvicorn

from groundtune.serve.http import ApiProtocol
from groundtune.timed_http import TimedProtocol
from groundtune.web.server import WebProtocol, listen


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """An application whose reply comes in two parts."""
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize("protocol", [WebProtocol, ApiProtocol])
def test_a_reply_is_not_held_back_until_its_headers_are_acknowledged(
    protocol: type[TimedProtocol], monkeypatch: pytest.MonkeyPatch
):
    options: list[int] = []

    def complete(self: TimedProtocol) -> None:
        accepted = self.transport.get_extra_info("socket")
        options.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        super(protocol, self).on_response_complete()

    monkeypatch.setattr(protocol, "on_response_complete", complete)
    config = uvicorn.Config(hello, http=protocol, lifespan="off", log_level="error")
    server = uvicorn.Server(config)

    async def ask(port: int) -> str:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        async with httpx.AsyncClient(trust_env=False) as client:
            while not server.started:
                await asyncio.sleep(0.005)
            reply = await client.get(f"http://127.0.0.1:{port}/")
        server.should_exit = True
        await running
        return reply.text

    with listen(0) as listening:
        assert asyncio.run(ask(listening.getsockname()[1])) == "hello"
    assert options == [1]
