"""Figures that a command kept are refused once a byte of them has changed."""

from pathlib import Path

import pytest

from groundtune.cli.app import run
from groundtune.pipeline.bench.kept import estimates_in, results_in
from groundtune.store import checksums
from groundtune.store.checksums import DamageError


def test_a_changed_result_or_summary_is_refused_by_what_reads_it(tiny_llava: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert (
        run(["bench", "run", str(tiny_llava), "world-captions", "--n", "2", "--out", str(out)]) == 0
    )
    result = next((out / "results").glob("*.json"))
    for file, read in (
        (out / "summary.json", lambda: estimates_in(out / "summary.json")),
        (result, lambda: results_in(out)),
    ):
        data = file.read_bytes()
        assert read()
        file.write_bytes(data.replace(b"0.", b"1.", 1))
        with pytest.raises(DamageError, match="don't match"):
            read()
        file.write_bytes(data)


def test_a_file_that_is_written_again_has_its_own_sum_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "a.json"
    checksums.write(path, b"1")
    checksums.write(path, b"2")
    assert checksums.read_sums(tmp_path) == {"a.json": checksums.sha256_of(path)}

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checksums, "add_sums", stop)
        with pytest.raises(KeyboardInterrupt):
            checksums.write(path, b"3")
    checksums.refuse_damage(path)
    assert path.read_bytes() == b"3"
