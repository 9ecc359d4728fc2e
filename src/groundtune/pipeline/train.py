"""Stage "train": pairs become a model, by the method and on the weights that the recipe names.

    OUT/run.json log.jsonl dropped.jsonl    its settings, what happened, what was left out
    OUT/reference/                          the reference's log-probabilities
    OUT/checkpoints/step-000100/            what a run that was stopped goes on from
    OUT/model/                              the result: weights, or a LoRA's adapter
    OUT/merged/                             with `merge`, a LoRA's result as plain weights

The same command goes on from the last checkpoint, and a run that is done stays as it is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from groundtune.errors import UserError
from groundtune.methods.ddpo import DDPO
from groundtune.methods.dpo import DPO
from groundtune.pipeline.folder import RunFolder, hash_of, read_some
from groundtune.pipeline.models import resolve
from groundtune.protocols import Evaluate, Images, Progress
from groundtune.records import Pair, Prompt, Record
from groundtune.store.files import write_atomic
from groundtune.store.keys import key_of
from groundtune.store.run import write_run
from groundtune.train.data import DataRules, EncodedPairs, check_pair, encode_pairs
from groundtune.train.optim import Optim
from groundtune.train.tune import Full, Lora

if TYPE_CHECKING:
    from groundtune.train.parallel import Parallel
    from groundtune.vlm.load import Vlm

Method = Annotated[DPO | DDPO, Field(discriminator="type")]
Tune = Annotated[Lora | Full, Field(discriminator="type")]


class TrainParams(BaseModel):
    """A recipe's settings for training on pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """What is trained, and the reference: a folder, a hub name, or world:base."""
    pairs: Path
    """Folder that holds the pairs, as `groundtune pairs` or `groundtune import` wrote it."""
    method: Method = DDPO()
    tune: Tune = Lora()
    """Which weights change: `type: lora` or `type: full`, and of which parts."""
    optim: Optim = Optim()
    data: DataRules = DataRules()
    epochs: int = Field(default=7, ge=1)
    """Times through the pairs: 7 in RLHF-V's paper, 4 an iteration in RLAIF-V's code."""
    max_steps: int = Field(default=0, ge=0)
    """Stops after so many steps, with the learning rate at its end; 0 sets no limit."""
    batch_size: int = Field(default=32, ge=1)
    """Pairs a step: 32 in RLHF-V's paper, 8 in its public command."""
    micro_batch: int = Field(default=4, ge=1)
    """Pairs at once: changes memory and speed only."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Arithmetic of the forward pass; weights that are trained are kept in float32. The published
    codes train in bfloat16; on a CPU, float32 is often faster."""
    device: str = "auto"
    """"auto" takes an accelerator where there is one."""
    gradient_checkpointing: bool = False
    """Less memory for about a third more time."""
    seed: int = 0
    """Of the pairs' order, a LoRA's first weights, and dropout."""
    save_every: int = Field(default=50, ge=1)
    """Steps between checkpoints: what a stop loses at the most."""
    keep: int = Field(default=1, ge=1)
    """Checkpoints that stay."""
    eval_every: int = Field(default=0, ge=0)
    """Steps between evaluations, where the caller gives one; 0 evaluates never."""
    merge: bool = False
    """Also write a LoRA's result as plain weights."""


_COURSE_IS_THE_SAME = {
    "device",
    "eval_every",
    "gradient_checkpointing",
    "keep",
    "merge",
    "micro_batch",
    "save_every",
}
"""Settings with which a run may go on though they changed (after it ran out of memory, say)."""


class TrainingPlan(Record):
    """What a run would do; nothing is trained for it."""

    pairs: int
    dropped: int
    why_dropped: dict[str, int]
    """How many pairs were left out for each reason."""
    steps: int
    tokens_mean: float
    """Of a pair's longer sequence, prompt and image included."""
    tokens_max: int
    answer_tokens: int
    """Of all answers together."""
    changed_tokens: int
    """Of these, in changed spans."""
    trained_weights: int
    weights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    pairs: list[Pair]
    prompts: Mapping[str, Prompt]
    images: Images
    hash: str


