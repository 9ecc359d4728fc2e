"""A judge over HTTP: a real server on this machine that fails in the ways that servers do."""

import math
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from judge_server import ServerReply, served

from groundtune.bench.judge.asking import DryRun
from groundtune.bench.judge.budget import Budget
from groundtune.bench.judge.cached import GIVE_UP_AFTER, CachedJudge
from groundtune.bench.judge.cost import (
    Price,
    count_bytes,
    count_tokens,
    estimate_cost,
    read_price,
)
from groundtune.bench.judge.endpoint import EndpointAsker
from groundtune.bench.judge.judge import JudgeReply, Quiet, Request
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.errors import UserError
from groundtune.generate.endpoint import EndpointSettings
from groundtune.records import Sampling
from waiting import wait_until

KEY = "sk-secret-1234567890"


def judge(url: str, tmp_path: Path, **more: Any) -> CachedJudge:
    limit = more.pop("max_tokens", 1024)
    sampling = Sampling(temperature=more.pop("temperature", 0), max_new_tokens=limit)
    price, cap = more.pop("price", None), more.pop("budget", math.inf)
    budget = Budget(price, limit, cap) if price else None
    settings = {"model": "judge", "first_wait_s": 0.01, "tries": 3, "timeout_s": 30, **more}
    endpoint = EndpointSettings(urls=(url,), **settings)
    return CachedJudge(EndpointAsker(endpoint, sampling, budget), tmp_path / "replies.jsonl")


def requests(n: int) -> list[Request]:
    return [Request(item=str(i), text=f"question {i}") for i in range(n)]


def ask(cached_judge: CachedJudge, n: int = 1, repeat: int = 0) -> list[JudgeReply]:
    return cached_judge.replies(requests(n), Quiet(), repeat=repeat)


def spent(cached_judge: CachedJudge) -> float:
    assert isinstance(cached_judge.asker, EndpointAsker)
    assert cached_judge.asker.budget
    return cached_judge.asker.budget.spent


def test_it_sends_text_and_settings_and_reads_the_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with served(lambda body, number: ServerReply(text="Rating: 4", usage=(100, 7))) as server:
        cached_judge = judge(server.url, tmp_path, key_variable="JUDGE_KEY", max_tokens=50)
        request = Request(item="1", text="See", system="Be fair.")
        (reply,) = cached_judge.replies([request], Quiet())
    (body,) = server.requests
    assert reply.text == "Rating: 4"
    assert (reply.model, reply.finish) == ("judge-2026-01-01", "stop")
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("judge", 0.0, 50)
    assert body["messages"][0] == {"role": "system", "content": "Be fair."}
    assert body["messages"][1] == {"role": "user", "content": "See"}
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert (cached_judge.usage.tokens_in, cached_judge.usage.tokens_out) == (100, 7)
    visible = repr(vars(cached_judge.asker)) + repr(vars(cached_judge))
    assert KEY not in visible + cached_judge.file.path.read_text()
    assert cached_judge.describe()["served"] == "judge-2026-01-01"


def test_it_waits_and_tries_again_where_that_may_help(tmp_path: Path):
    troubles = [
        ServerReply(status=429, headers={"retry-after": "0.3"}),
        ServerReply(status=503, body=b"busy"),
        ServerReply(body=b"<html>a proxy</html>"),
        ServerReply(text="at last"),
    ]
    with served(lambda body, number: troubles[number]) as server:
        began = time.monotonic()
        (reply,) = ask(judge(server.url, tmp_path, tries=4))
    assert reply.text == "at last"
    assert len(server.requests) == 4
    assert time.monotonic() - began >= 0.3


