"""Small valid inputs of feedback: claims, answers to check, and an annotation project."""

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.forks import call
from benchmarks.faults.valid_inputs import ROWS, Target, must


def make_feedback_targets(at: Path) -> Iterator[Target]:
    """Write the valid inputs below `at`, next to those of `make_targets`; yield their targets."""
    yield _pairs_of_claims(at / "labelled", at)
    yield _check(at / "check", at / "prompts")
    call(lambda: _project(at / "project"))
    yield _project_command("quality", at / "project")
    yield _project_command("claims", at / "project", "--labeler", "world:labeler")


def _pairs_of_claims(folder: Path, at: Path) -> Target:
    sample = ["sample", "--model", "world:base", "--prompts", "world:4", "--n", 2]
    must([*sample, "--out", folder], at)
    must(["label", "--by", "claims", "--labeler", "world:labeler", "--answers", folder], at)
    return Target(
        name="pairs of claims",
        folder=folder,
        command=lambda folder, out: (
            "pairs", "--claims", folder, "--out", out, "spans=rejected", "mark_repeats=true",
        ),
    )  # fmt: skip


def _check(folder: Path, prompts: Path) -> Target:
    """Answers about the images of the prompts."""
    rows = [{**row, "answer": "There is a red cup.", "model": "m"} for row in ROWS]
    for row in ROWS:
        file = folder / str(row["image"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((prompts / str(row["image"])).read_bytes())
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return Target(
        name="check",
        folder=folder,
        command=lambda folder, out: (
            "check", folder / "answers.jsonl", "--images", folder, "--out", out,
            "--labeler", "world:labeler", "divider=world",
        ),
    )  # fmt: skip


def _project_command(name: str, folder: Path, *words: str) -> Target:
    return Target(
        name=f"project {name}",
        folder=folder,
        files=("farm/**/*",),
        command=lambda folder, out: ("project", name, folder / "farm", *words),
    )


def _project(folder: Path) -> None:
    """Make a project in which two people replaced the same word by different ones."""
    from annotation_items import TEXT, event, marked, run_of, submit
    from groundtune.pipeline.annotate.project import open_project

    run_of(folder / "run", [[TEXT], [TEXT]])
    project = open_project(folder / "farm", {"people_per_item": 2})
    project.add_run(folder / "run")
    for person, replacement in (("ada", "fox"), ("ben", "wolf")):
        project.join(person, person, "annotator")
        while work := project.next_work(person, "correct"):
            key = work.item.key
            project.record(person, [event(key, marked("dog", replacement)), submit(key)])
    project.close()
