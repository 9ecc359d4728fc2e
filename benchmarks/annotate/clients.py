"""Simulated people, as a program of its own.

    python -m benchmarks.annotate.clients PLAN.json

They speak HTTP over bare sockets, so that what is measured is the server. Each does what the page
does: fetches an item ahead, saves each action as it happens, keeps what isn't saved, and sends it
again after a pause that doubles. What they did is written to the plan's `told`.
"""

import asyncio
import json
import random
import re
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ANSWER_S = 20
"""How long a client waits for a reply."""
DRAIN_S = 120
"""How long clients have at the end to send what waits."""
AT_ONCE = 100
LONGEST_WAIT_S = 15
TROUBLE = (OSError, EOFError, TimeoutError)


@dataclass(slots=True)
class Told:
    """What the clients saw."""

    milliseconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    statuses: Counter[str] = field(default_factory=Counter[str])
    """Replies that are no 200."""
    unreached: int = 0
    refused: list[str] = field(default_factory=list[str])
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    """By person, in the order in which they were made."""
    acknowledged: list[str] = field(default_factory=list[str])
    given: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """By item: to whom it was given, in order."""
    unsent: int = 0


class Network:
    """The way to the server; while it is cut, nothing passes and no connection stays."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.is_cut = False
        self.open: set[asyncio.StreamWriter] = set()

    async def cut(self, after: float, seconds: float) -> None:
        """Cut it off for a while."""
        await asyncio.sleep(after)
        self.is_cut = True
        for writer in self.open:
            writer.transport.abort()
        await asyncio.sleep(seconds)
        self.is_cut = False


class Wire:
    """One kept-alive connection of one client."""

    def __init__(self, network: Network, cookie: str, told: Told) -> None:
        self.network, self.cookie, self.told = network, cookie, told
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, what: str, path: str, body: Any = None) -> bytes | None:
        """The reply's body; None where it is no 200. Raises one of TROUBLE."""
        try:
            async with asyncio.timeout(ANSWER_S):
                status, found, seconds = await self._exchange(path, body)
        except TROUBLE:
            self.told.unreached += 1
            self.close()
            raise
        if status != 200:
            self.told.statuses[f"{what} {status}"] += 1
            return None
        self.told.milliseconds.setdefault(what, []).append(1000 * seconds)
        return found

    async def _exchange(self, path: str, body: Any) -> tuple[int, bytes, float]:
        if self.network.is_cut:
            raise OSError("no network")
        if self.streams is not None and self.streams[0].at_eof():
            self.close()  # the server ends what nobody uses for 5 seconds; browsers see it too
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.network.port)
            self.network.open.add(self.streams[1])
        reader, writer = self.streams
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{'POST' if data else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Cookie: {self.cookie}\r\n"
        if data:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        began = time.perf_counter()
        writer.write(f"{head}\r\n".encode() + data)
        got = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = re.search(r"content-length: (\d+)", got)
        found = await reader.readexactly(int(length[1]) if length else 0)
        seconds = time.perf_counter() - began
        if "connection: close" in got:
            self.close()
        return int(got.split(" ", 2)[1]), found, seconds

    def close(self) -> None:
        """Drop the connection; the next request makes another one."""
        if self.streams is not None:
            self.network.open.discard(self.streams[1])
            self.streams[1].transport.abort()
            self.streams = None


class Person:
    """One annotator at work."""

    def __init__(self, name: str, cookie: str, network: Network, told: Told, plan: dict[str, Any]):
        self.name, self.told, self.plan = name, told, plan
        self.wire, self.saving = Wire(network, cookie, told), Wire(network, cookie, told)
        self.random = random.Random(f"{plan['seed']} {name}")
        self.waiting: deque[dict[str, Any]] = deque()
        self.wake = asyncio.Event()
        self.number = 0
        self.passed: list[str] = []
        self.end = time.monotonic() + plan["seconds"]

    async def work(self) -> None:
        """Item after item until the time is over."""
        await asyncio.sleep(self.random.random() * 2 * self.plan["pause"])
        sender = asyncio.create_task(self.send())
        ahead: dict[str, Any] | None = None
        while time.monotonic() < self.end:
            work = ahead or await self.fetch()
            if work is None:
                break
            self.passed = [*self.passed[-9:], work["key"]]
            ahead = await self.fetch(once=True)
            await self.annotate(work)
        limit = time.monotonic() + DRAIN_S
        while self.waiting and time.monotonic() < limit:
            self.wake.set()
            await asyncio.sleep(0.05)
        sender.cancel()
        self.told.unsent += len(self.waiting)

    async def fetch(self, *, once: bool = False) -> dict[str, Any] | None:
        """The next item and its image; None where nothing is left, or it can't be had at once."""
        besides = "".join(f"&besides={key}" for key in self.passed)
        while time.monotonic() < self.end:
            try:
                found = await self.wire.ask("next", f"/api/next?task=correct{besides}")
                if found is not None:
                    work = json.loads(found)["work"]
                    if work is None:
                        return None
                    self.told.given.setdefault(work["key"], []).append(self.name)
                    await self.wire.ask("image", f"/images/{work['images'][0]}?width=1600")
                    return work
            except TROUBLE:
                pass
            if once:
                return None
            await asyncio.sleep(1)
        return None

    async def annotate(self, work: dict[str, Any]) -> None:
        """Mark and replace some words, perhaps undo one, then finish or skip the item."""
        text = work["answers"][0]
        words = [match.span() for match in re.finditer(r"\w+", text)]
        made = ""
        for start, end in sorted(self.random.sample(words, self.random.choice((0, 1, 1, 2, 3)))):
            body = {"type": "span", "id": self.id(), "start": start, "end": end}
            body |= {"text": text[start:end], "kind": "object", "replacement": "thing"}
            made = self.act(work["key"], body)
            await self.pause()
        if made and self.random.random() < 0.1:
            self.act(work["key"], {"type": "undo", "event": made})
            await self.pause()
        skips = self.random.random() < 0.03
        self.act(work["key"], {"type": "skip"} if skips else {"type": "submit"})
        await self.pause()

    def act(self, item: str, body: dict[str, Any]) -> str:
        """Make an event; the sender does the rest. Its id."""
        key = self.id()
        event = {"id": key, "item": item, "body": body, "at": time.time(), "active_s": 1.0}
        self.told.events.setdefault(self.name, []).append(event)
        self.waiting.append(event)
        self.wake.set()
        return key

    def id(self) -> str:
        """A new id, of an event or a span."""
        self.number += 1
        return f"{self.plan['seed']}-{self.name}-{self.number:06d}"

    async def pause(self) -> None:
        """Look at the image and think."""
        await asyncio.sleep(self.random.expovariate(1 / self.plan["pause"]))

    async def send(self) -> None:
        """Sends what waits, oldest first, and again after a failure."""
        wait = 1.0
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.waiting:
                batch = [self.waiting[place] for place in range(min(AT_ONCE, len(self.waiting)))]
                try:
                    found = await self.saving.ask("save", "/api/events", {"events": batch})
                except TROUBLE:
                    found = None
                if found is None:
                    await asyncio.sleep(wait)
                    wait = min(LONGEST_WAIT_S, 2 * wait)
                    continue
                wait = 1.0
                said = json.loads(found)
                self.told.acknowledged += [*said["stored"], *said["known"]]
                self.told.refused += [f"{each['id']}: {each['why']}" for each in said["refused"]]
                for _ in batch:
                    self.waiting.popleft()


async def watch(network: Network, told: Told, plan: dict[str, Any]) -> None:
    """The owner looks at the overview and the figures."""
    wire = Wire(network, plan["owner"], told)
    end = time.monotonic() + plan["seconds"]
    while time.monotonic() < end:
        for path in plan["pages"]:
            try:
                await wire.ask(f"owner {path}", path)
            except TROUBLE:
                await asyncio.sleep(1)
        await asyncio.sleep(plan["look_s"])


async def main(plan: dict[str, Any]) -> None:
    """Everybody at once."""
    told, network = Told(), Network(plan["port"])
    people = [Person(name, cookie, network, told, plan) for name, cookie in plan["people"].items()]
    cut = asyncio.create_task(network.cut(*plan["cut"]))
    await asyncio.gather(watch(network, told, plan), *(person.work() for person in people))
    cut.cancel()
    found = {name: getattr(told, name) for name in Told.__slots__}
    Path(plan["told"]).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
