"""How the embedded world's models learn."""

from pathlib import Path

from pydantic import Field

from groundtune.pipeline.train.settings import Learning, Tune
from groundtune.train.optim import Optim
from groundtune.train.precision import Dtype
from groundtune.train.tune import Full


class WorldLearning(Learning):
    """How a model of the embedded world learns from pairs: values for its size."""

    tune: Tune = Full()
    optim: Optim = Optim(lr=5e-5)
    epochs: int = Field(default=2, ge=1)
    batch_size: int = Field(default=16, ge=1)
    micro_batch: int = Field(default=16, ge=1)
    dtype: Dtype = "float32"

    def model_in(self, folder: Path) -> Path:
        """Return the folder that `from_pretrained` loads, after a training in `folder`."""
        return folder / ("merged" if self.tune.type == "lora" else "model")
