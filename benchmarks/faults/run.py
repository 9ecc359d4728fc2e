"""Puts faults into every stage and counts what is lost, doubled or wrong without a word.

    python -m benchmarks.faults.run                  all kinds, every stage
    python -m benchmarks.faults.run --kinds kills --trials 10 --stages sample train --seed 5
    python -m benchmarks.faults.run --kinds inputs --inputs 200 --targets prompts import --seed 5

Each trial runs a command, disturbs it, runs it again until it ends, and compares all rows, weights
and images with those of a run that nobody disturbed. A free seed (`--seed`, by default the clock)
chooses the moments, and is printed. docs/faults.md has the table.
"""

import argparse
import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults import inputs
from benchmarks.faults.forks import Fault, Outcome, load_libraries, run, start, wait
from benchmarks.faults.stages import STAGES, Contents, Stage, contents, differences

KINDS = ("kills", "flips", "stops", "writers", "disk", "inputs")
BAD = (
    "silent", "lost", "doubled", "other", "unclear", "cannot go on", "left files",
    *inputs.FAULTS[:2],
)  # fmt: skip
TRIES = 4
"""Times that a command is run again before it counts as unable to go on."""


@dataclass(slots=True)
class Tally:
    """What a kind of fault did to a stage."""

    trials: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    notes: list[str] = field(default_factory=list[str])

    def line(self) -> dict[str, int | list[str]]:
        """Return the counts as a line of the result file."""
        return {"trials": self.trials, **self.counts, "notes": self.notes[:5]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where the trials are made, and the undisturbed runs that they are compared with."""

    folder: Path
    chance: random.Random
    trials: int
    wanted: dict[str, Contents] = field(default_factory=dict[str, Contents])
    whole: dict[str, Outcome] = field(default_factory=dict[str, Outcome])

    def done(self, name: str) -> Path:
        """Return the folder of a stage that nobody disturbed."""
        return self.folder / "whole" / name.replace(" ", "-")

    def make(self, stage: Stage) -> None:
        """Run a stage undisturbed."""
        out = self.done(stage.name)
        stage.prepare(out, self.done)
        outcome = run(stage.words(out, self.done), self.folder / "logs")
        if outcome.status:
            sys.exit(f"{stage.name} fails undisturbed ({outcome.status}):\n{outcome.text}")
        self.wanted[stage.name] = contents(out)
        self.whole[stage.name] = outcome

    def trial(self, stage: Stage) -> tuple[Path, list[str]]:
        """Return a fresh folder for a trial of a stage, and the words of its command."""
        out = self.folder / "trial"
        stage.prepare(out, self.done)
        return out, stage.words(out, self.done)

    def finish(self, words: list[str]) -> Outcome:
        """Run a command again until it ends well, at most TRIES times."""
        outcome = run(words, self.folder / "logs")
        for _ in range(TRIES - 1):
            if not outcome.status:
                break
            outcome = run(words, self.folder / "logs")
        return outcome


def kills(bench: Bench, stage: Stage, tally: Tally) -> None:
    """Kill a command (SIGKILL) between two changes of the file system, or by the clock."""
    whole = bench.whole[stage.name]
    for trial in range(bench.trials):
        out, words = bench.trial(stage)
        if trial % 2:
            fault = Fault(after_seconds=bench.chance.uniform(0.01, whole.seconds))
        else:
            fault = Fault(before_change=bench.chance.randint(1, max(1, whole.changes)))
        run(words, bench.folder / "logs", fault)
        _judge(bench, stage, tally, out, bench.finish(words), str(fault))


def disk(bench: Bench, stage: Stage, tally: Tally) -> None:
    """Let writes fail beyond a file size; then run again with room enough."""
    sizes = [p.stat().st_size for p in bench.done(stage.name).rglob("*") if p.is_file()]
    for _ in range(max(1, bench.trials // 10)):
        out, words = bench.trial(stage)
        size = max(1, int(bench.chance.choice(sizes) * bench.chance.uniform(0.05, 0.95)))
        full = run(words, bench.folder / "logs", Fault(file_bytes=size))
        if full.status not in (0, 1, 2) or "Traceback" in full.text:
            tally.counts["unclear"] += 1
            tally.notes.append(f"{size} bytes: status {full.status}: {full.text[-300:]}")
        if full.status == 0 and differences(bench.wanted[stage.name], contents(out)):
            tally.counts["silent"] += 1
            tally.notes.append(f"{size} bytes: status 0, and rows differ")
        _judge(bench, stage, tally, out, bench.finish(words), f"{size} bytes")


def writers(bench: Bench, stage: Stage, tally: Tally) -> None:
    """Start one command twice at once: one is told who holds the folder, and nothing is doubled."""
    for _ in range(max(1, bench.trials // 10)):
        out, words = bench.trial(stage)
        first = start(words, bench.folder / "logs")
        time.sleep(bench.chance.uniform(0, 0.2))
        second = run(words, bench.folder / "logs-second")
        statuses = {wait(first), second.status}
        if not statuses <= {0, 2}:
            tally.counts["unclear"] += 1
            tally.notes.append(f"statuses {statuses}: {second.text[-300:]}")
        tally.counts["told"] += 2 in statuses
        _judge(bench, stage, tally, out, bench.finish(words), "two writers")


def flips(bench: Bench, stage: Stage, tally: Tally) -> None:
    """Flip a bit of what a stage left, and run every stage that reads it."""
    source = bench.done(stage.name)
    readers = [each for each in STAGES if stage.name in (*each.needs, each.starts_from)]
    if stage.name not in bench.wanted or not readers:
        return
    files = sorted(p for p in source.rglob("*") if p.is_file() and p.stat().st_size)
    whole = bench.folder / "before-the-flip"
    for _ in range(bench.trials):
        shutil.rmtree(whole, ignore_errors=True)
        shutil.copytree(source, whole)
        path = bench.chance.choice(files)
        bit = bench.chance.randrange(path.stat().st_size * 8)
        _flip(path, bit)
        reader = bench.chance.choice(readers)
        out, words = bench.trial(reader)
        note = f"{path.relative_to(source)} bit {bit}, read by {reader.name}"
        _count(bench, reader, tally, run(words, bench.folder / "logs"), out, note)
        shutil.rmtree(source)
        shutil.copytree(whole, source)


def stops(bench: Bench, stage: Stage, tally: Tally) -> None:
    """Kill a command, flip a bit of what it left, and run it again."""
    whole = bench.whole[stage.name]
    for _ in range(bench.trials // 2):
        out, words = bench.trial(stage)
        at = bench.chance.randint(whole.changes // 3, max(1, whole.changes))
        run(words, bench.folder / "logs", Fault(before_change=at))
        files = sorted(p for p in out.rglob("*") if p.is_file() and p.stat().st_size)
        if not files:
            continue
        path = bench.chance.choice(files)
        bit = bench.chance.randrange(path.stat().st_size * 8)
        note = f"killed before change {at}, {path.relative_to(out)} bit {bit}"
        _flip(path, bit)
        _count(bench, stage, tally, run(words, bench.folder / "logs"), out, note)


def _count(
    bench: Bench, stage: Stage, tally: Tally, outcome: Outcome, out: Path, note: str
) -> None:
    """Count how a command took a flipped bit."""
    tally.trials += 1
    if outcome.status == 2:
        tally.counts["refused"] += 1
    elif outcome.status:
        tally.counts["unclear"] += 1
        tally.notes.append(f"{note}: status {outcome.status}: {outcome.text[-300:]}")
    elif _differs(bench, stage, out):
        tally.counts["silent"] += 1
        tally.notes.append(note)
    else:
        tally.counts["harmless"] += 1


def _differs(bench: Bench, stage: Stage, out: Path) -> bool:
    """Whether rows differ; a copied set that the flip changed is the flip's, if it can be read."""
    try:
        return bool(differences(bench.wanted[stage.name], contents(out)))
    except Exception:  # what was copied can't be read: the next reader refuses it
        return False


def _flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.unlink()  # an image may be a hard link to that of another folder
    path.write_bytes(bytes(data))


def _judge(
    bench: Bench, stage: Stage, tally: Tally, out: Path, outcome: Outcome, note: str
) -> None:
    tally.trials += 1
    if outcome.status:
        tally.counts["cannot go on"] += 1
        tally.notes.append(f"{note}: status {outcome.status}: {outcome.text[-300:]}")
        return
    found = differences(bench.wanted[stage.name], contents(out))
    tally.counts.update(found)
    if found:
        tally.notes.append(f"{note}: {dict(found)}")
    left = [p.name for p in out.rglob("*") if p.name.endswith((".partial", ".tmp"))]
    tally.counts["left files"] += len(left)
    if left:
        tally.notes.append(f"{note}: left {left[:3]}")


FAULTS: dict[str, Callable[[Bench, Stage, Tally], None]] = {
    "kills": kills,
    "flips": flips,
    "stops": stops,
    "writers": writers,
    "disk": disk,
}


def results(bench: Bench, kinds: list[str], names: list[str]) -> Iterator[dict[str, object]]:
    """Disturb the stages, one line for each kind and stage."""
    for stage in STAGES if kinds else ():
        bench.make(stage)
    for kind in kinds:
        for stage in STAGES:
            if stage.name not in names:
                continue
            tally = Tally()
            FAULTS[kind](bench, stage, tally)
            if tally.trials:
                yield {"kind": kind, "stage": stage.name, **tally.line()}


def _lines(bench: Bench, chosen: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Disturb the stages, then break inputs."""
    yield from results(bench, [kind for kind in chosen.kinds if kind in FAULTS], chosen.stages)
    if "inputs" in chosen.kinds:
        opened = inputs.open_bench(bench.folder / "inputs", bench.chance, chosen.targets)
        yield from inputs.results(opened, chosen.inputs)


def main() -> None:
    """Parse the options, run, print a line for each stage, and fail where a fault was silent."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--stages", nargs="+", default=[stage.name for stage in STAGES])
    parser.add_argument("--trials", type=int, default=100, help="kills and flips a stage")
    parser.add_argument("--inputs", type=int, default=1_600, help="broken inputs in all")
    parser.add_argument("--targets", nargs="+", default=[], help="beginnings of inputs' names")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, default=Path("runs/faults"))
    chosen = parser.parse_args()
    folder: Path = chosen.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    load_libraries()
    bench = Bench(folder=folder, chance=random.Random(chosen.seed), trials=chosen.trials)
    print(f"seed {chosen.seed}", flush=True)
    bad = 0
    with (folder / "results.jsonl").open("w", encoding="utf-8") as file:
        for line in _lines(bench, chosen):
            text = json.dumps({"seed": chosen.seed, **line})
            print(text, flush=True)
            file.write(text + "\n")
            bad += sum(int(str(line.get(name, 0))) for name in BAD)
    print(f"{bad} faults" if bad else "no fault")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
