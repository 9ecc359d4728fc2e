"""Files at the place where they are published, and what a benchmark's data are made of.

Only what can be checked byte by byte is named so. `sources.py` has the table of ours,
`pipeline/bench/data.py` fetches; nothing here does.
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
    """owner/repository; of a web server the folder's address."""
    revision: str = ""
    """The whole commit; a web server has none."""

    @property
    def source(self) -> str:
        """owner/repository at commit, or the address."""
        return f"{self.name} at {self.revision[:7]}" if self.revision else self.name

    def address(self, path: str) -> str:
        """The address of a file's bytes."""
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
    """A file at its place."""

    place: Publisher
    path: str
    sha256: str
    size: int = 0
    """Bytes; 0 where they are not known."""
    rows: int = 0
    """As in `revisions.Revision`."""
    member: str = ""
    """What is taken out of it, where it is a zip archive."""

    @property
    def name(self) -> str:
        """What the file is called on the disk."""
        return PurePosixPath(self.path).name

    @property
    def address(self) -> str:
        """Where its bytes are."""
        return self.place.address(self.path)

    def as_json(self) -> dict[str, Any]:
        """Address, sha256, bytes (0 where they aren't known), source, and the member of a zip."""
        told: dict[str, Any] = {"address": self.address, "sha256": self.sha256, "bytes": self.size}
        told["source"] = self.place.source
        return told | ({"member": self.member} if self.member else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialData:
    """What a benchmark's authors published, as far as it can be fetched and checked."""

    sets: Mapping[str, tuple[PublishedFile, ...]]
    """By name, the usual one first; a single set is called "". Empty where there is no place."""
    licence: str = ""
    by_hand: str = ""
    """What must be fetched by hand, and where it is."""

    @property
    def summary(self) -> str:
        """The usual set in a few words, such as "official, 3 files, 1.1 MB"; or "by hand"."""
        if not self.sets:
            return "by hand"
        files = next(iter(self.sets.values()))
        sizes = [file.size for file in files]
        total = f", {sum(sizes) / 1e6:.1f} MB" if all(sizes) else ""
        others = f", {len(self.sets) - 1} more sets" if len(self.sets) > 1 else ""
        return f"official, {len(files)} file{'s' * (len(files) > 1)}{total}{others}"

    def as_json(self) -> dict[str, Any]:
        """For machines: the files of each set with address, sha256 and bytes, and what isn't."""
        sets = {name: [file.as_json() for file in files] for name, files in self.sets.items()}
        return {"sets": sets, "licence": self.licence, "by_hand": self.by_hand}
