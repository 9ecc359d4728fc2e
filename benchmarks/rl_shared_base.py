"""Peak memory of PPO with a reward model on the policy's base, and with one of its own.

    .venv/bin/python benchmarks/rl_shared_base.py

The model has the shapes of `rl_against_trl.py`'s case like LLaVA, and random weights. Policy and
reward model are LoRAs of it; the reward model that has weights of its own is the same folder, said
to be of another base. Each run is a process of its own, whose growth from before the model is
loaded is measured; the first one's reward is a rule.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rl_parts import forget_peak, peak
from rl_sides import NO_CLAIMS, Even
from train_against_trl import result_of
from train_cases import RANK, rl_case_of
from train_models import Place, asked, build

from groundtune.pipeline.reward.accuracy import Accuracy
from groundtune.pipeline.reward.judging import JudgingSettings
from groundtune.pipeline.reward.spec import HEAD, NAME, Reading, RewardSpec, processor_hash
from groundtune.pipeline.rl.memory import noted_line
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import SilentProgress
from groundtune.store.json_writing import json_of
from groundtune.train.checkpoint import head_bytes, write_model
from groundtune.train.reward_head import RewardHead
from groundtune.train.tune import Lora, apply
from groundtune.vlm.load import load

CASE = rl_case_of("rl-llava-100-lora")
STEPS = 2
RUNS = ("rule", "shared", "own")


def write_reward(base: Path, folder: Path, revision: str) -> None:
    """Writes a reward model with a LoRA and a head of random weights, trained on `revision`."""
    torch.manual_seed(1)
    vlm = load(str(base), device="cpu")
    spec = RewardSpec(
        reading=Reading(
            learn="answers", head="mlp2", readout="mean", judging=JudgingSettings(), seed=0
        ),
        width=vlm.model.config.get_text_config().hidden_size,
        model=str(base),
        revision=revision or vlm.revision,
        processor=processor_hash(vlm.processor),
        dtype="float32",
        accuracy=Accuracy(value=0.7, low=0.6, high=0.8, n=100),
        spread=1.0,
        probes=(),
    )
    head = RewardHead(spec.width, "mlp2")
    vlm.model = apply(vlm.model, Lora(r=RANK, alpha=RANK, dropout=0.0))
    files = {NAME: json_of(spec).encode(), f"{HEAD}.safetensors": head_bytes(head)}
    write_model(vlm, folder, files)


def settings_of(scratch: Path, reward: str) -> RLSettings:
    """A short run of PPO on the case's prompts."""
    rows: list[dict[str, str]] = []
    for number in range(STEPS):
        what = asked(CASE, number)
        what.image.save(scratch / f"{number}.png")
        rows.append({"question": what.question, "image": f"{number}.png"})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (scratch / "prompts.jsonl").write_text(lines, encoding="utf-8")
    return RLSettings.model_validate(
        {
            "model": str(scratch / CASE.model),
            "prompts": str(scratch / "prompts.jsonl"),
            "images": str(scratch),
            "device": "cpu",
            "n": CASE.answers,
            "prompts_per_step": 1,
            "steps": STEPS,
            "minibatches": 1,
            "sampling": {"max_new_tokens": CASE.tokens},
            "method": {"type": "ppo"},
            "rewards": {**NO_CLAIMS, "more": {reward: 1.0}},
            "tune": {"type": "lora", "r": RANK, "alpha": RANK, "dropout": 0.0},
            "batch_size": CASE.answers,
            "held_out": 0,
            "eval_every": 0,
            "save_every": STEPS,
        }
    )


def measure(name: str, scratch: Path) -> dict[str, Any]:
    """One run: the most that the process grew by, in MiB, and what shares weights."""
    forget_peak()
    before = peak()
    reward = name if name == "rule" else str(scratch / name)
    rewarders = {"rule": Even()} if name == "rule" else {}
    out = scratch / f"{name}-out"
    rl(settings_of(scratch, reward), out, SilentProgress(), rewarders=rewarders)
    models = noted_line(out).replace(f"{scratch}/", "")
    return {"peak_mb": round((peak() - before) / 1024), "models": models}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work = json.loads(options.work)
        sys.stdout.write(f"RESULT {json.dumps(measure(work['run'], Path(work['scratch'])))}\n")
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        # weights of another type than the file's are copied to memory, not mapped from the file
        build(CASE.model, scratch / CASE.model, Place(dtype="bfloat16"))
        write_reward(scratch / CASE.model, scratch / "shared", "")
        write_reward(scratch / CASE.model, scratch / "own", "another")
        for name in RUNS:
            result = result_of(__file__, {"run": name, "scratch": folder}, environment)
            sys.stdout.write(f"{name}: {json.dumps(result)}\n")


if __name__ == "__main__":
    main()