def test_a_date_in_retry_after_and_a_wait_that_is_too_long_are_bounded(tmp_path: Path):
    later = formatdate(time.time() + 3600, usegmt=True)

    def answer(body: object, number: int) -> ServerReply:
        return (
            ServerReply(status=429, headers={"retry-after": later})
            if number == 0
            else ServerReply()
        )

    with served(answer) as server:
        began = time.monotonic()
        (reply,) = ask(judge(server.url, tmp_path, longest_wait_s=0.2))
    assert reply.text == "fine"
    assert 0.2 <= time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("response", "why", "tries"),
    [
        (ServerReply(status=500, body=b"broken"), "HTTP 500 broken (tried 3 times)", 3),
        (ServerReply(body=b'{"choices": []}'), "not a chat completion (tried 3 times)", 3),
        (ServerReply(body=b'{"error": {"message": "x"}}'), "error x (tried 3 times)", 3),
        (ServerReply(hang_s=30), "no answer within 0.2 s", 3),
        (ServerReply(status=400, body=b"context too long"), "HTTP 400 context too long", 1),
        (ServerReply(text=None), "the reply has no text", 1),
    ],
)
def test_what_can_not_be_answered_is_failed_with_its_reason_and_not_kept(
    tmp_path: Path, response: ServerReply, why: str, tries: int
):
    with served(lambda body, number: response) as server:
        cached_judge = judge(server.url, tmp_path, timeout_s=0.2 if response.hang_s else 30)
        (reply,) = ask(cached_judge)
    assert (reply.status, reply.text) == ("failed", "")
    assert why in reply.why
    assert len(server.requests) == tries
    assert cached_judge.usage.failed == 1
    assert not cached_judge.file.path.exists()


def test_a_failed_request_is_asked_again_by_the_next_run_and_no_other(tmp_path: Path):
    def answer(body: dict, number: int) -> ServerReply:
        bad = body["messages"][0]["content"] == "question 2" and len(server.requests) <= 5
        return ServerReply(status=400, body=b"no") if bad else ServerReply(text=f"reply {number}")

    with served(answer) as server:
        first = ask(judge(server.url, tmp_path), 5)
        second_judge = judge(server.url, tmp_path)
        second = ask(second_judge, 5)
    assert [reply.status for reply in first].count("failed") == 1
    assert {reply.status for reply in second} == {"given"}
    assert len(server.requests) == 6
    assert second_judge.usage.cached == 4
    # what was kept stands in for the judge, offline
    recorded = RecordedJudge(second_judge.file.path).replies(requests(5), Quiet())
    assert [reply.text for reply in recorded] == [reply.text for reply in second]


def test_other_settings_repeats_and_prompts_are_other_requests(tmp_path: Path):
    with served(lambda body, number: ServerReply(text=str(number))) as server:
        for more in ({}, {"temperature": 0.5}, {"max_tokens": 7}, {"model": "other"}):
            ask(judge(server.url, tmp_path, **more))
        cached_judge = judge(server.url, tmp_path)
        texts = [ask(cached_judge, repeat=r)[0].text for r in (0, 1, 0)]
    assert len(server.requests) == 5
    assert texts == ["0", "4", "0"]


def test_no_more_than_the_allowed_requests_are_in_flight(tmp_path: Path):
    with served(lambda body, number: ServerReply(text=str(number), hang_s=0.1)) as server:
        replies = ask(judge(server.url, tmp_path, concurrency=3), 9)
    assert 1 < server.most_at_once <= 3
    assert [reply.item for reply in replies] == [str(i) for i in range(9)]


