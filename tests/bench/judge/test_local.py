"""A model in this process as a judge."""

from pathlib import Path

import pytest

from groundtune.bench.judge.cached import CachedJudge
from groundtune.bench.judge.judge import Judging, Quiet, Request
from groundtune.bench.judge.local import LocalAsker
from groundtune.errors import UserError
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.pipeline.bench.judging import Judges, open_judge
from groundtune.records import Prompt, Sampling


def test_it_reads_system_text_and_request_and_each_reply_is_kept(tmp_path: Path):
    questions: list[str] = []

    def write_reply(prompt: Prompt, seed: int) -> str:
        questions.append(prompt.question)
        return f"{seed} {prompt.question}" if "mute" not in prompt.question else ""

    def judging() -> Judging:
        asker = LocalAsker(ScriptedGenerator(write_reply), Sampling(temperature=0))
        return Judging(source=CachedJudge(asker, tmp_path / "replies.jsonl"))

    requests = [Request(item="1", text="text", system="system"), Request(item="2", text="mute")]
    results = judging().ask(requests, repeat=3)
    assert results.get("1").text == "3 system\n\ntext"
    assert (results.get("2").status, results.get("2").why) == (
        "failed",
        "the reply has no text (finish: stop)",
    )
    assert judging().ask(requests, repeat=3).get("1") == results.get("1")
    assert questions == ["system\n\ntext", "mute", "mute"]


def test_a_models_name_is_enough_for_a_judge_on_this_machine(tmp_path: Path, tiny_llava: Path):
    (tmp_path / "judge.yaml").write_text(f"model: {tiny_llava}\nmax_tokens: 3\nrepeats: 2\n")

    def judging() -> Judging:
        named = Judges(judge=str(tmp_path / "judge.yaml"))
        opened = open_judge(named, tmp_path, Quiet()).judge
        assert isinstance(opened, Judging)
        return opened

    requests = [Request(item=str(i), text=f"Rate answer {i}.", system="You rate.") for i in (1, 2)]
    results = [judging().ask(requests, repeat=repeat) for repeat in (0, 0)]
    assert results[0] == results[1]
    assert {reply.status for reply in results[0].by_request.values()} == {"given"}
    description = judging().source.describe()
    assert (description["judge"], description["max_tokens"]) == (str(tiny_llava), "3")
    assert description["revision"]
    with pytest.raises(UserError, match="needs a model's name"):
        open_judge(Judges(judge=str(tiny_llava), model="x"), tmp_path, Quiet())
