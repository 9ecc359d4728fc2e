"""Stage "train": train a model on preference pairs, with the recipe's method and weights.

    OUT/run.json log.jsonl dropped.jsonl    settings, metrics of each step, dropped pairs
    OUT/reference/                          the reference's log-probabilities
    OUT/checkpoints/step-000100/            checkpoint from which a stopped run resumes
    OUT/model/                              the result: weights, or a LoRA's adapter
    OUT/merged/                             with `merge`, a LoRA merged into plain weights

The same command resumes from the last checkpoint, and leaves a finished run unchanged.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from groundtune.pipeline.models.names import resolve
from groundtune.pipeline.train.checks import (
    adapter_error,
    check_causal,
    check_reach,
    check_settings,
)
from groundtune.pipeline.train.data import TrainingData, read_pairs
from groundtune.pipeline.train.engine import Engine, engine_for, limits_of, training_score
from groundtune.pipeline.train.inputs import inputs_of
from groundtune.pipeline.train.merge import write_merged
from groundtune.pipeline.train.parallel import check_alike, is_first_process, parallel_of
from groundtune.pipeline.train.settings import Method as Method
from groundtune.pipeline.train.settings import OneRun, TrainSettings
from groundtune.pipeline.train.settings import Tune as Tune
from groundtune.protocols import Evaluate, Logger, Progress
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of
from groundtune.store.lock import hold, one_writer
from groundtune.store.rows import count_lines
from groundtune.store.run_json import read_run, write_run
from groundtune.train.data import DroppedPair, EncodedPairs, encode_pairs

if TYPE_CHECKING:
    from torch import Tensor

    from groundtune.train.captions import Captions
    from groundtune.train.data import Views
    from groundtune.train.loop import TrainingSchedule
    from groundtune.train.parallel import Parallel
    from groundtune.train.reference import Reference
    from groundtune.train.trackers import TrackerName
    from groundtune.vlm.load import Vlm

log = logging.getLogger(__name__)


@one_writer(when=is_first_process)
def train(
    settings: TrainSettings,
    out: Path,
    progress: Progress,
    *,
    evaluate: "Callable[[Vlm], Evaluate] | None" = None,
    reference_folder: Path | None = None,
    command: Sequence[str] = (),
) -> Path:
    """Train by the recipe, or resume, and return the folder of the result.

    `evaluate` takes the model in training and returns a function that scores it every `eval_every`
    steps. Runs on the same pairs and model may share a `reference_folder`: at
    once, too, then the second waits while the first fills it.

    Raises:
        UserError: settings or pairs can't be used, the model can't be loaded or trained this way,
            the folder has another run, the loss is not a number, or the disk is full.
    """
    check_settings(settings, evaluates=evaluate is not None)
    data = read_pairs(settings)
    from groundtune.train.checkpoint import Checkpoints
    from groundtune.train.loop import Trainer
    from groundtune.train.optim import adamw
    from groundtune.train.rows import TrainingPairs

    vlm = load_to_train(settings)
    check_reach(vlm.model, settings)
    parallel = parallel_of(settings, vlm)
    engine = engine_for(settings, vlm, out)
    captions = encode_captions(settings, vlm, data, engine, progress)
    pairs = encode(settings, vlm, data, engine, progress, captions)
    check_alike(settings, [pairs, *([captions.encoded] if captions else [])], parallel)
    with parallel.autocast():
        check_causal(vlm, pairs)
    inputs = inputs_of(settings, vlm, data.hashes, pairs, captions.encoded if captions else None)
    checkpoints = Checkpoints(out / "checkpoints", inputs, settings.keep)
    checkpoints.check()
    if parallel.main:
        dropped = [*pairs.dropped, *(captions.encoded.dropped if captions else ())]
        _note(settings, out, vlm, data, dropped, command, resumed=bool(checkpoints.paths()))
    with _shared(reference_folder, parallel):
        references = _references(
            settings, vlm, pairs, engine, parallel, reference_folder or out / "reference", progress
        )
    vlm = _tuned_by_seed(settings, vlm, parallel)
    optimizer = adamw(vlm.model.parameters(), settings.optim)
    step = checkpoints.restore(vlm, optimizer, parallel.rank)
    ready = TrainingPairs(
        encoded=pairs, references=references, needs=settings.method.needs, captions=captions
    )
    weights = Trainer(
        vlm=vlm,
        pairs=ready,
        method=settings.method,
        score=training_score(settings, vlm, engine, ready, parallel, out),
        plan=training_schedule(settings, len(pairs), eval_every=settings.eval_every),
        parallel=parallel,
        optimizer=optimizer,
        checkpoints=checkpoints,
        logger=logger_of(settings, out, step, parallel),
        progress=progress,
        evaluate=evaluate(vlm) if evaluate else None,
    ).fit(step)
    if parallel.main:
        _write(settings, vlm, out, weights, progress)
    parallel.wait()
    return out / ("merged" if _merges(settings) else "model")


def read_outcome(out: Path) -> dict[str, float]:
    """Return a finished run's steps, dropped pairs, seconds and the last step's main metrics."""
    from groundtune.train.log import read_log

    steps = [line for line in read_log(out / "log.jsonl") if "loss" in line]
    names = [name for name in ("loss", "accuracy", "margin") if name in steps[-1]]
    metrics = {name: round(steps[-1][name], 4) for name in names}
    dropped = count_lines(out / "dropped.jsonl") or 0
    seconds = round(sum(line["seconds"] for line in steps), 1)
    return {"steps": len(steps), "dropped": dropped, **metrics, "seconds": seconds}


def load_to_train(settings: OneRun) -> "Vlm":
    """Load the model of a run, in the type that it is trained in.

    Raises:
        UserError: it can't be loaded, or is an adapter.
    """
    from groundtune.train.precision import device_of, resolve_dtype, warn_if_slow
    from groundtune.vlm.base_files import base_folder
    from groundtune.vlm.load import load

    device = device_of(settings.device)
    quantised = settings.tune.type == "qlora"
    warn_if_slow(settings.dtype, device)
    dtype = "float32" if settings.tune.type == "full" else resolve_dtype(settings.dtype, device)
    vlm = load(resolve(settings.model), dtype=dtype, device=str(device), four_bits=quantised)
    vlm.special_tokens = settings.special_tokens
    if hasattr(vlm.model, "get_base_model"):
        raise adapter_error(settings.model)
    base_folder(vlm.name, vlm.revision)  # downloaded now, since every checkpoint gets its files
    return vlm


class _TrackedSettings(Protocol):
    """Settings of a run whose metrics also go to trackers."""

    @property
    def log_to(self) -> "Sequence[TrackerName]": ...

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


def logger_of(settings: _TrackedSettings, out: Path, step: int, parallel: "Parallel") -> "Logger":
    """Return the main process's logger; the other processes log nothing."""
    from groundtune.train.log import JsonlLog
    from groundtune.train.trackers import MultiLogger, tracker

    if not parallel.main:
        return MultiLogger()
    recipe = settings.model_dump(mode="json")
    trackers = [tracker(name, out, recipe) for name in settings.log_to]
    return MultiLogger(JsonlLog(out / "log.jsonl", step), *trackers)


