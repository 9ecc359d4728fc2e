"""The policy of a run: its model, the reference before training, and what scores their answers."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.reward.sharing import LoadedBase
from groundtune.pipeline.rl.memory import why_no_base
from groundtune.pipeline.rl.rewarders import OpenedRewards, open_rewarders
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.train.engine import measured_attention
from groundtune.pipeline.train.run import load_to_train
from groundtune.pipeline.train.settings import OneRun
from groundtune.protocols import Rewarder
from groundtune.records import Prompt

if TYPE_CHECKING:
    from torch import Tensor, nn

    from groundtune.engine.attention import Attention
    from groundtune.engine.logprobs import TokenLogProbs
    from groundtune.engine.rows import PromptRow
    from groundtune.train.parallel import Parallel
    from groundtune.train.reward_head import RewardHead
    from groundtune.vlm.load import Vlm


class LoadedModels(NamedTuple):
    """The models of a run before its policy gets an adapter."""

    policy: "Vlm"
    frozen: "Vlm | None"
    """The reference if it is a copy."""
    rewards: OpenedRewards
    base: LoadedBase | str
    """The weights that labeler and reward models share if they fit, or why there are none."""
    parallel: "Parallel"


def load_models(settings: RLSettings, out: Path, rewarders: Mapping[str, Rewarder]) -> LoadedModels:
    """Load the policy, its copy if there is one, and reward models: on weights that stay.

    Raises:
        UserError: as `load_policy`; or a reward can't be opened.
    """
    from groundtune.train.parallel import Parallel
    from groundtune.train.precision import resolve_dtype

    vlm = load_policy(settings)
    bf16 = resolve_dtype(settings.dtype, vlm.device) == "bfloat16"
    parallel = Parallel(vlm.device, bf16=bf16)
    frozen = frozen_copy(settings, vlm)
    base = why_no_base(settings, sharded=parallel.shards_weights) or LoadedBase.of(frozen or vlm)
    rewards = open_rewarders(
        settings.rewards.more,
        rewarders,
        RunFolder(out).images,
        base=base,
        device=str(vlm.device),
    )
    return LoadedModels(vlm, frozen, rewards, base, parallel)


def load_policy(settings: RLSettings) -> "Vlm":
    """Load the model to train.

    Raises:
        UserError: it can't be loaded or trained, is an adapter, or has no end token; or
            `value_from` was trained with another processor.
    """
    from groundtune.train.precision import device_of
    from groundtune.train.tune import check_parts, check_quantisable

    if settings.tune.type == "qlora":
        check_quantisable(device_of(settings.device).type)
    vlm = load_to_train(settings.part(OneRun))
    if not vlm.eos_ids:
        raise UserError(
            "The model has no end token, so no answer of it ends by itself.",
            settings.model,
            "Set eos_token_id in its generation_config.json.",
        )
    check_parts(vlm.model, settings.tune)
    if settings.value_from:
        _refuse_other_processor(settings, vlm)
    return vlm


def _refuse_other_processor(settings: RLSettings, vlm: "Vlm") -> None:
    """Refuse a head whose states were of other tokens or other pixels.

    Checked right after loading: a tokenizer in use keeps the padding of its last call.

    Raises:
        UserError: the reward model was trained with another processor.
    """
    from groundtune.pipeline.reward.spec import processor_hash, read_spec

    folder = Path(settings.value_from)
    if read_spec(folder).processor != processor_hash(vlm.processor):
        raise UserError(
            "The reward model of value_from was trained with another processor than the policy's.",
            str(folder),
            "Use a reward model that was trained from the same model, or leave value_from out.",
        )


def tuned(settings: RLSettings, vlm: "Vlm") -> "Vlm":
    """Return the model with the recipe's weights set to trainable, in evaluation mode."""
    from groundtune.train.tune import apply, checkpoint_activations

    model = apply(vlm.model, settings.tune)
    if settings.gradient_checkpointing:
        checkpoint_activations(model)
    model.eval()
    return replace(vlm, model=model)


def attention_of(
    settings: RLSettings, vlm: "Vlm", prompts: Sequence[Prompt], parallel: "Parallel", out: Path
) -> "Attention":
    """Return the attention of a run's forward passes: the fastest for a prompt with all answers.

    A resumed run uses the stored choice.

    Raises:
        UserError: an image is unreadable.
    """
    from groundtune.engine.engines import cannot_pack

    if cannot_pack(vlm):
        return "dense"
    return measured_attention(
        vlm, lambda: [_longest_row(settings, vlm, prompts[0], out)], parallel, out
    )


