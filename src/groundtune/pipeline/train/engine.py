"""Choose how a training run computes its rows: packed or separate, attention, cached images."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.train.settings import TrainingSettings, TrainSettings
from groundtune.store.run_json import note_run, read_run

if TYPE_CHECKING:
    from groundtune.engine.attention import Attention
    from groundtune.engine.features import ImageTokenStore
    from groundtune.engine.logprobs import TokenLogProbs
    from groundtune.engine.rows import PromptRow
    from groundtune.train.batches import PassLimits
    from groundtune.train.data import Cost
    from groundtune.train.parallel import Parallel
    from groundtune.train.rows import TrainingPairs
    from groundtune.vlm.load import Vlm

log = logging.getLogger(__name__)

SHORT = 512
"""Rows with fewer tokens spend so little time on attention that measuring it doesn't pay."""

NOTE = "attention"
"""Key of the choice in run.json's notes."""


class Engine(NamedTuple):
    """How to run rows, and how many tokens a row costs."""

    score: "TokenLogProbs"
    """For the model before training."""
    cost: "Cost"
    name: str
    """"packed", or "" for separate rows."""


def engine_for(settings: TrainSettings, vlm: "Vlm", out: Path | None = None) -> Engine:
    """Return the packed engine if the recipe and the model allow it, else the separate one.

    Without `out`, the run's folder, no encoded images are kept.

    Raises:
        UserError: the recipe requires packed rows or kept images, and the model's family supports
            none.
    """
    from groundtune.engine.engines import engine_of
    from groundtune.engine.separate import Separate
    from groundtune.train.data import packed_cost, separate_cost

    store = _store(settings, vlm, out, training=False) if out else None
    if settings.engine == "separate":
        return Engine(Separate(store=store), separate_cost, "")
    score = engine_of(vlm, store=store)
    if not isinstance(score, Separate):
        return Engine(score, packed_cost, "packed")
    if settings.engine == "packed":
        raise UserError(
            f"Answers can't share a row: {score.why}.",
            "engine",
            "Use engine=auto or engine=separate.",
        )
    log.info("using separate rows: %s", score.why)
    return Engine(score, separate_cost, "")


def limits_of(settings: TrainingSettings) -> "PassLimits":
    """Return the limits of a forward pass."""
    from groundtune.train.batches import PassLimits

    return PassLimits(tokens=settings.micro_tokens, pairs=settings.micro_batch)


def training_score(
    settings: TrainSettings,
    vlm: "Vlm",
    engine: Engine,
    pairs: "TrainingPairs",
    parallel: "Parallel",
    out: Path,
) -> "TokenLogProbs":
    """Return the engine for a model prepared for training, with its attention and image store.

    Raises:
        UserError: images can't be kept because their encoder is trained.
    """
    from groundtune.engine.engines import engine_of
    from groundtune.engine.separate import Separate

    store = _store(settings, vlm, out, training=True)
    if not engine.name:
        return Separate(store=store)
    attention = _attention(settings, vlm, pairs, parallel, out)
    return engine_of(vlm, attention=attention, store=store, share_starts=settings.share_starts)


def _store(
    settings: TrainSettings, vlm: "Vlm", out: Path, *, training: bool
) -> "ImageTokenStore | None":
    """Return the recipe's store of encoded images, None if it keeps none."""
    from groundtune.engine.feature_store import open_store

    if not settings.keep_images:
        return None
    return open_store(vlm, settings.keep_images_in or out / "images-encoded", training=training)


def _attention(
    settings: TrainSettings, vlm: "Vlm", pairs: "TrainingPairs", parallel: "Parallel", out: Path
) -> "Attention":
    """Return the recipe's attention, else the run's stored choice, else measure and store one."""
    if settings.attention != "auto":
        return settings.attention
    return measured_attention(vlm, lambda: _first_rows(settings, pairs), parallel, out)


def measured_attention(
    vlm: "Vlm", rows: "Callable[[], Sequence[PromptRow]]", parallel: "Parallel", out: Path
) -> "Attention":
    """Return the attention that a run stored, else measure rows such as its own and store it."""
    from groundtune.engine.choose import choose_attention

    earlier = _stored_choice(out)
    if earlier and (earlier != "flex" or vlm.device.type == "cuda"):
        return earlier
    measured = rows()
    if max(len(r.prompt.ids) + sum(len(a.ids) for a in r.answers) for r in measured) < SHORT:
        return "dense"
    with parallel.autocast():
        choice = parallel.gather(choose_attention(vlm, measured))[0]  # the same in every process
    if parallel.main:
        note_run(out, NOTE, asdict(choice))
    return choice.attention


def _stored_choice(out: Path) -> Any:
    with suppress(UserError):
        return read_run(out).notes.get(NOTE, {}).get("attention")
    return None


def _first_rows(settings: TrainSettings, pairs: "TrainingPairs") -> "list[PromptRow]":
    """Return the rows of the first step's largest forward pass."""
    from groundtune.train.batches import batches, plan_micro_batches, rows_of

    limits = limits_of(settings)
    [batch] = islice(batches(pairs.groups, settings.batch_size, settings.seed), 1)
    planned = rows_of(batch, pairs.group_of, pairs.tokens, limits.tokens)
    largest = plan_micro_batches(planned, limits)[0][0]
    return [row for each in largest.rows for row in pairs.row(each.pairs).rows]
