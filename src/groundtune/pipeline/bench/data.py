"""Benchmarks' data from their official addresses, in a folder of the user's cache.

    CACHE/groundtune/bench/NAME/FILE         or NAME/SET/FILE where there are several sets

Data are only downloaded for `groundtune bench data` or `--data official`, and correct files are not
downloaded again. Each file's sha256 is checked at every use.
"""

import os
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.files.published import OfficialData, PublishedFile
from groundtune.bench.files.sources import OFFICIAL
from groundtune.bench.registry import load
from groundtune.errors import UserError
from groundtune.protocols import Progress
from groundtune.store.files import disk_error
from groundtune.store.lock import one_writer

WORD = "official"
"""Value of --data for the official data; "official:SET" for another set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedData:
    """A set of a benchmark's data on disk."""

    benchmark: str
    set: str
    folder: Path
    files: tuple[Path, ...]
    """Paths for --data."""
    fetched: int
    """Number of newly downloaded files."""
    data: OfficialData

    @property
    def published(self) -> tuple[PublishedFile, ...]:
        """What each of the files is, in their order."""
        return self.data.sets[self.set]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        pairs = zip(self.files, self.published, strict=True)
        files = [{"path": str(path), **file.as_json()} for path, file in pairs]
        return {
            "benchmark": self.benchmark,
            "set": self.set,
            "files": files,
            "fetched": self.fetched,
            "licence": self.data.licence,
            "by_hand": self.data.by_hand,
        }


def cache_folder() -> Path:
    """The folder of the data: groundtune/bench in $XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundtune" / "bench"


def official_data(benchmark: Benchmark[Any]) -> OfficialData:
    """What is known about a benchmark's official data; without sets if there is nothing."""
    return benchmark.official or OFFICIAL.get(benchmark.name) or OfficialData(sets={})


@one_writer()
def fetch_data(
    name: str, progress: Progress, *, out: Path | None = None, mirror: str = ""
) -> FetchedData:
    """The files of NAME or NAME:SET, downloading the missing ones.

    They go into the cache, or straight into the folder `out`, where no other file is overwritten.
    A mirror is the address of a cache's folder (`cache_folder`) on a web server.

    Raises:
        UserError: no such benchmark or set, one without a place, another file in `out`, or what
            `download.download` refuses.
    """
    name, _, chosen = name.partition(":")
    benchmark = load(name)
    if benchmark.read_data is None:
        raise UserError(
            f"{benchmark.name} has no data in files.", name, "There is nothing to fetch."
        )
    data = official_data(benchmark)
    chosen = _set_of(benchmark.name, data, chosen)
    target_name = PurePosixPath(benchmark.name, chosen)
    folder = out if out is not None else cache_folder() / target_name
    base = f"{_checked(mirror)}/{quote(str(target_name))}/" if mirror else ""
    downloads = 0
    files: list[Path] = []
    for file in data.sets[chosen]:
        target = folder / file.name
        downloads += _fetch(file, target, base, progress, may_replace=out is None)
        files.append(_unpack(target, file.member, out is None) if file.member else target)
    return FetchedData(
        benchmark=benchmark.name,
        set=chosen,
        folder=folder,
        files=tuple(files),
        fetched=downloads,
        data=data,
    )


def _set_of(name: str, data: OfficialData, chosen: str) -> str:
    """The chosen set, or else the usual one."""
    if not data.sets:
        raise UserError(
            f"The data of {name} can't be fetched: no place of theirs can be checked by a sha256.",
            data.by_hand or name,
            "Fetch them by hand, and give them with --data.",
        )
    set_name = chosen or next(iter(data.sets))
    if set_name not in data.sets:
        choices = ", ".join(f"{name}:{other}" for other in data.sets if other) or name
        raise UserError(f"{name} has no set {chosen!r}.", f"{name}:{chosen}", f"Use {choices}.")
    return set_name


def _checked(mirror: str) -> str:
    parts = urlsplit(mirror)
    try:
        is_one = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        is_one = False
    if not is_one:
        raise UserError(
            "The mirror's address is not one.", mirror, "Write one like https://HOST/bench."
        )
    return mirror.rstrip("/")


def _fetch(
    file: PublishedFile, target: Path, base: str, progress: Progress, *, may_replace: bool
) -> bool:
    """Download a missing file; return whether it was missing."""
    from groundtune.pipeline.bench.download import download, is_file

    if is_file(file, target):
        return False
    if target.exists() and not may_replace:
        raise _other_file(target)
    address = f"{base}{quote(file.name)}" if base else file.address
    if not base and not address.startswith("https://"):
        raise UserError("The address is not https.", address, "Give the data with --data.")
    download(file, address, target, progress)
    return True


def _other_file(path: Path) -> UserError:
    return UserError(
        "There is another file of this name.",
        str(path),
        "Move it away, or choose another folder with --out.",
    )


def _unpack(archive: Path, member: str, may_replace: bool) -> Path:
    """Extract a member of a checked archive next to it, unless it is already complete."""
    import zipfile

    target = archive.with_name(PurePosixPath(member).name)
    part = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(archive) as zip_file:
            info = zip_file.getinfo(member)
            if target.is_file() and _crc(target) == info.CRC:
                return target
            if target.exists() and not may_replace:
                raise _other_file(target)
            with zip_file.open(info) as source, part.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
    except KeyError as error:
        raise UserError(
            f"The archive has no {member}.", str(archive), "Unpack it, and use --data."
        ) from error
    except OSError as error:
        raise disk_error(error, target) from error
    return target


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            crc = zlib.crc32(piece, crc)
    return crc


def with_official(name: str, paths: Sequence[Path], progress: Progress) -> tuple[Path, ...]:
    """Replace "official" or "official:SET" in --data by the files, downloading missing ones.

    A file or folder of that name goes first.

    Raises:
        UserError: as `fetch_data` does.
    """
    files: list[Path] = []
    for path in paths:
        word, sign, chosen = str(path).partition(":")
        if word != WORD or path.exists():
            files.append(path)
        else:
            files += fetch_data(f"{name}{sign}{chosen}", progress).files
    return tuple(files)