def _longest_row(settings: RLSettings, vlm: "Vlm", prompt: Prompt, out: Path) -> "PromptRow":
    """Return a prompt with answers of end tokens, of different lengths: equal ones run once."""
    from groundtune.engine.rows import PromptRow
    from groundtune.vlm.encode import encode_prompt
    from groundtune.vlm.encoded import EncodedAnswer

    encoded, most = encode_prompt(vlm, prompt, RunFolder(out).images), _longest(settings, vlm, out)
    room = max(1, (settings.micro_tokens - len(encoded.ids)) // most)
    lengths = range(most, max(0, most - min(settings.n, room)), -1)
    end = vlm.eos_ids[0]
    answers = (EncodedAnswer(ids=(end,) * length, offsets=((0, 0),) * length) for length in lengths)
    return PromptRow(encoded, tuple(answers))


def _longest(settings: RLSettings, vlm: "Vlm", out: Path) -> int:
    """Return the tokens of the reference's longest answer; without any, the most that may be."""
    most = settings.sampling.max_new_tokens
    tokenizer: Any = vlm.processor.tokenizer
    texts = [answer.text for answer in RunFolder(out).answers.read()]
    return min(most, max((len(tokenizer(text)["input_ids"]) for text in texts), default=most))


def engine(settings: RLSettings, vlm: "Vlm", attention: "Attention" = "dense") -> "TokenLogProbs":
    """Return what scores the policy's answers, with a value head if the method has one."""
    from groundtune.engine.engines import engine_of
    from groundtune.engine.hidden import HiddenStates
    from groundtune.engine.policy_values import PolicyValues

    if not settings.method.has_values:
        return engine_of(vlm, attention=attention)
    states = HiddenStates(attention=attention)
    return PolicyValues(_value_head(settings, vlm).to(vlm.device), states)


def _value_head(settings: RLSettings, vlm: "Vlm") -> "RewardHead":
    """Return a head of zeros, or the one of a reward model.

    Raises:
        UserError: the reward model's head doesn't fit.
    """
    from safetensors import SafetensorError
    from torch import nn

    from groundtune.pipeline.reward.spec import HEAD, read_spec
    from groundtune.train.checkpoint import read_head
    from groundtune.train.reward_head import RewardHead

    width: int = vlm.model.config.get_text_config().hidden_size
    if not settings.value_from:
        head = RewardHead(width, "linear")
        for weight in head.parameters():
            nn.init.zeros_(weight)
        return head
    folder = Path(settings.value_from)
    head = RewardHead(width, read_spec(folder).reading.head)
    try:
        read_head(head, folder / f"{HEAD}.safetensors")
    except (RuntimeError, OSError, SafetensorError) as error:
        raise UserError(
            f"The reward model's head doesn't fit the policy's states of width {width}.",
            str(folder),
            "Use a reward model that was trained from the same model, or leave value_from out.",
        ) from error
    return head


def heads(score: "TokenLogProbs") -> "dict[str, nn.Module]":
    """Return what is trained next to the model, by the name of its file."""
    from groundtune.engine.policy_values import PolicyValues

    return {"value_head": score.head} if isinstance(score, PolicyValues) else {}


def frozen_copy(settings: RLSettings, vlm: "Vlm") -> "Vlm | None":
    """Return a copy of the model before training; an adapter needs none: it is switched off."""
    if not settings.method.kl.coefficient or settings.tune.type != "full":
        return None
    model: Any = copy.deepcopy(vlm.model)
    model.requires_grad_(False)
    return replace(vlm, model=model)


def reference(
    settings: RLSettings, vlm: "Vlm", frozen: "Vlm | None", attention: "Attention" = "dense"
) -> "Callable[[Sequence[PromptRow]], list[list[Tensor]]] | None":
    """Return what scores rows with the weights before training; None if the KL counts nowhere."""
    from groundtune.engine.engines import engine_of

    if not settings.method.kl.coefficient:
        return None
    score = engine_of(vlm, attention=attention)
    if frozen is not None:
        return lambda rows: score(frozen, rows)

    def without_adapter(rows: "Sequence[PromptRow]") -> "list[list[Tensor]]":
        with vlm.model.disable_adapter():
            return score(vlm, rows)

    return without_adapter
