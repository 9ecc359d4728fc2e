"""Log-probabilities of the reference model: computed once an answer, kept as Parquet, never stale.

An answer's key is the hash of all that its figures depend on: the model's revision, adapter
included, the image processor's settings, the type of the arithmetic, the images, and the token ids
of prompt and answer, which cover tokenizer and chat template. Whatever changes gives another key,
so an old row can't be used by mistake; and a run that was killed goes on where it stopped.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from groundtune.engine.logprobs import TokenLogProbs
from groundtune.protocols import Progress
from groundtune.records import Key, Record
from groundtune.store.dataset import RecordSet
from groundtune.store.keys import key_of
from groundtune.store.run import versions
from groundtune.train.batches import micro_batches
from groundtune.train.data import EncodedPairs
from groundtune.vlm.load import Vlm

_MICRO_BATCHES_A_PART = 64
"""Forward passes between two writes: what a killed run does again at the most."""


class ReferenceRow(Record):
    """The reference's log-probabilities of one answer's tokens, nats."""

    key: Key
    logp: tuple[float, ...]


class Reference(NamedTuple):
    """Log-probabilities of a pair's answers under the reference, shape (T,) each, fp32."""

    chosen: Tensor
    rejected: Tensor


def reference_identity(vlm: Vlm, arithmetic: str) -> str:
    """What the figures depend on beside images and tokens; `arithmetic` names the autocast type."""
    settings = json.loads(vlm.processor.image_processor.to_json_string())
    made_with = {name: versions().get(name) for name in ("torch", "transformers")}
    return key_of(vlm.revision, str(vlm.model.dtype), arithmetic, settings, made_with)


def reference(
    vlm: Vlm,
    score: TokenLogProbs,
    pairs: EncodedPairs,
    folder: Path,
    *,
    identity: str,
    micro_batch: int,
    autocast: Callable[[], AbstractContextManager[Any]],
    progress: Progress,
) -> list[Reference]:
    """The reference's figures of all pairs, in order; what `folder` lacks is computed and added.

    Raises:
        UserError: the disk is full, or a part of the folder is damaged.
    """
    rows = RecordSet(folder, ReferenceRow)
    keys = [_keys(identity, pairs, index) for index in range(len(pairs))]
    known = {row.key: torch.tensor(row.logp) for row in rows.read()}
    missing = [i for i, own in enumerate(keys) if any(key not in known for key in own)]
    batches = micro_batches(missing, micro_batch, pairs.tokens)
    progress.start("reference", total=len(missing))
    vlm.model.eval()
    for start in range(0, len(batches), _MICRO_BATCHES_A_PART):
        part: dict[str, Tensor] = {}
        for batch in batches[start : start + _MICRO_BATCHES_A_PART]:
            with torch.no_grad(), autocast():
                scored = score(vlm, [pairs[index].row for index in batch])
            for index, answers in zip(batch, scored, strict=True):
                part.update(zip(keys[index], (each.cpu() for each in answers), strict=True))
            progress.advance(len(batch))
        rows.append([ReferenceRow(key=key, logp=_floats(each)) for key, each in part.items()])
        known.update(part)
    return [Reference(known[chosen], known[rejected]) for chosen, rejected in keys]


def _floats(values: Tensor) -> tuple[float, ...]:
    return tuple(cast("list[float]", values.tolist()))  # pyright: ignore[reportUnknownMemberType]


def _keys(identity: str, pairs: EncodedPairs, index: int) -> tuple[str, str]:
    """Keys of the chosen and the rejected answer's rows."""
    asked = key_of(identity, *pairs.asked(index))
    chosen, rejected = pairs.answers(index)
    return key_of(asked, chosen.ids), key_of(asked, rejected.ids)
