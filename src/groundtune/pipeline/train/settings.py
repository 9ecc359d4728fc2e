"""A recipe's settings for training on pairs. Imports no torch."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from groundtune.methods.cdpo import CDPO
from groundtune.methods.ddpo import DDPO
from groundtune.methods.dpo import DPO
from groundtune.methods.ha_dpo import HADPO
from groundtune.methods.hsa_dpo import HSADPO
from groundtune.methods.ipo import IPO
from groundtune.methods.kto import KTO
from groundtune.methods.mdpo import MDPO
from groundtune.methods.mm_dpo import MMDPO
from groundtune.methods.registry import METHODS
from groundtune.methods.sft import SFT
from groundtune.methods.simpo import SimPO
from groundtune.plugins import MoreVariants
from groundtune.recipe_loading import Settings
from groundtune.records import Record
from groundtune.train.data import DataRules
from groundtune.train.optim import Optim
from groundtune.train.precision import Dtype
from groundtune.train.trackers import TrackerName
from groundtune.train.tune import Full, Lora, QLora

Method = Annotated[
    DPO | DDPO | HADPO | MDPO | HSADPO | MMDPO | IPO | KTO | CDPO | SimPO | SFT,
    Field(discriminator="type"),
    MoreVariants(METHODS),
]
"""A built-in method, or one that another package adds (`methods/registry.py`)."""
Tune = Annotated[Lora | QLora | Full, Field(discriminator="type")]


class TrainingSettings(Settings):
    """How weights are trained, whatever is learnt."""

    MAY_CHANGE = frozenset({"gradient_checkpointing", "micro_batch", "micro_tokens"})
    tune: Tune = Lora()
    """Which weights to train: `type: lora`, `type: qlora` or `type: full`, and in which parts."""
    optim: Optim = Optim()
    epochs: int = Field(default=7, ge=1)
    """Passes over the pairs: 7 in RLHF-V's paper, 4 per iteration in RLAIF-V's code."""
    max_steps: int = Field(default=0, ge=0)
    """Largest number of steps; the learning rate reaches its end there. 0 sets no limit."""
    batch_size: int = Field(default=32, ge=1)
    """Pairs per step: 32 in RLHF-V's paper, 8 in its public command."""
    micro_tokens: int = Field(default=4096, ge=1)
    """Maximum tokens per forward pass: affects memory and speed, and the random numbers of a LoRA's
    dropout. A pair that needs more is refused."""
    micro_batch: int = Field(default=64, ge=1)
    """Maximum pairs per forward pass; a prompt's pairs stay together. Affects what `micro_tokens`
    does."""
    dtype: Dtype = "auto"
    """Arithmetic of the forward pass; trained weights are float32. The published code trains in
    bfloat16; "auto" does so if the device supports it natively, else float32."""
    special_tokens: Literal["refuse", "text"] = "refuse"
    """Special tokens that the text of a prompt or an answer spells (`</s>`, `<|im_end|>`): "refuse"
    is an error, "text" encodes their characters."""
    gradient_checkpointing: bool = False
    """Use less memory for about a third more time."""


class Learning(TrainingSettings):
    """How a model learns from pairs, independent of the model and the pairs."""

    MAY_CHANGE = TrainingSettings.MAY_CHANGE | {
        "attention",
        "engine",
        "keep_images",
        "merge_dtype",
        "share_starts",
    }
    method: Method = DDPO()
    """What is learned from the pairs; `type` names the method."""
    data: DataRules = DataRules()
    engine: Literal["auto", "packed", "separate"] = "auto"
    """"packed" puts a prompt and all its answers into one row, "separate" uses one row per answer,
    "auto" packs where the model supports it. Affects speed, and dropout's random numbers."""
    attention: Literal["auto", "dense", "segments", "flex"] = "auto"
    """Attention of packed rows: affects speed only. If rows are long, "auto" measures once per run
    and stores the choice and the times in run.json."""
    keep_images: bool = False
    """Keep encoded images on disk for the reference, every epoch and, with `keep_images_in`, other
    runs; refused if the image encoder or the projector is trained."""
    share_starts: int = Field(default=0, ge=0)
    """Run the common start of a prompt's answers once if it has at least this many tokens; 0
    never. Affects speed only: it pays if the common start is about as long as the rest."""
    merge_dtype: Literal["float32", "base"] = "float32"
    """dtype of merged weights. "base" is the base model's: refused if rounding loses more than 5%
    of the margin that was trained, measured on the run's pairs."""


