"""`groundtune sample`."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from groundtune.cli.model_options import ENGINE, LOAD, EngineOptions, LoadOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """What is drawn; cyclopts makes an option of each field."""

    n: int | None = None
    """Answers a prompt (10)."""
    temperature: float | None = None
    """Temperature (0.7); 0 is greedy decoding and needs --n 1."""
    top_p: float | None = None
    """Share of the probability that is drawn from, above 0 to 1 (1)."""
    max_new_tokens: int | None = None
    """Tokens after which an answer is cut (512)."""
    seed: int | None = None
    """Seed of the whole run (0)."""
    batch_size: int | None = None
    """Answers drawn at once (16)."""

    def settings(self) -> dict[str, object]:
        """By the names of their settings."""
        return {
            "n": self.n,
            "sampling.temperature": self.temperature,
            "sampling.top_p": self.top_p,
            "sampling.max_new_tokens": self.max_new_tokens,
            "seed": self.seed,
            "batch_size": self.batch_size,
        }


DRAW = DrawOptions()
"""Where nothing was said."""


def sample(
    *recipe: str,
    model: str | None = None,
    prompts: Path | None = None,
    images: Path | None = None,
    ask: str | None = None,
    out: Path,
    drawing: DrawOptions = DRAW,
    limit: int | None = None,
    skip_bad: bool | None = None,
    loading: LoadOptions = LOAD,
    running: EngineOptions = ENGINE,
    json: bool = False,
) -> None:
    """Draw answers to prompts.

    A vision-language model answers each prompt n times. Run again with the same --out, it goes on
    where it stopped: what is drawn depends on the seed alone, not on batches or interruptions.

    Args:
        recipe: A YAML file, if any, and key=value settings, as in sampling.top_k=50.
        model: A folder, a name on the Hugging Face hub, world:base, or openai:MODEL@URL for an
            OpenAI-compatible endpoint (its key in GROUNDTUNE_API_KEY).
        prompts: JSON lines, a JSON list, a table, Parquet, the folder of another run, or world:200
            for so many scenes of the embedded world.
        images: Folder of pictures: those of the prompts, or without --prompts to be asked --ask.
        ask: The instruction for each picture of --images.
        out: Folder for the answers, their prompts and pictures.
        drawing: What is drawn.
        limit: The most rows or pictures to read.
        skip_bad: Leave bad rows out and list them, rather than stop at the first.
        loading: How the model is loaded.
        running: Where the model runs.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.given import read_words
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.sample.run import SampleParams, run_sample
    from groundtune.recipe import load

    options: dict[str, object] = {
        "model": model,
        "prompts": prompts,
        "images": images,
        "ask": ask,
        "limit": limit,
        "skip_bad": skip_bad,
    }
    options |= drawing.settings() | loading.settings() | running.settings()
    given = read_words(recipe)
    params = load(given.path, given.settings, SampleParams, options=options)
    with open_progress(silent=json) as progress:
        made = run_sample(params, out, progress, command=sys.argv)
    finish(
        made.model_dump(),
        wrote=out,
        next_command=f"groundtune label --answers {shlex.quote(str(out))}",
        json=json,
    )
