"""Stage "train": pairs become a model, by the method and on the weights that the recipe names.

    OUT/run.json log.jsonl dropped.jsonl    its settings, what happened, what was left out
    OUT/reference/                          the reference's log-probabilities
    OUT/checkpoints/step-000100/            what a run that was stopped goes on from
    OUT/model/                              the result: weights, or a LoRA's adapter
    OUT/merged/                             with `merge`, a LoRA's result as plain weights

The same command goes on from the last checkpoint, and a run that is done stays as it is.
"""

import hashlib
import json
import logging
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.pipeline.folder import RunFolder, hash_of, read_some
from groundtune.pipeline.models import resolve
from groundtune.pipeline.train.checks import adapter_error, check_settings
from groundtune.pipeline.train.engine import Engine, engine_for, limits_of, training_score
from groundtune.pipeline.train.parallel import check_alike, parallel_of
from groundtune.pipeline.train.settings import Method as Method
from groundtune.pipeline.train.settings import TrainParams
from groundtune.pipeline.train.settings import Tune as Tune
from groundtune.protocols import Evaluate, Images, Logger, Progress
from groundtune.records import Pair, Prompt
from groundtune.store.files import write_atomic
from groundtune.store.keys import key_of
from groundtune.store.rows import count_lines
from groundtune.store.run import read_run, write_run
from groundtune.train.data import EncodedPairs, check_pair, encode_pairs

if TYPE_CHECKING:
    from torch import Tensor

    from groundtune.train.data import Views
    from groundtune.train.loop import TrainingSchedule
    from groundtune.train.parallel import Parallel
    from groundtune.train.reference import Reference
    from groundtune.vlm.load import Vlm

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """The pairs with what they stand on."""

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
        UserError: settings or pairs that can't be used, a model that can't be loaded or trained so,
            a folder with another run, a loss that is not a number, a full disk.
    """
    check_settings(params, evaluates=evaluate is not None)
    data = read_pairs(params)
    import torch

    from groundtune.train.checkpoint import Checkpoints
    from groundtune.train.loop import Trainer
    from groundtune.train.optim import adamw
    from groundtune.train.rows import TrainingPairs

    vlm = _load(params)
    parallel = parallel_of(params, vlm)
    engine = engine_for(params, vlm, out)
    pairs = encoded(params, vlm, data, engine, progress)
    check_alike(params, pairs, parallel)
    checkpoints = Checkpoints(out / "checkpoints", _run_key(params, vlm, data, pairs), params.keep)
    checkpoints.check()
    if parallel.main:
        _note(params, out, vlm, data, pairs, command, resumed=bool(checkpoints.paths()))
    references = _references(
        params, vlm, pairs, engine, parallel, reference_folder or out / "reference", progress
    )
    torch.manual_seed(params.seed)  # pyright: ignore[reportUnknownMemberType]
    vlm = _tuned(params, vlm)
    if parallel.rank:  # the same first weights in all processes, but not the same dropout
        torch.manual_seed(params.seed + parallel.rank)  # pyright: ignore[reportUnknownMemberType]
    optimizer = adamw(vlm.model.parameters(), params.optim)
    step = checkpoints.restore(vlm, optimizer, parallel.rank)
    ready = TrainingPairs(encoded=pairs, references=references, needs=params.method.needs)
    weights = Trainer(
        vlm=vlm,
        pairs=ready,
        method=params.method,
        score=training_score(params, vlm, engine, ready, parallel, out),
        plan=training_schedule(params, len(pairs)),
        parallel=parallel,
        optimizer=optimizer,
        checkpoints=checkpoints,
        logger=_logger(params, out, step, parallel),
        progress=progress,
        evaluate=evaluate(vlm) if evaluate else None,
    ).fit(step)
    if parallel.main:
        _write(params, vlm, out, weights)
    parallel.wait()
    return out / ("merged" if _merges(params) else "model")


def read_outcome(out: Path) -> dict[str, float]:
    """Figures of a run that ended: its steps, its dropped pairs, the last step's main metrics."""
    from groundtune.train.log import read_log

    steps = [line for line in read_log(out / "log.jsonl") if "loss" in line]
    shown = {name: round(steps[-1][name], 4) for name in ("loss", "accuracy", "margin")}
    dropped = count_lines(out / "dropped.jsonl") or 0
    seconds = round(sum(line["seconds"] for line in steps), 1)
    return {"steps": len(steps), "dropped": dropped, **shown, "seconds": seconds}


def read_pairs(params: TrainParams) -> TrainingData:
    """The pairs with what they stand on, checked as far as that needs no model."""
    folder = RunFolder(params.pairs)
    pairs = read_some(folder.pairs)
    prompts = folder.prompts_by_key()
    if not params.data.skip_bad:
        for pair in pairs:
            check_pair(pair, prompts, params.method.needs)
    marked = any(pair.chosen_spans or pair.rejected_spans for pair in pairs)
    if "changed_spans" in params.method.needs and not marked:
        raise UserError(
            f"The method {params.method.type} needs changed spans, and no pair has any.",
            str(folder.pairs.path),
            "Make pairs of corrections, or train with method.type=dpo.",
        )
    return TrainingData(
        pairs=pairs, prompts=prompts, images=folder.images, hash=hash_of(folder.pairs)
    )