def test_another_served_model_within_a_run_is_refused_and_its_reply_not_kept(tmp_path: Path):
    def answer(body: object, number: int) -> ServerReply:
        return ServerReply(text=str(number), model="new" if number >= 3 else "old")

    with served(answer) as server:
        cached_judge = judge(server.url, tmp_path, concurrency=1)
        with pytest.raises(UserError, match="old became new"):
            ask(cached_judge, 10)
        assert len(server.requests) == 4
        assert {each.model for each in cached_judge.file.by_key.values()} == {"old"}
        # a later run that uses what was kept refuses it too
        with pytest.raises(UserError, match="old became new"):
            ask(judge(server.url, tmp_path, concurrency=1), 10)
    assert len(server.requests) == 5


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_or_model_ends_the_run_without_showing_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
):
    monkeypatch.setenv("GROUNDTUNE_API_KEY", KEY)
    body = f"bad key {KEY}".encode()
    response = ServerReply(status=status, body=body)
    with served(lambda b, number: response) as server, pytest.raises(UserError) as error:
        ask(judge(server.url, tmp_path, concurrency=1), 5)
    assert len(server.requests) == 1
    assert KEY not in str(error.value)
    assert "[key]" in str(error.value)


def test_an_endpoint_that_is_down_ends_the_run_soon(tmp_path: Path):
    with served(lambda body, number: ServerReply(status=500, body=b"down")) as server:
        with pytest.raises(UserError, match="failed in a row"):
            ask(judge(server.url, tmp_path, concurrency=1, tries=1), 100)
        assert len(server.requests) == GIVE_UP_AFTER
    with pytest.raises(UserError, match="failed in a row"):  # the server is gone
        ask(judge(server.url, tmp_path, concurrency=1, tries=1), 100)


def test_a_budget_stops_the_run_and_keeps_what_was_replied(tmp_path: Path):
    price = Price(input=0, output=1e6)  # one a token of the reply
    with served(lambda body, number: ServerReply(text="x", usage=(3, 2))) as server:
        cached_judge = judge(
            server.url, tmp_path, price=price, budget=25.0, max_tokens=10, concurrency=1
        )
        with pytest.raises(UserError, match="budget of 25"):
            ask(cached_judge, 100)
        # each reply costs 2 and may cost 10, so the ninth may not be sent: 16 + 10 > 25
        assert len(server.requests) == len(cached_judge.file.by_key) == 8
        assert spent(cached_judge) == 16
        more = judge(server.url, tmp_path, price=price, budget=25.0, max_tokens=10, concurrency=4)
        with pytest.raises(UserError, match="budget of 25"):
            ask(more, 100)
        assert len(server.requests) == 16


def test_a_budget_reckons_with_requests_in_flight_and_tries_that_may_be_charged(tmp_path: Path):
    price = Price(input=0, output=1e6)
    # a reply that can't be read may be charged for: 10 each, and what is in flight is held
    unreadable = ServerReply(body=b"<html>")
    with served(lambda body, number: unreadable) as server:
        cached_judge = judge(server.url, tmp_path, price=price, budget=45.0, max_tokens=10)
        with pytest.raises(UserError, match="budget of 45"):
            ask(cached_judge, 100)
        assert len(server.requests) == 4
        assert spent(cached_judge) == 40
    # a server that doesn't count is reckoned with at the worst case
    with served(lambda body, number: ServerReply(text="x")) as server:
        cached_judge = judge(server.url, tmp_path, price=price, budget=45.0, max_tokens=10)
        with pytest.raises(UserError, match="budget of 45"):
            ask(cached_judge, 100)
        assert len(server.requests) == 4
    # one token per byte of the request is the most that a server can count
    price = Price(input=1e6, output=0)
    with served(lambda body, number: ServerReply(text="x", usage=(10, 1))) as server:
        cached_judge = judge(server.url, tmp_path / "more", price=price, budget=119.0)
        with pytest.raises(UserError, match="budget of 119"):
            ask(cached_judge, 100)
        assert len(server.requests) == 1
        assert spent(cached_judge) == 10


