import hashlib
import random
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.records import Answer, Producer
from groundtune.store.dataset import RecordSet
from groundtune.store.files import write_atomic

PERSON = Producer(kind="person", name="A")


def answers(*keys: str) -> list[Answer]:
    return [Answer(key=key, prompt="p", text=f"text {key}", producer=PERSON) for key in keys]


def test_a_set_that_was_never_written_is_empty(tmp_path: Path):
    empty = RecordSet(tmp_path / "answers", Answer)
    assert empty.keys() == set()
    assert empty.read() == []
    empty.append([])
    assert not (tmp_path / "answers").exists()


def test_parts_add_up_in_order_and_the_first_of_a_key_counts(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    records.append(answers("b", "a"))
    records.append([*answers("c"), Answer(key="a", prompt="p", text="again", producer=PERSON)])
    assert records.read() == answers("b", "a", "c")
    assert records.keys() == {"a", "b", "c"}
    assert [part.name for part in records.parts()] == ["part-00000.parquet", "part-00001.parquet"]


def test_missing_keys_keep_their_order_and_come_once(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    records.append(answers("b"))
    assert records.missing(["z", "b", "a", "z"]) == ["z", "a"]


def test_compaction_makes_one_part_in_the_order_that_is_asked_for(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    records.compact()
    assert records.parts() == []
    for key in ("c", "a", "b", "a"):
        records.append(answers(key))
    records.compact(order=["a", "z", "b"])
    assert records.read() == answers("a", "b", "c")
    assert len(records.parts()) == 1
    records.append(answers("d"))
    assert records.read() == answers("a", "b", "c", "d")


def test_compaction_writes_nothing_where_all_is_in_order(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    records.append(answers("a", "b"))
    first = records.parts()
    records.compact(order=["a"])
    assert records.parts() == first
    records.compact(order=["b"])
    assert records.parts() != first
    assert records.read() == answers("b", "a")


def test_what_a_killed_writer_left_is_no_part_and_is_swept_away(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    (tmp_path / ".part-00000.parquet.99.tmp").write_bytes(b"PAR1 half")
    assert records.read() == []
    records.append(answers("a"))
    assert {each.name for each in tmp_path.iterdir()} == {"part-00000.parquet", "checksums.sha256"}


def test_a_damaged_part_is_named(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    records.append(answers("a"))
    part = records.parts()[0]
    part.write_bytes(part.read_bytes()[:50])
    with pytest.raises(UserError, match=r"part-00000\.parquet"):
        records.keys()


def test_a_full_disk_is_a_clear_error_and_the_set_stays_as_it_was(tmp_path: Path):
    RecordSet(tmp_path, Answer).append(answers("a"))
    script = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from groundtune.errors import UserError
        from groundtune.records import Answer, Producer
        from groundtune.store.dataset import RecordSet
        person = Producer(kind="person", name="A")
        rows = [
            Answer(key=f"k{i}", prompt="p", text=str(i**9), producer=person) for i in range(5000)
        ]
        records = RecordSet(Path(sys.argv[1]), Answer)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        try:
            records.append(rows)
        except UserError as error:
            print(error)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "disk is full" in done.stdout
    assert str(tmp_path / "part-00001.parquet") in done.stdout
    assert {each.name for each in tmp_path.iterdir()} == {"part-00000.parquet", "checksums.sha256"}
    assert RecordSet(tmp_path, Answer).read() == answers("a")


def test_a_full_disk_leaves_the_old_file_as_it_was(tmp_path: Path):
    path = tmp_path / "run.json"
    write_atomic(path, b"old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(UserError, match="disk is full"):
            write_atomic(path, b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="can't be written"):
        write_atomic(tmp_path / "file" / "x", b"")


def test_parts_past_a_hundred_thousand_keep_their_order_and_are_not_overwritten(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    records.append(answers("first"))
    (tmp_path / "part-00000.parquet").rename(tmp_path / "part-99998.parquet")
    for number in range(10):
        records.append(answers(f"later{number}"))
    assert [row.key for row in records.read()] == ["first", *(f"later{n}" for n in range(10))]


def test_a_file_that_is_only_called_like_a_part_is_the_users_error(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    records.append(answers("a"))
    (tmp_path / "part-old.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="'old' is not a number"):
        records.read()


def test_no_flipped_bit_of_a_part_is_read_as_other_rows(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    records.append(answers("abcdefgh"))
    part = tmp_path / "part-00000.parquet"
    whole = part.read_bytes()
    places = random.Random(0).sample(range(len(whole) * 8), 300)
    for place in places:
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        part.write_bytes(damaged)
        for read in (records.read, records.keys):
            with pytest.raises(UserError, match="damaged"):
                read()


def test_a_part_without_a_noted_checksum_still_has_those_of_its_pages(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    records.append(answers("a"))
    (tmp_path / "checksums.sha256").unlink()
    assert [row.key for row in records.read()] == ["a"]
    part = tmp_path / "part-00000.parquet"
    page = bytearray(part.read_bytes())
    page[80] ^= 1  # within the first page
    part.write_bytes(page)
    with pytest.raises(UserError, match="Parquet"):
        records.read()


def test_the_sums_of_a_set_are_those_that_sha256sum_checks(tmp_path: Path):
    records = RecordSet(tmp_path, Answer)
    for key in "abc":
        records.append(answers(key))
    records.compact()
    (line,) = (tmp_path / "checksums.sha256").read_text().splitlines()
    (part,) = records.parts()
    assert line == f"{hashlib.sha256(part.read_bytes()).hexdigest()}  {part.name}"