def train(
    params: TrainParams,
    out: Path,
    progress: Progress,
    *,
    evaluate: "Callable[[Vlm], Evaluate] | None" = None,
    reference_folder: Path | None = None,
    command: Sequence[str] = (),
) -> Path:
    """Trains as the recipe says, or goes on with it, and returns the folder of the result.

    `evaluate` makes of the model in training what scores it every `eval_every` steps. Runs on the
    same pairs and model may share a `reference_folder`.

    Raises:
        UserError: pairs that can't be used, a model that can't be loaded or trained so, a folder
            with another run, a loss that is not a number, a full disk.
    """
    data = _read(params)
    import torch

    from groundtune.engine.separate import separate
    from groundtune.train.batches import ReferencedPairs
    from groundtune.train.checkpoint import Checkpoints, write_model
    from groundtune.train.log import JsonlLog
    from groundtune.train.loop import Trainer
    from groundtune.train.optim import adamw
    from groundtune.train.reference import reference, reference_identity

    vlm = _load(params)
    parallel = _parallel(params, vlm)
    pairs = encode_pairs(vlm, data.pairs, data.prompts, data.images, params.data, progress)
    checkpoints = Checkpoints(out / "checkpoints", _run_key(params, vlm, data), params.keep)
    checkpoints.check()
    _note(params, out, vlm, data, pairs, command)
    references = reference(
        vlm,
        separate,
        pairs,
        reference_folder or out / "reference",
        identity=reference_identity(vlm, parallel.arithmetic),
        micro_batch=params.micro_batch,
        autocast=parallel.autocast,
        progress=progress,
    )
    torch.manual_seed(params.seed)  # pyright: ignore[reportUnknownMemberType]
    vlm = _tuned(params, vlm)
    optimizer = adamw(vlm.model.parameters(), params.optim)
    step = checkpoints.restore(vlm, optimizer)
    Trainer(
        vlm=vlm,
        pairs=ReferencedPairs(pairs, references),
        method=params.method,
        score=separate,
        plan=_plan(params, len(pairs)),
        parallel=parallel,
        optimizer=optimizer,
        checkpoints=checkpoints,
        logger=JsonlLog(out / "log.jsonl", step),
        progress=progress,
        evaluate=evaluate(vlm) if evaluate else None,
    ).fit(step)
    write_model(vlm, out / "model")
    if not params.merge or params.tune.type != "lora":
        return out / "model"
    write_model(replace(vlm, model=vlm.model.merge_and_unload()), out / "merged")
    return out / "merged"


def plan_training(params: TrainParams, progress: Progress) -> TrainingPlan:
    """What `train` would do with these settings; reads pairs, images and tokenizer, but no weights.

    Raises:
        UserError: as `train` does before it trains.
    """
    data = _read(params)
    from groundtune.train.tune import apply
    from groundtune.vlm.load import outline

    vlm = outline(resolve(params.model))
    pairs = encode_pairs(vlm, data.pairs, data.prompts, data.images, params.data, progress)
    tokens = [pairs.tokens(index) for index in range(len(pairs))]
    answers = [answer for index in range(len(pairs)) for answer in pairs.answers(index)]
    reasons = [drop.why for drop in pairs.dropped]
    weights = sum(each.numel() for each in vlm.model.parameters())
    tuned = apply(vlm.model, params.tune)
    return TrainingPlan(
        pairs=len(pairs),
        dropped=len(reasons),
        why_dropped={why: reasons.count(why) for why in dict.fromkeys(reasons)},
        steps=_plan(params, len(pairs)).steps,
        tokens_mean=round(sum(tokens) / len(tokens), 1),
        tokens_max=max(tokens),
        answer_tokens=sum(len(answer.ids) for answer in answers),
        changed_tokens=sum(pairs.changed(index) for index in range(len(pairs))),
        trained_weights=sum(each.numel() for each in tuned.parameters() if each.requires_grad),
        weights=weights,
    )


