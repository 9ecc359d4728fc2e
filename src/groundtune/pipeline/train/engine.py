"""What runs the rows of a training: packed or separate, with which attention, with images kept."""

import logging
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.train.settings import TrainParams
from groundtune.store.run import note_run, read_run

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
"""Tokens of a row up to which attention is so small a part that measuring it doesn't pay."""

NOTE = "attention"
"""Under which the choice stands in run.json."""


class Engine(NamedTuple):
    """What runs rows, and what a row takes of its limits."""

    score: "TokenLogProbs"
    """For a model of which nothing is trained yet."""
    cost: "Cost"
    name: str
    """"" for separate rows."""


def engine_for(params: TrainParams, vlm: "Vlm", out: Path | None = None) -> Engine:
    """What runs the rows: packed where the recipe and the model allow it.

    It keeps encoded images where the recipe says so, for a run in `out`; without that it keeps
    none.

    Raises:
        UserError: the recipe asks for packed rows, and the model can't, or for images to be kept,
            and its family takes none encoded.
    """
    from groundtune.engine.engines import engine_of
    from groundtune.engine.separate import Separate
    from groundtune.train.data import packed_cost, separate_cost

    store = _store(params, vlm, out, training=False) if out else None
    if params.engine == "separate":
        return Engine(Separate(store=store), separate_cost, "")
    found = engine_of(vlm, store=store)
    if not isinstance(found, Separate):
        return Engine(found, packed_cost, "packed")
    if params.engine == "packed":
        raise UserError(
            f"Answers can't share a row: {found.why}", "engine", "Use engine=auto or separate."
        )
    log.info("separate rows: %s", found.why)
    return Engine(found, separate_cost, "")


def limits_of(params: TrainParams) -> "PassLimits":
    """Of a forward pass."""
    from groundtune.train.batches import PassLimits

    return PassLimits(tokens=params.micro_tokens, pairs=params.micro_batch)


def training_score(
    params: TrainParams,
    vlm: "Vlm",
    engine: Engine,
    pairs: "TrainingPairs",
    parallel: "Parallel",
    out: Path,
) -> "TokenLogProbs":
    """The engine for a model whose weights to train are set: attention chosen, images kept.

    Raises:
        UserError: images can't be kept, since what encodes them is trained.
    """
    from groundtune.engine.engines import engine_of
    from groundtune.engine.separate import Separate

    store = _store(params, vlm, out, training=True)
    if not engine.name:
        return Separate(store=store)
    attention = _attention(params, vlm, pairs, parallel, out)
    return engine_of(vlm, attention=attention, store=store, share_starts=params.share_starts)


def _store(
    params: TrainParams, vlm: "Vlm", out: Path, *, training: bool
) -> "ImageTokenStore | None":
    """The recipe's store of encoded images; None where it keeps none."""
    from groundtune.engine.feature_store import open_store

    if not params.keep_images:
        return None
    return open_store(vlm, params.keep_images_in or out / "images-encoded", training=training)


def _attention(
    params: TrainParams, vlm: "Vlm", pairs: "TrainingPairs", parallel: "Parallel", out: Path
) -> "Attention":
    """The recipe's; else what the run has noted; else what is fastest now, which is noted."""
    from groundtune.engine.choose import choose_attention

    if params.attention != "auto":
        return params.attention
    noted = _noted(out)
    if noted and (noted != "flex" or vlm.device.type == "cuda"):
        return noted
    rows = _first_rows(params, pairs)
    if max(len(row.prompt.ids) + sum(len(a.ids) for a in row.answers) for row in rows) < SHORT:
        return "dense"
    with parallel.autocast():
        choice = parallel.gather(choose_attention(vlm, rows))[0]  # the same in every process
    if parallel.main:
        note_run(out, NOTE, asdict(choice))
    return choice.attention


def _noted(out: Path) -> Any:
    with suppress(UserError):
        return read_run(out).notes.get(NOTE, {}).get("attention")
    return None


def _first_rows(params: TrainParams, pairs: "TrainingPairs") -> "list[PromptRow]":
    """The rows of the first step's largest forward pass."""
    from groundtune.train.batches import batches, plan_micro_batches, rows_of

    limits = limits_of(params)
    [batch] = islice(batches(pairs.groups, params.batch_size, params.seed), 1)
    planned = rows_of(batch, pairs.group_of, pairs.tokens, limits.tokens)
    largest = plan_micro_batches(planned, limits)[0][0]
    return [row for each in largest.rows for row in pairs.row(each.pairs).rows]
