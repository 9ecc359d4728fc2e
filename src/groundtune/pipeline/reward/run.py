"""Stage "reward train": a reward model of comparisons, pairs or corrections.

    OUT/run.json log.jsonl              settings, metrics of each step
    OUT/checkpoints/step-000100/        checkpoint from which a stopped run resumes
    OUT/model/                          weights or adapter, head.safetensors, reward.json, and the
                                        images of the recorded scores
    OUT/evaluation.json report.html     accuracy on the held-out examples

The same command resumes from the last checkpoint, and leaves a finished run unchanged.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from groundtune.pipeline.reward.accuracy import RewardAccuracy
from groundtune.pipeline.reward.data import RewardData, read_data, refuse_other_facts, texts_of
from groundtune.pipeline.reward.examples import encode_examples
from groundtune.pipeline.reward.judging import RewardRequests, check_facts
from groundtune.pipeline.reward.measure import measure, probes_of
from groundtune.pipeline.reward.model import RewardModel
from groundtune.pipeline.reward.settings import RewardSettings
from groundtune.pipeline.reward.spec import HEAD, NAME, Reading, RewardSpec, processor_hash
from groundtune.pipeline.reward.words import measure_words
from groundtune.pipeline.train.checks import check_reach
from groundtune.pipeline.train.inputs import flat_settings
from groundtune.pipeline.train.parallel import is_first_process
from groundtune.pipeline.train.run import load_to_train, logger_of, training_schedule, tuned
from groundtune.protocols import Progress
from groundtune.store.json_writing import json_of
from groundtune.store.lock import one_writer
from groundtune.store.run_json import write_run
from groundtune.store.sealed import read_sealed, write_sealed

if TYPE_CHECKING:
    from groundtune.train.reward_head import RewardHead
    from groundtune.vlm.load import Vlm

log = logging.getLogger(__name__)


class RewardResult(NamedTuple):
    """The model's folder and its figures."""

    model: Path
    evaluation: RewardAccuracy
    report: Path


@one_writer(when=is_first_process)
def train_reward(
    settings: RewardSettings, out: Path, progress: Progress, *, command: Sequence[str] = ()
) -> RewardResult:
    """Train a reward model, or resume, and measure it on the held-out examples.

    Raises:
        UserError: settings or examples can't be used, the model can't be loaded or trained, the
            folder has another run, the loss is not a number, or the disk is full.
    """
    data = read_data(settings)
    prompts = list(data.prompts.values())
    check_reading(settings, data)
    import torch

    from groundtune.engine.hidden import HiddenStates, TokenValues
    from groundtune.train.checkpoint import Checkpoints
    from groundtune.train.loop import Trainer
    from groundtune.train.optim import adamw
    from groundtune.train.parallel import Parallel
    from groundtune.train.precision import resolve_dtype

    vlm = load_to_train(settings)
    check_reach(vlm.model, settings)
    parallel = Parallel(vlm.device, bf16=resolve_dtype(settings.dtype, vlm.device) == "bfloat16")
    judging = RewardRequests(settings.judging, settings.seed, tuple(prompts))
    examples = encode_examples(settings, vlm, data, judging, progress)
    torch.manual_seed(settings.seed)  # pyright: ignore[reportUnknownMemberType]
    vlm = tuned(settings, vlm)
    _freeze_output(vlm.model)
    head = _head(settings, vlm)
    if parallel.rank:
        torch.manual_seed(settings.seed + parallel.rank)  # pyright: ignore[reportUnknownMemberType]
    checkpoints = Checkpoints(
        out / "checkpoints", _inputs(settings, vlm, data), settings.keep, {HEAD: head}
    )
    checkpoints.check()
    optimizer = adamw([*vlm.model.parameters(), *head.parameters()], settings.optim)
    step = checkpoints.restore(vlm, optimizer, parallel.rank)
    plan = training_schedule(settings, len(examples))
    if step == plan.steps and (out / "evaluation.json").exists():
        return _result(out)
    if parallel.main and not step:
        inputs = {"model": vlm.revision, **data.hashes}
        write_run(
            out, settings.model_dump(mode="json"), inputs, {"train": settings.seed}, [*command]
        )
    values = TokenValues(head, HiddenStates(pack=settings.pack))
    Trainer(
        vlm=vlm,
        pairs=examples,
        method=settings.words if settings.learn == "words" else settings.loss,
        score=values,
        plan=plan,
        parallel=parallel,
        optimizer=optimizer,
        checkpoints=checkpoints,
        logger=logger_of(settings, out, step, parallel),
        progress=progress,
    ).fit(step)
    if parallel.main:
        _write(settings, vlm, values, judging, data, out, progress)
    parallel.wait()
    return _result(out)


