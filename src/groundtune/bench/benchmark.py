"""Benchmarks that are scored from files: the answers that a model gave, in any tool's layout.

A benchmark is one file, `bench/NAME.py`, that exports one `FileBenchmark` (`registry.py` knows its
name). It reads its own data (`read_data`) and answers (`read_answers`), and scores them without
reading anything more (`score`). Everything else is shared: tables of answers (`files/answers.py`),
known revisions of data and their checks (`files/`), intervals (`stats/`), results (`results.py`).

Two modes. "official" gives the official code's numbers to the last digit, its faults included; the
revision that is meant is named. "strict" mends the faults: an answer that can't be read is a class
of its own, counted in `unparsed` and in no other figure, unless the benchmark's docstring says what
else. In mode official an answer that the official rule calls unreadable has the status "unparsed"
too, and beside it the values that the official code gives it.

Rules for a `score` function:

- It is pure, gives one `Score` an item, in the order of the data, and never a shorter list: answers
  that don't fit the data were refused by `read_answers`.
- `Score.key` is `score_key(...)`; `benchmark` is the name, or name/part where the results are also
  told by part; `item` is unique within the benchmark, parts included; `image` is what the bootstrap
  resamples (an image, or whatever answers hang together).
- `values` are the columns that the metrics sum. What belongs to several answers (both questions of
  an image right) stands in the last of them. `strata` are {axis: value}, told beside the whole; an
  axis has at most some dozens of values.
- `extracted` is what was read in the answer, `why` says in words what is wrong with it or why it
  can't be read.
- A judge's failure is a status "unparsed" with a `why`; what the official code makes of it is in
  the values of mode official.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from groundtune.bench.files.published import OfficialData
from groundtune.bench.item import DECODINGS, FileAnswer, Given, Item, Mode, Wanted
from groundtune.bench.judge.judge import Judging, Replies
from groundtune.bench.metric import Metric
from groundtune.bench.stats.bootstrap import Table
from groundtune.protocols import Judge
from groundtune.records import Record, Sampling, Score
from groundtune.store.keys import key_of

if TYPE_CHECKING:
    from groundtune.store.images import ImageStore

D = TypeVar("D")


class Protocol(Record):
    """How a benchmark asks and reads."""

    label: str
    """What it is called."""
    prompt: str
    parser: str
    counted: str
    """What exactly the metrics count, and where that departs from the source."""
    source: str
    """Authors, year, arXiv id."""
    max_new_tokens: int
    judge: str = "none"
    items: str = ""

    def sampling(self, decoding: str) -> Sampling:
        """Greedy, or the whole distribution at temperature 1."""
        return Sampling(max_new_tokens=self.max_new_tokens, temperature=DECODINGS[decoding])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How to score."""

    mode: Mode = "official"
    model: str = "model"
    """What the model is called in the results."""
    judge: Judging | Replies | Judge | None = None
    """Recorded replies, an endpoint or a local model; `judge.judging_of` makes one kind of them,
    and refuses None."""
    similarity: Callable[[str, str], float] | None = None
    """Similarity of two nouns (AMBER, generative); None is what the benchmark's docstring says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeScores:
    """What came of a file of answers that is too large for one `Score` an item."""

    n: int
    unparsed: Mapping[Mode, int]
    tables: Mapping[Mode, Table]
    """The sums of both modes."""
    strata: Mapping[str, Table]
    """By part or "axis/stratum", in the mode that was asked for."""
    items: Path
    """The file of items that was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A benchmark file's parts under one name."""

    name: str
    protocol: Protocol
    metrics: tuple[Metric, ...]
    headline: str
    """The metric that is named first."""
    load: "Callable[[Wanted, ImageStore], list[Item]]"
    """The items; their pictures are added to the store."""
    score: Callable[[Item, Given], Score]
    """Pure."""
    labels: tuple[tuple[str, str], ...] = ()
    """(part, label) of each part that the benchmark is reported in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBenchmark(Generic[D]):
    """A benchmark file's parts under one name; D is its own data, as read from --data."""

    name: str
    """Lower case, as on the command line."""
    protocol: Protocol
    revision: str
    """Of the official code that mode official reproduces: owner/repository at commit, and file."""
    metrics: tuple[Metric, ...]
    """The same for both modes; snake_case names."""
    headline: str
    """The metric that is named first."""
    read_data: Callable[[Sequence[Path]], D]
    """Reads files and folders; checks rows, ids and order, and refuses a mismatch (UserError)."""
    read_answers: Callable[[Path, D], list[FileAnswer]]
    """Reads the official layout, and those of VLMEvalKit and lmms-eval; one answer an item of the
    data and in its order. Refuses (UserError) missing, further and doubled answers; never cuts."""
    score: Callable[[D, Sequence[FileAnswer], Scoring], list[Score]]
    """Pure; one score an item (see above)."""
    layouts: str = ""
    """The official answer layout in a few words, for `bench list` and the docs."""
    items: "Callable[[D, Path, ImageStore], list[Item]] | None" = None
    """For `bench run`: the prompts in the order of the data, with pictures of a folder, which are
    added to the store. None where the benchmark's questions or pictures can't be asked again."""
    labels: tuple[tuple[str, str], ...] = ()
    """(part, label) of each part that is reported by itself."""
    notes: Callable[[D, Sequence[FileAnswer], Sequence[Score]], list[str]] | None = None
    """Sentences that a result should say: degenerate answers, what the official code hides."""
    strata: Callable[[D, Sequence[Score], Mode], dict[str, dict[str, float | None]]] | None = None
    """Further strata of the results, by "axis/stratum", where an answer is in several at once."""
    classes: Callable[[Sequence[Score]], dict[str, list[Score]]] | None = None
    """The scores of each such stratum, with its share of the values, for the report's chart."""
    columns: Callable[[Score], dict[str, object]] | None = None
    """Further columns of the file of items, such as what other tools' rules make of the answer."""
    large: Callable[[Sequence[Path], Path, Mode, Path], LargeScores | None] | None = None
    """Scores (data, answers, mode, file of items) without keeping them in memory; None where the
    files are not large or not laid out for it."""
    judged: bool = False
    """Whether it can't be scored without a judge."""
    vectors: bool = False
    """Whether a similarity of nouns is of any use to it."""
    verdict: str = ""
    """The value that is a judge's verdict on an answer; "" where it is what was extracted."""
    official: OfficialData | None = None
    """Where its data can be fetched and checked; those of ours are in `files/sources.py`."""


def score_key(benchmark: FileBenchmark[D], item: str, answer: str, scoring: Scoring) -> str:
    """The key of a score: of the rules (name, revision, mode), the item and the answer."""
    rules = (benchmark.name, benchmark.revision, scoring.mode)
    return key_of("file score", rules, item, scoring.model, answer)
