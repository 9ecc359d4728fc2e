"""Each lever of the packed engine alone, and the packed computation held against the separate one.

Everything here runs on our own code with one pair of 100 tokens, so that one thing changes at a
time. The base does what a trainer without any lever does: a sequence an answer, each with its own
image, the reference in every step; answers' positions are projected alone, as TRL does on a GPU.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from train_cases import case_of
from train_models import Images, asked, pairs_of, prompt_of
from train_sides import BETA, Clock, Silent, tuned

from groundtune.engine.logprobs import token_logp
from groundtune.engine.packed import Packed
from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.methods.dpo import DPO
from groundtune.methods.pairwise import AnswerLogProbs, PairLogProbs
from groundtune.train.data import DataRules, encode_pairs
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.load import load

ROUNDS = 2
SMALL_CHUNK = 4 * 1024**2

Rows = Sequence[PromptRow]
Score = Callable[[Any, Rows], list[list[Tensor]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to do a step's forward and backward pass."""

    label: str
    score: Score
    alone: bool = False
    """A prompt object an answer, so that each image is encoded for itself."""
    stored: bool = False
    """The reference's figures are there already."""


def _everywhere(vlm: Any, rows: Rows) -> list[list[Tensor]]:
    """Separate rows whose every position is projected."""
    prompts = [row.prompt for row in rows for _ in row.answers]
    answers = [answer.ids for row in rows for answer in row.answers]
    inputs = batch_inputs(vlm, prompts, [ids[:-1] for ids in answers], side="right")
    logits_BLV = vlm.model(use_cache=False, **inputs).logits
    each = iter(
        token_logp(
            logits_LV[len(prompt.ids) - 1 :][: len(ids)],
            torch.tensor(ids),
        )
        for logits_LV, prompt, ids in zip(logits_BLV, prompts, answers, strict=True)
    )
    return [[next(each) for _ in row.answers] for row in rows]


WAYS = (
    Way(label="every position projected", score=_everywhere, alone=True),
    Way(label="base: answers' positions projected", score=separate, alone=True),
    Way(label="image once", score=separate),
    Way(label="stored reference", score=separate, alone=True, stored=True),
    Way(label="shared prompt, image once, dense mask", score=Packed()),
    Way(label="shared prompt, image once, segments", score=Packed(attention="segments")),
    Way(
        label="the same, head in chunks of 4 MiB",
        score=Packed(attention="segments", chunk_bytes=SMALL_CHUNK),
    ),
    Way(
        label="all: shared prompt, image once, segments, stored reference",
        score=Packed(attention="segments"),
        stored=True,
    ),
)


def ablation(scratch: Path) -> dict[str, list[float]]:
    """Processor seconds of forward and backward pass of a LoRA's step, for each way, in turns."""
    case = case_of("llava-100-lora")
    vlm = load(str(scratch / case.model), dtype="float32", device="cpu")
    vlm = replace(vlm, model=tuned(vlm.model, case))
    rows = _rows(vlm, case.name)
    _step(vlm, rows, WAYS[-1])
    times: dict[str, list[float]] = {way.label: [] for way in WAYS}
    for number in range(ROUNDS):
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            clock = Clock()
            _step(vlm, rows, way)
            times[way.label].append(round(clock.read().cpu, 3))
    return times


def _step(vlm: Any, rows: Rows, way: Way) -> None:
    if way.alone:
        rows = [PromptRow(replace(row.prompt), (answer,)) for row in rows for answer in row.answers]
    if way.stored:
        known = [torch.full((len(a.ids),), -10.0) for row in rows for a in row.answers]
    else:
        with torch.no_grad(), vlm.model.disable_adapter():
            known = [each for own in way.score(vlm, rows) for each in own]
    own = [each for answers in way.score(vlm, rows) for each in answers]
    _loss(own, known).backward()
    vlm.model.zero_grad(set_to_none=True)


def _loss(own: Sequence[Tensor], known: Sequence[Tensor]) -> Tensor:
    """DPO's loss of one pair."""
    sides = [
        AnswerLogProbs(
            logp_BT=logp[None],
            ref_BT=ref[None],
            mask_BT=torch.ones(1, len(logp), dtype=torch.bool),
            changed_BT=torch.zeros(1, len(logp), dtype=torch.bool),
        )
        for logp, ref in zip(own, known, strict=True)
    ]
    pair = PairLogProbs(chosen=sides[0], rejected=sides[1])
    return DPO(beta=BETA).loss(pair).value_B.sum()


def exact(scratch: Path) -> dict[str, dict[str, float]]:
    """Relative differences of loss and gradient of all trained weights, packed against separate.

    The reference's figures are one number here, so that the loss isn't that of a model at its
    reference, which is log 2 whatever is computed.
    """
    return {name: _exact(scratch, name) for name in ("llava-100-full", "qwen-100-full")}


def _exact(scratch: Path, name: str) -> dict[str, float]:
    case = case_of(name)
    vlm = load(str(scratch / case.model), dtype="float32", device="cpu")
    vlm = replace(vlm, model=tuned(vlm.model, case))
    rows = _rows(vlm, name)
    loss, gradient = _gradient(vlm, rows, separate)
    found: dict[str, float] = {"loss": float(loss)}
    for attention in ("dense", "segments"):
        other, other_gradient = _gradient(vlm, rows, Packed(attention=attention))
        found[f"{attention} loss"] = float((other - loss).abs() / loss.abs())
        away = sum((a - b).double().square().sum() for a, b in zip(other_gradient, gradient))  # noqa: B905
        size = sum(each.double().square().sum() for each in gradient)
        found[f"{attention} gradient"] = float((away / size).sqrt())
    return {name: float(f"{value:.2e}") for name, value in found.items()}


def _gradient(vlm: Any, rows: Rows, score: Score) -> tuple[Tensor, list[Tensor]]:
    own = [each for answers in score(vlm, rows) for each in answers]
    loss = _loss(own, [torch.full_like(each, -10.0).detach() for each in own])
    trained = [each for each in vlm.model.parameters() if each.requires_grad]
    found = torch.autograd.grad(loss, trained, allow_unused=True)
    return loss.detach(), [each for each in found if each is not None]


def _rows(vlm: Any, name: str) -> list[PromptRow]:
    case = case_of(name)
    what = asked(case, 0)
    prompt = prompt_of(0, what)
    pairs = encode_pairs(
        vlm,
        pairs_of(case, 0, what),
        {prompt.key: prompt},
        Images({"image-0": what.image}),
        DataRules(max_length=4096),
        Silent(),
    )
    return [pairs[0].row]
