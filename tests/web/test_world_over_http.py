"""The world's simulated person works through the app's HTTP API as a browser does."""

import json
from pathlib import Path
from typing import Any

import pytest

from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.annotate.project import open_project
from groundtune.pipeline.annotate.results import finished_work
from groundtune.pipeline.feedback.corrections import label_answers
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Span
from groundtune.world.simulated_people import annotator
from running_app import HTTP, app_of
from world_answers import world_run

JSON = {"Content-Type": "application/json"}


def put(span: Span, text: str, number: int) -> dict[str, Any]:
    """A span as the page sends it."""
    return {
        "type": "span",
        "id": f"span-{number:06d}",
        "start": span.start,
        "end": span.end,
        "text": text[span.start : span.end],
        "kind": span.kind,
        "replacement": span.replacement,
    }


def annotate_all(url: str, folder: RunFolder, error_rate: float, seed: int) -> int:
    """The simulated person finishes every item that the app hands out, and how many."""
    person, _ = annotator(error_rate, seed)
    prompts = folder.prompts_by_key()
    by_text = {answer.text: answer for answer in folder.answers.read()}
    done = 0
    while work := HTTP.get(f"{url}/api/next?task=correct").json()["work"]:
        answer = by_text[work["answers"][0]]
        correction = person.correct(prompts[answer.prompt], answer)
        bodies = [put(span, answer.text, place) for place, span in enumerate(correction.spans)]
        bodies.append({"type": "submit"})
        events = [
            {"id": f"{work['key'][:24]}-{place:04d}", "item": work["key"], "body": body, "at": 1.0}
            for place, body in enumerate(bodies)
        ]
        content = json.dumps({"events": events})
        reply = HTTP.post(f"{url}/api/events", content=content, headers=JSON).json()
        assert reply["refused"] == []
        done += 1
    return done


@pytest.mark.parametrize("number", [40, pytest.param(1400, marks=pytest.mark.web)])
def test_a_simulated_person_in_the_app_gives_the_corrections_that_label_gives(
    tmp_path: Path, number: int
):
    folder = world_run(tmp_path / "run", number)
    texts = {answer.text for answer in folder.answers.read()}
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    assert project.add_run(folder.path) == number
    with app_of(project) as url:
        assert annotate_all(url, folder, error_rate=0.1, seed=3) == number
        made = {row.text: row.corrected for row in finished_work(project).corrections}
    person, by = annotator(0.1, 3)
    label_answers(folder.path, tmp_path / "labelled", person, by, SilentProgress())
    expected = {
        row.text: row.corrected for row in RunFolder(tmp_path / "labelled").corrections.read()
    }
    assert set(made) == texts
    assert made == expected
    assert sum(text != corrected for text, corrected in made.items()) > number / 4
