"""A recipe's settings for training on pairs. Nothing here needs torch."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from groundtune.methods.cdpo import CDPO
from groundtune.methods.ddpo import DDPO
from groundtune.methods.dpo import DPO
from groundtune.methods.ha_dpo import HADPO
from groundtune.methods.hsa_dpo import HSADPO
from groundtune.methods.ipo import IPO
from groundtune.methods.mdpo import MDPO
from groundtune.methods.mm_dpo import MMDPO
from groundtune.methods.sft import SFT
from groundtune.methods.simpo import SimPO
from groundtune.recipe import Settings
from groundtune.train.data import DataRules
from groundtune.train.optim import Optim
from groundtune.train.precision import Dtype
from groundtune.train.trackers import TrackerName
from groundtune.train.tune import Full, Lora, QLora

Method = Annotated[
    DPO | DDPO | HADPO | MDPO | HSADPO | MMDPO | IPO | CDPO | SimPO | SFT,
    Field(discriminator="type"),
]
Tune = Annotated[Lora | QLora | Full, Field(discriminator="type")]


class Learning(Settings):
    """How a model learns from pairs, whichever model and pairs."""

    MAY_CHANGE = frozenset(
        {
            "attention",
            "engine",
            "gradient_checkpointing",
            "keep_images",
            "micro_batch",
            "micro_tokens",
            "share_starts",
        }
    )
    method: Method = DDPO()
    tune: Tune = Lora()
    """Which weights change: `type: lora`, `type: qlora` or `type: full`, and of which parts."""
    optim: Optim = Optim()
    data: DataRules = DataRules()
    epochs: int = Field(default=7, ge=1)
    """Times through the pairs: 7 in RLHF-V's paper, 4 an iteration in RLAIF-V's code."""
    max_steps: int = Field(default=0, ge=0)
    """Stops after so many steps, with the learning rate at its end; 0 sets no limit."""
    batch_size: int = Field(default=32, ge=1)
    """Pairs a step: 32 in RLHF-V's paper, 8 in its public command."""
    micro_tokens: int = Field(default=4096, ge=1)
    """Tokens a forward pass at the most: changes memory and speed, and which random numbers a
    LoRA's dropout draws. A pair that alone takes more is refused."""
    micro_batch: int = Field(default=64, ge=1)
    """Pairs a forward pass at the most, but a prompt's pairs stay together: changes what
    `micro_tokens` does."""
    engine: Literal["auto", "packed", "separate"] = "auto"
    """A row with a prompt and all its answers, or a row an answer: changes speed, and dropout's
    random numbers. "auto" packs where the model can."""
    attention: Literal["auto", "dense", "segments", "flex"] = "auto"
    """How packed rows attend: changes speed only. "auto" measures where rows are long, once a run,
    and notes choice and times in run.json."""
    keep_images: bool = False
    """Keep encoded images on disk, for the reference, every epoch and, with `keep_images_in`, other
    runs; refused where the image encoder or the projector is trained."""
    share_starts: int = Field(default=0, ge=0)
    """Where answers to a prompt begin with at least so many equal tokens, run these once; 0 never.
    Changes speed only: it pays where the common start is about as long as what follows."""
    dtype: Dtype = "auto"
    """Arithmetic of the forward pass; weights that are trained are kept in float32. The published
    codes train in bfloat16; "auto" does where the device does it natively, and else in float32."""
    gradient_checkpointing: bool = False
    """Less memory for about a third more time."""


class TrainParams(Learning):
    """A recipe's settings for training on pairs."""

    MAY_CHANGE = Learning.MAY_CHANGE | {
        "device",
        "eval_every",
        "keep",
        "keep_images_in",
        "log_to",
        "merge",
        "save_every",
        "shard",
        "zero",
    }
    model: str
    """What is trained, and the reference: a folder, a hub name, or world:base."""
    pairs: Path
    """Folder that holds the pairs, as `groundtune pairs` or `groundtune import` wrote it."""
    device: str = "auto"
    """"auto" takes an accelerator where there is one."""
    keep_images_in: Path | None = None
    """Folder of kept images, which several runs may share; without it the run's own."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Of the pairs' order, a LoRA's first weights, dropout, and the changes of images."""
    save_every: int = Field(default=50, ge=1)
    """Steps between checkpoints: what a stop loses at the most."""
    keep: int = Field(default=1, ge=1)
    """Checkpoints that stay."""
    eval_every: int = Field(default=0, ge=0)
    """Steps between evaluations, where a caller from Python gives one; 0 evaluates never."""
    merge: bool = False
    """Also write a LoRA's result as plain weights."""
    shard: bool = False
    """Of several processes each holds a part of the weights and of the optimiser's state (FSDP2),
    instead of a copy (DDP)."""
    zero: Literal[0, 1, 2, 3] = 0
    """Of several processes each holds a part of the optimiser's state (1), of the gradients (2), of
    the weights (3): the stage of DeepSpeed's ZeRO, which is an extra; 0 goes without."""
    log_to: tuple[TrackerName, ...] = ()
    """Trackers that get the metrics too: trackio, wandb, tensorboard, mlflow."""

    @model_validator(mode="after")
    def _merges(self) -> Self:
        if self.keep_images_in and not self.keep_images:
            raise ValueError("keep_images_in says where images are kept: set keep_images too")
        if self.shard and self.zero:
            raise ValueError("weights are cut by shard or by zero, not by both")
        if self.merge and (self.shard or self.zero == 3):
            raise ValueError("sharded weights can't be merged: merge when the run is done")
        if self.merge and self.tune.type == "qlora":
            raise ValueError("weights in 4 bits can't be merged: use the adapter on the full base")
        return self
