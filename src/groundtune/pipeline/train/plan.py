"""Plan a training run without training: count its rows, estimate its time and memory.

Reads pairs, images and tokenizer, but no weights; the rows are the same as in the run.
"""

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from groundtune.pipeline.models.names import resolve
from groundtune.pipeline.train.checks import check_reach, check_settings
from groundtune.pipeline.train.data import read_pairs
from groundtune.pipeline.train.engine import engine_for, limits_of
from groundtune.pipeline.train.run import encode, encode_captions, training_schedule
from groundtune.pipeline.train.settings import TrainingSettings, TrainSettings
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.train.estimate import EFFICIENCY, Sizes, Work, flop, memory, rate, sizes_of

if TYPE_CHECKING:
    from groundtune.train.batches import PlannedRow
    from groundtune.train.captions import Captions
    from groundtune.train.data import EncodedPairs
    from groundtune.vlm.load import Vlm


class TrainingPlan(Record):
    """What a run would do, without training."""

    pairs: int
    """Usable pairs."""
    captions: int
    """Usable captions of the anchor's data set, of which each pair has one next to it."""
    dropped: int
    """Pairs and captions that skip_bad leaves out."""
    drop_reasons: dict[str, int]
    """Dropped pairs per reason; # replaces the numbers in a reason."""
    prompts: int
    """Distinct prompts; a prompt's pairs share a row."""
    steps: int
    rows: int
    """Rows in the first epoch."""
    row_tokens: int
    """Tokens in the first epoch, each prompt and each distinct answer of a row once."""
    row_tokens_max: int
    """Tokens of the longest row."""
    tokens_mean: float
    """Mean tokens of a pair's longer sequence, prompt and image included."""
    tokens_max: int
    """Tokens of the longest sequence."""
    answer_tokens: int
    """Tokens of all answers."""
    changed_tokens: int
    """Answer tokens in changed spans."""
    trained_weights: int
    weights: int
    decoder_reached: float
    """Share of the decoder's weights, embeddings and head aside, that are trained or have an
    adapter. Fused experts and routers have none."""
    engine: str
    """"packed" or "separate" rows."""
    memory_gb: float
    """Estimated peak memory of one process, without the libraries."""
    reference_minutes: float
    """Estimated time for the reference's log-probabilities."""
    training_minutes: float
    """Estimated time of all steps in one process, at the rate measured on this machine."""


