"""Downloads one published file to disk: checked byte by byte, complete or absent, resumable.

    FOLDER/.NAME.part   what has come so far; the next run resumes after it
    FOLDER/NAME         the file, once its sha256 is right

Addresses are https, and so is wherever they send on to. A mirror may be http, if it was named so.
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from groundtune.bench.files.published import PublishedFile
from groundtune.bench.files.revisions import sha256_of
from groundtune.errors import UserError
from groundtune.protocols import Progress
from groundtune.store.files import disk_error

TRIES = 5
FIRST_WAIT_S = 1.0
"""Seconds before the second try; doubled each time."""
REDIRECTS = 5
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""Seconds without a byte."""
MOST = 1 << 28
"""Maximum bytes of a file of unknown size."""
AGAIN = frozenset({408, 425, 429})
"""Status codes below 500 that are retried."""
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "groundtune"}
"""Not compressed, so that a part of the reply is a part of the file."""
BY_HAND = "Fetch the file by other means, and give it with --data."


class _Broken(Exception):
    """Why a try failed, if another may succeed."""


def is_file(file: PublishedFile, path: Path) -> bool:
    """Whether a path is exactly this file."""
    if not path.is_file() or (file.size and path.stat().st_size != file.size):
        return False
    return sha256_of(path) == file.sha256


def download(file: PublishedFile, address: str, target: Path, progress: Progress) -> None:
    """Download a file; an existing `target` stays until the new file is complete and correct.

    Raises:
        UserError: the address can't be reached, has no such file or another one, sends on to http,
            or breaks off too often; or the disk is full or can't be written.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            _alone(target.parent),
            httpx.Client(timeout=TIMEOUT, headers=HEADERS) as client,
        ):
            if is_file(file, target):
                return  # by another process, while this one waited
            _try_often(client, file, address, part, progress)
            os.replace(part, target)
    except OSError as error:
        raise disk_error(error, target) from error


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Wait until no other process downloads into the folder."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (folder / ".fetch.lock").open("wb") as file:  # .lock is the writer's (store/lock.py)
        with suppress(OSError):  # A disk without locks; the sha256 finds what two writers spoil.
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _try_often(
    client: httpx.Client, file: PublishedFile, address: str, part: Path, progress: Progress
) -> None:
    """Download the complete file to `part`, with retries."""
    why = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
        try:
            return _try(client, file, address, part, progress)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UserError(
                f"There is no connection ({error}).",
                address,
                "Go online and run the same command again, or fetch the file by other means and "
                "give it with --data.",
            ) from error
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
        except _Broken as error:
            why = str(error)
    raise UserError(
        f"The file didn't come whole in {TRIES} tries: {why}.",
        address,
        "Run the same command again: it resumes where it stopped.",
    )


def _try(
    client: httpx.Client, file: PublishedFile, address: str, part: Path, progress: Progress
) -> None:
    progress.start(f"fetch {file.name}", total=file.size or None)
    if is_file(file, part):
        return
    have = part.stat().st_size if part.exists() else 0
    if file.size and have >= file.size:
        have = 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with _open(client, address, headers) as response:
        have = _start_of(response, have, file, address, part)
        progress.advance(have)
        _receive(response, have, file, address, part, progress)
    if is_file(file, part):
        return
    sha256 = sha256_of(part)
    part.unlink()
    if have:
        raise _Broken("its pieces don't fit together")
    raise UserError(
        f"What came is another file: its sha256 is {sha256}, not {file.sha256}.",
        address,
        "Try again later or from another network; a file that you trust can be given with --data.",
    )


@contextmanager
def _open(client: httpx.Client, address: str, headers: dict[str, str]) -> Generator[httpx.Response]:
    """The reply of the address, or of where it sends on to."""
    request = client.build_request("GET", address, headers=headers)
    for _ in range(REDIRECTS + 1):
        response = client.send(request, stream=True)
        try:
            if response.next_request is None:
                yield response
                return
            request = response.next_request
        finally:
            response.close()
        _refuse_plain(request.url, httpx.URL(address))
    raise UserError(f"The server redirects more than {REDIRECTS} times.", address, BY_HAND)


def _refuse_plain(to: httpx.URL, first: httpx.URL) -> None:
    """Only a mirror with an http address may use http, and only on its host."""
    same = (to.scheme, to.host, to.port) == (first.scheme, first.host, first.port)
    if to.scheme != "https" and not same:
        raise UserError(
            f"The server sends on to {to.scheme}://{to.host}, which is not https.",
            str(first),
            BY_HAND,
        )


def _start_of(
    response: httpx.Response, have: int, file: PublishedFile, address: str, part: Path
) -> int:
    """Where in the file the reply begins: `have`, or 0 where the server sends all of it again.

    Raises:
        UserError: the file isn't there, or is of another size.
    """
    status = response.status_code
    if status == 416:
        part.unlink()
        raise _Broken("the server has no such piece")
    if status in AGAIN or status >= 500:
        raise _Broken(f"the server says {status}")
    if status not in (200, 206):
        raise UserError(f"The server says {status}.", address, BY_HAND)
    begins = have if status == 206 else 0
    if status == 206 and not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
        part.unlink(missing_ok=True)
        raise _Broken("the server sent another piece")
    length = response.headers.get("content-length", "")
    is_plain = response.headers.get("content-encoding", "identity") == "identity"
    if length.isdecimal() and is_plain:
        _refuse_size(begins + int(length), file, address, part)
    return begins


def _refuse_size(size: int, file: PublishedFile, address: str, part: Path) -> None:
    if size == file.size or (not file.size and size <= MOST):
        return
    part.unlink(missing_ok=True)
    right = f"the published one has {file.size:,}" if file.size else f"at most {MOST:,} will do"
    raise UserError(f"The file there has {size:,} bytes; {right}.", address, BY_HAND)


def _receive(
    response: httpx.Response,
    begins: int,
    published: PublishedFile,
    address: str,
    part: Path,
    progress: Progress,
) -> None:
    """Write the reply after the first `begins` bytes, and never more than expected."""
    size = begins
    with part.open("ab" if begins else "wb") as file:
        for piece in response.iter_bytes():
            size += len(piece)
            if size > (published.size or MOST):
                _refuse_size(size, published, address, part)
            file.write(piece)
            progress.advance(len(piece))
        file.flush()
        os.fsync(file.fileno())
    if published.size and size < published.size:
        raise _Broken(f"it ended after {size:,} of {published.size:,} bytes")
