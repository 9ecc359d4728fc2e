"""Options of `groundtune bench run` and `bench score` that belong together; some are in both."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

if TYPE_CHECKING:
    from groundtune.bench.benchmark import Scoring
    from groundtune.protocols import Progress


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """What scoring needs beside the answers; cyclopts makes an option of each field."""

    judge_replies: tuple[Path, ...] = ()
    """File of recorded replies of a judge; may be repeated."""
    judge: str = ""
    """Judge to ask: a local model, openai:MODEL@URL, an endpoint's URL, or a YAML file."""
    judge_model: str = ""
    """The judge's name at that URL."""
    similarity: Path | None = None
    """Word vectors as text, for AMBER's nouns."""

    def scoring(self, out: Path, progress: "Progress") -> "Scoring":
        """A scoring with what was named; nothing is imported for a judge that wasn't.

        Raises:
            UserError: as `judging.open_judge`.
        """
        if self == NO_JUDGE:
            from groundtune.bench.benchmark import Scoring

            return Scoring()
        from groundtune.pipeline.bench.judging import Judges, open_judge

        named = Judges(
            replies=self.judge_replies,
            judge=self.judge,
            model=self.judge_model,
            similarity=self.similarity,
        )
        return open_judge(named, out, progress)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WorldOptions:
    """Which items of the embedded world."""

    split: str = "development"
    """The world's: train, development or, with --final, test."""
    n: int = 500
    """The world's: pictures that are, or were, asked about."""
    final: bool = False
    """Open the world's test split; a dated line in the notebook says so."""
    notebook: Path | None = None
    """That notebook (docs/notebook.md if there is one, else OUT/notebook.md)."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """How a model is loaded and asked."""

    adapter: Path | None = None
    """Folder of a peft adapter on the model."""
    revision: str = "main"
    """Branch, tag or commit on the hub."""
    batch_size: int = 16
    """Answers drawn at once."""
    device: str = "auto"
    """cpu, cuda, mps or auto."""
    dtype: str = "auto"
    """float32, bfloat16, float16 or auto."""


NO_JUDGE, WORLD, MODEL = JudgeOptions(), WorldOptions(), ModelOptions()
"""What holds where nothing was said."""
