"""Log-probabilities of the reference model: computed once an answer, kept as Parquet, never stale.

An answer's key is the hash of all that its figures depend on: the model's revision, adapter
included, the image processor's settings, the type of the arithmetic, the images, and the token ids
of prompt and answer, which cover tokenizer and chat template; under a view of the images also the
view and its seed. Whatever changes gives another key, so an old row can't be used by mistake; and a
run that was killed goes on where it stopped.

The reference is the model before anything of it is trained: with a LoRA the base without adapter,
so that no second model is held.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor

from groundtune.engine.logprobs import TokenLogProbs
from groundtune.engine.rows import PromptRow
from groundtune.protocols import Progress
from groundtune.records import Key, Record
from groundtune.store.dataset import RecordSet
from groundtune.store.keys import key_of
from groundtune.store.run import versions
from groundtune.train.batches import MicroBatch, PassLimits, PlannedRow, plan_micro_batches
from groundtune.train.data import Cost, EncodedPairs, Views
from groundtune.train.parallel import Parallel
from groundtune.vlm.encoded import EncodedAnswer
from groundtune.vlm.load import Vlm

_PASSES_A_PART = 64
"""Forward passes between two writes: what a killed run does again at the most."""


class ReferenceRow(Record):
    """The reference's log-probabilities of one answer's tokens, nats."""

    key: Key
    logp: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference's figures of all answers that a run needs, by pair."""

    keys: Mapping[tuple[int, str, str], str]
    """Key of a pair's side under a view ("" is the image itself)."""
    known: Mapping[str, Tensor]

    def of(self, index: int, side: str, view: str = "") -> Tensor:
        """Log p of the tokens of a pair's chosen or rejected answer, shape (T,), fp32."""
        return self.known[self.keys[index, side, view]]


