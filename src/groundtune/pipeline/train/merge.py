"""Write the result of a LoRA merged into plain weights, in float32 or in the base's dtype."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.pipeline.models.names import resolve
from groundtune.pipeline.train.engine import engine_for, limits_of
from groundtune.pipeline.train.settings import TrainSettings
from groundtune.store.run_json import note_run
from groundtune.train.data import EncodedPairs

if TYPE_CHECKING:
    import torch

    from groundtune.train.rounding import Margins
    from groundtune.vlm.load import Vlm

log = logging.getLogger(__name__)

LARGEST_LOSS = 0.05
"""Largest share of the trained margin that rounding may lose."""

NOTE = "merged"
"""Key of the measured loss in run.json's notes."""


def write_merged(
    settings: TrainSettings,
    adapter: Path,
    out: Path,
    pairs: Callable[[], EncodedPairs],
    *,
    run: Path,
    revision: str = "",
) -> None:
    """Write the settings' model with the adapter in its weights to `out`.

    With merge_dtype=base, measure on the run's pairs what rounding loses, and note it in the
    folder `run`. `revision` is that of the base in training, if it is known.

    Raises:
        UserError: the base changed since training, its dtype isn't known, or rounding loses more
            than LARGEST_LOSS.
    """
    from groundtune.train.checkpoint import write_model
    from groundtune.vlm.load import load
    from groundtune.vlm.merged import (
        announce_float32,
        checkpoint_dtype,
        load_merged,
        stored_dtype,
    )

    name = resolve(settings.model)
    hub = "main" if Path(name).exists() or not revision else revision
    dtype = checkpoint_dtype(name, hub) if settings.merge_dtype == "base" else None
    if dtype is None or dtype.itemsize >= 4:
        vlm = load_merged(name, adapter=adapter, revision=hub)
        _check_base(vlm, revision)
        write_model(vlm, out)
        announce_float32(
            out, stored_dtype(name, hub), "merge_dtype=base measures this and casts them."
        )
        return
    device = _device(settings)
    adapted = load(name, adapter=adapter, dtype="float32", device=device, revision=hub)
    _check_base(adapted, revision)
    whole, margins = _rounded(settings, adapted, dtype, pairs())
    number = str(dtype).removeprefix("torch.")
    note_run(run, NOTE, {"dtype": number, **margins._asdict(), "lost": margins.lost})
    if not margins.lost <= LARGEST_LOSS:
        raise UserError(
            f"In {number} the merged weights' mean margin is {margins.rounded:.4g} instead of "
            f"{margins.exact:.4g} (off by {margins.lost:.0%} of what training gained, over "
            f"{margins.pairs} pairs; at most {LARGEST_LOSS:.0%}).",
            str(out),
            f"Run again with merge_dtype=float32, or use the adapter in {adapter} on its base.",
        )
    log.info("merged in %s: %.2g of the trained margin is lost", number, margins.lost)
    write_model(whole, out)


def _rounded(
    settings: TrainSettings, adapted: "Vlm", dtype: "torch.dtype", pairs: EncodedPairs
) -> "tuple[Vlm, Margins]":
    from groundtune.train.rounding import RoundingTest
    from groundtune.train.rows import TrainingPairs

    test = RoundingTest(
        pairs=TrainingPairs(encoded=pairs, references=None, needs=settings.method.needs),
        method=settings.method,
        score=engine_for(settings, adapted).score,
        limits=limits_of(settings),
        seed=settings.seed,
    )
    return test.run(adapted, dtype)


def _check_base(vlm: "Vlm", revision: str) -> None:
    commit = vlm.revision.split("+")[0]
    if revision and commit != revision:
        raise UserError(
            "The base model changed during the run: the adapter doesn't belong to it any more.",
            vlm.name,
            "Restore the base model and run the same command again.",
        )


def _device(settings: TrainSettings) -> str:
    from groundtune.train.precision import device_of

    return str(device_of(settings.device))
