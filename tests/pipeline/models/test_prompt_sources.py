"""Prompt sources by name: ours, and third parties' by entry point."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from example_packages import install_example, result_with, result_with_torch
from groundtune.errors import UserError
from groundtune.pipeline.models.prompt_sources import (
    load,
    named_in,
    names,
    requested,
    source_of,
    with_divider,
)
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Producer, Prompt


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages in which the example is installed."""
    return install_example("own_prompts", tmp_path / "site")


def answered(folder: RunFolder, texts: Sequence[str]) -> None:
    """Gives each prompt of a folder these texts for answers, by one model."""
    by = Producer(kind="model", name="somebody")
    folder.answers.append(
        [
            Answer(key=f"{prompt.key}-{i}", prompt=prompt.key, text=text, producer=by, index=i)
            for prompt in folder.prompts.read()
            for i, text in enumerate(texts)
        ]
    )


def test_a_third_partys_prompts_are_sampled_corrected_and_judged_by_their_truth(
    site: Path, tiny_llava: Path, make_tiny_llava: Callable[..., Path], tmp_path: Path
):
    out, chosen = tmp_path / "out", tmp_path / "chosen"
    reference = make_tiny_llava(tmp_path / "reference", seed=1)
    short = ("sampling.max_new_tokens=2", "batch_size=4")
    model = ("--model", tiny_llava)
    drawn = result_with_torch(
        site, "sample", *model, "--prompts", "squares:3", "--n", 1, *short, "--out", out
    )
    assert drawn["prompts"] == 3
    folder = RunFolder(out)
    assert [prompt.source.row for prompt in folder.prompts.read()] == ["red", "green", "blue"]
    answered(folder, ["It is red.", "It is blue."])
    corrected = result_with(site, "label", "--answers", out)
    assert (corrected["answers"], corrected["corrected"]) == (9, 4)
    assert {row.corrected for row in folder.corrections.read() if row.spans} == {
        "It is red.",
        "It is green.",
        "It is blue.",
    }
    checked = result_with_torch(
        site, "label", "--by", "claims", "--answers", out, "--labeler", "world:labeler"
    )
    assert checked["claims"] == 6
    assert {claim.text for claim in folder.claims.read() if claim.text} == {
        "It is red.",
        "It is blue.",
    }
    best = ("best-of", "prompts=squares:2", "--n", 2, *short)
    found = result_with_torch(site, *best, *model, "--reference", reference, "--out", chosen)
    assert found["by_truth"] is True
    rows = [prompt.source.row for prompt in RunFolder(chosen / "candidates").prompts.read()]
    assert rows == ["red", "green"]


HOLD_OUT = """
import sys
sys.path.insert(0, {site!r})
from pathlib import Path
from groundtune.pipeline.align.run import align_jobs
from groundtune.pipeline.align.settings import AlignSettings
from groundtune.protocols import SilentProgress
settings = AlignSettings(model="world:base", prompts="squares:4", rounds=1, reported=2)
jobs = {{job.name: job for job in align_jobs(settings)}}
jobs["hold-out"].work(Path({out!r}), jobs["hold-out"].settings, SilentProgress())
print(jobs["evaluate-round-1"].work.__name__)
"""


def test_rounds_about_a_third_partys_prompts_are_reported_on_prompts_held_back(
    site: Path, tmp_path: Path
):
    program = HOLD_OUT.format(site=str(site), out=str(tmp_path / "out"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "check_model\n", done.stderr
    parts = [
        {
            image
            for prompt in RunFolder(tmp_path / "out" / name).prompts.read()
            for image in prompt.images
        }
        for name in ("choosing", "reporting")
    ]
    assert [len(part) for part in parts] == [100, 2]
    assert not set.intersection(*parts)


def test_the_world_is_a_prompt_source(tmp_path: Path):
    assert names()[0] == "world"
    world = load("world")
    request = requested("world:2")
    assert request is not None
    assert (request.source, request.number) == (world, 2)
    assert named_in("world:base") is world
    assert with_divider("world") is with_divider("world-setting") is world
    folder = RunFolder(tmp_path)
    parts = [
        world.prompts(folder.images, 2, SilentProgress(), part=part, seed=0)
        for part in ("learning", "choosing", "reporting")
    ]
    every = [prompt for part in parts for prompt in part]
    assert len({prompt.images for prompt in every}) == 6
    assert source_of(every) is world
    assert source_of([*every, Prompt(key="p", messages=())]) is None


def test_the_truth_about_an_answer_counts_objects_and_whatever_is_wrong(tmp_path: Path):
    world = load("world")
    images = RunFolder(tmp_path).images
    (prompt,) = world.prompts(images, 1, SilentProgress(), part="reporting", seed=0)
    assert world.truth is not None
    right = world.truth(prompt, " ".join(prompt.facts))
    assert (right.wrong, right.invented) == (False, 0)
    assert right.named == right.there > 0
    assert world.truth(prompt, "It is nice.") == (False, 0, 0, 0, right.there)


def test_what_names_no_source_is_a_file_a_folder_or_a_model():
    for text in ("", "mine.jsonl", "runs/world", "openai:m@http://127.0.0.1:1", "llava-hf/llava"):
        assert named_in(text) is None
        assert requested(text) is None
        assert with_divider(text) is None
    assert source_of([]) is None


@pytest.mark.parametrize("prompts", ["world:", "world:0", "world:many", "world:-1"])
def test_a_source_without_a_number_of_prompts_is_the_users_error(prompts: str):
    with pytest.raises(UserError, match="is not a number of prompts"):
        requested(prompts)


def test_a_source_that_is_not_there_is_the_users_error():
    with pytest.raises(UserError, match="no prompt source 'moon'"):
        load("moon")
