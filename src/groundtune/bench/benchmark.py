"""The `Benchmark` type, shared by benchmarks from files and those that generate their items.

A benchmark is one file or folder of `bench/tasks` (or `bench/world`) that exports one `Benchmark`;
`registry.py` maps its name to it. A benchmark reads its data (`read_data`) or generates them
(`load`), reads answers to them (`read_answers`) and scores these answers without any further
reading (`score`). Everything else is shared: tables of answers (`files/answers.py`), known
revisions of data and their checks (`files/`), intervals (`stats/`), results (`results.py`).

There are two modes. "official" reproduces the numbers of the official code to the last digit,
faults included, and names its revision. "strict" fixes the faults: an unreadable answer has the
status "unparsed" and counts only in `unparsed`, unless the benchmark's docstring says otherwise. In
mode official, an answer that the official rule cannot read also has the status "unparsed", with the
values that the official code gives it.

Rules for a `score` function:

- It is pure and returns exactly one `Score` per answer, in their order: `read_answers` has refused
  answers that do not match the data.
- `Score.key` is `score_key(...)`; `benchmark` is the name, or name/part if results are also shown
  per part; `item` is unique within the benchmark, across its parts; `image` is the unit that the
  bootstrap resamples (an image, or any other group of dependent answers).
- `values` are the columns that the metrics sum. A value of several answers (both questions about an
  image right) is in the last of them. `strata` are {axis: value}, shown next to the total; an axis
  has at most a few dozen values.
- `extracted` is what was read from the answer; `why` says what is wrong with it, or why it is
  unreadable.
- A failure of the judge gives the status "unparsed" with a `why`; mode official has the values that
  the official code would give.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from typing import Protocol as TypingProtocol

from groundtune.bench.files.foreign_logs import FieldsOf
from groundtune.bench.files.published import OfficialData
from groundtune.bench.item import DECODINGS, MODES, Item, ItemAnswer, ItemSelection, Mode
from groundtune.bench.judge.judge import Judging, ReplySource
from groundtune.bench.metric import Metric
from groundtune.bench.stats.sums import SumTable
from groundtune.protocols import Judge, Progress, Rewarder, YesNo
from groundtune.records import Estimate, Prompt, Record, Sampling, Score
from groundtune.store.keys import key_of

if TYPE_CHECKING:
    from groundtune.store.images import ImageStore

D = TypeVar("D")
RewardReplies = Callable[[Sequence[Prompt]], list[str]]
"""Replies to items' prompts, in their order, made of rewards."""
FollowUp = Callable[[Sequence[Score], Sequence[Item], YesNo, Progress, int], list[Score]]
"""Maps a model's scores, their items, the model and a seed to scores of another benchmark."""


class Tally(TypingProtocol):
    """Counts of scores that arrive in batches, for a benchmark's strata and notes."""

    def add(self, answers: Sequence[ItemAnswer], scores: Sequence[Score]) -> None:
        """Count further answers and their scores."""
        ...

    def strata(self) -> dict[str, dict[str, float | None]]:
        """Return the strata, as `Benchmark.strata`."""
        ...

    def notes(self) -> list[str]:
        """Return the notes, as `Benchmark.notes`."""
        ...


