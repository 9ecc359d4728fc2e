"""A judge that a YAML file describes."""

import json
from pathlib import Path

import pytest
from judge_server import ServerReply, served

from groundtune.bench.judge.asking import DryRun
from groundtune.bench.judge.cached import CachedJudge
from groundtune.bench.judge.judge import Judging, Quiet, Request
from groundtune.errors import UserError
from groundtune.pipeline.bench.judging import Judges, open_judge


def opened(path: Path, judge: str, model: str = "") -> Judging:
    judging = open_judge(Judges(judge=judge, model=model), path.parent, Quiet()).judge
    assert isinstance(judging, Judging)
    return judging


def read(path: Path, text: str) -> Judging:
    path.write_text(text)
    return opened(path, str(path))


def test_an_endpoint_with_all_its_settings(tmp_path: Path):
    (tmp_path / "prices.yaml").write_text("j: {input: 1, output: 2}")
    (tmp_path / "mine.txt").write_text("{question} {image_contents} {reference} {answer}")
    with served(lambda body, number: ServerReply(text="ok", usage=(5, 1))) as server:
        text = f"url: {server.url}\nmodel: j\nmax_tokens: 9\nrepeats: 2\nswap: true\n"
        text += "prompt: mine.txt\nprices: prices.yaml\nbudget: 1\n"
        judging = read(tmp_path / "judge.yaml", text)
        judging.ask([Request(item="1", text="hello")], repeat=1)
    assert (judging.repeats, judging.swap, judging.prompt) == (2, True, tmp_path / "mine.txt")
    assert isinstance(judging.source, CachedJudge)
    assert judging.source.asker.cost == "0.0000 (the price table names no currency)"
    assert server.requests[0]["max_tokens"] == 9
    facts = judging.provenance()
    assert (facts["judge"], facts["models"], facts["requests"]) == ("j", "judge-2026-01-01", "1")
    assert (tmp_path / "judge" / "replies.jsonl").exists()


def test_a_dry_run_reports_the_cost_and_asks_nothing(tmp_path: Path):
    (tmp_path / "prices.yaml").write_text("j: {input: 1000000, output: 0}")
    with served(lambda body, number: ServerReply()) as server:
        text = f"url: {server.url}\nmodel: j\nprices: prices.yaml\ndry_run: true\n"
        judging = read(tmp_path / "judge.yaml", text)
        with pytest.raises(DryRun, match=r"1 requests, about 5 tokens .* at most 5\.0000"):
            judging.ask([Request(item="1", text="abcd")])
    assert server.requests == []


def test_recorded_replies_in_both_orders(tmp_path: Path):
    (tmp_path / "replies.jsonl").write_text(json.dumps({"id": "1", "reply": "[[A]]"}))
    judging = read(tmp_path / "judge.yaml", "replies: [replies.jsonl]\nswap: true\n")
    assert judging.ask([Request(item="1", text="")]).get("1").text == "[[A]]"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("repeats: 2", "a model or recorded replies"),
        ("url: http://x/v1\nmodel: j\nreplies: [a]", "not both"),
        ("url: http://x/v1", "no model name"),
        ("url: http://x/v1\nmodel: j\nrepeat: 3", "repeat: Extra inputs"),
        ("url: http://x/v1\nmodel: j\nbudget: 3", "needs a price"),
        ("- a list", "valid dictionary"),
        ("a: [", "This is not YAML"),
    ],
)
def test_a_file_that_means_nothing_is_the_users_error(tmp_path: Path, text: str, wrong: str):
    with pytest.raises(UserError, match=wrong):
        read(tmp_path / "judge.yaml", text)


def test_the_file_that_the_docs_show_is_valid(tmp_path: Path):
    page = (Path(__file__).parents[3] / "docs" / "judges.md").read_text()
    shown = next(block for block in page.split("```yaml\n") if block.startswith("url:"))
    (tmp_path / "prices.yaml").write_text("the-judge: {input: 2.5, output: 10}\n")
    judging = read(tmp_path / "judge.yaml", shown.partition("```")[0])
    assert isinstance(judging.source, CachedJudge)
    assert judging.source.dry_run
