"""Many clients at one moment, as a program of its own: python storm.py URL CLIENTS < BODY.

It speaks HTTP over bare sockets, so that what it measures is the server. One JSON line for each
reply as it comes: status, seconds from the first byte sent to the last received, Retry-After.
"""

import asyncio
import json
import re
import sys
import time
from urllib.parse import urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def one(streams: Streams, request: bytes, start: asyncio.Event) -> None:
    """Sends when told to, and prints what came back."""
    reader, writer = streams
    await start.wait()
    began = time.monotonic()
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = re.search(r"content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    after = re.search(r"retry-after: (\d+)", head)
    told = {"status": int(head.split()[1]), "seconds": time.monotonic() - began}
    print(json.dumps(told | {"retry_after": after[1] if after else None}), flush=True)
    writer.close()


async def main(url: str, clients: int, body: bytes) -> None:
    """All connections first, then all requests at once."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    streams = [await asyncio.open_connection(host, port) for _ in range(clients)]
    start = asyncio.Event()
    tasks = [asyncio.create_task(one(each, head.encode() + body, start)) for each in streams]
    await asyncio.sleep(0.2)
    start.set()
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.stdin.buffer.read()))
