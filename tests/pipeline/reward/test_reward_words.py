"""Token-level reward models: which words of an answer are wrong."""

import math
import re
from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_DONE, run
from groundtune.errors import UserError
from groundtune.feedback.pairs import pair_from_texts
from groundtune.feedback.people_marks import tagged_answers
from groundtune.pipeline.feedback.wrong_words import WordDivider
from groundtune.pipeline.reward.data import AnswerWithSpans, read_data
from groundtune.pipeline.reward.model import load_reward_model
from groundtune.pipeline.reward.run import train_reward
from groundtune.pipeline.reward.words import WordRewards, best_threshold, f1
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Correction, Source, Span
from reward_folder import PERSON, fill_corrected, settings_for
from training_folder import ask, image_bytes


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


def pairs_of(folder: RunFolder, layout: str) -> RunFolder:
    """Replace corrections by pairs, as the import of a layout makes them."""
    out = RunFolder(folder.path.with_name("pairs"))
    out.take_prompts(folder, folder.prompts.read())
    out.pairs.append(
        [
            pair_from_texts(
                each.prompt,
                each.corrected,
                each.text,
                key=f"pair {each.key}",
                source=Source(dataset="d", extra={"layout": layout}),
            )
            for each in folder.corrections.read()
            if each.spans
        ]
    )
    return out


def test_pairs_of_corrected_answers_teach_words_too(tiny_llava: Path, tmp_path: Path):
    folder = pairs_of(fill_corrected(tmp_path / "corrected"), "rlhf-v")
    settings = settings_for(tiny_llava, folder.path, learn="words")
    data = read_data(settings)
    examples = [*data.training, *data.held_out]
    assert len(examples) == 48
    for each in examples:
        assert isinstance(each, AnswerWithSpans)
        changed = "".join(each.text[span.start : span.end] for span in each.wrong)
        assert changed == " and a cat" * each.text.count("cat")


def test_pairs_of_other_answers_teach_words_only_if_that_is_said(tmp_path: Path):
    folder = pairs_of(fill_corrected(tmp_path / "corrected"), "vlfeedback")
    settings = settings_for(tmp_path, folder.path, learn="words")
    with pytest.raises(UserError, match="48 of its pairs are not known to be some"):
        read_data(settings)
    assert read_data(settings.model_copy(update={"use": "pairs"})).training


@pytest.mark.parametrize("name", ["rlhfv", "mhal"])
def test_the_pipeline_runs_on_spans_that_people_marked(
    name: str, tiny_llava: Path, tmp_path: Path, test_data: Path
):
    """MHALO's spans, about images that are not here: blank ones take their place."""
    tagged, _ = tagged_answers(test_data / "mhalo" / f"processed_{name}_dataset.json")
    folder, answers, corrections = (
        RunFolder(tmp_path / "people"),
        list[Answer](),
        list[Correction](),
    )
    prompts = [
        ask(f"p{n}", "Describe the image.", [folder.images.add(image_bytes("red", 16 + n))])
        for n in range(24)
    ]
    some = [each for each in tagged if len(each.text) < 600][:24]
    for prompt, each in zip(prompts, some, strict=True):
        spans = tuple(Span(start=start, end=end, by="ann") for start, end in each.spans)
        key = f"a{prompt.key}"
        answers.append(Answer(key=key, prompt=prompt.key, text=each.text, producer=PERSON))
        corrections.append(
            Correction(
                key=f"c{prompt.key}",
                prompt=prompt.key,
                answer=key,
                text=each.text,
                spans=(),
                corrected=each.text,
                by=PERSON,
                marks=spans,
            )
        )
    folder.prompts.append(prompts)
    folder.answers.append(answers)
    folder.corrections.append(corrections)
    settings = settings_for(
        tiny_llava, folder.path, learn="words", max_steps=2, judging={"read_twice": True}
    )
    result = train_reward(settings, tmp_path / "out", SilentProgress())
    held = [c for c in read_data(settings).held_out if isinstance(c, AnswerWithSpans)]
    words = sum(len(each.text.split()) for each in held)
    wrong = sum(
        any(span.start < word.end() and word.start() < span.end for span in each.wrong)
        for each in held
        for word in re.finditer(r"\S+", each.text)
    )
    every = result.evaluation.baselines["mark every word"]
    assert (every.n, every.value) == (words, pytest.approx(2 * wrong / (words + wrong)))
    assert 0 <= result.evaluation.accuracy.value <= 1