def _views(settings: TrainSettings) -> "Views":
    from groundtune.train.data import Views

    return Views(settings.method.views, settings.seed)


def encode_captions(
    settings: TrainSettings, vlm: "Vlm", data: TrainingData, engine: Engine, progress: Progress
) -> "Captions | None":
    """Return the captions of the anchor as tokens, None if the run has none.

    Raises:
        UserError: a caption can't be used, unless skip_bad drops and lists it.
    """
    from groundtune.train.captions import Captions

    if data.anchor is None:
        return None
    encoded = encode_pairs(
        vlm,
        data.anchor.pairs,
        data.anchor.prompts,
        data.anchor.images,
        settings.data,
        progress,
        cost=engine.cost,
        micro_tokens=settings.micro_tokens,
        compares=False,
    )
    return Captions(encoded=encoded, seed=settings.seed)


def encode(
    settings: TrainSettings,
    vlm: "Vlm",
    data: TrainingData,
    engine: Engine,
    progress: Progress,
    captions: "Captions | None" = None,
) -> EncodedPairs:
    """Return the pairs as tokens; `captions` run next to them.

    Raises:
        UserError: a pair can't be used, unless skip_bad drops and lists it.
    """
    return encode_pairs(
        vlm,
        data.pairs,
        data.prompts,
        data.images,
        settings.data,
        progress,
        needs=settings.method.needs,
        views=_views(settings),
        cost=engine.cost,
        micro_tokens=settings.micro_tokens,
        next_to=captions.most_tokens if captions else 0,
        compares=settings.method.compares,
    )


