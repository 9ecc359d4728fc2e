"""What is said where claims have no verdict, and where a labeler stops answering half-way."""

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.feedback.claim_pairs import ClaimPairRules
from groundtune.feedback.reward_pairs import RewardPairRules
from groundtune.pipeline.feedback.claims import Labelling, label_claims
from groundtune.pipeline.feedback.pairs import make_claim_pairs, make_reward_pairs
from groundtune.pipeline.feedback.verdicts import AskedPart, summary_of
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress, Statement, YesNoReply
from groundtune.records import Answer, Claim, ImagePart, Message, Producer, Prompt, TextPart
from scripted_endpoint import Body, ScriptedEndpoint, running

MODEL = Producer(kind="model", name="base")


def sampled(path: Path, texts: Sequence[str], each: int = 1) -> RunFolder:
    """A folder with `each` answers to every prompt, which has its own image."""
    folder = RunFolder(path)
    keys = [f"p{number // each}" for number in range(len(texts))]
    folder.prompts.append(
        [
            Prompt(key=key, messages=(Message(role="user", content=_about(folder, number)),))
            for number, key in enumerate(dict.fromkeys(keys))
        ]
    )
    folder.answers.append(
        [
            Answer(key=f"a{i}", prompt=key, text=text, producer=MODEL)
            for i, (key, text) in enumerate(zip(keys, texts, strict=True))
        ]
    )
    return folder


def _about(folder: RunFolder, number: int) -> tuple[ImagePart, TextPart]:
    data = BytesIO()
    Image.new("RGB", (4, 4), (number, 0, 0)).save(data, "PNG")
    return ImagePart(image=folder.images.add(data.getvalue())), TextPart(text="What is there?")


class Words:
    """Divides into words, of which each has a question; "?" can't be read."""

    def producer(self) -> Producer:
        return Producer(kind="rule", name="words")

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        return [
            [
                Statement(0, len(a.text), "?", status="unparsed")
                if word == "?"
                else Statement(0, len(a.text), word, "object", f"Is there a {word}?")
                for word in a.text.split()
            ]
            for a in answers
        ]


class Says:
    """A labeler with one reply."""

    def __init__(self, p_yes: float, p_no: float) -> None:
        self.reply = YesNoReply(p_yes, p_no)

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        return [self.reply for _ in prompts]


def label(folder: RunFolder, labeler: Says) -> None:
    label_claims(folder.path, folder.path, Labelling(Words(), labeler, MODEL), SilentProgress())


@pytest.mark.parametrize(
    ("texts", "labeler", "cause"),
    [
        (["?", "? ?"], Says(0.9, 0.1), "answers with a claim that could not be read: 2"),
        (["cat", "dog"], Says(0.2, 0.1), "the labeler said neither yes nor no: 2"),
        (["cat", "dog"], Says(float("nan"), 0.1), "the labeler said neither yes nor no: 2"),
        (["cat", "dog"], Says(-0.4, 1.0), "the labeler said neither yes nor no: 2"),
        (["", ""], Says(0.9, 0.1), "answers of which no claim was asked about: 1"),
        (["cat", "dog"], Says(0.9, 0.1), "left out by difference of scores: 1"),
        (["cat", "cat"], Says(0.1, 0.9), "pairs of answers to one prompt: 0"),
    ],
)
def test_no_pair_is_an_error_that_says_what_became_of_the_answers(
    tmp_path: Path, texts: list[str], labeler: Says, cause: str
):
    folder = sampled(tmp_path, texts, each=2)
    label(folder, labeler)
    with pytest.raises(UserError, match="No pair could be made") as refused:
        make_claim_pairs(tmp_path, tmp_path, ClaimPairRules(), SilentProgress())
    assert cause in refused.value.what
    assert not folder.pairs.parts()


