"""`groundtune sample`."""

import sys
from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from groundtune.cli.model_options import ENGINE, MODEL, EngineOptions, ModelOptions
from groundtune.cli.recipe_argument import Settings


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How answers are sampled; cyclopts makes an option of each field."""

    n: int | None = None
    """Answers per prompt (default 10)."""
    temperature: float | None = None
    """Sampling temperature (default 0.7); 0 is greedy decoding and needs --n 1."""
    top_p: float | None = None
    """Nucleus sampling: share of the probability mass to sample from (default 1)."""
    max_new_tokens: int | None = None
    """Longest answer in tokens; longer ones are truncated (default 512)."""
    seed: int | None = None
    """Random seed (default 0)."""

    def settings(self) -> dict[str, object]:
        """By the names of their settings."""
        return {
            "n": self.n,
            "sampling.temperature": self.temperature,
            "sampling.top_p": self.top_p,
            "sampling.max_new_tokens": self.max_new_tokens,
            "seed": self.seed,
        }


SAMPLING = SamplingOptions()
"""No option is set."""


def sample(
    recipe: str | None = None,
    /,
    *settings: Settings,
    model: str | None = None,
    prompts: Path | None = None,
    images: Path | None = None,
    ask: str | None = None,
    out: Path,
    sampling: SamplingOptions = SAMPLING,
    limit: int | None = None,
    skip_bad: bool | None = None,
    loading: ModelOptions = MODEL,
    running: EngineOptions = ENGINE,
    json: bool = False,
) -> None:
    """Sample answers from a vision-language model.

    The model answers each prompt n times. A command that was stopped resumes when you run it
    again. The answers depend on the seed, not on the batch size or on where it was stopped.

    For example:

        groundtune sample --model world:base --prompts world:20 --n 4 --out runs/candidates
        groundtune sample --model llava-hf/llava-1.5-7b-hf --images photos --out runs/photos \
--ask "Describe the image."

    Args:
        recipe: YAML file with settings, if you have one.
        settings: Settings that have no option, such as sampling.top_k=50. They override the
            recipe, and options override both.
        model: A folder, a name on the Hugging Face hub, world:base, or openai:MODEL@URL for an
            OpenAI-compatible endpoint (API key in GROUNDTUNE_API_KEY).
        prompts: A file of prompts (JSON lines, a JSON list, CSV, a spreadsheet or Parquet), the
            folder of another run, or world:200 for 200 prompts about the embedded world.
        images: Folder of images: those that the prompts name or, without --prompts, those to ask
            about.
        ask: Question or instruction for each image in --images.
        out: Folder for the answers, with their prompts and images.
        sampling: How answers are sampled.
        limit: Read at most this many rows or images.
        skip_bad: Skip and list rows that can't be read, instead of stopping at the first.
        loading: How the model is loaded and asked.
        running: Where the model runs.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_answers
    from groundtune.cli.progress import open_progress
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.pipeline.sample.run import SampleSettings, run_sample

    options: dict[str, object] = {
        "model": model,
        "prompts": prompts,
        "images": images,
        "ask": ask,
        "limit": limit,
        "skip_bad": skip_bad,
    }
    options |= sampling.settings() | loading.settings() | running.settings()
    source = read_recipe(recipe, settings)
    params = source.load(SampleSettings, options)
    with open_progress(silent=json) as progress:
        summary = run_sample(params, out, progress, command=sys.argv)
    finish(summary.model_dump(), path=out, next_command=after_answers(out), json=json)