def read_outcome(out: Path) -> dict[str, float]:
    """Figures of a run that ended: its steps, its dropped pairs, the last step's main metrics."""
    from groundtune.train.log import read_log

    steps = [line for line in read_log(out / "log.jsonl") if "loss" in line]
    shown = {name: round(steps[-1][name], 4) for name in ("loss", "accuracy", "margin")}
    dropped = len((out / "dropped.jsonl").read_text(encoding="utf-8").splitlines())
    seconds = round(sum(line["seconds"] for line in steps), 1)
    return {"steps": len(steps), "dropped": dropped, **shown, "seconds": seconds}


def _read(params: TrainParams) -> _Data:
    """The pairs with what they stand on, checked as far as that needs no model."""
    folder = RunFolder(params.pairs)
    pairs = read_some(folder.pairs)
    prompts = folder.prompts_by_key()
    if not params.data.skip_bad:
        for pair in pairs:
            check_pair(pair, prompts)
    marked = any(pair.chosen_spans or pair.rejected_spans for pair in pairs)
    if "changed_spans" in params.method.needs and not marked:
        raise UserError(
            f"The method {params.method.type} needs changed spans, and no pair has any.",
            str(folder.pairs.path),
            "Make pairs of corrections, or train with method.type=dpo.",
        )
    return _Data(pairs=pairs, prompts=prompts, images=folder.images, hash=hash_of(folder.pairs))


def _load(params: TrainParams) -> "Vlm":
    from groundtune.vlm.load import load

    dtype = "float32" if params.tune.type == "full" else params.dtype
    vlm = load(resolve(params.model), dtype=dtype, device=params.device)
    if hasattr(vlm.model, "get_base_model"):
        raise UserError(
            "The model is an adapter; a second one on it could not be loaded by itself.",
            params.model,
            "Train on the merged weights: the run before with merge=true.",
        )
    return vlm


def _parallel(params: TrainParams, vlm: "Vlm") -> "Parallel":
    from groundtune.train.parallel import Parallel

    bf16 = params.tune.type == "full" and params.dtype == "bfloat16"
    return Parallel(vlm.device, bf16=bf16)


def _tuned(params: TrainParams, vlm: "Vlm") -> "Vlm":
    """The model with the recipe's weights set to be trained."""
    from groundtune.train.tune import apply

    model = apply(vlm.model, params.tune)
    if params.gradient_checkpointing:
        # transformers renamed it in 5.23; a peft model passes both names on.
        new = getattr(model, "activation_checkpointing_enable", None)
        enable = new or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    return replace(vlm, model=model)


def _plan(params: TrainParams, pairs: int) -> Any:
    from groundtune.train.batches import steps_per_epoch
    from groundtune.train.loop import Plan

    steps = params.epochs * steps_per_epoch(pairs, params.batch_size)
    return Plan(
        steps=min(steps, params.max_steps or steps),
        batch_size=params.batch_size,
        micro_batch=params.micro_batch,
        seed=params.seed,
        save_every=params.save_every,
        eval_every=params.eval_every,
        optim=params.optim,
    )


def _run_key(params: TrainParams, vlm: "Vlm", data: _Data) -> str:
    """Hash of all that decides the course of a run."""
    settings = params.model_dump(mode="json", exclude=_COURSE_IS_THE_SAME | {"model", "pairs"})
    return key_of(settings, vlm.revision, data.hash)


def _note(
    params: TrainParams,
    out: Path,
    vlm: "Vlm",
    data: _Data,
    pairs: EncodedPairs,
    command: Sequence[str],
) -> None:
    """Writes what the run is made with, and which pairs it leaves out."""
    inputs = {"model": vlm.revision, "pairs": data.hash}
    seeds = {"train": params.seed}
    write_run(out, params.model_dump(mode="json"), inputs, seeds, list(command))
    dropped = "".join(json.dumps(drop._asdict()) + "\n" for drop in pairs.dropped)
    write_atomic(out / "dropped.jsonl", dropped.encode())
