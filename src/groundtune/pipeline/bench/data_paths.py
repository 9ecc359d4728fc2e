"""Where the data and images of benchmarks are, by the benchmark's name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.registry import find_name
from groundtune.errors import UserError
from groundtune.pipeline.bench.data import with_official
from groundtune.protocols import Progress
from groundtune.records import Record


class DataPaths(Record):
    """Where the questions and images of benchmarks are, by the benchmark's name."""

    data: dict[str, tuple[Path, ...]] = Field(default_factory=dict[str, tuple[Path, ...]])
    images: dict[str, Path] = Field(default_factory=dict[str, Path])

    def paths(self, name: str) -> tuple[Path, ...]:
        """The data of a benchmark, as given for it or for all."""
        return self.data.get(name, self.data.get("", ()))

    def image_folder(self, name: str, *, inside: bool = False) -> Path:
        """The folder of its images: that of its data if none is given and files have them `inside`.

        Raises:
            UserError: none was given, or it isn't there.
        """
        folder = self.images.get(name, self.images.get(""))
        paths = self.paths(name)
        if folder is None and inside and paths:
            folder = paths[0] if paths[0].is_dir() else paths[0].parent
        if folder is None or not folder.is_dir():
            raise UserError(
                "The images' folder is missing." if folder is None else "There is no such folder.",
                str(folder or "--images"),
                f"Give the folder of {name}'s images with --images.",
            )
        return folder


def data_paths(data: Sequence[str], images: Sequence[str]) -> DataPaths:
    """Return the paths that options give, each "PATH" (for every benchmark) or "NAME=PATH"."""
    by_name: dict[str, tuple[Path, ...]] = {}
    for text in data:
        name, path = _named(text)
        by_name[name] = (*by_name.get(name, ()), path)
    return DataPaths(data=by_name, images=dict(map(_named, images)))


def _named(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    benchmark_name = find_name(name) if sign else None
    return (benchmark_name, Path(path)) if benchmark_name else ("", Path(text))


def paths_with_official(
    benchmarks: Sequence[Benchmark[Any]], options: DataPaths, progress: Progress
) -> DataPaths:
    """The same, of these benchmarks, with what `with_official` puts for the word official.

    Raises:
        UserError: as `with_official`.
    """
    files_of: Mapping[str, tuple[Path, ...]] = {
        benchmark.name: with_official(benchmark.name, options.paths(benchmark.name), progress)
        for benchmark in benchmarks
        if benchmark.read_data is not None
    }
    return options.model_copy(update={"data": {**options.data, **files_of}})
