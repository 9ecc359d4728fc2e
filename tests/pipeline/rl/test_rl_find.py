"""The verifiable task on the embedded world: one wrong part put into a true description."""

from pathlib import Path

import pytest

from groundtune.feedback.find_task import QUESTION, WRONG, find_prompts
from groundtune.pipeline.models.prompt_sources import requested
from groundtune.pipeline.rl.rules import found, symbolic
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import (
    Correction,
    ImagePart,
    Message,
    Producer,
    Prompt,
    Source,
    Span,
    TextPart,
)
from groundtune.train.log import read_log
from rl_folder import NO_CLAIMS

BY = Producer(kind="simulated", name="test")


def asked(question: str = "Describe the image.", **extra: str) -> Prompt:
    parts = (ImagePart(image="a" * 64), TextPart(text=question))
    messages = (Message(role="user", content=parts),)
    return Prompt(key="p", messages=messages, source=Source(dataset="", extra=extra))


def corrected(prompt: str, text: str, *changes: tuple[str, str]) -> Correction:
    """A correction that replaces words of a text."""
    spans = tuple(
        Span(start=text.index(old), end=text.index(old) + len(old), replacement=new)
        for old, new in changes
    )
    right = text
    for old, new in changes:
        right = right.replace(old, new)
    return Correction(
        key=f"c-{prompt}", prompt=prompt, answer="a", text=text, spans=spans, corrected=right, by=BY
    )


def test_each_wrong_span_makes_a_description_with_that_error_alone() -> None:
    text = "There is a dog and two cups on a blue table."
    correction = corrected("p", text, ("a dog", "a cat"), ("two", "three"), ("blue ", ""))
    made = find_prompts([correction], {"p": asked()})
    assert [each.question.removeprefix(QUESTION) for each in made] == [
        "There is a dog and three cups on a table.",
        "There is a cat and two cups on a table.",
    ]
    assert [each.source.extra[WRONG] for each in made] == ["a dog", "two"]
    assert all(each.images == ("a" * 64,) for each in made)
    assert find_prompts([correction], {}) == []


def test_naming_the_wrong_part_alone_has_the_full_reward() -> None:
    prompt = asked(wrong="a dog")
    assert found(prompt, "A dog.") == 1
    assert found(prompt, "a dog and two cups") == pytest.approx(4 / 7)
    assert found(prompt, "a cat") == pytest.approx(0.5)
    assert found(prompt, "") == found(asked(), "a dog") == 0


@pytest.mark.parametrize(
    ("key", "text", "published", "symmetric"),
    [
        ("A", "A. A cup", 1, 1),
        ("A", "The correct option is A.", 1, 1),
        ("A", "B. A cat", 0, -1),
        ("A", "a cup", 0, 0),
        ("no", "No, there is none.", 0.5, 0.5),
        ("no", "Yes.", -0.5, -0.5),
        ("yes", "Yes.", 0, 0.5),
        ("yes", "No.", 0, -0.5),
        ("", "Yes.", 0, 0),
    ],
)
def test_the_published_bonus_rewards_no_alone_and_the_symmetric_one_both(
    key: str, text: str, published: float, symmetric: float
) -> None:
    prompt = asked(answer=key)
    assert symbolic(prompt, text, "published") == published
    assert symbolic(prompt, text, "symmetric") == symmetric


def test_the_reward_for_finding_the_error_rises(tmp_path: Path) -> None:
    source = RunFolder(tmp_path / "source")
    request = requested("world:4")
    assert request is not None
    prompts = request.source.prompts(source.images, 4, SilentProgress(), part="learning", seed=0)
    wrong = ("a dog", "a cup", "two cars", "an apple")
    source.prompts.add(prompts)
    source.corrections.add(
        [
            corrected(prompt.key, f"There is {words} in the image.", (words, "nothing"))
            for prompt, words in zip(prompts, wrong, strict=True)
        ]
    )
    settings = RLSettings.model_validate(
        {
            "model": "world:base",
            "prompts": str(source.path),
            "task": "find",
            "device": "cpu",
            "n": 8,
            "prompts_per_step": 4,
            "steps": 10,
            "minibatches": 1,
            "sampling": {"max_new_tokens": 6, "temperature": 1.0},
            "rewards": {**NO_CLAIMS, "found": 1},
            "tune": {"type": "full", "parts": ["language_model"]},
            "optim": {"lr": 3e-4},
            "method": {"type": "rloo", "kl": {"coefficient": 0}},
            "held_out": 0,
            "save_every": 10,
        }
    )
    rl(settings, tmp_path / "out", SilentProgress())
    rewards = [line["reward/found"] for line in read_log(tmp_path / "out" / "log.jsonl")]
    assert sum(rewards[-3:]) > 1.5 * sum(rewards[:3])
