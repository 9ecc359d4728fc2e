"""Files are whole or absent, follow the umask, and what killed writers left is swept away."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from groundtune.store.checksums import NAME, DamageError, refuse_damaged_folder, seal
from groundtune.store.files import remove_folder, sweep_all, whole_file, whole_folder

WRITER = """
import sys, time
from pathlib import Path
from groundtune.store.files import whole_file, whole_folder
folder = Path(sys.argv[1])
with whole_file(folder / "rows.jsonl") as file, whole_folder(folder / "step-000001") as step:
    file.write(b"half")
    file.flush()
    (step / "weights").write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_sweep_leaves_a_live_writer_alone_and_removes_what_a_killed_one_left(tmp_path: Path):
    (tmp_path / ".foreign.tmp").write_bytes(b"another tool's")
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        live = names(tmp_path)
        assert len(live) == 3
        sweep_all(tmp_path.parent)
        assert names(tmp_path) == live
        writer.send_signal(signal.SIGKILL)
    sweep_all(tmp_path.parent)
    assert names(tmp_path) == [".foreign.tmp"]


def test_a_block_that_fails_leaves_the_old_folder_and_nothing_else(tmp_path: Path):
    with whole_folder(tmp_path / "model") as folder:
        (folder / "weights").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "model") as folder:
        (folder / "weights").write_bytes(bytes(1 // 0))
    assert names(tmp_path) == ["model"]
    assert (tmp_path / "model/weights").read_bytes() == b"old"
    remove_folder(tmp_path / "model")
    remove_folder(tmp_path / "model")
    assert names(tmp_path) == []


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_all_files_of_a_sealed_folder_have_the_mode_of_the_umask(
    tmp_path: Path, mask: int, mode: int
):
    (tmp_path / "weights").write_bytes(b"x")
    (tmp_path / "weights").chmod(0o600)  # as safetensors leaves it
    before = os.umask(mask)
    try:
        with whole_file(tmp_path / "config.json") as file:
            file.write(b"{}")
        seal(tmp_path)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {mode}


def test_a_sealed_folder_is_refused_with_the_file_that_changed_or_is_gone(tmp_path: Path):
    (tmp_path / "weights").write_bytes(b"weights")
    (tmp_path / "below").mkdir()
    (tmp_path / "below/settings").write_bytes(b"settings")
    seal(tmp_path)
    refuse_damaged_folder(tmp_path, "fix", must=True)
    for name in ("weights", "below/settings"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(b"x" + whole[1:])
        with pytest.raises(DamageError, match="damaged") as error:
            refuse_damaged_folder(tmp_path, "fix")
        assert error.value.where == str(tmp_path / name)
        (tmp_path / name).unlink()
        with pytest.raises(DamageError, match="missing"):
            refuse_damaged_folder(tmp_path, "fix")
        (tmp_path / name).write_bytes(whole)
    done = subprocess.run(["sha256sum", "--check", NAME], cwd=tmp_path, check=False)
    assert done.returncode == 0
    (tmp_path / NAME).unlink()
    with pytest.raises(DamageError, match="missing"):
        refuse_damaged_folder(tmp_path, "fix", must=True)
