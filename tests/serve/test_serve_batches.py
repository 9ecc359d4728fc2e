"""Requests that wait at the same time are answered in one batch, each as if it were alone."""

import asyncio
import json
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from groundtune.errors import UserError
from groundtune.records import Claim, Prompt
from groundtune.serve.backend import ModelTurn
from groundtune.serve.errors import ApiError
from groundtune.serve.gather import Gatherer, QueueEntry
from groundtune.serve.thread import ModelThread
from running_server import HTTP, ScriptedSpeaker, body, claims_of, events, service_of, serving
from waiting import wait_until

CHAT = "/v1/chat/completions"


def posted(pool: ThreadPoolExecutor, base: str, **own: Any) -> "Future[httpx.Response]":
    return pool.submit(HTTP.post, base + CHAT, json=body(**own))


def content(response: httpx.Response) -> str:
    return response.json()["choices"][0]["message"]["content"]


class Held(ScriptedSpeaker):
    """Holds its first batch until it may go on, so that others have to wait."""

    def __init__(self) -> None:
        super().__init__(self._told)
        self.go_on = threading.Event()

    def _told(self, prompt: Prompt, seed: int) -> str:
        if prompt.question == "first":
            self.go_on.wait(20)
        if prompt.question == "break":
            raise ZeroDivisionError("broken")
        return f"{prompt.question} has seed {seed}"


def test_those_who_wait_together_are_one_batch_and_other_settings_another():
    speaker = Held()
    service = service_of(speaker, limits={"running": 16})
    with serving(service) as base, ThreadPoolExecutor(8) as pool:
        first = posted(pool, base, text="first", seed=1)
        assert speaker.began.wait(20)
        alike = [posted(pool, base, text=f"q{i}", seed=i, max_tokens=9 + i) for i in range(4)]
        cold = posted(pool, base, text="cold", seed=7, temperature=0)
        wait_until(lambda: service.backend.gatherer.waiting == 5)
        speaker.go_on.set()
        assert content(first.result()) == "first has seed 1"
        assert [content(each.result()) for each in alike] == [
            f"q{i} has seed {i}" for i in range(4)
        ]
        assert content(cold.result()) == "cold has seed 7"
    assert sorted(speaker.batches) == [1, 1, 4]


def test_a_short_answer_does_not_wait_for_the_longest_of_its_batch():
    short_is_over = threading.Event()

    class Patient(Held):
        def _step(self, turn: ModelTurn, words: list[list[str]], said: int) -> bool:
            if said == 30:
                short_is_over.wait(20)
            return super()._step(turn, words, said)

    speaker = Patient()
    service = service_of(speaker, limits={"running": 16})
    with serving(service) as base, ThreadPoolExecutor(4) as pool:
        posted(pool, base, text="first", max_tokens=1)
        assert speaker.began.wait(20)
        long = posted(pool, base, text=" ".join(["word"] * 60))
        short = posted(pool, base, text="hi", stream=True)
        wait_until(lambda: service.backend.gatherer.waiting == 2)
        speaker.go_on.set()
        told = events(short.result())
        assert told[-1] == "[DONE]"
        assert not long.done()
        short_is_over.set()
        assert (
            "".join(e["choices"][0]["delta"].get("content") or "" for e in told[:-1]).split()[0]
            == "hi"
        )
    assert speaker.batches == [1, 2]


def test_a_request_that_breaks_the_model_does_not_break_its_neighbours():
    speaker = Held()
    service = service_of(speaker, limits={"running": 16})
    with serving(service) as base, ThreadPoolExecutor(4) as pool:
        posted(pool, base, text="first")
        assert speaker.began.wait(20)
        wrong = posted(pool, base, text="break")
        right = posted(pool, base, text="whole", seed=3)
        wait_until(lambda: service.backend.gatherer.waiting == 2)
        speaker.go_on.set()
        assert wrong.result().status_code == 500
        assert content(right.result()) == "whole has seed 3"


def test_claims_of_requests_that_wait_together_are_checked_in_one_call():
    speaker, calls = ScriptedSpeaker(), list[int]()
    busy, go_on = threading.Event(), threading.Event()

    def check(prompts: Sequence[Prompt], answers: Sequence[str]) -> list[list[Claim]]:
        calls.append(len(answers))
        busy.set()
        go_on.wait(20)
        return claims_of(prompts, answers)

    service = service_of(speaker, check=check, limits={"running": 16})
    with serving(service) as base, ThreadPoolExecutor(4) as pool:
        first = posted(pool, base, check=True)
        assert busy.wait(20)
        rest = [posted(pool, base, check=True, n=2) for _ in range(2)]
        wait_until(lambda: service.backend.gatherer.waiting == 2)
        go_on.set()
        replies = [each.result().json() for each in (first, *rest)]
    checks = [[choice["check"]["rejected"] for choice in reply["choices"]] for reply in replies]
    assert checks == [[1], [1, 1], [1, 1]]
    assert sum(calls) == 5


def gathered(items: Sequence[tuple[str, str, int]], most: int, work: Any) -> list[Any]:
    """Results or errors of (item, kind, size) that all wait at one moment."""

    async def all_of_them() -> list[Any]:
        thread = ModelThread()
        gatherer: Gatherer[str, str] = Gatherer(thread, work, max_size=most)
        made = (gatherer.do(item, kind, size) for item, kind, size in items)
        found = await asyncio.gather(*made, return_exceptions=True)
        thread.close()
        return found

    return asyncio.run(all_of_them())


def test_a_batch_has_one_kind_and_a_bound_and_begins_with_whoever_came_first():
    batches: list[str] = []

    def work(places: Sequence[QueueEntry[str, str]]) -> None:
        batches.append("".join(place.item for place in places))
        for place in places:
            place.end(place.item.upper())

    items = [("a", "x", 1), ("b", "y", 2), ("c", "x", 9), ("d", "x", 2), ("e", "y", 1)]
    assert gathered(items, 3, work) == ["A", "B", "C", "D", "E"]
    assert batches == ["ad", "be", "c"]


def test_what_the_model_refuses_is_the_clients_error_and_not_its_neighbours():
    def work(places: Sequence[QueueEntry[str, str]]) -> None:
        if any(place.item == "bad" for place in places):
            raise UserError("The text is bad.", "prompt", "Mend it.")
        for place in places:
            place.end(json.dumps(place.item))

    good, bad = gathered([("good", "", 1), ("bad", "", 1)], 8, work)
    assert good == '"good"'
    assert isinstance(bad, ApiError)
    assert (bad.status, bad.message) == (400, "The text is bad.")


def test_whoever_gives_up_while_waiting_is_not_worked_for():
    batches: list[list[str]] = []
    began, go_on = threading.Event(), threading.Event()

    def work(places: Sequence[QueueEntry[str, str]]) -> None:
        began.set()
        go_on.wait(20)
        batches.append([place.item for place in places])
        for place in places:
            place.end(place.item)

    async def one_gives_up() -> str:
        thread = ModelThread()
        gatherer: Gatherer[str, str] = Gatherer(thread, work, max_size=4)
        first = asyncio.create_task(gatherer.do("first"))
        assert await asyncio.to_thread(began.wait, 20)
        gone, stays = (asyncio.create_task(gatherer.do(name)) for name in ("gone", "stays"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await gone
        found = await stays
        thread.close()
        return found

    assert asyncio.run(one_gives_up()) == "stays"
    assert batches == [["first"], ["stays"]]
