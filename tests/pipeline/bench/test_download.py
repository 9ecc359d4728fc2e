"""One published file: whole and right or absent, whatever the server and the network do."""

import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from file_server import Asked, Sent, Server, piece, serving
from groundtune.bench.files.published import PublishedFile, Publisher
from groundtune.cli.progress import open_progress
from groundtune.errors import UserError
from groundtune.pipeline.bench import download as downloads
from waiting import wait_until

BODY = random.Random(0).randbytes(300_000)
HALF = len(BODY) // 2


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "FIRST_WAIT_S", 0.0)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"/a.json": BODY}) as made:
        yield made


def wanted(body: bytes = BODY, *, size: int | None = None) -> PublishedFile:
    sha256 = hashlib.sha256(body).hexdigest()
    size = len(body) if size is None else size
    return Publisher("web", "https://nowhere.invalid").file("a.json", sha256, size=size)


def fetch(server: Server, target: Path, file: PublishedFile | None = None) -> None:
    with open_progress(silent=True) as progress:
        downloads.download(file or wanted(), f"{server.url}/a.json", target, progress)


def refused(server: Server, target: Path, file: PublishedFile | None = None) -> UserError:
    """Why a download is refused; afterwards nothing bears the file's name."""
    with pytest.raises(UserError) as found:
        fetch(server, target, file)
    assert not target.exists()
    assert len(str(found.value).splitlines()) == 3
    return found.value


def parts(target: Path) -> list[Path]:
    return list(target.parent.glob("*.part"))


def cut(asked: Asked, body: bytes) -> Sent:
    sent = piece(asked, body)
    sent.cut = len(sent.body) // 2
    return sent


def test_a_file_comes_whole_and_leaves_nothing_next_to_it(server: Server, tmp_path: Path):
    target = tmp_path / "new" / "a.json"
    fetch(server, target)
    assert target.read_bytes() == BODY
    assert parts(target) == []
    assert server.asked == [Asked("/a.json", 0)]