def _references(
    settings: TrainSettings,
    vlm: "Vlm",
    pairs: EncodedPairs,
    engine: Engine,
    parallel: "Parallel",
    folder: Path,
    progress: Progress,
) -> "Reference | None":
    """Return the reference's log-probabilities, None if the method needs none."""
    from groundtune.train.reference import ReferenceScorer, reference, reference_identity

    if "reference" not in settings.method.needs:
        return None
    bits = " nf4" if settings.tune.type == "qlora" else ""
    return reference(
        ReferenceScorer(
            vlm=vlm,
            score=engine.score,
            cost=engine.cost,
            limits=limits_of(settings),
            parallel=parallel,
        ),
        pairs,
        folder,
        identity=reference_identity(vlm, parallel.arithmetic + bits, engine.name),
        views=_views(settings),
        progress=progress,
    )


@contextmanager
def _shared(folder: Path | None, parallel: "Parallel") -> Generator[None]:
    """Hold a folder that several trainings share; a second one waits for what the first computes.

    Its first process holds it, and before that none reads: all must find the same rows.
    """
    with ExitStack() as stack:
        if folder is not None and parallel.main:
            stack.enter_context(hold(folder, wait=True))
        parallel.wait()
        yield


def _tuned_by_seed(settings: OneRun, vlm: "Vlm", parallel: "Parallel") -> "Vlm":
    """Return the model as `tuned` does, with initial weights and dropout by the seed."""
    import torch

    torch.manual_seed(settings.seed)  # pyright: ignore[reportUnknownMemberType]
    vlm = tuned(settings, vlm)
    if parallel.rank:  # the same initial weights in all processes, but different dropout
        torch.manual_seed(settings.seed + parallel.rank)  # pyright: ignore[reportUnknownMemberType]
    return vlm


def tuned(settings: OneRun, vlm: "Vlm") -> "Vlm":
    """Return the model with the recipe's weights set to trainable."""
    from groundtune.train.tune import apply, checkpoint_activations

    model = apply(vlm.model, settings.tune)
    if settings.gradient_checkpointing:
        checkpoint_activations(model)
    return replace(vlm, model=model)


def training_schedule(settings: OneRun, pairs: int, *, eval_every: int = 0) -> "TrainingSchedule":
    """Return the schedule of a run on a number of pairs."""
    from groundtune.train.batches import steps_per_epoch
    from groundtune.train.loop import TrainingSchedule

    steps = settings.epochs * steps_per_epoch(pairs, settings.batch_size)
    return TrainingSchedule(
        steps=min(steps, settings.max_steps or steps),
        batch_size=settings.batch_size,
        limits=limits_of(settings),
        seed=settings.seed,
        save_every=settings.save_every,
        eval_every=eval_every,
        optim=settings.optim,
    )


def _write(
    settings: TrainSettings,
    vlm: "Vlm",
    out: Path,
    weights: "dict[str, Tensor] | None",
    progress: Progress,
) -> None:
    """Write the result: `weights`, or the model's weights if None."""
    from groundtune.train.checkpoint import write_model
    from groundtune.vlm.merged import announce_float32, stored_dtype

    write_model(vlm, out / "model", weights=weights)
    if settings.tune.type == "full":
        announce_float32(
            out / "model",
            stored_dtype(vlm.name, vlm.revision if not Path(vlm.name).exists() else "main"),
            "docs/precision.md says how to cast them.",
        )
    if _merges(settings):
        pairs = partial(pairs_of, settings, progress)
        write_merged(settings, out / "model", out / "merged", pairs, run=out, revision=vlm.revision)


def pairs_of(settings: TrainSettings, progress: Progress) -> EncodedPairs:
    """Return the settings' pairs as tokens, without loading weights.

    Raises:
        UserError: as `encode` and `read_pairs` do.
    """
    from groundtune.vlm.load import outline

    vlm = outline(resolve(settings.model))
    return encode(settings, vlm, read_pairs(settings), engine_for(settings, vlm), progress)


def _merges(settings: TrainSettings) -> bool:
    return settings.merge and settings.tune.type == "lora"


def _note(
    settings: TrainSettings,
    out: Path,
    vlm: "Vlm",
    data: TrainingData,
    dropped: Sequence[DroppedPair],
    command: Sequence[str],
    *,
    resumed: bool,
) -> None:
    """Write the run's provenance and what is dropped of its data; a resumed run keeps its notes."""
    inputs = {"model": vlm.revision, "pairs": key_of(dict(data.hashes)), **settings.packages()}
    seeds = {"train": settings.seed}
    notes = read_run(out).notes if resumed and (out / "run.json").exists() else {}
    write_run(out, settings.model_dump(mode="json"), inputs, seeds, list(command), notes)
    lines = "".join(json_of(drop._asdict()) + "\n" for drop in dropped)
    write_atomic(out / "dropped.jsonl", lines.encode())
