"""How several processes share a training, and what they can't share so."""

from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.pipeline.train.settings import TrainParams
from groundtune.train.data import EncodedPairs

if TYPE_CHECKING:
    from groundtune.train.parallel import Parallel
    from groundtune.vlm.load import Vlm


def parallel_of(params: TrainParams, vlm: "Vlm") -> "Parallel":
    """The processes of a run, as the recipe and the launcher have it.

    Raises:
        UserError: weights that are cut into parts can't be trained or written so.
    """
    from groundtune.train.parallel import Parallel
    from groundtune.train.precision import resolve_dtype

    # Adapters are float32 too, on weights that are not: without autocast they compute in float32,
    # and keep a copy of every layer's input in it for the backward pass.
    bf16 = resolve_dtype(params.dtype, vlm.device) == "bfloat16"
    parallel = Parallel(vlm.device, bf16=bf16, shard=params.shard, zero=params.zero)
    if parallel.shards_weights and params.merge:
        raise _uncut("Weights that are cut into parts can't be merged", "merge")
    if parallel.shards_weights and params.tune.type == "qlora":
        raise _uncut("Weights in 4 bits can't be cut into parts", "tune.type")
    if parallel.shards_weights and params.keep_images:
        # a process that finds its images encoded runs no encoder, and the others wait for it
        raise _uncut("Encoded images can't be kept where weights are cut", "keep_images")
    return parallel


def check_alike(params: TrainParams, pairs: EncodedPairs, parallel: "Parallel") -> None:
    """Raises UserError where a process may have images in a forward pass and another none.

    Weights of the image side are then gathered, or their gradients exchanged, by one alone, and
    both would wait for ever.
    """
    shown = {bool(pairs.prompt_content(index)[0]) for index in range(len(pairs))}
    exchanged = parallel.shards_weights or set(params.tune.parts) != {"language_model"}
    if parallel.processes > 1 and len(shown) > 1 and exchanged:
        raise UserError(
            "Several processes can't train on prompts with and without images this way.",
            str(params.pairs),
            "Train the language model alone with whole weights (no shard, no zero=3), or use one "
            "process.",
        )


def _uncut(what: str, setting: str) -> UserError:
    return UserError(
        f"{what}.", setting, "Leave shard=true and zero=3 out, or that setting, and run again."
    )
