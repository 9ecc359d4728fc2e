"""The one type of all benchmarks, those from files and those that make their own items.

A benchmark is one file or folder of `bench/tasks` (or `bench/world`) that exports one `Benchmark`;
`registry.py` knows its name. It has its own data, from files (`read_data`) or made (`load`), reads
answers to them (`read_answers`) and scores these without reading anything more (`score`).
Everything else is shared: tables of answers (`files/answers.py`), known revisions of data and their
checks (`files/`), intervals (`stats/`), results (`results.py`).

Two modes. "official" gives the official code's numbers to the last digit, its faults included; the
revision that is meant is named. "strict" fixes the faults: an answer that can't be read is a class
of its own, counted in `unparsed` and in no other figure, unless the benchmark's docstring says what
else. In mode official an answer that the official rule calls unreadable has the status "unparsed"
too, and next to it the values that the official code gives it.

Rules for a `score` function:

- It is pure, gives one `Score` per answer, in their order, and never a shorter list: answers that
  don't fit the data were refused by `read_answers`.
- `Score.key` is `score_key(...)`; `benchmark` is the name, or name/part where the results are also
  shown per part; `item` is unique within the benchmark, parts included; `image` is what the
  bootstrap resamples (an image, or whatever answers hang together).
- `values` are the columns that the metrics sum. What belongs to several answers (both questions of
  an image right) is in the last of them. `strata` are {axis: value}, shown next to the total; an
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

from groundtune.bench.files.foreign_logs import FieldsOf
from groundtune.bench.files.published import OfficialData
from groundtune.bench.item import DECODINGS, MODES, Item, ItemAnswer, ItemSelection, Mode
from groundtune.bench.judge.judge import Judging, ReplySource
from groundtune.bench.metric import Metric
from groundtune.bench.stats.bootstrap import SumTable
from groundtune.protocols import Judge, Progress, YesNo
from groundtune.records import Estimate, Record, Sampling, Score
from groundtune.store.keys import key_of

if TYPE_CHECKING:
    from groundtune.store.images import ImageStore

D = TypeVar("D")
FollowUp = Callable[[Sequence[Score], Sequence[Item], YesNo, Progress, int], list[Score]]
"""From a model's scores, their items, the model and a seed to the scores of another benchmark."""


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
    """0 where nothing is generated."""
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
    decoding: str = "greedy"
    """What its decoding is called there."""
    judge: Judging | ReplySource | Judge | None = None
    """Recorded replies, an endpoint or a local model; `judge.as_judging` makes a `Judging` of each,
    and refuses None."""
    similarity: Callable[[str, str], float] | None = None
    """Similarity of two nouns (AMBER, generative); None is what the benchmark's docstring says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeScores:
    """What came of a file of answers that is too large for one `Score` an item."""

    n: int
    unparsed: Mapping[Mode, int]
    tables: Mapping[Mode, SumTable]
    """The sums of both modes."""
    strata: Mapping[str, SumTable]
    """By part or "axis/stratum", in the mode that was asked for."""
    items: Path
    """The file of items that was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark(Generic[D]):
    """A benchmark's parts under one name; D is its own data, whatever it is made of."""

    name: str
    """Lower case, as on the command line."""
    protocol: Protocol
    revision: str
    """Of the rules: the official code that mode official reproduces (owner/repository at commit,
    and file), or a name and number of our own."""
    metrics: tuple[Metric, ...]
    """The same for all modes; snake_case names."""
    headline: str
    """The metric that is named first."""
    companions: tuple[tuple[str, str], ...] = ()
    """(benchmark with part and decoding, metric) of what a verdict must name with the headline. A
    benchmark that has any leads a comparison with others."""
    labels: tuple[tuple[str, str], ...] = ()
    """(part, label) of each part that is reported by itself."""
    has_total: bool = True
    """Whether the parts together are reported too, under the benchmark's name."""
    modes: tuple[Mode, ...] = MODES
    """The first is used where none is named, and its scores bear the benchmark's plain name."""
    decodings: tuple[str, ...] = ("greedy",)
    """How a model is asked."""
    caveat: str = ""
    """What every report with its figures must warn of."""

    read_data: Callable[[Sequence[Path]], D] | None = None
    """Reads files and folders; checks rows, ids and order, and refuses a mismatch (UserError).
    None where `load` makes the items."""
    load: "Callable[[ItemSelection, ImageStore], list[Item]] | None" = None
    """Makes the items, which are then the data; their images are added to the store."""
    read_answers: Callable[[Path, D], list[ItemAnswer]] | None = None
    """Reads the official layout, and those of VLMEvalKit and lmms-eval; one answer per item of the
    data and in its order. Refuses (UserError) missing, further and second answers; never truncates.
    None, as `score`, `read_data` and `load`, where another benchmark's run makes the scores."""
    score: Callable[[D, Sequence[ItemAnswer], Scoring], list[Score]] | None = None
    """Pure; one score per answer (see above)."""
    items: "Callable[[D, Path, ImageStore], list[Item]] | None" = None
    """For `bench run`: the prompts in the order of the data, with images of a folder, which are
    added to the store. None where the benchmark's questions or images can't be asked again."""
    layouts: str = ""
    """The official answer layout in a few words, for `bench list` and the docs."""
    official: OfficialData | None = None
    """Where its data can be fetched and checked; those of ours are in `files/sources.py`."""

    judged: bool = False
    """Whether it can't be scored without a judge."""
    vectors: bool = False
    """Whether a similarity of nouns is of any use to it."""
    verdict: str = ""
    """The value that is a judge's verdict on an answer; "" where it is what was extracted."""
    notes: Callable[[D, Sequence[ItemAnswer], Sequence[Score]], list[str]] | None = None
    """Sentences that a result should say: degenerate answers, what the official code hides."""
    strata: Callable[[D, Sequence[Score], Mode], dict[str, dict[str, float | None]]] | None = None
    """Further strata of the results, by "axis/stratum", where an answer is in several at once."""
    classes: Callable[[Sequence[Score]], dict[str, list[Score]]] | None = None
    """The scores of each such stratum, with its share of the values, for the report's chart."""
    columns: Callable[[Score], dict[str, object]] | None = None
    """Further columns of the file of items, such as what other tools' rules make of the answer."""
    log_fields: FieldsOf | None = None
    """Further fields that other evaluators' logs must have, for `read_answers` to find the item."""
    further_metrics: tuple[Metric, ...] = ()
    """Metrics that no sums of one part's values give, and so are no part of every table."""
    further: Callable[[Sequence[Score]], list[Estimate]] | None = None
    """Estimates of these, from the scores of all parts, models and decodings."""
    follow_up: FollowUp | None = None
    """For `bench run --self-knowledge`: asks the model whether what its own answers say is so."""
    large: Callable[[Sequence[Path], Path, Mode, Path], LargeScores | None] | None = None
    """Scores (data, answers, mode, file of items) without keeping them in memory; None where the
    files are not large or not laid out for it."""

    def score_name(self, mode: Mode) -> str:
        """The name that scores of a mode bear, so that none is compared with another's."""
        return self.name if mode == self.modes[0] else f"{self.name}:{mode}"


def score_key(benchmark: Benchmark[D], item: str, answer: str, scoring: Scoring) -> str:
    """The key of a score: of the rules (name, revision, mode), the item and the answer."""
    rules = (benchmark.name, benchmark.revision, scoring.mode)
    return key_of("file score", rules, item, scoring.model, answer)