def _load(params: TrainParams) -> "Vlm":
    from groundtune.train.precision import device_of, resolve_dtype, warn_if_slow
    from groundtune.vlm.load import load

    device = device_of(params.device)
    quantised = params.tune.type == "qlora"
    warn_if_slow(params.dtype, device)
    dtype = "float32" if params.tune.type == "full" else resolve_dtype(params.dtype, device)
    vlm = load(resolve(params.model), dtype=dtype, device=str(device), four_bits=quantised)
    if hasattr(vlm.model, "get_base_model"):
        raise adapter_error(params.model)
    return vlm


def _logger(params: TrainParams, out: Path, step: int, parallel: "Parallel") -> "Logger":
    """What the main process logs to; the others log nothing."""
    from groundtune.train.log import JsonlLog
    from groundtune.train.trackers import MultiLogger, tracker

    if not parallel.main:
        return MultiLogger()
    recipe = params.model_dump(mode="json")
    trackers = [tracker(name, out, recipe) for name in params.log_to]
    return MultiLogger(JsonlLog(out / "log.jsonl", step), *trackers)


def _views(params: TrainParams) -> "Views":
    from groundtune.train.data import Views

    return Views(params.method.views, params.seed)


def encoded(
    params: TrainParams, vlm: "Vlm", data: TrainingData, engine: Engine, progress: Progress
) -> EncodedPairs:
    """The pairs as tokens; what can't be used is an error, or with skip_bad a listed drop."""
    return encode_pairs(
        vlm,
        data.pairs,
        data.prompts,
        data.images,
        params.data,
        progress,
        needs=params.method.needs,
        views=_views(params),
        cost=engine.cost,
        micro_tokens=params.micro_tokens,
    )


def _references(
    params: TrainParams,
    vlm: "Vlm",
    pairs: EncodedPairs,
    engine: Engine,
    parallel: "Parallel",
    folder: Path,
    progress: Progress,
) -> "Reference | None":
    """The reference's figures, None where the method needs none."""
    from groundtune.train.reference import ReferenceScorer, reference, reference_identity

    if "reference" not in params.method.needs:
        return None
    bits = " nf4" if params.tune.type == "qlora" else ""
    return reference(
        ReferenceScorer(
            vlm=vlm,
            score=engine.score,
            cost=engine.cost,
            limits=limits_of(params),
            parallel=parallel,
        ),
        pairs,
        folder,
        identity=reference_identity(vlm, parallel.arithmetic + bits, engine.name),
        views=_views(params),
        progress=progress,
    )


def _tuned(params: TrainParams, vlm: "Vlm") -> "Vlm":
    """The model with the recipe's weights set to be trained."""
    from groundtune.train.tune import apply, checkpoint_activations

    model = apply(vlm.model, params.tune)
    if params.gradient_checkpointing:
        checkpoint_activations(model)
    return replace(vlm, model=model)


def training_schedule(params: TrainParams, pairs: int) -> "TrainingSchedule":
    """How long and in which portions a run trains on so many pairs."""
    from groundtune.train.batches import steps_per_epoch
    from groundtune.train.loop import TrainingSchedule

    steps = params.epochs * steps_per_epoch(pairs, params.batch_size)
    return TrainingSchedule(
        steps=min(steps, params.max_steps or steps),
        batch_size=params.batch_size,
        limits=limits_of(params),
        seed=params.seed,
        save_every=params.save_every,
        eval_every=params.eval_every,
        optim=params.optim,
    )


def _write(params: TrainParams, vlm: "Vlm", out: Path, weights: "dict[str, Tensor] | None") -> None:
    """The result: `weights`, or where it is None the model's own."""
    from groundtune.train.checkpoint import write_model

    write_model(vlm, out / "model", weights=weights)
    if _merges(params):
        write_model(replace(vlm, model=vlm.model.merge_and_unload()), out / "merged")


def _merges(params: TrainParams) -> bool:
    return params.merge and params.tune.type == "lora"


def _run_key(params: TrainParams, vlm: "Vlm", data: TrainingData, pairs: EncodedPairs) -> str:
    """Hash of all that decides the course of a run."""
    from groundtune.train.precision import resolve_dtype

    settings = params.decisive() | {"dtype": resolve_dtype(params.dtype, vlm.device)}
    del settings["model"], settings["pairs"]  # by their hashes
    left_out = [drop.key for drop in pairs.dropped]
    pixels = json.loads(vlm.processor.image_processor.to_json_string())
    return key_of(settings, vlm.revision, data.hash, pixels, _tokens(pairs), *left_out)


def _tokens(pairs: EncodedPairs) -> str:
    """Hash of all token ids, in which the chat template and the tokenizer show."""
    digest = hashlib.sha256()
    for index in range(len(pairs)):
        ids = [pairs.prompt_content(index)[1], *(answer.ids for answer in pairs.answers(index))]
        digest.update(b"".join(array("q", [len(each), *each]).tobytes() for each in ids))
    return digest.hexdigest()


def _note(
    params: TrainParams,
    out: Path,
    vlm: "Vlm",
    data: TrainingData,
    pairs: EncodedPairs,
    command: Sequence[str],
    *,
    resumed: bool,
) -> None:
    """Writes what the run is made with, and which pairs it leaves out; its notes stay."""
    inputs = {"model": vlm.revision, "pairs": data.hash}
    seeds = {"train": params.seed}
    notes = read_run(out).notes if resumed and (out / "run.json").exists() else {}
    write_run(out, params.model_dump(mode="json"), inputs, seeds, list(command), notes)
    dropped = "".join(json.dumps(drop._asdict()) + "\n" for drop in pairs.dropped)
    write_atomic(out / "dropped.jsonl", dropped.encode())
