"""The demo on a random model and a few images: its files, its resume, its report."""

import json
import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from forked_program import Forked
from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.pipeline.recipes.registry import find
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.world.demo import demo, rewrite_report
from groundtune.pipeline.world.demo_settings import DemoResult, DemoSettings
from groundtune.recipe_loading import load
from groundtune.records import Answer, Estimate, Score
from groundtune.store.dataset import RecordSet
from job_works import Notes
from waiting import wait_until

OVERRIDES = (
    "prompts=60",
    "corrections=6",
    "sampling.max_new_tokens=30",
    "evaluation.captions=6",
    "evaluation.questions=3",
    "learn.ddpo.max_steps=2",
    "learn.dpo.max_steps=1",
)


def settings_of(model: Path) -> DemoSettings:
    """The shipped recipe on the random model, made small."""
    return load(find("world-demo"), [*OVERRIDES, f"model={model}"], DemoSettings)


@pytest.fixture(scope="module")
def settings(tiny_llava: Path) -> DemoSettings:
    return settings_of(tiny_llava)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def made(settings: DemoSettings, out: Path) -> DemoResult:
    return demo(settings, out, Notes(), workers=1, command=["groundtune", "demo"])


def test_the_summary_is_a_list_of_rows_for_every_model_and_both_decodings(
    made: DemoResult,
) -> None:
    rows = json.loads(made.summary.read_text())
    assert all(list(row) == list(Estimate.model_fields) for row in rows)
    assert {row["model"] for row in rows} == {"base", "ddpo", "dpo"}
    assert {"world-captions/greedy", "world-captions/t1"} <= {row["benchmark"] for row in rows}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    found = {(r["model"], r["metric"]) for r in rows if r["benchmark"] == "world-captions/greedy"}
    assert {(m, "chair_sentence") for m in ("base", "ddpo", "dpo")} <= found


def test_the_folder_holds_what_each_stage_made(made: DemoResult, out: Path) -> None:
    folder = RunFolder(out)
    assert len(folder.prompts.keys()) == len(folder.answers.keys()) == 60
    assert 0 < sum(bool(row.spans) for row in folder.corrections.read()) <= 6
    assert 0 < len(folder.pairs.keys()) <= 6
    assert (out / "training" / "ddpo" / "model" / "config.json").exists()
    assert len(made.steps) == 7


def test_no_evaluation_scene_was_corrected(made: DemoResult, out: Path) -> None:
    corrected = {prompt.source.split for prompt in RunFolder(out).prompts.read()}
    scores = RecordSet(out / "evaluation" / "base" / "scores", Score).read()
    assert corrected == {"train"}
    assert {score.image.partition("/")[0] for score in scores} == {"development"}


def test_the_report_opens_without_a_network(made: DemoResult) -> None:
    page = made.report.read_text()
    assert re.findall(r"""(?:src|href)=["']?(?!data:|#)[^"' >]+""", page) == []
    assert "its numbers do not predict real benchmarks" in page
    assert page.count('class="example"') == 4


def test_the_report_is_read_in_a_quarter_of_an_hour_and_has_no_raw_names(made: DemoResult) -> None:
    page = made.report.read_text()
    body = re.sub(r"<style>.*?</style>|<details\b(?: [^>]*)?>.*?</details>", " ", page, flags=re.S)
    assert len(re.sub(r"<[^>]+>", " ", body).split()) <= 3000
    assert not re.search(r"development/\d|\b[0-9a-f]{32}\b", re.sub(r"<[^>]+>", " ", body))
    headings = re.findall(r"<h3>(.*?)</h3>", page[page.index('id="method"') :])
    assert len(headings) == len(set(headings))


def test_the_demo_again_does_nothing_again(
    made: DemoResult, settings: DemoSettings, out: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (out / "steps").iterdir()}
    again = demo(settings, out, Notes(), workers=1)
    assert again.steps == made.steps
    assert {path: path.stat().st_mtime_ns for path in (out / "steps").iterdir()} == before


def test_the_command_ends_with_a_table_and_what_to_try_next(
    made: DemoResult, tiny_llava: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["demo", *OVERRIDES, f"model={tiny_llava}", "--out", str(out)]
    assert run(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-3:] == ["Base", "DDPO", "DPO"]
    assert any(line.startswith("answers with an invented object") for line in lines)
    assert lines[-2:] == [
        f"wrote      {made.report}",
        f"next       {shlex.join(['groundtune', 'compare', str(out)])}",
    ]
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["summary"] == str(made.summary)
    assert told["memory_mb"] > 0
    assert run(["compare", str(out)]) == 0
    assert "base against ddpo, dpo" in capsys.readouterr().out


def test_the_report_can_be_made_again(made: DemoResult, out: Path) -> None:
    page = made.report.read_text()
    made.report.unlink()
    assert rewrite_report(out).read_text() == page


def test_a_folder_is_for_one_run(made: DemoResult, settings: DemoSettings, out: Path) -> None:
    other = settings.model_copy(update={"corrections": 5})
    with pytest.raises(UserError, match=r"other settings \(corrections\)"):
        demo(other, out, Notes(), workers=1)


def test_a_report_before_the_demo_is_done_says_what_to_do(tmp_path: Path, out: Path) -> None:
    (tmp_path / "run.json").write_bytes((out / "run.json").read_bytes())
    with pytest.raises(UserError, match="0 of 7 steps"):
        rewrite_report(tmp_path)


PROGRAM = """
import sys
from pathlib import Path
from job_works import Notes
from groundtune.pipeline.world.demo import demo
from groundtune.pipeline.world.demo_settings import DemoSettings

settings = DemoSettings.model_validate_json(sys.argv[1])
demo(settings, Path(sys.argv[2]), Notes(), workers=1)
"""


def test_a_killed_demo_goes_on_and_ends_with_the_same(
    made: DemoResult, tiny_llava: Path, tmp_path: Path
) -> None:
    begin(tiny_llava, tmp_path, lambda: (tmp_path / "steps" / "correct.json").exists())
    there = {p: p.read_bytes() for p in (tmp_path / "answers").glob("*.parquet")}
    assert there
    assert not (tmp_path / "report.html").exists()
    again = demo(settings_of(tiny_llava), tmp_path, Notes(), workers=1)
    assert {p: p.read_bytes() for p in there} == there
    assert json.loads(again.summary.read_text()) == json.loads(made.summary.read_text())
    answers = RecordSet(tmp_path / "evaluation" / "ddpo" / "answers", Answer).read()
    assert len({answer.key for answer in answers}) == len(answers)


def begin(model: Path, out: Path, far_enough: Callable[[], bool]) -> None:
    """Runs a demo in another process and kills it when it is far enough."""
    running = Forked(PROGRAM, settings_of(model).model_dump_json(), out)
    wait_until(lambda: running.status is not None or far_enough(), seconds=600)
    assert running.kill() == -signal.SIGKILL