class Protocol(Record):
    """How a benchmark prompts models and reads their answers."""

    label: str
    """Display name."""
    prompt: str
    parser: str
    counted: str
    """What exactly the metrics count, and how that differs from the source."""
    source: str
    """Authors, year, arXiv id."""
    max_new_tokens: int
    """0 if nothing is generated."""
    judge: str = "none"
    items: str = ""

    def sampling(self, decoding: str) -> Sampling:
        """Return the settings of a decoding: greedy, or sampling at temperature 1."""
        return Sampling(max_new_tokens=self.max_new_tokens, temperature=DECODINGS[decoding])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """Settings of a scoring."""

    mode: Mode = "official"
    model: str = "model"
    """Name of the model in the results."""
    decoding: str = "greedy"
    """Name of its decoding in the results."""
    judge: Judging | ReplySource | Judge | None = None
    """Recorded replies, an endpoint or a local model; `judge.as_judging` makes a `Judging` of each,
    and refuses None."""
    similarity: Callable[[str, str], float] | None = None
    """Similarity of two nouns (AMBER, generative); the benchmark's docstring defines None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeScores:
    """Scores of a file of answers that is too large for one `Score` per item."""

    n: int
    unparsed: Mapping[Mode, int]
    tables: Mapping[Mode, SumTable]
    """Sums by mode."""
    strata: Mapping[str, SumTable]
    """Sums by part or "axis/stratum", in the requested mode."""
    items: Path
    """The file of items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark(Generic[D]):
    """A benchmark: its data of type D, its rules, its metrics and how results are shown."""

    name: str
    """Lower case, as on the command line."""
    protocol: Protocol
    revision: str
    """Revision of the rules: the official code that mode official reproduces (owner/repository at
    commit, and file), or a name and number of ours."""
    metrics: tuple[Metric, ...]
    """The same for all modes; snake_case names."""
    headline: str
    """Name of the metric that is reported first."""
    companions: tuple[tuple[str, str], ...] = ()
    """(benchmark with part and decoding, metric) of the metrics that a verdict must name next to
    the headline. A benchmark with companions leads a comparison of several."""
    labels: tuple[tuple[str, str], ...] = ()
    """(part, label) of each part that is reported separately."""
    has_total: bool = True
    """Whether a total over the parts is reported too, under the benchmark's name."""
    modes: tuple[Mode, ...] = MODES
    """The first is the default; its scores have the benchmark's plain name."""
    decodings: tuple[str, ...] = ("greedy",)
    """The decodings that a model answers with."""
    caveat: str = ""
    """A warning that every report with its figures must show."""

    read_data: Callable[[Sequence[Path]], D] | None = None
    """Reads files and folders; checks rows, ids and order, and refuses a mismatch (UserError).
    None if `load` generates the items."""
    load: "Callable[[ItemSelection, ImageStore], list[Item]] | None" = None
    """Generates the items, which are then the data; adds their images to the store."""
    read_answers: Callable[[Path, D], list[ItemAnswer]] | None = None
    """Reads the official layout, and those of VLMEvalKit and lmms-eval; returns one answer per item
    in the order of the data. Refuses (UserError) missing, extra and second answers; never
    truncates. None, like `score`, `read_data` and `load`, if the run of another benchmark makes the
    scores."""
    score: Callable[[D, Sequence[ItemAnswer], Scoring], list[Score]] | None = None
    """Pure; one score per answer (see above)."""
    items: "Callable[[D, Path, ImageStore], list[Item]] | None" = None
    """For `bench run`: returns the prompts in the order of the data and adds the images of a folder
    to the store. None if the questions or images are not available."""
    images_inside: bool = False
    """Whether files of the data may hold the images: then `bench run` needs no folder of images."""
    rewarded: "Callable[[D, Sequence[Item], Rewarder], RewardReplies] | None" = None
    """For `bench run` of a reward model: what it replies to the items, which compare answers."""
    layouts: str = ""
    """The official answer layout in a few words, for `bench list` and the docs."""
    official: OfficialData | None = None
    """Where its data can be downloaded; for our own benchmarks see `files/sources.py`."""

    judged: bool = False
    """Whether scoring needs a judge."""
    vectors: bool = False
    """Whether scoring can use a similarity of nouns."""
    verdict: str = ""
    """Name of the value that is the judge's verdict on an answer; "" if `extracted` is."""
    notes: Callable[[D, Sequence[ItemAnswer], Sequence[Score]], list[str]] | None = None
    """Sentences to show with a result: degenerate answers, what the official code hides."""
    strata: Callable[[D, Sequence[Score], Mode], dict[str, dict[str, float | None]]] | None = None
    """Further strata of the results, by "axis/stratum", for answers that are in several at once."""
    tally: Callable[[D, Mode], Tally] | None = None
    """Replaces `notes` and `strata` if each answer is scored by itself: answers are then scored in
    batches, and only the counts stay in memory."""
    classes: Callable[[Sequence[Score]], dict[str, list[Score]]] | None = None
    """The scores of each such stratum, with its share of the values, for the report's chart."""
    columns: Callable[[Score], dict[str, object]] | None = None
    """Further columns of the file of items, such as how other tools read the answer."""
    log_fields: FieldsOf | None = None
    """Further fields that `read_answers` needs in other evaluators' logs to find the item."""
    further_metrics: tuple[Metric, ...] = ()
    """Metrics that are not computed from sums of one part's values."""
    further: Callable[[Sequence[Score]], list[Estimate]] | None = None
    """Estimates these metrics from the scores of all parts, models and decodings."""
    follow_up: FollowUp | None = None
    """For `bench run --self-knowledge`: asks the model whether its own answers are true."""
    large: Callable[[Sequence[Path], Path, Mode, Path], LargeScores | None] | None = None
    """Scores (data, answers, mode, file of items) without holding them in memory; None if the files
    are small or of another layout."""

    def score_name(self, mode: Mode) -> str:
        """Return the benchmark's name in scores of a mode, so that modes are never mixed."""
        return self.name if mode == self.modes[0] else f"{self.name}:{mode}"


def score_key(benchmark: Benchmark[D], item: str, answer: str, scoring: Scoring) -> str:
    """Return the key of a score: a hash of the rules (name, revision, mode), item and answer."""
    rules = (benchmark.name, benchmark.revision, scoring.mode)
    return key_of("file score", rules, item, scoring.model, answer)