def plan_training(settings: TrainSettings, progress: Progress) -> TrainingPlan:
    """Return what `train` would do with these settings.

    Raises:
        UserError: as `train` does before training.
    """
    check_settings(settings)
    data = read_pairs(settings)
    from groundtune.train.rows import distinct
    from groundtune.train.tune import apply
    from groundtune.vlm.load import outline

    vlm = outline(resolve(settings.model))
    vlm.special_tokens = settings.special_tokens
    share = check_reach(vlm.model, settings)
    engine = engine_for(settings, vlm)
    captions = encode_captions(settings, vlm, data, engine, progress)
    pairs = encode(settings, vlm, data, engine, progress, captions)
    steps = training_schedule(settings, len(pairs)).steps
    rows = _rows(settings, pairs)
    tokens = [pairs.tokens(index) for index in range(len(pairs))]
    next_to = _caption_rows(pairs, captions)
    dropped = [*pairs.dropped, *(captions.encoded.dropped if captions else ())]
    reasons = [drop.reason for drop in dropped]
    weights = sum(each.numel() for each in vlm.model.parameters())
    tuned = apply(vlm.model, settings.tune)
    works = [_work(vlm, pairs, row) for row in rows]
    captioned = [_work(vlm, captions.encoded, row) for row in next_to] if captions else []
    sizes = sizes_of(tuned, adapted=settings.tune.type != "full")
    work = _sum([*works, *captioned])
    costs = costs_of(settings, settings.device, sizes, work)
    referenced = "reference" in settings.method.needs
    forward = costs.forward * referenced * _sum(works).tokens / work.tokens  # captions have none
    epochs = steps / max(1, -(-len(pairs) // settings.batch_size))
    answers = [answer for index in range(len(pairs)) for answer in distinct(pairs.answers(index))]
    return TrainingPlan(
        pairs=len(pairs),
        captions=len(captions) if captions else 0,
        dropped=len(reasons),
        drop_reasons={why: reasons.count(why) for why in dict.fromkeys(reasons)},
        prompts=len(pairs.groups),
        steps=steps,
        rows=len(rows),
        row_tokens=sum(row.tokens for row in rows),
        row_tokens_max=max(row.tokens for row in rows),
        tokens_mean=round(sum(tokens) / len(tokens), 1),
        tokens_max=max(tokens),
        answer_tokens=sum(len(answer.ids) for answer in answers),
        changed_tokens=sum(pairs.changed(index) for index in range(len(pairs))),
        trained_weights=sum(each.numel() for each in tuned.parameters() if each.requires_grad),
        weights=weights,
        decoder_reached=round(share, 4),
        engine=engine.name or "separate",
        memory_gb=round(costs.memory / 1e9, 3),
        reference_minutes=round(forward / 60, 2),
        training_minutes=round(costs.epoch * epochs / 60, 2),
    )


class Costs(NamedTuple):
    """What the passes of an epoch take."""

    memory: int
    """Bytes at the peak."""
    forward: float
    """Seconds of the passes without a gradient."""
    epoch: float
    """Seconds of the passes that train."""


def _rows(settings: TrainSettings, pairs: "EncodedPairs") -> "list[PlannedRow]":
    """Return the rows of the first epoch."""
    from groundtune.train.batches import batches, rows_of, steps_per_epoch

    order = batches(pairs.groups, settings.batch_size, settings.seed)
    return [
        row
        for batch in islice(order, steps_per_epoch(len(pairs), settings.batch_size))
        for row in rows_of(batch, pairs.group_of, pairs.row_tokens, limits_of(settings).tokens)
    ]


def costs_of(settings: TrainingSettings, device_name: str, sizes: Sizes, work: Work) -> Costs:
    """Return what an epoch of this work takes in one process on a device."""
    import torch

    from groundtune.engine.head import CHUNK_BYTES
    from groundtune.train.precision import device_of, resolve_dtype

    device = device_of(device_name)
    dtype = resolve_dtype(settings.dtype, device)
    together = min(limits_of(settings).tokens, work.tokens)
    speed = EFFICIENCY * rate(device, getattr(torch, dtype), together, sizes)
    passes = flop(sizes, work, training=True, checkpointing=settings.gradient_checkpointing)
    forward = flop(sizes, work, training=False)
    peak = memory(
        sizes,
        tokens=together,
        answer_tokens=round(work.answer_tokens * together / work.tokens),
        weight_bytes=4 if settings.tune.type == "full" or dtype == "float32" else 2,
        compute_bytes=2 if dtype == "bfloat16" else 4,
        mask_bytes=1 if device.type == "cuda" else 4,
        checkpointing=settings.gradient_checkpointing,
        chunk_bytes=CHUNK_BYTES,
    )
    return Costs(peak, forward / speed, passes / speed)


def _caption_rows(pairs: "EncodedPairs", captions: "Captions | None") -> "list[PlannedRow]":
    """Return the rows of the captions that an epoch runs, one per pair."""
    from groundtune.train.batches import PlannedRow

    if captions is None:
        return []
    places = (index % len(captions) for index in range(len(pairs)))
    return [PlannedRow((place,), captions.encoded.row_tokens([place])) for place in places]


def _sum(works: list[Work]) -> Work:
    return Work(*(sum(part) for part in zip(*works, strict=True)))


def _work(vlm: "Vlm", pairs: "EncodedPairs", row: "PlannedRow") -> Work:
    """Return what one pass over a row computes."""
    _, ids = pairs.prompt_content(row.pairs[0])
    answers = {answer.ids for index in row.pairs for answer in pairs.answers(index)}
    answer_tokens = sum(map(len, answers))
    attended = sum(len(each) * (len(ids) + len(each) // 2) for each in answers)
    token = getattr(vlm.model.config, "image_token_id", None)
    return Work(row.tokens, answer_tokens, len(ids) ** 2 // 2 + attended, ids.count(token))
