"""Rewards measured on feedback that nothing was learnt from, and answers that are read twice."""

import json
from pathlib import Path

import pytest
import torch

from example_packages import install_example, installed
from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.engine.hidden import HiddenStates, TokenValues
from groundtune.pipeline.reward.accuracy import RewardAccuracy
from groundtune.pipeline.reward.judging import encode_judged
from groundtune.pipeline.reward.model import RewardModel, load_reward_model
from groundtune.pipeline.reward.rewarders import REWARDS
from groundtune.pipeline.reward.run import train_reward
from groundtune.pipeline.reward.score import AnswerScore
from groundtune.pipeline.reward.settings import JudgingSettings
from groundtune.pipeline.reward.spec import Reading
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.store.dataset import RecordSet
from groundtune.store.sealed import read_sealed
from groundtune.train.reward_head import RewardHead
from groundtune.vlm.encode import encode_answer
from groundtune.vlm.load import Vlm, load
from reward_folder import fill_compared, fill_corrected, settings_for


@pytest.fixture(scope="module")
def words_model(tiny_llava: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A token-level reward model that reads answers twice."""
    path = tmp_path_factory.mktemp("words")
    fill_corrected(path / "learnt")
    settings = settings_for(
        tiny_llava, path / "learnt", learn="words", epochs=4, judging={"read_twice": True}
    )
    return train_reward(settings, path / "out", SilentProgress()).model


def measured(words: list[str], out: Path) -> RewardAccuracy:
    assert run(["reward", "measure", *words, "--out", str(out)]) == EXIT_DONE
    assert "Held-out" in (out / "report.html").read_text("utf-8")
    return read_sealed(out / "evaluation.json", RewardAccuracy)


def test_words_are_measured_on_corrections_of_other_images(words_model: Path, tmp_path: Path):
    other = fill_corrected(tmp_path / "other", 6, start=24)
    found = measured([str(words_model), str(other.path)], tmp_path / "out")
    words = sum(len(answer.text.split()) for answer in other.answers.read())
    assert (found.accuracy.metric, found.accuracy.n, found.learnt) == ("word F1", words, 0)
    assert found.accuracy.value > 0.95
    wrong = sum(3 * text.count("cat") for text in (a.text for a in other.answers.read()))
    expected = 2 * wrong / (wrong + words)
    assert found.baselines["mark every word"].value == pytest.approx(expected)


def test_the_same_model_is_measured_on_comparisons_too(words_model: Path, tmp_path: Path):
    other = fill_compared(tmp_path / "other", 6, start=24)
    found = measured([str(words_model), str(other.path), "learn=answers"], tmp_path / "out")
    assert (found.accuracy.metric, found.accuracy.n) == ("pair accuracy", 18)
    assert found.accuracy.value == 1
    assert found.baselines["shorter wins"].value == 1


def test_images_that_were_learnt_from_are_refused_or_counted(
    words_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    same = fill_corrected(tmp_path / "same", 6, start=20)
    command = [
        "reward",
        "measure",
        str(words_model),
        str(same.path),
        "--out",
        str(tmp_path / "out"),
    ]
    assert run(command) == EXIT_INPUT
    what, _, fix = capsys.readouterr().err.splitlines()[-3:]
    assert "4 of 6 evaluation images are in the training data" in what
    assert "allow_training_images=true" in fix
    assert not (tmp_path / "out" / "evaluation.json").exists()
    assert run([*command, "allow_training_images=true"]) == EXIT_DONE


def test_a_packages_reward_is_measured_on_comparisons_and_scores_no_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = fill_corrected(tmp_path / "other", 4)
    with installed(install_example("own_reward", tmp_path / "site"), REWARDS):
        found = measured(["few-words", str(other.path)], tmp_path / "out")
        assert (found.accuracy.value, found.accuracy.n) == (1, 12)
        command = ["reward", "measure", "few-words", str(other.path), "learn=words", "--json"]
        assert run([*command, "--out", str(tmp_path / "words")]) == EXIT_INPUT
    assert "scores whole answers, not words" in capsys.readouterr().err


def test_only_ties_and_answers_without_a_reward_are_refused(
    words_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    even = fill_compared(tmp_path / "even", 6, start=24, ties=18)
    command = ["reward", "measure", str(words_model), str(even.path), "learn=answers"]
    assert run([*command, "--out", str(tmp_path / "out")]) == EXIT_INPUT
    assert "18 ties" in capsys.readouterr().err
    assert run([*command, "ties=half", "--out", str(tmp_path / "half")]) == EXIT_INPUT
    assert "No held-out comparison has a better answer" in capsys.readouterr().err


@pytest.fixture(scope="module")
def vlm(tiny_llava: Path) -> Vlm:
    return load(str(tiny_llava), dtype="float32")


def test_an_answer_is_read_twice_with_the_request_between(vlm: Vlm):
    ids = encode_answer(vlm, "Two cups.").ids
    once, twice = (encode_judged(vlm, "Two cups.", "", twice=each) for each in (False, True))
    assert (once.encoded.ids, once.places) == (ids, slice(0, len(ids)))
    assert (twice.encoded.ids, twice.places) == (ids * 2, slice(len(ids), 2 * len(ids)))
    asked = encode_judged(vlm, "Two cups.", "How good is it?", twice=True)
    assert asked.encoded.ids[: len(ids)] == ids == asked.encoded.ids[asked.places]
    assert len(asked.encoded.ids) > 2 * len(ids)


def test_the_second_reading_of_a_word_knows_what_follows_it(vlm: Vlm, tmp_path: Path):
    folder = fill_compared(tmp_path, 1)
    torch.manual_seed(0)
    values = TokenValues(RewardHead(64, "mlp2"), HiddenStates())
    prompt = folder.prompts.read()[0]

    def first_word(answer: str, *, twice: bool) -> float:
        judging = JudgingSettings(read_twice=twice)
        reading = Reading(learn="words", head="mlp2", readout="last", judging=judging, seed=0)
        model = RewardModel(vlm=vlm, values=values, reading=reading, images=folder.images)
        [spans] = model.reward_spans([prompt], [answer])
        assert [answer[each.start : each.end] for each in spans] == answer.split()
        return spans[0].value

    texts = ("Two cups are here.", "Two cats are here.")
    once = [first_word(text, twice=False) for text in texts]
    assert once[0] == pytest.approx(once[1], abs=1e-6)
    twice = [first_word(text, twice=True) for text in texts]
    assert abs(twice[0] - twice[1]) > 1e-4


def test_a_model_that_reads_twice_is_stored_so(words_model: Path, tmp_path: Path):
    spec = json.loads((words_model / "reward.json").read_text("utf-8"))
    assert spec["reading"]["judging"]["read_twice"] is True
    folder = RunFolder(fill_compared(tmp_path / "other", 2).path)
    model = load_reward_model(words_model, folder.images)
    prompts = folder.prompts_by_key()
    answers = folder.answers.read()
    own = [prompts[answer.prompt] for answer in answers]
    together = model.reward(own, [answer.text for answer in answers])
    alone = [model.reward([p], [a.text])[0] for p, a in zip(own, answers, strict=True)]
    assert together == pytest.approx(alone, abs=1e-5)


def test_a_placebo_is_the_same_however_many_prompts_are_scored_at_once(
    words_model: Path, tmp_path: Path
):
    folder = fill_compared(tmp_path / "answers", 5)
    rewards: list[dict[str, float | None]] = []
    for at_once in (1, 32):
        out = tmp_path / str(at_once)
        command = ["reward", "score", str(words_model), str(folder.path), "--facts", "other-scene"]
        assert run([*command, f"prompts_at_once={at_once}", "--out", str(out)]) == EXIT_DONE
        rows = RecordSet(out / "scores", AnswerScore).read()
        rewards.append({row.answer: row.reward for row in rows})
    assert rewards[0] == pytest.approx(rewards[1], abs=1e-6)
