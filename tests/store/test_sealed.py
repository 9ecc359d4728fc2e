"""A JSON file with its own checksum: no flipped bit of it is read."""

from pathlib import Path

import pytest

from flips import flipped
from groundtune.errors import UserError
from groundtune.store.checksums import DamageError
from groundtune.store.run_json import note_run, read_run, write_run


def test_no_flipped_bit_of_a_run_json_is_read(tmp_path: Path):
    write_run(tmp_path, {"n": 1, "text": "caf\u00e9"}, {}, {"s": 0}, ["groundtune", "sample"])
    note_run(tmp_path, "attention", "dense")
    before = read_run(tmp_path)
    assert before.notes == {"attention": "dense"}
    path = tmp_path / "run.json"
    for _ in flipped(path, 10**6):
        with pytest.raises(DamageError, match=r"damaged|not a run\.json"):
            read_run(tmp_path)
    assert read_run(tmp_path) == before
    path.write_text(path.read_text().replace('"n": 1', '"n": 2'))
    with pytest.raises(UserError, match="edited by hand"):
        read_run(tmp_path)
