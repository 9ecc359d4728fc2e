"""`groundtune sample`."""

import shlex
import sys
from pathlib import Path
from typing import Literal


def sample(
    *recipe: str,
    model: str | None = None,
    prompts: Path | None = None,
    images: Path | None = None,
    ask: str | None = None,
    out: Path,
    n: int | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_new_tokens: int | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    limit: int | None = None,
    skip_bad: bool | None = None,
    adapter: Path | None = None,
    revision: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    engine: Literal["local", "ray"] | None = None,
    workers: int | None = None,
    json: bool = False,
) -> None:
    """Draw answers to prompts.

    A vision-language model answers each prompt n times. Run again with the same --out, it goes on
    where it stopped: what is drawn depends on the seed alone, not on batches or interruptions.

    Args:
        recipe: A YAML file, if any, and key=value settings, as in sampling.top_k=50.
        model: A folder, a name on the Hugging Face hub, world:base, or openai:MODEL@URL for an
            OpenAI-compatible endpoint (its key in GROUNDTUNE_API_KEY).
        prompts: JSON lines, Parquet, the folder of another run, or world:200 for so many scenes of
            the embedded world.
        images: Folder of pictures: those of the prompts, or without --prompts to be asked --ask.
        ask: The instruction for each picture of --images.
        out: Folder for the answers, their prompts and pictures.
        n: Answers a prompt (10).
        temperature: Temperature (0.7); 0 is greedy decoding and needs --n 1.
        top_p: Share of the probability that is drawn from, above 0 to 1 (1).
        max_new_tokens: Tokens after which an answer is cut (512).
        seed: Seed of the whole run (0).
        batch_size: Answers drawn at once (16).
        limit: The most rows or pictures to read.
        skip_bad: Leave bad rows out and list them, rather than stop at the first.
        adapter: Folder of a peft adapter on the model.
        revision: Branch, tag or commit on the hub (main).
        device: cpu, cuda, mps or auto.
        dtype: float32, bfloat16, float16 or auto.
        engine: "local" is this process; "ray" has workers of a Ray cluster, with engine.gpus,
            engine.cpus (of each) and engine.address as settings.
        workers: Workers of --engine ray (1).
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.sample import SampleParams, run_sample
    from groundtune.recipe import load

    given: dict[str, object] = {
        "model": model,
        "prompts": prompts,
        "images": images,
        "ask": ask,
        "n": n,
        "sampling.temperature": temperature,
        "sampling.top_p": top_p,
        "sampling.max_new_tokens": max_new_tokens,
        "seed": seed,
        "batch_size": batch_size,
        "limit": limit,
        "skip_bad": skip_bad,
        "adapter": adapter,
        "revision": revision,
        "device": device,
        "dtype": dtype,
        "engine.type": engine,
        "engine.workers": workers,
    }
    params = load(_only(recipe), [*_settings(recipe), *_overrides(given)], SampleParams)
    with open_progress(silent=json) as progress:
        made = run_sample(params, out, progress, command=sys.argv)
    finish(
        made.model_dump(),
        wrote=out,
        next_command=f"groundtune label --answers {shlex.quote(str(out))}",
        json=json,
    )


def _settings(recipe: tuple[str, ...]) -> list[str]:
    return [token for token in recipe if "=" in token]


def _overrides(given: dict[str, object]) -> list[str]:
    """Options as recipe overrides; text is quoted so that YAML takes it as it is."""
    import json

    return [
        f"{name}={json.dumps(value if isinstance(value, int | float) else str(value))}"
        for name, value in given.items()
        if value is not None
    ]


def _only(recipe: tuple[str, ...]) -> Path | None:
    from groundtune.errors import UserError

    paths = [token for token in recipe if "=" not in token]
    if len(paths) > 1:
        raise UserError(
            "More than one recipe is given.", paths[1], "Give one file, and key=value settings."
        )
    return Path(paths[0]) if paths else None
