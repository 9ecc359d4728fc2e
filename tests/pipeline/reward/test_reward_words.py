"""Token-level reward models: which words of an answer are wrong."""

import math
from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_DONE, run
from groundtune.errors import UserError
from groundtune.pipeline.feedback.wrong_words import WordDivider
from groundtune.pipeline.reward.model import load_reward_model
from groundtune.pipeline.reward.run import train_reward
from groundtune.pipeline.reward.words import WordRewards, best_threshold, f1
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from reward_folder import PERSON, fill_corrected, settings_for


def words(values: list[float], wrong: list[bool], image: str = "a") -> WordRewards:
    return WordRewards(image, tuple(values), tuple(wrong))


def test_f1_is_that_of_the_words_below_the_threshold():
    some = [words([-1, 2, -3], [True, False, False]), words([1, -1], [True, True], "b")]
    found = f1(some, 0.0)
    assert found.value == pytest.approx(2 * 2 / (3 + 3))
    assert found.n == 5
    assert found.low <= found.value <= found.high


def test_the_threshold_is_the_one_of_the_best_f1():
    some = [words([-3, -2, -1, 0, 1, 2], [True, True, False, True, False, False])]
    assert best_threshold(some) == pytest.approx(0.5)
    assert best_threshold([words([0, 1, 2, 3], [True, False, False, False])]) == pytest.approx(0.5)


def test_a_model_learns_which_words_are_wrong_and_scores_each(tiny_llava: Path, tmp_path: Path):
    folder = fill_corrected(tmp_path / "corrected")
    settings = settings_for(tiny_llava, folder.path, learn="words", epochs=4)
    result = train_reward(settings, tmp_path / "out", SilentProgress())
    found = result.evaluation
    assert found.accuracy.metric == "word F1"
    assert found.accuracy.value > 0.95
    assert found.baselines["mark every word"].value < 0.6
    model = load_reward_model(result.model, folder.images)
    prompt = folder.prompts_by_key()["p1"]
    text = "There are 2 cups on the table and a cat."
    [spans] = model.reward_spans([prompt], [text])
    shown = {text[each.start : each.end]: each.value for each in spans}
    assert list(shown) == text.split()
    assert [word for word, value in shown.items() if value < 0] == ["and", "a", "cat."]
    divided = WordDivider(model, PERSON).divide([prompt], [folder.answers.read()[5]])
    assert [(s.text, s.status) for s in divided[0]] == [("and a cat and a cat.", "rejected")]
    out = tmp_path / "check"
    command = ["check", str(folder.path), "--labeler", str(result.model), "--out", str(out)]
    assert run([*command, "mark=0"]) == EXIT_DONE
    statuses = {claim.answer: claim.status for claim in RunFolder(out).claims.read()}
    assert statuses["a1-0"] == "supported"
    assert statuses["a1-2"] == "rejected"
    better, worse, empty = model.reward([prompt] * 3, ["There are 2 cups on the table.", text, ""])
    assert better > worse
    assert math.isnan(empty)
    assert model.reward_spans([prompt], [""]) == [[]]


def test_a_model_of_whole_answers_has_no_words(tiny_llava: Path, tmp_path: Path):
    folder = fill_corrected(tmp_path / "corrected")
    settings = settings_for(tiny_llava, folder.path, max_steps=1)
    result = train_reward(settings, tmp_path / "out", SilentProgress())
    model = load_reward_model(result.model, folder.images, allow_chance=True)
    prompt = folder.prompts_by_key()["p1"]
    with pytest.raises(UserError, match="scores whole answers, not words"):
        model.reward_spans([prompt], ["There are 2 cups."])