def test_a_connection_that_breaks_goes_on_behind_what_has_come(server: Server, tmp_path: Path):
    server.faults = [cut, cut]
    fetch(server, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == BODY
    assert [each.start for each in server.asked] == [0, HALF, HALF + HALF // 2]


def test_an_end_that_looks_like_the_files_own_is_no_end(server: Server, tmp_path: Path):
    def silent(asked: Asked, body: bytes) -> Sent:
        return Sent(body[:HALF], says_length=False)

    server.faults = [silent]
    fetch(server, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == BODY
    assert [each.start for each in server.asked] == [0, HALF]


def test_what_has_come_is_kept_when_the_tries_are_spent(server: Server, tmp_path: Path):
    target = tmp_path / "a.json"
    server.faults = [cut] * downloads.TRIES
    error = refused(server, target)
    assert "5 tries" in error.what
    (part,) = parts(target)
    kept = part.stat().st_size
    assert kept > HALF
    fetch(server, target)
    assert server.asked[-1].start == kept
    assert target.read_bytes() == BODY


def test_a_server_without_pieces_sends_all_of_it_again(server: Server, tmp_path: Path):
    server.faults = [cut, lambda asked, body: Sent(body)]
    fetch(server, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == BODY


@pytest.mark.parametrize("there", [b"x" * 1000, BODY[:1000] + b"x", BODY + b"x", b"x" * len(BODY)])
def test_a_part_that_is_of_another_file_is_thrown_away(
    there: bytes, server: Server, tmp_path: Path
):
    (tmp_path / ".a.json.part").write_bytes(there)
    fetch(server, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == BODY
    assert server.asked[-1].start == 0


def test_a_part_that_is_whole_is_not_asked_for_again(server: Server, tmp_path: Path):
    (tmp_path / ".a.json.part").write_bytes(BODY)
    fetch(server, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == BODY
    assert server.asked == []


def test_another_piece_than_the_one_asked_for_is_not_put_behind(server: Server, tmp_path: Path):
    def other(asked: Asked, body: bytes) -> Sent:
        return Sent(body[7:], status=206, headers={"content-range": "bytes 7-1/2"})

    server.faults = [cut, other]
    fetch(server, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == BODY
    assert [each.start for each in server.asked] == [0, HALF, 0]


def test_a_piece_that_is_not_there_begins_again(server: Server, tmp_path: Path):
    (tmp_path / ".a.json.part").write_bytes(b"x" * (len(BODY) + 5))
    fetch(server, tmp_path / "a.json", wanted(size=0))
    assert (tmp_path / "a.json").read_bytes() == BODY
    assert [each.start for each in server.asked] == [len(BODY) + 5, 0]


def test_another_file_of_the_same_size_is_refused_and_not_kept(server: Server, tmp_path: Path):
    target = tmp_path / "a.json"
    server.files["/a.json"] = b"x" + BODY[1:]
    error = refused(server, target)
    assert hashlib.sha256(BODY).hexdigest() in error.what
    assert error.where == f"{server.url}/a.json"
    assert parts(target) == []
    assert len(server.asked) == 1


def test_another_file_does_not_replace_the_one_that_is_there(server: Server, tmp_path: Path):
    (tmp_path / "a.json").write_text("old")
    server.files["/a.json"] = b"x" + BODY[1:]
    with pytest.raises(UserError, match="another file"):
        fetch(server, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == "old"


@pytest.mark.parametrize("says_length", [True, False])
def test_more_than_there_should_be_is_not_taken(says_length: bool, server: Server, tmp_path: Path):
    target = tmp_path / "a.json"
    server.faults = [lambda asked, body: Sent(body + b"x", says_length=says_length)]
    assert "300,001 bytes" in refused(server, target).what
    assert parts(target) == []


def test_less_than_there_should_be_is_another_file(server: Server, tmp_path: Path):
    server.files["/a.json"] = BODY[:-1]
    assert (
        "299,999 bytes; the published one has 300,000" in refused(server, tmp_path / "a.json").what
    )


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_of_unknown_size_has_an_end_too(
    says_length: bool, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = tmp_path / "a.json"
    monkeypatch.setattr(downloads, "MOST", len(BODY) - 1)
    server.faults = [lambda asked, body: Sent(body, says_length=says_length)]
    assert "at most 299,999 will do" in refused(server, target, wanted(size=0)).what
    assert parts(target) == []
    monkeypatch.setattr(downloads, "MOST", len(BODY))
    fetch(server, target, wanted(size=0))
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("status", [404, 403, 302])
def test_a_refusal_is_final(status: int, server: Server, tmp_path: Path):
    server.faults = [lambda asked, body: Sent(b"no", status=status)]
    assert f"says {status}" in refused(server, tmp_path / "a.json").what
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(status: int, server: Server, tmp_path: Path):
    server.faults = [lambda asked, body: Sent(b"later", status=status)] * 2
    fetch(server, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == BODY


def sends_on(to: str) -> Callable[[Asked, bytes], Sent]:
    return lambda asked, body: Sent(b"", status=302, headers={"location": to})


def test_a_redirect_is_followed_and_keeps_the_place_in_the_file(server: Server, tmp_path: Path):
    server.files["/moved.json"] = BODY
    server.faults = [cut, sends_on("/moved.json")]
    fetch(server, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == BODY
    assert server.asked[-1] == Asked("/moved.json", HALF)


@pytest.mark.parametrize(
    "to", ["http://localhost:9/a", "http://127.0.0.1:1/a", "ftp://127.0.0.1/a"]
)
def test_a_redirect_to_what_is_not_https_is_refused(to: str, server: Server, tmp_path: Path):
    server.faults = [sends_on(to)]
    assert "not https" in refused(server, tmp_path / "a.json").what
    assert len(server.asked) == 1


def test_redirects_come_to_an_end(server: Server, tmp_path: Path):
    server.faults = [sends_on("/a.json")] * 20
    assert "redirects more than 5 times" in refused(server, tmp_path / "a.json").what


def test_without_a_connection_it_says_so_and_is_not_tried_again(tmp_path: Path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = Server(f"http://127.0.0.1:{closed.getsockname()[1]}", {})
    error = refused(gone, tmp_path / "a.json")
    assert "no connection" in error.what
    assert "--data" in error.fix


def test_a_folder_that_cannot_be_made_is_the_users_error(server: Server, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written"):
        fetch(server, tmp_path / "file" / "a.json")


def test_two_that_want_one_file_fetch_it_once(server: Server, tmp_path: Path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fetch(server, tmp_path / "a.json"), range(4)))
    assert len(server.asked) == 1


KILLED = """
import sys
from pathlib import Path
from groundtune.bench.files.published import Publisher
from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.bench.download import download
address, target, sha256, size = sys.argv[1:]
file = Publisher("web", "https://nowhere.invalid").file("a.json", sha256, size=int(size))
download(file, address, Path(target), SilentProgress())
"""


def test_what_a_killed_process_fetched_is_gone_on_with(server: Server, tmp_path: Path):
    def hanging(asked: Asked, body: bytes) -> Sent:
        return Sent(body, cut=HALF, hangs=True)

    server.faults = [hanging]
    target, part = tmp_path / "a.json", tmp_path / ".a.json.part"
    file = wanted()
    words = [f"{server.url}/a.json", str(target), file.sha256, str(file.size)]
    running = subprocess.Popen([sys.executable, "-c", KILLED, *words])
    wait_until(lambda: part.exists() and part.stat().st_size > 0)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    kept = part.stat().st_size
    assert 0 < kept <= HALF
    assert not target.exists()
    fetch(server, target)
    assert target.read_bytes() == BODY
    assert [each.start for each in server.asked] == [0, kept]
