"""Jobs: order, skipping, errors, progress, and what is left when somebody stops them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.pipeline.runs.jobs import Job, run_jobs
from job_works import Letter, Notes, fail, tell_process, write_down
from waiting import wait_until


def letters(*texts: str) -> list[Job]:
    """A chain of jobs, each needing the one before."""
    return [
        Job(
            name=f"job{i}",
            title=f"letter {i}",
            work=write_down,
            settings=Letter(text=text),
            needs=(f"job{i - 1}",) if i else (),
            tasks={"write": 1.0},
        )
        for i, text in enumerate(texts)
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_jobs_run_after_what_they_need_and_only_once(tmp_path: Path, workers: int) -> None:
    for _ in range(2):
        done = run_jobs(tmp_path, letters("a", "b", "c"), Notes(), workers=workers)
        assert (tmp_path / "written.txt").read_text() == "abc"
        assert [each.seconds >= 0 and each.peak_mb > 0 for each in done.values()] == [True] * 3


def test_a_job_with_other_settings_is_done_again_with_all_that_need_it(tmp_path: Path) -> None:
    run_jobs(tmp_path, letters("a", "b", "c"), Notes(), workers=1)
    run_jobs(tmp_path, letters("a", "x", "c"), Notes(), workers=1)
    assert (tmp_path / "written.txt").read_text() == "abcxc"


def test_progress_ends_at_a_hundred_and_names_the_steps(tmp_path: Path) -> None:
    notes = Notes()
    run_jobs(tmp_path, letters("a", "b"), notes, workers=1)
    assert notes.tasks == [("run", 100)]
    assert sum(notes.done) == 100
    assert "step 1 of 2: letter 0 (write letters 2/2)" in notes.notes
    assert notes.notes[-1] == "all 2 steps are done"


def test_two_workers_are_two_other_processes(tmp_path: Path) -> None:
    jobs = [
        Job(name=text, title=text, work=tell_process, settings=Letter(text=text)) for text in "ab"
    ]
    run_jobs(tmp_path, jobs, Notes(), workers=2)
    assert str(os.getpid()) not in [(tmp_path / f"{text}.pid").read_text() for text in "ab"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_jobs_error_of_the_users_input_arrives_whole(tmp_path: Path, workers: int) -> None:
    wrong = Job(name="wrong", title="wrong", work=fail, settings=Letter(text="row 3"))
    with pytest.raises(UserError) as caught:
        run_jobs(tmp_path, [*letters("a"), wrong], Notes(), workers=workers)
    assert (caught.value.what, caught.value.where, caught.value.fix) == (
        "It is wrong.",
        "row 3",
        "Mend it.",
    )


PROGRAM = """
import signal, sys
from pathlib import Path
from job_works import Letter, Notes, wait_long
from groundtune.pipeline.runs.jobs import Job, run_jobs

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" has it ignored
    jobs = [Job(name=t, title=t, work=wait_long, settings=Letter(text=t)) for t in "ab"]
    run_jobs(Path(sys.argv[1]), jobs, Notes(), workers=2)
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_process_that_began_them(tmp_path: Path, sent: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    paths = [str(Path(__file__).parents[2]), *sys.path]
    running = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stderr=subprocess.DEVNULL,
    )
    alive = [tmp_path / "a.alive", tmp_path / "b.alive"]
    wait_until(lambda: all(file.exists() for file in alive))
    running.send_signal(sent)
    running.wait(timeout=60)
    wait_until(lambda: all(time.time() - file.stat().st_mtime > 1 for file in alive))
    assert not (tmp_path / "steps" / "a.json").exists()
