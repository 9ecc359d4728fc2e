"""Seconds to score several answers to each prompt: packed, in one batch, and one by one.

    .venv/bin/python benchmarks/reward_packing.py --model world:base --prompts 12 --answers 8

The head is random: only the times matter, and the differences of the scores next to their spread
(standard deviation). The answers are
captions of the embedded world, so any model that Groundtune packs can be measured.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from groundtune.engine.hidden import HiddenStates, TokenValues
from groundtune.engine.rows import PromptRow
from groundtune.pipeline.models.names import resolve
from groundtune.pipeline.models.prompt_sources import load as load_source
from groundtune.protocols import SilentProgress
from groundtune.store.images import ImageStore
from groundtune.train.reward_head import RewardHead, read_reward
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.load import load
from groundtune.vlm.plain import plain_model
from groundtune.world.captions import MACHINE, caption
from groundtune.world.scenes import find

Scores = list[list[float]]


def rows_of(vlm: Any, images: Path, prompts: int, answers: int) -> list[PromptRow]:
    """Return prompts of the world with machine-written captions as answers."""
    store = ImageStore(images)
    source = load_source("world")
    rows: list[PromptRow] = []
    for number, prompt in enumerate(
        source.prompts(store, prompts, SilentProgress(), part="reporting", seed=0)
    ):
        draw = np.random.default_rng(number)
        scene = find(prompt.source.row)
        texts = [caption(scene, draw, MACHINE) for _ in range(answers)]
        encoded = tuple(encode_answer(vlm, text) for text in texts)
        rows.append(PromptRow(encode_prompt(vlm, prompt, store), encoded))
    return rows


def packed(values: TokenValues, vlm: Any, row: PromptRow) -> list[torch.Tensor]:
    """Score all answers in one row behind their prompt."""
    return values(vlm, [row])[0]


def one_by_one(values: TokenValues, vlm: Any, row: PromptRow) -> list[torch.Tensor]:
    """Score each answer in a forward pass of its own."""
    return [values(vlm, [PromptRow(row.prompt, (answer,))])[0][0] for answer in row.answers]


def timed(run: Callable[..., list[torch.Tensor]], values: Any, vlm: Any, rows: Any) -> Any:
    """Return the scores of all rows, and processor and wall seconds of the faster of two runs."""
    seconds: list[tuple[float, float]] = []
    scores: Scores = []
    for _ in range(2):
        began = time.process_time(), time.perf_counter()
        with torch.inference_mode():
            found = [run(values, vlm, row) for row in rows]
        seconds.append((time.process_time() - began[0], time.perf_counter() - began[1]))
        scores = [[float(read_reward(v, slice(len(v)), "sum")) for v in own] for own in found]
    return scores, min(seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="world:base")
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--answers", type=int, default=8)
    options = parser.parse_args()
    vlm = load(resolve(options.model), dtype="float32")
    torch.manual_seed(0)
    width = plain_model(vlm.model).config.get_text_config().hidden_size
    head = RewardHead(width, "mlp2").to(vlm.device)
    ways = {
        "packed": (packed, True),
        "one batch of rows": (packed, False),
        "one by one": (one_by_one, False),
    }
    result: dict[str, Any] = {"model": options.model, "prompts": options.prompts}
    result["answers"] = options.answers
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(vlm, Path(folder), options.prompts, options.answers)
    exact: Scores = []
    for name in reversed(ways):
        run, pack = ways[name]
        scores, seconds = timed(run, TokenValues(head, HiddenStates(pack=pack)), vlm, rows)
        exact = exact or scores
        result["spread"] = float(np.std(exact))
        apart = float(np.abs(np.array(scores) - np.array(exact)).max())
        processor, wall = (round(each, 3) for each in seconds)
        result[name] = {"processor_s": processor, "wall_s": wall, "largest_difference": apart}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
