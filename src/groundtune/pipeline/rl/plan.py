"""Plan a run without drawing or training: its prompts, tokens, memory and time.

Reads prompts, images and tokenizer, but no weights. Answers are taken to be as long as allowed,
since no one knows how long the policy's will be; so tokens and time are upper bounds of the passes
that score and learn. Drawing is counted by its arithmetic alone and takes longer than that where
memory limits it.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from groundtune.pipeline.feedback.claim_settings import with_self
from groundtune.pipeline.models.names import resolve
from groundtune.pipeline.models.prompt_sources import requested
from groundtune.pipeline.reward.model import at_chance
from groundtune.pipeline.reward.sharing import Base, count_weights, why_apart
from groundtune.pipeline.reward.spec import read_spec
from groundtune.pipeline.rl.checks import check_prompts, rewards_marks
from groundtune.pipeline.rl.labeler import other_bases, planned_checkers
from groundtune.pipeline.rl.memory import AddedWeights, line_of, models_of, why_no_base
from groundtune.pipeline.rl.prepare import (
    held_out_prompts,
    prepare_prompts,
    with_claims_of_source,
)
from groundtune.pipeline.rl.rewarders import reward_folders
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.train.estimate import EFFICIENCY, Sizes, Work, flop, memory, rate, sizes_of

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

READ = 32
"""Prompts whose tokens are counted, and the most that a prompt source makes for a plan."""


class RLPlan(Record):
    """What a run would do."""

    prompts: int
    """Prompts to learn from."""
    held_out: int
    steps: int
    answers_per_step: int
    prompt_tokens: float
    """Mean tokens of a prompt, image included."""
    answer_tokens_max: int
    tokens_per_step_max: int
    """Tokens of one pass over a step's answers, each prompt once, if all are as long as allowed."""
    passes_per_step: int
    """Passes over a step's answers: reference, values if there are any, and updates."""
    trained_weights: int
    weights: int
    """Weights in memory, of a reference that is a copy, labeler and reward models, too."""
    models: str
    """Which models share weights, and the memory that the weights of each take."""
    memory_gb: float
    """Estimated peak memory of one process, without libraries."""
    update_hours_max: float
    """Estimated hours of the passes that score and learn, if all answers are as long as allowed."""
    draw_hours: float
    """Hours of the arithmetic of drawing such answers; the true time is longer."""


def plan_rl(settings: RLSettings, progress: Progress) -> RLPlan:
    """Return what `rl` would do with these settings.

    Raises:
        UserError: prompts can't be read, or `rl` would refuse them or a reward; or the model can't
            be trained this way.
    """
    from groundtune.train.tune import apply
    from groundtune.vlm.load import outline

    settings = with_claims_of_source(settings)
    rewards_marks(settings, {})
    vlm = outline(resolve(settings.model))
    request = None if settings.task == "find" else requested(settings.prompts)
    few = settings
    if request is not None:
        number = min(request.number, READ)
        few = settings.model_copy(update={"prompts": f"{request.source.name}:{number}"})
        few = few.model_copy(update={"held_out": 0, "prompts_per_step": 1})
    with TemporaryDirectory() as temporary:
        out = Path(temporary)
        prepare_prompts(few, out, progress)
        prompts, held_out = RunFolder(out).prompts.read(), held_out_prompts(out).read()
        check_prompts(few, prompts, held_out)
        lengths = _prompt_tokens(vlm, RunFolder(out))
    count = len(prompts) if request is None else request.number
    tuned = apply(vlm.model, settings.tune)
    sizes = sizes_of(tuned, adapted=settings.tune.type != "full")
    mean = sum(lengths) / len(lengths)
    step_prompts = min(settings.prompts_per_step, count)
    work = _work(settings, vlm, step_prompts, mean)
    seconds = _seconds(settings, sizes, work)
    copied = settings.tune.type == "full" and bool(settings.method.kl.coefficient)
    others = _others(settings, vlm)
    added = sum(each.bytes for each in others.values())
    return RLPlan(
        prompts=count,
        held_out=len(held_out) if request is None else settings.held_out,
        steps=settings.steps,
        answers_per_step=step_prompts * settings.n,
        prompt_tokens=round(mean, 1),
        answer_tokens_max=settings.sampling.max_new_tokens,
        tokens_per_step_max=work.tokens,
        passes_per_step=_forward_passes(settings) + settings.passes,
        trained_weights=sizes.trained,
        weights=sizes.weights * (2 if copied else 1) + sum(o.weights for o in others.values()),
        models=_models(settings, vlm, sizes, others, copied=copied),
        memory_gb=round((_memory(settings, sizes, work, copied=copied) + added) / 1e9, 3),
        update_hours_max=round(settings.steps * seconds[0] / 3600, 3),
        draw_hours=round(settings.steps * seconds[1] / 3600, 3),
    )


