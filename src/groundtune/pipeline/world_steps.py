"""The steps of the loop on the embedded world, as jobs: collect, correct, learn, evaluate.

Each step's settings name folders relative to the run's, so that runs may share what they have in
common: one base's answers, one base's evaluation.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from groundtune.methods.ddpo import DDPO
from groundtune.methods.dpo import DPO
from groundtune.pipeline.folder import RunFolder
from groundtune.pipeline.models import resolve
from groundtune.pipeline.train import TrainParams, Tune
from groundtune.protocols import Progress
from groundtune.records import Record, Sampling
from groundtune.train.optim import Optim
from groundtune.train.tune import Full


class Learning(BaseModel):
    """How one model is made of the pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Annotated[DPO | DDPO, Field(discriminator="type")] = DDPO()
    tune: Tune = Full()
    optim: Optim = Optim(lr=5e-5)
    epochs: int = Field(default=2, ge=1)
    max_steps: int = Field(default=0, ge=0)
    """Stops after so many steps; 0 sets no limit."""
    batch_size: int = Field(default=16, ge=1)
    micro_batch: int = Field(default=16, ge=1)
    """Pairs at once: changes memory and speed only."""
    dtype: Literal["bfloat16", "float32"] = "float32"

    def model_in(self, folder: Path) -> Path:
        """Where the result is that `from_pretrained` loads, once it is trained in `folder`."""
        return folder / ("merged" if self.tune.type == "lora" else "model")


class Asked(Record):
    """Settings of the step that has a model describe pictures."""

    model: str
    out: str
    prompts: int
    sampling: Sampling
    batch_size: int
    seed: int


class Corrected(Record):
    """Settings of the step that has answers corrected and makes pairs."""

    source: str
    """Folder of the answers."""
    out: str
    corrections: int
    error_rate: float
    seed: int


class Trained(Record):
    """Settings of the step that trains a model."""

    model: str
    pairs: str
    out: str
    learning: Learning
    seed: int


def ask(folder: Path, settings: Asked, progress: Progress) -> None:
    """The model describes pictures of the train split, once each."""
    from groundtune.generate.hf import HfGenerator
    from groundtune.pipeline.sample import SampleParams, draw_answers
    from groundtune.pipeline.world_prompts import feedback_prompts
    from groundtune.vlm.load import load

    target = RunFolder(folder / settings.out)
    prompts = feedback_prompts(target.images, settings.prompts, settings.seed, progress)
    progress.start("load the model")
    vlm = load(resolve(settings.model))
    draw_answers(
        HfGenerator(vlm, target.images, settings.batch_size, name=settings.model),
        prompts,
        target,
        progress,
        n=1,
        sampling=settings.sampling,
        seed=settings.seed,
        batch_size=settings.batch_size,
    )
    params = SampleParams(
        model=settings.model,
        prompts=f"{settings.prompts} scenes of the world's train split",
        n=1,
        sampling=settings.sampling,
        seed=settings.seed,
        batch_size=settings.batch_size,
    )
    target.note(
        target.answers,
        settings=params,
        inputs={"model": vlm.revision},
        seeds={"sample": settings.seed},
        command=[],
    )


def correct(folder: Path, settings: Corrected, progress: Progress) -> None:
    """The simulated person corrects answers until enough were wrong, and pairs are made of them."""
    from groundtune.pipeline.label import LabelSettings, label_answers, world_annotator
    from groundtune.pipeline.pairs import PairSettings, make_pairs

    own = LabelSettings(error_rate=settings.error_rate, seed=settings.seed)
    person, by = world_annotator(own)
    source, out = folder / settings.source, folder / settings.out
    label_answers(source, out, person, by, progress, enough=settings.corrections, settings=own)
    make_pairs(out, out, PairSettings(), progress)


def learn(folder: Path, settings: Trained, progress: Progress) -> None:
    """A model learns from the pairs."""
    from groundtune.pipeline.train import train

    learning = settings.learning
    params = TrainParams(
        model=_place(folder, settings.model),
        pairs=folder / settings.pairs,
        seed=settings.seed,
        merge=learning.tune.type == "lora",
        **{name: getattr(learning, name) for name in Learning.model_fields},
    )
    train(params, folder / settings.out, progress)


def _place(folder: Path, model: str) -> str:
    """A model's name, or the folder under the run's that it names."""
    inside = folder / model
    return str(inside) if (inside / "config.json").exists() else resolve(model)


def fingerprint(model: str) -> str:
    """Hash of a local model's weights and settings, or the name of one that isn't local."""
    folder = Path(resolve(model))
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("*.jinja")])
    if not files:
        return model
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:32]