class _MissingAnswers(NamedTuple):
    """Answers to one prompt under one view that have no figures yet, as many as one row takes."""

    pair: int
    """One of the prompt's."""
    view: str
    answers: Mapping[str, EncodedAnswer]
    """By key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceScorer:
    """How rows are run."""

    vlm: Vlm
    score: TokenLogProbs
    cost: Cost
    limits: PassLimits
    parallel: Parallel


def reference_identity(vlm: Vlm, arithmetic: str, engine: str = "") -> str:
    """What the figures depend on beside images and tokens.

    `arithmetic` names the autocast type. `engine` names an engine that rounds otherwise than
    separate rows do, and "" is those.
    """
    settings = json.loads(vlm.processor.image_processor.to_json_string())
    made_with = {name: versions().get(name) for name in ("torch", "transformers")}
    more = [engine] if engine else []
    return key_of(vlm.revision, str(vlm.model.dtype), arithmetic, settings, made_with, *more)


def reference(
    scoring: ReferenceScorer,
    pairs: EncodedPairs,
    folder: Path,
    *,
    identity: str,
    views: Views,
    progress: Progress,
) -> Reference:
    """The reference's figures of all pairs; what `folder` lacks is computed and added.

    Processes share the work; each but the first writes to a folder of its own inside `folder`.

    Raises:
        UserError: the disk is full, or a part of the folder is damaged.
    """
    keys = _keys(identity, pairs, views)
    parallel = scoring.parallel
    known = _read(folder)
    asked = _missing(scoring, pairs, keys, known)
    parallel.wait()  # all have read before one writes
    passes = [
        [asked[row.pairs[0]] for row in mine.rows]
        for each in _rounds(scoring, pairs, asked)
        for mine in parallel.share(each)
        if mine.counts
    ]
    [rank] = parallel.share(range(parallel.processes))
    own = RecordSet(folder / f"process-{rank}" if rank else folder, ReferenceRow)
    progress.start("reference", total=sum(len(each.answers) for rows in passes for each in rows))
    scoring.vlm.model.eval()
    for first in range(0, len(passes), _PASSES_A_PART):
        part: dict[str, Tensor] = {}
        for rows in passes[first : first + _PASSES_A_PART]:
            found = _run(scoring, pairs, rows)
            part.update(found)
            progress.advance(len(found))
        own.append([ReferenceRow(key=key, logp=_floats(each)) for key, each in part.items()])
        known.update(part)
    parallel.wait()
    return Reference(keys, known if parallel.processes == 1 else _read(folder))


def _read(folder: Path) -> dict[str, Tensor]:
    """All figures that are there, by key, whichever process wrote them."""
    folders = [folder, *sorted(folder.glob("process-*"))]
    rows = (row for each in folders for row in RecordSet(each, ReferenceRow).read())
    return {row.key: torch.tensor(row.logp) for row in rows}


def _keys(identity: str, pairs: EncodedPairs, views: Views) -> dict[tuple[int, str, str], str]:
    """Keys of both answers of each pair, and of the chosen one under each view."""
    keys: dict[tuple[int, str, str], str] = {}
    for index in range(len(pairs)):
        images, ids = pairs.prompt_content(index)
        chosen, rejected = pairs.answers(index)
        asked = key_of(identity, images, ids)
        keys[index, "chosen", ""] = key_of(asked, chosen.ids)
        keys[index, "rejected", ""] = key_of(asked, rejected.ids)
        for view in views.views:
            seen = key_of(identity, images, ids, list(view), views.seed)
            keys[index, "chosen", view.name] = key_of(seen, chosen.ids)
    return keys


def _missing(
    scoring: ReferenceScorer,
    pairs: EncodedPairs,
    keys: Mapping[tuple[int, str, str], str],
    known: Mapping[str, Tensor],
) -> list[_MissingAnswers]:
    """What has no figures yet, each distinct answer of a prompt and a view once, as rows."""
    by_prompt: dict[tuple[int, str], dict[str, EncodedAnswer]] = {}
    for (index, side, view), key in keys.items():
        if key not in known:
            chosen, rejected = pairs.answers(index)
            answers = by_prompt.setdefault((pairs.group_of(index), view), {})
            answers[key] = chosen if side == "chosen" else rejected
    return [
        _MissingAnswers(pairs.groups[group][0], view, row)
        for (group, view), answers in by_prompt.items()
        for row in _divided(scoring, pairs, pairs.groups[group][0], answers)
    ]


def _divided(
    scoring: ReferenceScorer, pairs: EncodedPairs, index: int, answers: Mapping[str, EncodedAnswer]
) -> list[dict[str, EncodedAnswer]]:
    """Answers to a prompt in as many rows as the limit of tokens asks for."""
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


def _rounds(
    scoring: ReferenceScorer, pairs: EncodedPairs, asked: Sequence[_MissingAnswers]
) -> list[list[MicroBatch]]:
    """Forward passes; a row's only "pair" is its number in `asked`."""
    rows = [
        PlannedRow((number,), _tokens(scoring, pairs, each)) for number, each in enumerate(asked)
    ]
    return plan_micro_batches(rows, scoring.limits, scoring.parallel.processes) if rows else []


def _tokens(scoring: ReferenceScorer, pairs: EncodedPairs, asked: _MissingAnswers) -> int:
    _, prompt = pairs.prompt_content(asked.pair)
    return scoring.cost(len(prompt), [len(answer.ids) for answer in asked.answers.values()])


def _run(
    scoring: ReferenceScorer, pairs: EncodedPairs, asked: Sequence[_MissingAnswers]
) -> dict[str, Tensor]:
    """One forward pass; the figures by key, on the CPU."""
    rows = [
        PromptRow(pairs.prompt(each.pair, each.view), tuple(each.answers.values()))
        for each in asked
    ]
    with torch.no_grad(), scoring.parallel.autocast():
        scored = scoring.score(scoring.vlm, rows)
    return {
        key: logp.cpu()
        for each, answers in zip(asked, scored, strict=True)
        for key, logp in zip(each.answers, answers, strict=True)
    }


def _floats(values: Tensor) -> tuple[float, ...]:
    return tuple(cast("list[float]", values.tolist()))  # pyright: ignore[reportUnknownMemberType]
