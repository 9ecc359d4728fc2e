"""`label --order`: answers that a labeler doubts are corrected before others."""

from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.feedback.asking_order import AskingOrder
from groundtune.pipeline.api import Run
from groundtune.pipeline.feedback.doubts import priorities_of
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, Claim, Message, Producer, Prompt, TextPart
from written_world import written

TEXTS = [f"A dog {number}." for number in range(90)]


def _claim(answer: str, part: int, p_no: float) -> Claim:
    return Claim(
        key=f"{answer}-{part}",
        answer=answer,
        start=0,
        end=5,
        text=f"Claim {part} of {answer}.",
        status="rejected" if p_no > 0.5 else "supported",
        p_yes=1 - p_no,
        p_no=p_no,
    )


@pytest.fixture
def source(tmp_path: Path) -> RunFolder:
    """90 answers: of a third the labeler is unsure, of another it is sure that all is wrong."""
    folder = RunFolder(tmp_path / "run")
    prompts = [
        Prompt(key=f"p{n}", messages=(Message(role="user", content=(TextPart(text=str(n)),)),))
        for n in range(len(TEXTS))
    ]
    by = Producer(kind="model", name="m")
    folder.prompts.append(prompts)
    folder.answers.append(
        [
            Answer(key=f"a{n}", prompt=f"p{n}", text=text, producer=by)
            for n, text in enumerate(TEXTS)
        ]
    )
    p_no = (0.5, 0.999, 0.001)
    folder.claims.append(
        [_claim(f"a{n}", part, p_no[n % 3]) for n in range(len(TEXTS)) for part in range(2)]
    )
    return folder


@pytest.mark.parametrize(("order", "third", "least"), [("uncertain", 0, 16), ("suspected", 1, 12)])
def test_answers_that_a_labeler_doubts_come_first(
    source: RunFolder, order: AskingOrder, third: int, least: int
) -> None:
    priorities = priorities_of(source, order, seed=0)
    first = sorted(priorities, key=lambda key: -priorities[key])[:20]
    assert sum(int(key[1:]) % 3 == third for key in first) >= least
    assert sum(int(key[1:]) % 3 == 2 for key in first) <= 2


def test_the_random_order_prefers_nothing_and_follows_the_seed(source: RunFolder) -> None:
    one, again, two = (priorities_of(source, "random", seed) for seed in (0, 0, 1))
    assert one == again != two
    first = sorted(one, key=lambda key: -one[key])[:30]
    assert all(5 <= sum(int(key[1:]) % 3 == third for key in first) <= 15 for third in range(3))
    assert priorities_of(source, "added", 0) == {}


def test_an_order_by_doubt_without_claims_is_refused(source: RunFolder, tmp_path: Path) -> None:
    bare = RunFolder(tmp_path / "bare")
    bare.prompts.append(source.prompts.read())
    bare.answers.append(source.answers.read())
    with pytest.raises(UserError, match="no claim has its probabilities"):
        priorities_of(bare, "suspected", 0)


def test_label_corrects_suspected_answers_first_until_it_has_enough_and_goes_on(
    tmp_path: Path,
) -> None:
    folder = written(tmp_path / "world", 40)
    answers = folder.answers.read()
    suspected = {answer.key for answer in answers[::4]}
    folder.claims.append(
        [_claim(each.key, 0, 0.99 if each.key in suspected else 0.01) for each in answers]
    )
    command = ["label", "--answers", str(folder.path), "--order", "suspected"]
    for enough in (6, 12):
        assert run([*command, f"enough={enough}"]) == 0
        rows = folder.corrections.read()
        assert sum(bool(row.spans) for row in rows) == enough
        assert sum(row.answer in suspected for row in rows[:8]) >= 6
    assert run(command) == 0
    assert {row.answer for row in folder.corrections.read()} == {each.key for each in answers}


def test_corrections_of_one_order_are_not_mixed_with_those_of_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tmp_path / "world", 12)
    command = ["label", "--answers", str(folder.path)]
    assert run([*command, "--order", "random", "enough=3"]) == 0
    before = folder.corrections.read()
    capsys.readouterr()
    assert run([*command, "enough=6"]) == EXIT_INPUT
    assert "another order (random, not added)" in capsys.readouterr().err
    assert folder.corrections.read() == before


def test_the_order_and_where_to_stop_hold_from_python_too(tmp_path: Path) -> None:
    folder = written(tmp_path / "world", 40)
    answers = folder.answers.read()
    suspected = {answer.key for answer in answers[::4]}
    folder.claims.append(
        [_claim(each.key, 0, 0.99 if each.key in suspected else 0.01) for each in answers]
    )
    rows = Run(folder.path).label(order="suspected", enough=6)
    assert sum(bool(row.spans) for row in rows) == 6
    assert sum(row.answer in suspected for row in rows) >= 5


def test_answers_that_no_labeler_checked_are_counted_in_a_warning(
    source: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    more = Answer(key="new", prompt="p0", text="A cat.", producer=Producer(kind="model", name="m"))
    source.answers.append([more])
    assert "new" in priorities_of(source, "uncertain", 0)
    assert "1 of 91 answers have no claim" in caplog.text


def test_an_answer_without_its_prompt_is_named(source: RunFolder) -> None:
    lost = Answer(key="lost", prompt="p", text="A cat.", producer=Producer(kind="model", name="m"))
    source.answers.append([lost])
    with pytest.raises(UserError, match="prompt p of an answer is missing"):
        priorities_of(source, "uncertain", 0)


@pytest.mark.parametrize("by", ["claims", "comparisons"])
def test_the_order_is_refused_where_it_has_no_effect(
    by: str, source: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["label", "--answers", str(source.path), "--by", by, "--order", "random"]
    assert run(command) == EXIT_INPUT
    assert "--order has no effect" in capsys.readouterr().err
