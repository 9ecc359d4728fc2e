"""Options of `groundtune bench run` and `bench score` that belong together; some are in both."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Group, Parameter

if TYPE_CHECKING:
    from groundtune.bench.benchmark import Scoring
    from groundtune.protocols import Progress


_JUDGE_GROUP = Group("Judge options", sort_key=1001)
_ITEMS_GROUP = Group("Options for benchmarks that make their own items (world)", sort_key=1002)


@Parameter(name="*", group=_JUDGE_GROUP)
@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """What scoring needs besides the answers; cyclopts makes an option of each field."""

    judge_replies: tuple[Path, ...] = ()
    """File with recorded replies of a judge. Can be given several times."""
    judge: str = ""
    """Judge to ask: a local model, openai:MODEL@URL, an endpoint's URL, or a YAML file."""
    judge_model: str = ""
    """Name of the judge at that URL."""
    similarity: Path | None = None
    """File of word vectors as text, to compare AMBER's nouns."""

    def scoring(self, out: Path, progress: "Progress") -> "Scoring":
        """The scoring with the judge that is named; without one, nothing is imported for it.

        Raises:
            UserError: as `judging.open_judge`.
        """
        if self == NO_JUDGE:
            from groundtune.bench.benchmark import Scoring

            return Scoring()
        from groundtune.pipeline.bench.judging import Judges, open_judge

        judges = Judges(
            replies=self.judge_replies,
            judge=self.judge,
            model=self.judge_model,
            similarity=self.similarity,
        )
        return open_judge(judges, out, progress)


@Parameter(name="*", group=_ITEMS_GROUP)
@dataclass(frozen=True, kw_only=True)
class ItemOptions:
    """Items of benchmarks that make their own."""

    split: str = "development"
    """Split of the items: train, development or, with --final, test."""
    n: int = 500
    """Number of images."""
    start: int = 0
    """Images of the split that are passed over, such as those that you have looked at before."""
    final: bool = False
    """Open the test split, and note the date in the notebook."""
    notebook: Path | None = None
    """Notebook file (default: docs/notebook.md if it exists, else OUT/notebook.md)."""


NO_JUDGE, ITEMS = JudgeOptions(), ItemOptions()
"""No option is set."""
