"""Published files and their addresses, and the official data of a benchmark.

Only files that can be checked byte by byte are listed. `sources.py` has the table for our
benchmarks; `pipeline/bench/data.py` downloads them, nothing here does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Publisher:
    """A repository at one commit, or a folder of a web server."""

    host: Literal["github", "hub", "web"]
    """"hub" is a data set on the Hugging Face hub."""
    name: str
    """owner/repository; for a web server, the folder's address."""
    revision: str = ""
    """The full commit; a web server has none."""

    @property
    def source(self) -> str:
        """owner/repository at commit, or the address."""
        return f"{self.name} at {self.revision[:7]}" if self.revision else self.name

    def address(self, path: str) -> str:
        """The address of a file."""
        if self.host == "github":
            return f"https://raw.githubusercontent.com/{self.name}/{self.revision}/{path}"
        if self.host == "web":
            return f"{self.name}/{path}"
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.name, path, repo_type="dataset", revision=self.revision)

    def file(
        self, path: str, sha256: str, *, size: int = 0, rows: int = 0, member: str = ""
    ) -> "PublishedFile":
        """One of its files."""
        return PublishedFile(
            place=self, path=path, sha256=sha256, size=size, rows=rows, member=member
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """A published file."""

    place: Publisher
    path: str
    sha256: str
    size: int = 0
    """Bytes; 0 if unknown."""
    rows: int = 0
    """As in `revisions.Revision`."""
    member: str = ""
    """The member to extract, if it is a zip archive."""

    @property
    def name(self) -> str:
        """The file's name on disk."""
        return PurePosixPath(self.path).name

    @property
    def address(self) -> str:
        """The file's address."""
        return self.place.address(self.path)

    def as_json(self) -> dict[str, Any]:
        """Address, sha256, bytes (0 if unknown), source, and the member of a zip."""
        fields: dict[str, Any] = {
            "address": self.address,
            "sha256": self.sha256,
            "bytes": self.size,
        }
        fields["source"] = self.place.source
        return fields | ({"member": self.member} if self.member else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialData:
    """A benchmark's published data, if they can be downloaded and checked."""

    sets: Mapping[str, tuple[PublishedFile, ...]]
    """By name, the usual one first; a single set is named "". Empty if there is no address."""
    licence: str = ""
    by_hand: str = ""
    """What must be downloaded by hand, and from where."""

    @property
    def summary(self) -> str:
        """A summary of the usual set, such as "official, 3 files, 1.1 MB"; or "by hand"."""
        if not self.sets:
            return "by hand"
        files = next(iter(self.sets.values()))
        sizes = [file.size for file in files]
        total = f", {sum(sizes) / 1e6:.1f} MB" if all(sizes) else ""
        others = f", {len(self.sets) - 1} more sets" if len(self.sets) > 1 else ""
        return f"official, {len(files)} file{'s' * (len(files) > 1)}{total}{others}"

    def as_json(self) -> dict[str, Any]:
        """As JSON: the files of each set with address, sha256 and bytes, and what is missing."""
        sets = {name: [file.as_json() for file in files] for name, files in self.sets.items()}
        return {"sets": sets, "licence": self.licence, "by_hand": self.by_hand}
