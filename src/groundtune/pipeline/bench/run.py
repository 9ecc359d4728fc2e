"""Stage "bench": benchmarks on a model, or on answers that exist.

OUT/answers/ scores/ prompts/ images/   what was asked, said and found, resumable by key
OUT/knowing/                            what the model says when asked about its own captions
OUT/summary.json                        rows {model, benchmark, metric, value, low, high, n}
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from groundtune.bench.benchmark import Benchmark, Scoring
from groundtune.bench.item import Wanted
from groundtune.bench.opening import Opening, refuse_closed_split
from groundtune.bench.registry import is_file_benchmark
from groundtune.bench.run import keep, run
from groundtune.bench.stats.bootstrap import group
from groundtune.bench.summary import resolve, summarise
from groundtune.bench.world.captions import NAME as CAPTIONS
from groundtune.bench.world.captions import STRATA, WORLD_CAPTIONS
from groundtune.bench.world.knowing import knowing, knowledge
from groundtune.bench.world.overgeneral import overgeneralisation
from groundtune.pipeline.bench.run_files import Sources, run_files
from groundtune.pipeline.bench.score_files import FileResults
from groundtune.pipeline.folder import RunFolder, hash_of, write_rows
from groundtune.pipeline.generators import open_generator
from groundtune.pipeline.model_settings import ModelSettings
from groundtune.pipeline.models import Labeler
from groundtune.protocols import Generator, Progress, YesNo
from groundtune.records import Estimate, Sampling, Score
from groundtune.store.images import ImageStore
from groundtune.store.run import write_run

NOTEBOOK = Path("docs/notebook.md")
"""Where openings of the test split are written down, if it is there; else OUT/notebook.md."""


class BenchParams(ModelSettings):
    """Which model does which benchmarks."""

    benchmarks: tuple[str, ...] = ("world",)
    split: str = "development"
    n: int = Field(default=500, ge=1)
    """Pictures."""
    seed: int = 0
    """Of the wordings, the questions and the draws."""
    knowing: bool = False
    """Also ask the model about each object that its greedy captions name."""

    @model_validator(mode="after")
    def _in_this_process(self) -> Self:
        if self.engine.type != "local":
            raise ValueError("benchmarks run in this process: leave engine out")
        return self

    @property
    def wanted(self) -> Wanted:
        """The items."""
        return Wanted(split=self.split, n=self.n, seed=self.seed)


def run_benchmarks(
    params: BenchParams,
    out: Path,
    progress: Progress,
    *,
    sources: Sources,
    scoring: Callable[[], Scoring],
    final: bool = False,
    notebook: Path | None = None,
    command: Sequence[str] = (),
) -> tuple[list[Estimate], list[FileResults]]:
    """The world's benchmarks among those named, then the others; `scoring` opens their judge.

    Raises:
        UserError: as `run_bench` and `run_file_bench`.
    """
    own = tuple(name for name in params.benchmarks if is_file_benchmark(name))
    world = tuple(name for name in params.benchmarks if name not in own)
    estimates: list[Estimate] = []
    if world:
        wanted = params.model_copy(update={"benchmarks": world})
        estimates = run_bench(
            wanted, out, progress, final=final, notebook=notebook, command=command
        )
    if not own:
        return estimates, []
    wanted = params.model_copy(update={"benchmarks": own})
    return estimates, run_file_bench(wanted, sources, scoring(), out, progress)


def run_bench(
    params: BenchParams,
    out: Path,
    progress: Progress,
    *,
    final: bool = False,
    notebook: Path | None = None,
    command: Sequence[str] = (),
) -> list[Estimate]:
    """Loads the model, answers and scores what `out` lacks, and sums up.

    Raises:
        UserError: no such benchmark or split; the test split without `final`; the model can't be
            loaded; `out` has scores of another model of this name; or a full disk.
    """
    benchmarks = resolve(params.benchmarks)
    opening = opening_of(out, final, notebook, command)
    refuse_closed_split(params.wanted, opening)
    generator = _open(params, out, progress)
    estimates = bench(params, generator, generator, out, progress, opening, benchmarks)
    revision = generator.producer(Sampling(temperature=0), 0).revision
    write_run(
        out / "scores",
        params.model_dump(mode="json"),
        {"prompts": hash_of(RunFolder(out).prompts), "model": revision},
        {"bench": params.seed},
        list(command),
    )
    return estimates


def _open(params: BenchParams, out: Path, progress: Progress) -> Labeler:
    """The model in this process, or behind an endpoint."""
    progress.start(f"load {params.model}")
    return open_generator(params, RunFolder(out).images)


def run_file_bench(
    params: BenchParams, found: Sources, scoring: Scoring, out: Path, progress: Progress
) -> list[FileResults]:
    """The benchmarks that have their own questions and pictures, on a model or an endpoint.

    Raises:
        UserError: as `run_files.run_files`, or the model can't be loaded.
    """
    return run_files(
        params.benchmarks,
        found,
        _open(params, out, progress),
        out,
        progress,
        model=params.name,
        scoring=scoring,
        seed=params.seed,
    )


def bench(
    params: BenchParams,
    generator: Generator,
    yes_no: YesNo,
    out: Path,
    progress: Progress,
    opening: Opening | None,
    benchmarks: Sequence[Benchmark],
) -> list[Estimate]:
    """The same for a generator that is at hand and looks for pictures under `out`/images."""
    images, label = RunFolder(out).images, params.name
    scores = run(
        benchmarks,
        generator,
        model=label,
        wanted=params.wanted,
        out=out,
        images=images,
        progress=progress,
        final=opening,
    )
    estimates = estimates_of(scores)
    if params.knowing:
        known = _know(scores, params.wanted, yes_no, images, progress)
        if known:
            keep(known, out / "knowing")
        estimates += knowing(known)
    write_rows(out / "summary.json", estimates)
    return estimates


def _know(
    scores: Sequence[Score], wanted: Wanted, yes_no: YesNo, images: ImageStore, progress: Progress
) -> list[Score]:
    greedy = [s for s in scores if (s.benchmark, s.decoding) == (CAPTIONS, "greedy")]
    prompts = {item.key: item.prompt for item in WORLD_CAPTIONS.load(wanted, images)}
    return knowledge(greedy, prompts, yes_no, progress, seed=wanted.seed)


def estimates_of(scores: Iterable[Score]) -> list[Estimate]:
    """Every metric of every model, over-generalisation included."""
    scores = list(scores)
    groups = group(scores)
    made = list(summarise(scores).estimates)
    for model, decoding in dict.fromkeys((score.model, score.decoding) for score in scores):
        usual = groups.get((model, CAPTIONS, decoding), [])
        for stratum in STRATA:
            probe = groups.get((model, f"{CAPTIONS}/{stratum}", decoding), [])
            made += overgeneralisation(probe, usual)
    return made


def opening_of(
    out: Path, final: bool, notebook: Path | None, command: Sequence[str]
) -> Opening | None:
    """The opening of the test split, where `final` asks for one; noted in docs/notebook.md."""
    if not final:
        return None
    there = NOTEBOOK if NOTEBOOK.exists() else out / "notebook.md"
    return Opening(notebook=notebook or there, command=command)
