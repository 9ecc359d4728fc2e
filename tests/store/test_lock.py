"""One writer per folder, across threads, processes and kill -9."""

import errno
import json
import os
import signal
import threading
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.store.lock import held_here, hold, hold_with_parent, one_writer
from lock_holder import end_holder, start_holder
from waiting import wait_until


def refused(path: Path, *, is_file: bool = False) -> UserError:
    with pytest.raises(UserError) as error, hold(path, is_file=is_file):
        raise AssertionError("it was not refused")
    return error.value


def test_a_second_process_learns_who_holds_the_folder(tmp_path: Path) -> None:
    first = start_holder(tmp_path / "out")
    try:
        error = refused(tmp_path / "out")
        assert f"process {first.pid} on " in error.what
        assert str(tmp_path / "out") in error.what  # its command
        assert error.where == str(tmp_path / "out")
    finally:
        end_holder(first)
    with hold(tmp_path / "out"):
        pass


def test_kill_9_frees_the_folder_and_what_it_left_does_no_harm(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(3):
        first = start_holder(out)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        assert (out / ".holder.json").exists()
        with hold(out):
            assert json.loads((out / ".holder.json").read_text())["pid"] == os.getpid()


def test_a_folder_and_a_file_are_free_again_without_traces(tmp_path: Path) -> None:
    with hold(tmp_path / "a" / "out"), hold(tmp_path / "b" / "pairs.jsonl", is_file=True):
        (tmp_path / "a" / "out" / "rows").write_text("")
        assert (tmp_path / "b" / ".pairs.jsonl.lock").exists()
    assert [path.name for path in (tmp_path / "a" / "out").iterdir()] == ["rows"]
    assert not (tmp_path / "b").exists()  # nothing was written there


def test_another_name_of_the_folder_is_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "out")
    first = start_holder(tmp_path / "out")
    try:
        refused(tmp_path / "link")
        refused(tmp_path / "x" / ".." / "out")
    finally:
        end_holder(first)


def test_a_file_that_is_written_is_held_and_its_neighbours_are_not(tmp_path: Path) -> None:
    first = start_holder(tmp_path / "pairs.jsonl", "file")
    try:
        refused(tmp_path / "pairs.jsonl", is_file=True)
        with hold(tmp_path / "other.jsonl", is_file=True), hold(tmp_path):
            pass
    finally:
        end_holder(first)


def test_a_run_of_many_steps_holds_what_is_below_and_a_stage_does_not(tmp_path: Path) -> None:
    for is_refused in (True, False):
        first = start_holder(tmp_path / "run", "whole" if is_refused else "folder")
        try:
            if is_refused:
                refused(tmp_path / "run" / "round-1" / "training")
            else:
                with hold(tmp_path / "run" / "round-1" / "training"):
                    pass
        finally:
            end_holder(first)


def test_a_stage_within_a_stage_goes_on_and_another_thread_is_refused(tmp_path: Path) -> None:
    seen: list[str] = []

    def other() -> None:
        seen.append(refused(tmp_path).what)

    with hold(tmp_path):
        with hold(tmp_path):
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        assert (tmp_path / ".lock").exists()  # the inner one left it to the outer one
    assert f"process {os.getpid()} " in seen[0]


def test_a_worker_counts_what_its_parent_holds(tmp_path: Path) -> None:
    first = start_holder(tmp_path)
    done: list[str] = []

    def worker() -> None:
        hold_with_parent({tmp_path: False})
        with hold(tmp_path):
            done.append("held")

    try:
        thread = threading.Thread(target=worker)
        thread.start()
        thread.join()
        assert done == ["held"]
        assert not held_here()
    finally:
        end_holder(first)


def test_the_writer_of_an_argument_holds_it_and_none_holds_nothing(tmp_path: Path) -> None:
    @one_writer()
    def stage(source: Path, out: Path | None = None) -> bool:
        return out is not None and (out / ".lock").exists()

    assert stage(tmp_path, tmp_path / "out")
    assert stage(tmp_path, out=tmp_path / "out")
    assert not stage(tmp_path)
    first = start_holder(tmp_path / "out")
    try:
        with pytest.raises(UserError, match="Another command writes"):
            stage(tmp_path, tmp_path / "out")
    finally:
        end_holder(first)


def test_a_holder_on_another_machine_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    note = {"pid": 7, "host": "elsewhere", "command": "groundtune sample", "since": "2026"}
    (tmp_path / ".holder.json").write_text(json.dumps(note))
    with hold(tmp_path):
        pass
    assert "process 7 on elsewhere" in caplog.text


def test_a_disk_without_locks_is_named_and_the_work_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with hold(tmp_path / "out"):
        assert (tmp_path / "out" / ".holder.json").exists()
    assert "has no file locks (No locks available)" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_t_be_written_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "can't be written" in refused(tmp_path).what


def test_who_waits_gets_the_folder_when_its_holder_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = start_holder(tmp_path / "cache")
    done: list[str] = []

    def wait() -> None:
        with hold(tmp_path / "cache", wait=True):
            done.append("held")

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: f"another command has written there: process {first.pid} " in caplog.text)
    assert not done
    end_holder(first)
    thread.join()
    assert done == ["held"]
    with hold(tmp_path / "cache"):
        pass


def test_an_error_names_the_option_of_another_folder(tmp_path: Path) -> None:
    first = start_holder(tmp_path)
    try:
        with pytest.raises(UserError) as error, hold(tmp_path, option="--states"):
            raise AssertionError("it was not refused")
        assert "--states DIR" in error.value.fix
    finally:
        end_holder(first)
