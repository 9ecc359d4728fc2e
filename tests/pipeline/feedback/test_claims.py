"""Stage label by claims and the pairs of it, on folders of scripted answers."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from groundtune.errors import UserError
from groundtune.feedback.claim_pairs import ClaimPairRules
from groundtune.feedback.claims import by_answer
from groundtune.feedback.conquer import Asking
from groundtune.feedback.reward_pairs import RewardPairRules
from groundtune.pipeline.feedback import claims as stage
from groundtune.pipeline.feedback.claim_settings import (
    ClaimSettings,
    base_settings,
    open_labelling,
)
from groundtune.pipeline.feedback.claims import Labelling, label_claims
from groundtune.pipeline.feedback.pairs import make_claim_pairs, make_reward_pairs
from groundtune.pipeline.feedback.verdicts import ClaimSummary
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.world.source import WORLD
from groundtune.protocols import Statement, YesNoReply
from groundtune.recipe_loading import load
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, Source, TextPart
from groundtune.store.run_json import read_run
from groundtune.world import DATASET

MODEL = Producer(kind="model", name="base")
LABELER = Producer(kind="model", name="labeler")


class Quiet:
    def start(self, task: str, total: int | None = None) -> None:
        pass

    def advance(self, count: int = 1, note: str = "") -> None:
        pass


class Words:
    """Divides into words, each of which is asked about, and counts the answers it saw."""

    def __init__(self, revision: str = "1") -> None:
        self.seen = 0
        self.revision = revision

    def producer(self) -> Producer:
        return Producer(kind="rule", name="words", revision=self.revision)

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        assert [prompt.key for prompt in prompts] == [answer.prompt for answer in answers]
        self.seen += len(answers)
        return [self._divide(answer.text) for answer in answers]

    def _divide(self, text: str) -> list[Statement]:
        found: list[Statement] = []
        for word in text.split():
            start = text.index(word)
            found.append(Statement(start, start + len(word), word, "object", f"{word}?"))
        return found


class CatLover:
    """Says yes to all but dogs, and stops after so many calls."""

    def __init__(self, calls: int = 10**9) -> None:
        self.calls = calls
        self.asked = 0

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        if self.calls == 0:
            raise KeyboardInterrupt
        self.calls -= 1
        self.asked += len(prompts)
        return [YesNoReply(*((0.1, 0.8) if "dog" in p.question else (0.9, 0.1))) for p in prompts]


def sampled(path: Path, texts: Sequence[str], dataset: str = "here") -> RunFolder:
    """A folder with answers: two to each prompt, one image a prompt."""
    folder = RunFolder(path)
    prompts: list[Prompt] = []
    answers: list[Answer] = []
    for number, text in enumerate(texts):
        if number % 2 == 0:
            data = BytesIO()
            Image.new("RGB", (4, 4), (number % 256, number // 256, 0)).save(data, "PNG")
            image = folder.images.add(data.getvalue())
            content = (ImagePart(image=image), TextPart(text="What is there?"))
            message = Message(role="user", content=content)
            source = Source(dataset=dataset, licence="cc-by-4.0")
            prompts.append(Prompt(key=f"p{number}", messages=(message,), source=source))
        answers.append(Answer(key=f"a{number}", prompt=prompts[-1].key, text=text, producer=MODEL))
    folder.prompts.append(prompts)
    folder.answers.append(answers)
    return folder


TEXTS = ["dog cow", "cat cow", "", "dog dog2", "cow", "cow"]


def label(
    source: Path,
    out: Path | None = None,
    labeler: CatLover | None = None,
    divider: Words | None = None,
    asking: Asking | None = None,
) -> ClaimSummary:
    who = Labelling(divider or Words(), labeler or CatLover(), LABELER, asking or Asking())
    return label_claims(source, out or source, who, Quiet())


def test_every_answer_is_divided_and_checked_and_all_is_counted(tmp_path: Path):
    folder = sampled(tmp_path, TEXTS)
    made = label(tmp_path)
    assert (made.answers, made.empty, made.claims, made.checked_now) == (6, 1, 8, 9)
    assert made.questions_now == 6  # dog, cow and cat of one image; dog and dog2; cow
    assert made.statuses == {"supported": 5, "rejected": 3}
    assert made.kinds == {"object": {"supported": 5, "rejected": 3}}
    assert made.answered == pytest.approx((5 * 1.0 + 3 * 0.9) / 8)
    rows = by_answer(folder.claims.read())
    assert [claim.status for claim in rows["a0"]] == ["rejected", "supported"]
    assert read_run(folder.claims.path).inputs["labeler"] == ""


def test_checking_that_was_stopped_goes_on_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stage, "ASKED_AT_ONCE", 40)
    monkeypatch.setattr(stage, "DIVIDED_AT_ONCE", 7)
    texts = [f"dog{i} cow{i}" for i in range(60)]
    whole = sampled(tmp_path / "one", texts)
    label(tmp_path / "one")
    folder = sampled(tmp_path / "two", texts)
    with pytest.raises(KeyboardInterrupt):
        label(tmp_path / "two", labeler=CatLover(calls=1))
    assert (len(folder.division.read()), len(folder.claims.read())) == (120, 40)
    again, divider = CatLover(), Words()
    made = label(tmp_path / "two", labeler=again, divider=divider)
    assert (made.checked_now, again.asked, divider.seen) == (80, 80, 0)
    assert folder.claims.read() == whole.claims.read()


def test_division_that_was_stopped_goes_on_answer_by_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stage, "DIVIDED_AT_ONCE", 2)

    class Tired(Words):
        def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]):
            if self.seen == 4:
                raise KeyboardInterrupt
            return super().divide(prompts, answers)

    sampled(tmp_path, TEXTS)
    with pytest.raises(KeyboardInterrupt):
        label(tmp_path, divider=Tired())
    rest = Words()
    label(tmp_path, divider=rest)
    assert rest.seen == 1  # the last two answers are equal


def test_equal_answers_to_one_prompt_are_divided_once_and_each_has_its_claims(tmp_path: Path):
    divider = Words()
    folder = sampled(tmp_path, ["cat cow", "cat cow", "cat cow", "dog"])
    label(tmp_path, divider=divider)
    assert divider.seen == 3
    groups = by_answer(folder.claims.read())
    assert {key: [claim.text for claim in claims] for key, claims in groups.items()} == {
        "a0": ["cat", "cow"],
        "a1": ["cat", "cow"],
        "a2": ["cat", "cow"],
        "a3": ["dog"],
    }


def test_labelling_again_asks_nothing_and_new_answers_are_added(tmp_path: Path):
    folder = sampled(tmp_path, TEXTS)
    label(tmp_path)
    again = CatLover()
    assert label(tmp_path, labeler=again).checked_now == again.asked == 0
    folder.answers.append([Answer(key="b", prompt="p0", text="dog", producer=MODEL)])
    assert label(tmp_path, labeler=again).checked_now == again.asked == 1


def test_another_labeler_takes_the_division_along_into_its_folder(tmp_path: Path):
    sampled(tmp_path / "run", TEXTS)
    label(tmp_path / "run")
    divider = Words()
    label(tmp_path / "run", tmp_path / "other", divider=divider, asking=Asking(suffix=""))
    assert divider.seen == 0
    other = RunFolder(tmp_path / "other")
    assert len(other.claims.read()) == len(other.division.read()) == 9
    assert all(other.images.open(p.images[0]).size == (4, 4) for p in other.prompts.read())


def test_claims_of_two_labelers_or_dividers_do_not_mix_in_a_folder(tmp_path: Path):
    sampled(tmp_path, TEXTS)
    label(tmp_path)
    with pytest.raises(UserError, match="claims by a different labeler"):
        label(tmp_path, asking=Asking(ties="rejected"))
    with pytest.raises(UserError, match="answers by a different divider"):
        label(tmp_path, divider=Words("2"))


def test_a_folder_without_answers_and_an_answer_without_its_prompt_are_errors(tmp_path: Path):
    with pytest.raises(UserError, match="holds no prompts"):
        label(tmp_path / "none")
    folder = sampled(tmp_path, TEXTS)
    folder.answers.append([Answer(key="a9", prompt="p9", text="x", producer=MODEL)])
    with pytest.raises(UserError, match="prompt p9 of an answer is missing"):
        label(tmp_path)


def test_pairs_are_made_of_claims_and_are_in_the_folder_with_their_parents(tmp_path: Path):
    sampled(tmp_path / "run", TEXTS)
    label(tmp_path / "run")
    rules = ClaimPairRules(balance="none")
    counts = make_claim_pairs(tmp_path / "run", tmp_path / "out", rules, Quiet())
    assert (counts.duplicates, counts.unscored, counts.made) == (1, 1, 1)
    out = RunFolder(tmp_path / "out")
    (pair,) = out.pairs.read()
    assert (pair.chosen, pair.rejected) == ("cat cow", "dog cow")
    assert [pair.rejected[s.start : s.end] for s in pair.rejected_spans] == ["dog"]
    assert [answer.key for answer in out.answers.read()] == ["a0", "a1"]
    assert read_run(out.pairs.path).recipe["margin"] == 1.0
    again = make_claim_pairs(tmp_path / "run", tmp_path / "out", rules, Quiet())
    assert (again.made, len(out.pairs.read())) == (1, 1)
    other = rules.model_copy(update={"spans": "none"})
    with pytest.raises(UserError, match="pairs from other settings"):
        make_claim_pairs(tmp_path / "run", tmp_path / "out", other, Quiet())


def test_pairs_are_made_of_a_rewarders_rewards(tmp_path: Path):
    class Length:
        def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
            return [float(len(answer)) for answer in answers]

    folder = sampled(tmp_path, ["a", "a b c d"])
    rules = RewardPairRules(rank=1, excess=10)
    counts = make_reward_pairs(tmp_path, tmp_path, {"length": Length()}, rules, Quiet())
    assert counts.made == 1
    assert folder.pairs.read()[0].chosen == "a b c d"
    assert read_run(folder.pairs.path).inputs["rewards"] == "length"


def test_the_worlds_answers_have_settings_of_their_own_that_a_recipe_overrides(tmp_path: Path):
    folder = sampled(tmp_path / "world", TEXTS, DATASET)
    base = base_settings(folder)
    assert base == WORLD.claim_settings
    settings = load(None, ["asking.ties=rejected"], ClaimSettings, command=base)
    assert (settings.divider, settings.asking.suffix) == ("world", " Answer yes or no.")
    assert load(None, ["divider=whole"], ClaimSettings, command=base).divider == "whole"
    assert base_settings(sampled(tmp_path / "photos", TEXTS)) == {}


def test_self_must_be_one_model(tmp_path: Path):
    folder = sampled(tmp_path, TEXTS)
    other = Producer(kind="model", name="other")
    folder.answers.append([Answer(key="b", prompt="p0", text="dog", producer=other)])
    opening = open_labelling(ClaimSettings(), folder)
    with pytest.raises(UserError, match="from 2 models"), opening:
        pass
