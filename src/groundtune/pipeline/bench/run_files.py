"""Stage "bench run" for benchmarks with their own pictures: ask, keep the answers, score, sum up.

    OUT/prompts/ answers/ images/     what was asked and said, resumable by key
    OUT/items/ results/ scores/ ...   as `score_files.py` writes them

Each stage can be run again alone: what was answered is not asked again, and what a judge replied is
kept too. The official protocols decode greedily, so that is what is done.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import FileAnswer
from groundtune.bench.registry import is_file_benchmark, load, spelled
from groundtune.bench.run import draw
from groundtune.errors import UserError
from groundtune.pipeline.bench.score_files import FileParams, FileResults, score_answers
from groundtune.pipeline.folder import RunFolder
from groundtune.protocols import Generator, Progress
from groundtune.records import Record

DECODING = "greedy"


class Sources(Record):
    """Where the questions and pictures of benchmarks are, by the benchmark's name."""

    data: dict[str, tuple[Path, ...]] = Field(default_factory=dict[str, tuple[Path, ...]])
    images: dict[str, Path] = Field(default_factory=dict[str, Path])

    def paths(self, name: str) -> tuple[Path, ...]:
        """The data of a benchmark, as given for it or for all."""
        return self.data.get(name, self.data.get("", ()))

    def pictures(self, name: str) -> Path:
        """The folder of its pictures.

        Raises:
            UserError: none was given, or it isn't there.
        """
        folder = self.images.get(name, self.images.get(""))
        if folder is None or not folder.is_dir():
            raise UserError(
                "The pictures' folder is missing."
                if folder is None
                else "There is no such folder.",
                str(folder or "--images"),
                f"Give the folder of {name}'s pictures with --images.",
            )
        return folder


def sources(data: Sequence[str], images: Sequence[str]) -> Sources:
    """Sources of options, each "PATH" (for every benchmark) or "NAME=PATH"."""
    by_name: dict[str, tuple[Path, ...]] = {}
    for text in data:
        name, path = _named(text)
        by_name[name] = (*by_name.get(name, ()), path)
    return Sources(data=by_name, images=dict(map(_named, images)))


def _named(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if sign and is_file_benchmark(name):
        return spelled(name), Path(path)
    return "", Path(text)


def run_files(
    names: Sequence[str],
    found: Sources,
    generator: Generator,
    out: Path,
    progress: Progress,
    *,
    model: str,
    scoring: Scoring | None = None,
    seed: int = 0,
) -> list[FileResults]:
    """Answers and scores each benchmark; the generator looks for pictures under `out`/images.

    Raises:
        UserError: a benchmark that can't be asked, data or pictures that are missing, a judge that
            is, or a full disk.
    """
    made: list[FileResults] = []
    for name in map(spelled, names):
        benchmark = load(name)
        progress.start(f"read {name}")
        data = benchmark.read_data(found.paths(name))
        if benchmark.items is None:
            raise UserError(
                f"{name} can't be asked: its questions or pictures aren't to be had.",
                name,
                f"Score answers that exist with groundtune bench score {name}.",
            )
        items = benchmark.items(data, found.pictures(name), RunFolder(out).images)
        said = draw(
            generator,
            items,
            benchmark.protocol.sampling(DECODING),
            seed=seed,
            out=out,
            progress=progress,
            task=f"answer {name}",
        )
        answers = [FileAnswer(text=said[item.prompt.key].text, item=item.key) for item in items]
        params = FileParams(
            name=name,
            answers=out / "answers",
            data=found.paths(name),
            mode=scoring.mode if scoring else "official",
            label=model,
            seed=seed,
        )
        made.append(score_answers(benchmark, data, answers, params, out, progress, scoring=scoring))
    return made
