"""Log-probabilities of the reference model: computed once per answer and cached as Parquet.

An answer's key is the hash of everything that its log-probabilities depend on: the model's
revision, adapter included, the image processor's settings, the arithmetic, the images, and the
token ids of prompt and answer, which cover tokenizer and chat template; for a view of the images
also the view and its seed. Any change gives another key, so a stale row is never used, and an
interrupted run resumes. A damaged part of the cache is computed again, with a warning.

The reference is the model before training; with a LoRA, the base without the adapter. So there is
no second model in memory.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor

from groundtune.engine.logprobs import TokenLogProbs
from groundtune.engine.rows import PromptRow
from groundtune.errors import UserError
from groundtune.protocols import Progress
from groundtune.records import Key, Record
from groundtune.store import checksums
from groundtune.store.dataset import RecordSet
from groundtune.store.keys import key_of
from groundtune.store.run_json import versions
from groundtune.store.tables import read_parquet
from groundtune.train.batches import MicroBatch, PassLimits, PlannedRow, plan_micro_batches
from groundtune.train.data import Cost, EncodedPairs, Views
from groundtune.train.parallel import Parallel
from groundtune.vlm.encoded import EncodedAnswer
from groundtune.vlm.load import Vlm

log = logging.getLogger(__name__)

_FIX = (
    "Use dtype=float32 or dtype=bfloat16. If it is this pair alone, remove it; else the model's "
    "weights are damaged."
)
_PASSES_PER_WRITE = 64
"""Forward passes between two writes: a killed run repeats at most this many."""


class ReferenceRow(Record):
    """The reference's token log-probabilities of one answer, nats."""

    key: Key
    logp: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference's log-probabilities of all answers that a run needs, by pair."""

    keys: Mapping[tuple[int, str, str], str]
    """Keys by pair, "chosen" or "rejected", and view ("" for the original image)."""
    logp: Mapping[str, Tensor]
    """Log-probabilities by key."""

    def of(self, index: int, side: str, view: str = "") -> Tensor:
        """Return the token log-probabilities of a pair's answer, shape (T,), fp32."""
        return self.logp[self.keys[index, side, view]]


