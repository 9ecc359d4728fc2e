"""Reports and comparisons of folders that are not a demo's."""

import re
from pathlib import Path

import pytest
from PIL import Image

import groundtune
from groundtune.bench.run.run import store_scores
from groundtune.errors import UserError
from groundtune.pipeline.compare.run import compare, difference_rows, write_comparison
from groundtune.pipeline.report import write_run_report
from groundtune.pipeline.sample.run import SampleSettings, run_sample
from groundtune.records import Sampling, Score
from job_works import Notes


def scored(out: Path, model: str, invented: int, of: int = 40) -> Path:
    """A folder of captions' scores: the first `invented` of `of` name what isn't there."""
    scores = [
        Score(
            key=f"{model}{i}{i < invented}",
            benchmark="world-captions",
            item=f"development/{i}",
            image=f"development/{i}",
            model=model,
            answer="There is a cat.",
            values={"invented": float(i < invented), "words": 4.0},
        )
        for i in range(of)
    ]
    store_scores(scores, out)
    return out


def test_what_got_worse_is_told_apart_from_what_got_better(tmp_path: Path) -> None:
    folders = [
        scored(tmp_path / "a", "a", 20),
        scored(tmp_path / "b", "b", 35),
        scored(tmp_path / "c", "c", 5),
    ]
    made = compare(folders)
    assert made.models == ("a", "b", "c")
    (worse,) = [d for d in made.worse if d.metric == "chair_sentence"]
    (better,) = [d for d in made.better if d.metric == "chair_sentence"]
    assert (worse.model, round(worse.value, 3)) == ("b", 0.375)
    assert (better.model, round(better.value, 3)) == ("c", -0.375)
    assert better.relative == pytest.approx(-0.75)
    (row,) = difference_rows([better])
    assert row[1] == "c"
    assert row[-1] == "-75%"


def test_models_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    made = compare([scored(tmp_path / "x", "m", 20), scored(tmp_path / "y", "m", 1)])
    assert made.models == ("m", f"m ({tmp_path / 'y'})")


def test_one_model_can_not_be_compared(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one model to compare: a"):
        compare([scored(tmp_path / "a", "a", 20)])


def test_a_comparison_has_a_report(tmp_path: Path) -> None:
    folders = [scored(tmp_path / "a", "a", 20), scored(tmp_path / "b", "b", 5)]
    page = write_comparison(groundtune.compare(*folders), tmp_path / "out").read_text()
    assert "Answers with an invented object" in page
    assert (tmp_path / "out" / "differences.json").exists()


def test_scores_alone_have_a_report(tmp_path: Path) -> None:
    page = write_run_report(scored(tmp_path / "a", "a", 20)).read_text()
    assert "50.0%" in page


def test_a_folder_with_nothing_has_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to report on"):
        write_run_report(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        write_run_report(tmp_path / "nowhere")


def test_answers_about_a_persons_images_are_shown_and_not_judged(
    tiny_llava: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (300, 200), "red").save(tmp_path / "red.png")
    out = tmp_path / "run"
    run = groundtune.Run(out)
    run.sample(
        model=str(tiny_llava),
        images=tmp_path,
        ask="What is there?",
        n=2,
        sampling=Sampling(max_new_tokens=4),
    )
    page = run.report().read_text()
    assert "nothing was checked" in page
    assert "What is there?" in page
    assert "answer 2" in page


def test_real_photographs_pass_from_sampling_to_the_report(
    test_data: Path, tiny_llava: Path, tmp_path: Path
) -> None:
    examples = test_data / "rlaif_v_examples"
    params = SampleSettings(
        model=str(tiny_llava),
        prompts=str(examples / "detail_test_30_input.jsonl"),
        images=str(examples),
        n=1,
        sampling=Sampling(max_new_tokens=4),
    )
    made = run_sample(params, tmp_path, Notes())
    page = write_run_report(tmp_path).read_text()
    assert made.answers == made.prompts == 30
    assert page.count('class="example"') == 30
    assert re.findall(r"""src=["'](?!data:)""", page) == []
