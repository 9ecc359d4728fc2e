"""How several processes share a training run, and which settings rule that out."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.pipeline.train.settings import TrainSettings
from groundtune.train.data import EncodedPairs

if TYPE_CHECKING:
    from groundtune.train.parallel import Parallel
    from groundtune.vlm.load import Vlm


_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
"""Where launchers put a process's index: torchrun, and those that accelerate reads too."""


def is_first_process() -> bool:
    """Return whether the launcher started this process first, or alone; nothing is set up."""
    ranks = [os.environ[name] for name in _RANKS if name in os.environ]
    return not ranks or ranks[0] == "0"


def parallel_of(settings: TrainSettings, vlm: "Vlm") -> "Parallel":
    """Return the processes of a run, set up by the recipe and the launcher.

    Raises:
        UserError: the settings can't be combined with sharded weights.
    """
    from groundtune.train.parallel import Parallel
    from groundtune.train.precision import resolve_dtype

    # Adapters are float32 too, on weights that are not: without autocast they compute in float32,
    # and keep a copy of every layer's input in it for the backward pass.
    bf16 = resolve_dtype(settings.dtype, vlm.device) == "bfloat16"
    parallel = Parallel(vlm.device, bf16=bf16, shard=settings.shard, zero=settings.zero)
    if parallel.shards_weights and settings.merge:
        raise _not_sharded("Sharded weights can't be merged", "merge")
    if parallel.shards_weights and settings.tune.type == "qlora":
        raise _not_sharded("4-bit weights can't be sharded", "tune.type")
    if parallel.shards_weights and settings.keep_images:
        # a process with cached images runs no encoder, and the others would wait for it
        raise _not_sharded("Encoded images can't be kept with sharded weights", "keep_images")
    return parallel


def check_alike(
    settings: TrainSettings, encoded: Sequence[EncodedPairs], parallel: "Parallel"
) -> None:
    """Check that all processes have images in a forward pass, or none has.

    If only one process gathers the image encoder's weights or exchanges its gradients, all wait
    forever. `encoded` are the pairs, and the captions next to them.

    Raises:
        UserError: prompts with and without images meet such a setting.
    """
    with_images = {
        bool(each.prompt_content(index)[0]) for each in encoded for index in range(len(each))
    }
    exchanged = parallel.shards_weights or set(settings.tune.parts) != {"language_model"}
    if parallel.processes > 1 and len(with_images) > 1 and exchanged:
        raise UserError(
            "Several processes can't train on a mix of prompts with and without images.",
            str(settings.pairs),
            "Train only the language model without shard and zero=3, or use one process.",
        )


def _not_sharded(what: str, setting: str) -> UserError:
    return UserError(f"{what}.", setting, f"Remove shard=true and zero=3, or {setting}.")