def _result(out: Path) -> RewardResult:
    evaluation = read_sealed(out / "evaluation.json", RewardAccuracy)
    return RewardResult(out / "model", evaluation, out / "report.html")


def check_reading(settings: RewardSettings, data: RewardData) -> None:
    """Refuse facts that don't fit; warn if a frozen projector will cost accuracy.

    Raises:
        UserError: facts are missing, are those of other images, or are more than their name says.
    """
    if settings.learn == "words" and "projector" not in settings.tune.parts:
        log.warning("the projector isn't trained (tune.parts): TLDR found fewer wrong words so")
    facts, where = settings.judging.facts, str(settings.feedback)
    check_facts(list(data.prompts.values()), facts, where)
    if facts.show in ("shown", "truth"):
        refuse_other_facts(data.prompts, texts_of([*data.training, *data.held_out]), where)


def _freeze_output(model: Any) -> None:
    """Freeze the output embeddings, which rewards don't use, unless they are the input's too.

    Several processes wait for the gradient of every trained weight.
    """
    output, inputs = model.get_output_embeddings(), model.get_input_embeddings()
    if output is not None and output.weight is not inputs.weight:
        output.requires_grad_(False)


def _head(settings: RewardSettings, vlm: "Vlm") -> "RewardHead":
    from groundtune.train.reward_head import RewardHead
    from groundtune.vlm.plain import plain_model

    width = plain_model(vlm.model).config.get_text_config().hidden_size
    return RewardHead(width, settings.head).to(vlm.device)


def _inputs(settings: RewardSettings, vlm: "Vlm", data: RewardData) -> dict[str, str]:
    from groundtune.train.precision import resolve_dtype

    decisive = settings.decisive() | {"dtype": resolve_dtype(settings.dtype, vlm.device)}
    del decisive["model"], decisive["feedback"]
    return {
        **flat_settings(decisive, ""),
        **data.hashes,
        "model": vlm.revision,
        "processor": processor_hash(vlm.processor),
    }


def _write(
    settings: RewardSettings,
    vlm: "Vlm",
    values: Any,
    judging: RewardRequests,
    data: RewardData,
    out: Path,
    progress: Progress,
) -> None:
    """Measure the model, write it with its recorded scores, and write the report."""
    from groundtune.train.checkpoint import head_bytes, write_model

    reward_reading = Reading(
        learn=settings.learn,
        head=settings.head,
        readout=settings.readout,
        judging=settings.judging,
        seed=settings.seed,
    )
    model = RewardModel(
        vlm=vlm,
        values=values,
        reading=reward_reading,
        images=data.folder.images,
        pool=judging.pool,
        max_tokens=settings.micro_tokens,
    )
    if settings.learn == "words":
        measured, threshold = measure_words(model, data, progress, settings.seed)
        reward_reading = reward_reading.model_copy(update={"threshold": threshold})
    else:
        measured = measure(model, data, progress)
    probes = probes_of(model, judging, data.held_out, data, settings.validation.recorded)
    spec = RewardSpec(
        reading=reward_reading,
        width=values.head.layers[0].in_features,
        model=settings.model,
        revision=vlm.revision,
        processor=processor_hash(vlm.processor),
        end_token=vlm.form.eos,
        dtype=str(vlm.model.dtype).removeprefix("torch."),
        accuracy=measured.evaluation.accuracy,
        spread=measured.spread,
        probes=probes,
        settings=settings.model_dump(mode="json"),
    )
    images = {image for probe in probes for image in probe.prompt.images}
    files = {
        NAME: json_of(spec, indent=1).encode(),
        f"{HEAD}.safetensors": head_bytes(values.head),
        **{f"images/{each[:2]}/{each}": data.folder.images.read(each) for each in sorted(images)},
    }
    write_model(vlm, out / "model", files)
    from groundtune.pipeline.reward.page import training_texts, write_page

    write_page(out, training_texts(settings, measured.evaluation), measured.evaluation)
    write_sealed(out / "evaluation.json", measured.evaluation)  # last: the run is finished
    if measured.evaluation.accuracy.at_chance:
        log.warning("the reward model is at chance on held-out examples: no stage will use it")
