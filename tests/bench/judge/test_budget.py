"""The budget is a cap on what the server really counts, whatever that is."""

import json
import math
from pathlib import Path

import pytest
from judge_server import ServerReply, served
from small_data import SMALL

from groundtune.bench.judge.budget import MARGIN, TEMPLATE_TOKENS, Budget
from groundtune.bench.judge.cached import CachedJudge
from groundtune.bench.judge.cost import Price
from groundtune.bench.judge.endpoint import EndpointAsker
from groundtune.bench.judge.judge import Quiet, Request
from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.generate.completion import Completion
from groundtune.generate.endpoint import EndpointSettings
from groundtune.records import Sampling

A_TOKEN = Price(input=1e6, output=1e6, currency="USD")
"""One of the currency."""


def completed(tokens_in: int, tokens_out: int) -> Completion:
    return Completion(model="m", choices=(), tokens_in=tokens_in, tokens_out=tokens_out)


def spent_under(
    tmp_path: Path, cap: float, usage: dict[str, float], sizes: list[int], *, at_once: int = 8
) -> tuple[float, int, str]:
    """(spent, replies, error) of a judge whose server counts so many tokens."""

    def answer(body: dict[str, list[dict[str, str]]], number: int) -> ServerReply:
        size = len(body["messages"][-1]["content"])
        tokens_in = int(usage["template"] + usage["per_byte"] * size)
        return ServerReply(text="x", usage=(tokens_in, int(usage["reply"])), hang_s=0.01)

    with served(answer) as server:
        budget = Budget(A_TOKEN, 10, cap)
        settings = EndpointSettings(model="m", urls=(server.url,), concurrency=at_once, tries=1)
        asker = EndpointAsker(settings, Sampling(temperature=0, max_new_tokens=10), budget)
        judge = CachedJudge(asker, tmp_path / "replies.jsonl")
        asked = [Request(item=str(i), text="a" * size) for i, size in enumerate(sizes)]
        with pytest.raises(UserError, match=f"budget of {cap:g} USD") as error:
            judge.replies(asked, Quiet())
        replies = len(judge.file.by_key)
        return (
            sum(r.tokens_in + r.tokens_out for r in judge.file.by_key.values()),
            replies,
            str(error.value),
        )


@pytest.mark.parametrize(
    "usage",
    [
        {"template": 20, "per_byte": 0.25, "reply": 10},
        {"template": 900, "per_byte": 0.25, "reply": 10},  # a long system text of the server's
        {"template": 20, "per_byte": 3.0, "reply": 10},
        {"template": 300, "per_byte": 2.0, "reply": 500},  # thoughts are above the limit
    ],
)
def test_what_the_server_counts_never_passes_the_budget(
    tmp_path: Path, usage: dict[str, float]
) -> None:
    sizes = [40 + 97 * i % 400 for i in range(400)]
    cap = 30_000.0
    spent, replies, error = spent_under(tmp_path, cap, usage, sizes)
    assert spent <= cap
    assert replies >= 5
    assert spent >= 0.75 * cap  # and it is no lower than it need be
    assert f"spent {spent:.4f} USD" in error


def test_a_server_that_counts_as_assumed_is_asked_with_all_requests_in_flight(
    tmp_path: Path,
) -> None:
    with served(lambda body, number: ServerReply(text="x", usage=(10, 1), hang_s=0.1)) as server:
        budget = Budget(A_TOKEN, 10, 5_000.0)
        settings = EndpointSettings(model="m", urls=(server.url,), concurrency=4, tries=1)
        asker = EndpointAsker(settings, Sampling(temperature=0, max_new_tokens=10), budget)
        judge = CachedJudge(asker, tmp_path / "replies.jsonl")
        judge.replies([Request(item=str(i), text="ab") for i in range(12)], Quiet())
        assert server.most_at_once == 4
        assert budget.spent == 12 * 11


def test_a_usage_corrects_what_is_held_for_requests_in_flight() -> None:
    budget = Budget(A_TOKEN, 10)
    first, second = Request(item="1", text="a" * 50), Request(item="2", text="b" * 50)
    assert budget.reserve(first)
    assert budget.reserve(second)
    assert budget.reserved == 2 * (50 + TEMPLATE_TOKENS + 10)
    budget.settle(first, completed(1_000, 40))
    assert budget.spent == 1_040
    assert budget.reserved == 50 + 1_000 + MARGIN * 40


def test_requests_go_out_one_by_one_until_the_server_has_counted_one() -> None:
    budget = Budget(A_TOKEN, 10, 10_000.0)
    first, second = Request(item="1", text="a"), Request(item="2", text="b")
    assert budget.reserve(first)
    assert not budget.reserve(second)
    budget.settle(first, completed(5, 5))
    assert budget.reserve(second)
    assert budget.reserve(first)


def test_without_a_cap_nothing_waits() -> None:
    budget = Budget(A_TOKEN, 10)
    assert budget.cap == math.inf
    assert all(budget.reserve(Request(item=str(i), text="a")) for i in range(100))


def test_a_dry_run_prints_what_would_be_sent_and_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = SMALL["mmhal"](tmp_path)
    (tmp_path / "prices.yaml").write_text("currency: USD\nj: {input: 2.5, output: 10}\n")
    with served(lambda body, number: ServerReply()) as server:
        text = f"url: {server.url}\nmodel: j\nprices: prices.yaml\ndry_run: true\n"
        (tmp_path / "judge.yaml").write_text(text)
        command = ["bench", "score", "mmhal", str(small.answers), "--json"]
        command += [word for path in small.data for word in ("--data", str(path))]
        command += ["--judge", str(tmp_path / "judge.yaml"), "--out", str(tmp_path / "out")]
        assert run(command) == 0
        assert server.requests == []
    shown = json.loads(capsys.readouterr().out)
    assert shown["dry_run"] == "nothing was sent"
    assert shown["a_run_would_send"].endswith(" USD")