def test_the_cost_is_reported_before_anything_is_asked(tmp_path: Path):
    table = tmp_path / "prices.yaml"
    table.write_text("currency: EUR\njudge: {input: 2.0, output: 10.0}\n")
    price = read_price(table, "judge")
    with served(lambda body, number: ServerReply()) as server:
        cached_judge = judge(server.url, tmp_path, price=price, max_tokens=100)
        assert isinstance(cached_judge.asker, EndpointAsker)
        told = cached_judge.asker.estimate({each.item: each for each in requests(3)})
        # "question 0" has 10 bytes: 3 tokens and 4 of the frame
        assert (told.requests, told.tokens_in, told.tokens_out_most) == (3, 21, 300)
        assert told.cost_most == pytest.approx((21 * 2 + 300 * 10) / 1e6)
        ask(cached_judge, 2)
        rest = judge(server.url, tmp_path, price=price, max_tokens=100)
        rest.dry_run = True
        with pytest.raises(DryRun, match=r"1 requests, about 7 tokens .* at most 0\.0010 EUR"):
            ask(rest, 3)
        assert len(server.requests) == 2
    with pytest.raises(UserError, match="has no 'other'"):
        read_price(table, "other")
    table.write_text("judge: 3\n")
    with pytest.raises(UserError, match="not two numbers"):
        read_price(table, "judge")


def test_tokens_are_counted_by_a_rule():
    assert count_tokens(Request(item="", text="abcde")) == 2 + 4
    assert count_tokens(Request(item="", text="äöü", system="a")) == 2 + 4 + 1 + 4
    assert count_bytes(Request(item="", text="abcd", system="ab")) == 6
    assert estimate_cost([], max_tokens=5, price=None).cost_most is None


def test_a_key_that_can_not_be_sent_is_refused_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GROUNDTUNE_API_KEY", f"{KEY}\u00e9")
    with pytest.raises(UserError, match="no HTTP header") as error:
        judge("http://host/v1", tmp_path)
    assert KEY not in str(error.value)


ASK = """
import sys
from pathlib import Path
from groundtune.bench.judge.judge import Quiet, Request
from groundtune.bench.judge.endpoint import EndpointAsker
from groundtune.bench.judge.cached import CachedJudge
from groundtune.generate.endpoint import EndpointSettings
from groundtune.records import Sampling
settings = EndpointSettings(model="judge", urls=(sys.argv[1],), concurrency=2)
asker = EndpointAsker(settings, Sampling(temperature=0, max_new_tokens=1024))
judge = CachedJudge(asker, Path(sys.argv[2]))
judge.replies([Request(item=str(i), text=f"question {i}") for i in range(40)], Quiet())
"""


def test_a_killed_run_loses_no_more_than_what_was_in_flight(tmp_path: Path):
    cache = tmp_path / "replies.jsonl"
    killed = threading.Event()

    def answer(body: object, number: int) -> ServerReply:
        if number >= 10:
            killed.wait(60)
        return ServerReply(text=str(number))

    with served(answer) as server:
        run = subprocess.Popen([sys.executable, "-c", ASK, server.url, str(cache)])
        wait_until(lambda: len(server.requests) >= 12 or run.poll() is not None)
        run.kill()
        run.wait()
        killed.set()
        received = len(server.requests)
        assert received == 12  # two wait for their replies
        cached_judge = judge(server.url, tmp_path, concurrency=16)
        replies = ask(cached_judge, 40)
    assert {reply.status for reply in replies} == {"given"}
    assert cached_judge.usage.cached >= received - 4
    assert len(server.requests) <= 40 + 4


def test_items_with_equal_requests_are_asked_one_by_one_and_resumed(tmp_path: Path):
    equal = [Request(item=str(i), text="the same") for i in range(3)]
    with served(lambda body, number: ServerReply(text=str(number))) as server:
        first = judge(server.url, tmp_path, concurrency=1).replies(equal, Quiet())
        again = judge(server.url, tmp_path).replies(equal, Quiet())
        path = judge(server.url, tmp_path).file.path
    assert len({reply.text for reply in first}) == len(server.requests) == 3
    assert again == first
    recorded = RecordedJudge(path).replies(equal[::-1], Quiet())
    assert [reply.text for reply in recorded] == [reply.text for reply in first[::-1]]