class OneRun(TrainingSettings):
    """A run that trains one model in one folder."""

    MAY_CHANGE = TrainingSettings.MAY_CHANGE | {"device", "keep", "log_to", "save_every"}
    model: str
    """The model to train: a folder, a hub name, or world:base."""
    device: str = "auto"
    """"auto" uses an accelerator if there is one."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Seed of the examples' order, a LoRA's initial weights, dropout, and changed images."""
    save_every: int = Field(default=50, ge=1)
    """Steps between checkpoints: an interrupted run loses at most this many."""
    keep: int = Field(default=1, ge=1)
    """How many checkpoints to keep."""
    log_to: tuple[TrackerName, ...] = ()
    """Trackers that also get the metrics: trackio, wandb, tensorboard, mlflow."""


class MixedSource(Record):
    """A folder that a run learns from, and how often."""

    folder: Path
    """Folder of pairs."""
    weight: float = Field(default=1.0, gt=0, le=100)
    """How often each of its pairs counts in an epoch: 0.5 takes half of them, chosen by the seed, 2
    each twice."""


class TrainSettings(Learning, OneRun):
    """A recipe's settings for training on pairs. `model` is also the reference."""

    MAY_CHANGE = (
        Learning.MAY_CHANGE
        | OneRun.MAY_CHANGE
        | {
            "allow_evaluation_images",
            "evaluations",
            "eval_every",
            "keep_images_in",
            "merge",
            "shard",
            "zero",
        }
    )
    pairs: Path
    """Folder of the pairs, written by `groundtune pairs` or `groundtune import`. With the method
    sft also a folder of answers to learn: imported examples, or sampled answers."""
    mix: tuple[MixedSource, ...] = ()
    """Further folders, mixed in by weight; `pairs` has the weight 1."""
    anchor: Path | None = None
    """Folder of captions of another data set, such as `groundtune import captions` writes: each
    pair of a step has one next to it, and the anchor of ha_dpo is on these instead of the chosen
    answers."""
    evaluations: tuple[Path, ...] = ()
    """Folders of `groundtune bench run` whose images must not be in the training data; those in
    PAIRS/evaluation/ always count."""
    allow_evaluation_images: bool = False
    """Train although such images are in the data; they are counted."""
    keep_images_in: Path | None = None
    """Folder of the encoded images, which several runs may share; default: the run's folder."""
    eval_every: int = Field(default=0, ge=0)
    """Steps between evaluations with the `evaluate` that a Python caller passes; 0 never
    evaluates."""
    merge: bool = False
    """Also write a LoRA's result merged into plain weights, summed in float32."""
    shard: bool = False
    """Shard weights and optimiser state over the processes (FSDP2) instead of copying them (DDP).
    """
    zero: Literal[0, 1, 2, 3] = 0
    """Stage of DeepSpeed's ZeRO (an extra): shard the optimiser state (1), also the gradients (2),
    also the weights (3) over the processes; 0 does not use DeepSpeed."""

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.data.rounds == "all" and self.method.compares:
            raise ValueError(
                "data.rounds=all learns every answer of a dialogue: use method.type=sft"
            )
        if self.anchor and not self.method.anchors:
            raise ValueError(
                "the method has no anchor: remove anchor, or use ha_dpo with method.gamma over 0"
            )
        if self.keep_images_in and not self.keep_images:
            raise ValueError("keep_images_in needs keep_images=true")
        if self.shard and self.zero:
            raise ValueError("shard and zero both shard the weights: use one of them")
        if self.merge and (self.shard or self.zero == 3):
            raise ValueError("sharded weights can't be merged: merge after the run")
        if self.merge and self.tune.type == "qlora":
            raise ValueError("4-bit weights can't be merged: use the adapter on the full base")
        return self