def _others(settings: RLSettings, vlm: "Vlm") -> dict[str, AddedWeights]:
    """Return labeler and reward models by their roles, and whether each can share the base.

    Raises:
        UserError: one can't be read, or a reward model is at chance.
    """
    from groundtune.train.precision import device_of
    from groundtune.vlm.load import revision_of

    folders = reward_folders(settings.rewards.more, ())
    feedback = with_self(settings.feedback, settings.model) if settings.checks_claims else None
    device = device_of(settings.device)
    why = why_no_base(settings)
    dtype = "float32" if _weight_bytes(settings) == 4 else "bfloat16"
    compared = bool(folders) or (feedback and other_bases(feedback, vlm.name))
    # a hash of all weights takes long
    revision = revision_of(resolve(settings.model)) if compared and not why else ""
    base = Base(vlm.name, revision, dtype, device)
    others = planned_checkers(feedback, why or base) if feedback else {}
    for name in folders:
        spec = read_spec(Path(name))
        if spec.accuracy.at_chance:
            raise at_chance(spec, Path(name))
        apart = why or why_apart(Path(name), base)
        count = count_weights(str(Path(name).resolve()), device.type, shared=not apart)
        others[f"reward {name}"] = AddedWeights(*count, apart)
    return others


def _models(
    settings: RLSettings,
    vlm: "Vlm",
    sizes: Sizes,
    others: Mapping[str, AddedWeights],
    *,
    copied: bool,
) -> str:
    """Return in a line which models share weights."""
    import torch

    from groundtune.train.reward_head import RewardHead

    weight_bytes = _weight_bytes(settings)
    head = read_spec(Path(settings.value_from)).reading.head if settings.value_from else "linear"
    with torch.device("meta"):
        values = RewardHead(vlm.model.config.get_text_config().hidden_size, head)
    models = models_of(
        settings,
        policy=(sizes.weights - sizes.trained) * weight_bytes + sizes.trained * 4,
        copied=sizes.weights * weight_bytes if copied else 0,
        values=sum(4 * weight.numel() for weight in values.parameters()),
        others=others,
    )
    return line_of(models)


def _prompt_tokens(vlm: "Vlm", folder: RunFolder) -> list[int]:
    from groundtune.vlm.encode import encode_prompt

    prompts = folder.prompts.read()[:READ]
    return [len(encode_prompt(vlm, prompt, folder.images).ids) for prompt in prompts]


def _work(settings: RLSettings, vlm: "Vlm", step_prompts: int, prompt: float) -> Work:
    """Return what one pass over a step's answers computes, if all are as long as allowed."""
    longest = settings.sampling.max_new_tokens
    answers = step_prompts * settings.n
    attended = step_prompts * prompt**2 / 2 + answers * longest * (prompt + longest / 2)
    return Work(
        tokens=round(step_prompts * prompt) + answers * longest,
        answer_tokens=answers * longest,
        attended=round(attended),
        images=round(step_prompts * prompt),
    )


def _forward_passes(settings: RLSettings) -> int:
    """Return the passes without a gradient: the reference's, and the policy's before updates."""
    reference = bool(settings.method.kl.coefficient)
    before = settings.method.has_values or settings.dtype != "float32"
    return int(reference) + int(before)


def _seconds(settings: RLSettings, sizes: Sizes, work: Work) -> tuple[float, float]:
    """Return the seconds of a step's passes, and those of the arithmetic of drawing."""
    import torch

    from groundtune.train.precision import device_of, resolve_dtype

    device = device_of(settings.device)
    dtype = getattr(torch, resolve_dtype(settings.dtype, device))
    together = min(settings.micro_tokens, work.tokens)
    speed = EFFICIENCY * rate(device, dtype, together, sizes)
    forward = flop(sizes, work, training=False)
    checkpointing = settings.gradient_checkpointing
    update = flop(sizes, work, training=True, checkpointing=checkpointing) * settings.passes
    return (_forward_passes(settings) * forward + update) / speed, forward / speed


def _memory(settings: RLSettings, sizes: Sizes, work: Work, *, copied: bool) -> int:
    from groundtune.engine.head import CHUNK_BYTES
    from groundtune.train.precision import device_of, resolve_dtype

    device = device_of(settings.device)
    half = resolve_dtype(settings.dtype, device) == "bfloat16"
    weight_bytes = _weight_bytes(settings)
    together = min(settings.micro_tokens, work.tokens)
    peak = memory(
        sizes,
        tokens=together,
        answer_tokens=round(work.answer_tokens * together / work.tokens),
        weight_bytes=weight_bytes,
        compute_bytes=2 if half else 4,
        mask_bytes=1 if device.type == "cuda" else 4,
        checkpointing=settings.gradient_checkpointing,
        chunk_bytes=CHUNK_BYTES,
    )
    return peak + (sizes.weights * weight_bytes if copied else 0)


def _weight_bytes(settings: RLSettings) -> int:
    """Return the size of a frozen weight; those that are trained are float32."""
    from groundtune.train.precision import device_of, resolve_dtype

    half = resolve_dtype(settings.dtype, device_of(settings.device)) == "bfloat16"
    return 2 if half and settings.tune.type != "full" else 4