class _MissingAnswers(NamedTuple):
    """Answers to one prompt on one view that are not cached yet, as many as fit into one row."""

    pair: int
    """A pair of the prompt."""
    view: str
    answers: Mapping[str, EncodedAnswer]
    """Answers by key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceScorer:
    """The model and how to run its rows."""

    vlm: Vlm
    score: TokenLogProbs
    cost: Cost
    limits: PassLimits
    parallel: Parallel


def reference_identity(vlm: Vlm, arithmetic: str, engine: str = "") -> str:
    """Return a key of what the log-probabilities depend on except images and tokens.

    `arithmetic` is the autocast type. `engine` is an engine that rounds differently from separate
    rows, or "" for separate rows.
    """
    settings = json.loads(vlm.processor.image_processor.to_json_string())
    libraries = {name: versions().get(name) for name in ("torch", "transformers")}
    engines = [engine] if engine else []
    return key_of(vlm.revision, str(vlm.model.dtype), arithmetic, settings, libraries, *engines)


def reference(
    scoring: ReferenceScorer,
    pairs: EncodedPairs,
    folder: Path,
    *,
    identity: str,
    views: Views,
    progress: Progress,
) -> Reference:
    """Return the reference's log-probabilities of all pairs; compute and add what `folder` lacks.

    Processes share the work; each but the first writes to a subfolder of `folder`.

    Raises:
        UserError: the disk is full, or a log-probability is not a number.
    """
    keys = _keys(identity, pairs, views)
    parallel = scoring.parallel
    cached = _read(folder)
    missing = _missing(scoring, pairs, keys, cached)
    parallel.wait()  # all must read before one writes
    passes = [
        [missing[row.pairs[0]] for row in micro_batch.rows]
        for micro_batches in _micro_batches(scoring, pairs, missing)
        for micro_batch in parallel.share(micro_batches)
        if micro_batch.counts
    ]
    [rank] = parallel.share(range(parallel.processes))
    records = RecordSet(folder / f"process-{rank}" if rank else folder, ReferenceRow)
    progress.start("reference", total=sum(len(each.answers) for rows in passes for each in rows))
    scoring.vlm.model.eval()
    for first in range(0, len(passes), _PASSES_PER_WRITE):
        part: dict[str, Tensor] = {}
        for rows in passes[first : first + _PASSES_PER_WRITE]:
            logp = _run(scoring, pairs, rows)
            part.update(logp)
            progress.advance(len(logp))
        _refuse_not_finite(part, keys, pairs)
        records.append([ReferenceRow(key=key, logp=_floats(each)) for key, each in part.items()])
        cached.update(part)
    parallel.wait()
    return Reference(keys, cached if parallel.processes == 1 else _read(folder))


def _read(folder: Path) -> dict[str, Tensor]:
    """Return all cached log-probabilities by key, from every process; drop damaged parts."""
    folders = [folder, *sorted(folder.glob("process-*"))]
    rows = (row for each in folders for row in _intact(RecordSet(each, ReferenceRow)))
    return {row.key: torch.tensor(row.logp) for row in rows}


def _intact(records: RecordSet[ReferenceRow]) -> Iterator[ReferenceRow]:
    """The rows of the parts that are as they were written; the others are removed."""
    for part in records.parts():
        try:
            checksums.warn_of_unknown(records.path, [part])
            yield from read_parquet(part, ReferenceRow)
        except UserError as error:
            log.warning("%s: %s Its log-probabilities are computed again.", part, error.what)
            part.unlink(missing_ok=True)
            if error.where != str(part):  # the file of checksums
                Path(error.where).unlink(missing_ok=True)


def _refuse_not_finite(
    logp: Mapping[str, Tensor],
    keys: Mapping[tuple[int, str, str], str],
    pairs: EncodedPairs,
) -> None:
    """Refuse log-probabilities that are not numbers.

    Raises:
        UserError: there are such; it names the first pair that needs one.
    """
    broken = {key for key, each in logp.items() if not bool(each.isfinite().all())}
    if not broken:
        return
    for (index, side, view), key in keys.items():
        if key in broken:
            on_view = f" on the view {view}" if view else ""
            raise UserError(
                "The reference's log-probabilities are not numbers (NaN or infinite).",
                f"pair {pairs.pair(index).pair.key}, its {side} answer{on_view}",
                _FIX,
            )


def _keys(identity: str, pairs: EncodedPairs, views: Views) -> dict[tuple[int, str, str], str]:
    """Return the keys of both answers of each pair, and of the chosen one on each view."""
    keys: dict[tuple[int, str, str], str] = {}
    for index in range(len(pairs)):
        images, ids = pairs.prompt_content(index)
        chosen, rejected = pairs.answers(index)
        prompt = key_of(identity, images, ids)
        keys[index, "chosen", ""] = key_of(prompt, chosen.ids)
        keys[index, "rejected", ""] = key_of(prompt, rejected.ids)
        for view in views.views:
            view_key = key_of(identity, images, ids, list(view), views.seed)
            keys[index, "chosen", view.name] = key_of(view_key, chosen.ids)
    return keys


def _missing(
    scoring: ReferenceScorer,
    pairs: EncodedPairs,
    keys: Mapping[tuple[int, str, str], str],
    cached: Mapping[str, Tensor],
) -> list[_MissingAnswers]:
    """Return the answers that are not cached, distinct per prompt and view, as rows."""
    by_prompt: dict[tuple[int, str], dict[str, EncodedAnswer]] = {}
    for (index, side, view), key in keys.items():
        if key not in cached:
            chosen, rejected = pairs.answers(index)
            answers = by_prompt.setdefault((pairs.group_of(index), view), {})
            answers[key] = chosen if side == "chosen" else rejected
    return [
        _MissingAnswers(pairs.groups[group][0], view, row)
        for (group, view), answers in by_prompt.items()
        for row in _split_answers(scoring, pairs, pairs.groups[group][0], answers)
    ]


def _split_answers(
    scoring: ReferenceScorer, pairs: EncodedPairs, index: int, answers: Mapping[str, EncodedAnswer]
) -> list[dict[str, EncodedAnswer]]:
    """Split a prompt's answers into rows within the limit of tokens."""
    rows: list[dict[str, EncodedAnswer]] = []
    for key, answer in answers.items():
        fits = rows and (
            _tokens(scoring, pairs, _MissingAnswers(index, "", {**rows[-1], key: answer}))
            <= scoring.limits.tokens
        )
        if fits:
            rows[-1][key] = answer
        else:
            rows.append({key: answer})
    return rows


def _micro_batches(
    scoring: ReferenceScorer, pairs: EncodedPairs, missing: Sequence[_MissingAnswers]
) -> list[list[MicroBatch]]:
    """Plan the forward passes; a planned row's only "pair" is its index in `missing`."""
    rows = [
        PlannedRow((number,), _tokens(scoring, pairs, each)) for number, each in enumerate(missing)
    ]
    return plan_micro_batches(rows, scoring.limits, scoring.parallel.processes) if rows else []


def _tokens(scoring: ReferenceScorer, pairs: EncodedPairs, row: _MissingAnswers) -> int:
    _, prompt = pairs.prompt_content(row.pair)
    return scoring.cost(len(prompt), [len(answer.ids) for answer in row.answers.values()])


def _run(
    scoring: ReferenceScorer, pairs: EncodedPairs, missing: Sequence[_MissingAnswers]
) -> dict[str, Tensor]:
    """Run one forward pass; return the log-probabilities by key, on the CPU."""
    rows = [
        PromptRow(pairs.prompt(each.pair, each.view), tuple(each.answers.values()))
        for each in missing
    ]
    with torch.no_grad(), scoring.parallel.autocast():
        results = scoring.score(scoring.vlm, rows)
    return {
        key: logp.cpu()
        for each, answers in zip(missing, results, strict=True)
        for key, logp in zip(each.answers, answers, strict=True)
    }


def _floats(values: Tensor) -> tuple[float, ...]:
    return tuple(cast("list[float]", values.tolist()))  # pyright: ignore[reportUnknownMemberType]