def test_an_answer_whose_reward_is_no_number_is_in_no_pair(tmp_path: Path):
    class Broken:
        def __init__(self, *rewards: float) -> None:
            self.rewards = list(rewards)

        def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
            return self.rewards

    folder = sampled(tmp_path, ["a", "b", "c"], each=3)
    rules, nan = RewardPairRules(rank=1, excess=10), float("nan")
    counts = make_reward_pairs(
        tmp_path, tmp_path, {"r": Broken(1.0, nan, 2.0)}, rules, SilentProgress()
    )
    assert counts.unscored_why == {"answers whose reward is not a number": 1}
    assert [(pair.chosen, pair.rejected) for pair in folder.pairs.read()] == [("c", "a")]
    broken = {"r": Broken(nan, float("-inf"), float("inf"))}
    with pytest.raises(UserError, match="whose reward is not a number: 3"):
        make_reward_pairs(tmp_path, tmp_path, broken, rules, SilentProgress())


def checked_claim(number: int, status: str) -> Claim:
    return Claim.model_validate(
        {"key": str(number), "answer": "a", "start": 0, "end": 1, "text": "x", "question": "x?"}
        | {"status": status}
    )


def test_the_parts_of_a_labelers_work_add_up_to_what_was_asked():
    statuses = ["supported"] * 13 + ["unchecked"] * 12
    claims = [checked_claim(i, status) for i, status in enumerate(statuses)]
    parts = summary_of([*claims, checked_claim(99, "unparsed")]).asked_parts
    assert len(parts) == 10
    assert sum(part.asked for part in parts) == 25
    assert sum(part.answered for part in parts) == 13
    assert [part.answered / part.asked for part in parts] == [1] * 5 + [1 / 3] + [0] * 4
    assert summary_of(claims[:1]).asked_parts == (AskedPart(asked=1, answered=1),)
    assert summary_of([]).asked_parts == ()


def breaks_after(number: int) -> ScriptedEndpoint:
    """A labeler that says yes to so many questions, the first being the control question, and then
    something else."""
    endpoint = ScriptedEndpoint(lambda body, index: "Yes.")

    def top(body: Body) -> list[tuple[str, float]]:
        return [("Yes", -0.01)] if len(endpoint.bodies) <= number else [("Oui", -0.01)]

    endpoint.top = top
    return endpoint


def command(name: str, folder: RunFolder, endpoint: ScriptedEndpoint, out: Path) -> list[str]:
    words = ["label", "--answers", str(folder.path), "--by", "claims"]
    words = words if name == "label" else ["check", str(folder.path)]
    labeler = f"openai:tiny@{endpoint.url}"
    return [*words, "divider=whole", "batch_size=1", "--labeler", labeler, "--out", str(out)]


@pytest.mark.parametrize("name", ["label", "check"])
def test_a_labeler_that_stops_answering_half_way_is_seen_in_the_closing_lines(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = sampled(tmp_path / "a", [f"cat {i}" for i in range(20)])
    with running(breaks_after(11)) as endpoint:
        assert run(command(name, folder, endpoint, tmp_path / "o")) == EXIT_DONE
    printed = capsys.readouterr().out
    line = next(each for each in printed.splitlines() if each.startswith("checked  "))
    assert "claims with a verdict: 10 of 20" in line
    assert "questions to which the labeler said neither yes nor no: 10" in line
    assert "100%, 100%, 100%, 100%, 100%, 0%, 0%, 0%, 0%, 0%" in line
    if name == "check":
        assert printed.startswith("50% of the answers could not be checked.")
        page = (tmp_path / "o/report.html").read_text()
        title = page.index("50% of the answers could not be checked")
        rate = page.index("Answers in which openai:tiny rejects a claim")
        assert title < page.index("answers: 10 of 20") < rate
        found = json.loads((tmp_path / "o/check.json").read_text())
        assert (found["answers"], found["unchecked"]) == (20, 10)


@pytest.mark.parametrize("name", ["label", "check"])
def test_without_any_verdict_nothing_is_reported_and_the_error_says_why(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = sampled(tmp_path / "a", ["cat", "dog"])
    with running(breaks_after(1)) as endpoint:
        assert run(command(name, folder, endpoint, tmp_path / "o")) == EXIT_INPUT
        error = capsys.readouterr().err
        assert "No claim of the answers was checked (questions to which the labeler said" in error
        assert "fix: Choose another labeler than openai:tiny" in error
        assert run(command(name, folder, endpoint, tmp_path / "o")) == EXIT_INPUT
    assert not (tmp_path / "o/report.html").exists()
