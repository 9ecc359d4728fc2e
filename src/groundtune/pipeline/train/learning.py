"""How one model is trained inside a run of many steps."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from groundtune.methods.ddpo import DDPO
from groundtune.pipeline.train.run import Method, Tune
from groundtune.train.data import DataRules
from groundtune.train.optim import Optim
from groundtune.train.precision import Dtype
from groundtune.train.tune import Full


class Learning(BaseModel):
    """How one model is made of the pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method = DDPO()
    tune: Tune = Full()
    optim: Optim = Optim(lr=5e-5)
    data: DataRules = DataRules()
    epochs: int = Field(default=2, ge=1)
    max_steps: int = Field(default=0, ge=0)
    """Stops after so many steps; 0 sets no limit."""
    batch_size: int = Field(default=16, ge=1)
    micro_batch: int = Field(default=16, ge=1)
    """Pairs at once: changes memory and speed only."""
    dtype: Dtype = "float32"

    def model_in(self, folder: Path) -> Path:
        """Where the result is that `from_pretrained` loads, once it is trained in `folder`."""
        return folder / ("merged" if self.tune.type == "lora" else "model")
