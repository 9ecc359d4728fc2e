"""Select the weights to train: a LoRA on linear layers, or all weights of parts of the model.

The language model is the decoder and its head, the tower is the image encoder, and the projector is
everything else, or the last modules of a family's image encoder.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from groundtune.errors import UserError
from groundtune.vlm.family import family_of
from groundtune.vlm.plain import adapting

Part = Literal["language_model", "projector", "tower"]


class LowRank(BaseModel):
    """Settings of LoRA and QLoRA. The defaults follow RLAIF-V's LoRA script."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    r: int = Field(default=64, ge=1)
    """Rank: 64 in RLAIF-V's script and LLaVA-RLHF, 128 in HA-DPO's for LLaVA."""
    alpha: int = Field(default=16, ge=1)
    """Scale of the update, alpha / r: 16 in RLAIF-V's script and LLaVA-RLHF."""
    dropout: float = Field(default=0.05, ge=0, lt=1)
    """Dropout: 0.05 in RLAIF-V's script, 0 in LLaVA-RLHF."""
    parts: tuple[Part, ...] = ("language_model",)
    """Parts with adapted layers: RLAIF-V leaves out projector and tower."""
    layers: tuple[str, ...] = ()
    """Only layers of these names, such as q_proj, k_proj, v_proj, which HA-DPO adapts in MiniGPT-4
    and InstructBLIP; [] adapts every linear layer of the parts."""


class Lora(LowRank):
    """Low-rank adapters (Hu et al., 2021, arXiv 2106.09685) on linear layers.

    The head and routers of experts have none, nor have experts whose weights are fused.
    """

    type: Literal["lora"] = "lora"


class QLora(LowRank):
    """LoRA on a 4-bit base (Dettmers et al., 2023, arXiv 2305.14314): NF4, double quantisation.

    LLaVA-RLHF's reinforcement learning used it. Needs an accelerator and bitsandbytes.
    """

    type: Literal["qlora"] = "qlora"


class Full(BaseModel):
    """All weights of the given parts, in float32."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["full"] = "full"
    parts: tuple[Part, ...] = ("language_model", "projector")
    """Parts to train: RLAIF-V trains these two; RLHF-V also trained its tower."""


def apply(model: Any, tune: Lora | QLora | Full) -> Any:
    """Make exactly the selected weights require a gradient; return a peft model for a LoRA.

    Raises:
        UserError: as `check_parts` does.
    """
    check_parts(model, tune)
    model.requires_grad_(False)
    if isinstance(tune, Full):
        part_of = _parts_of(model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(part_of(name) in tune.parts)
        return model
    if isinstance(tune, QLora):
        import peft

        # norms and embeddings in fp32, following QLoRA
        untyped: Any = peft
        model = untyped.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return _add_adapter(model, tune)


def check_parts(model: Any, tune: Lora | QLora | Full) -> None:
    """Check that the selected parts of a model can be trained.

    Raises:
        UserError: the model lacks a part, or a part has no linear layer to adapt.
    """
    part_of = _parts_of(model)
    parts = {part_of(name) for name, _ in model.named_parameters()}
    missing = set(tune.parts) - parts
    if missing or not tune.parts:
        raise UserError(
            f"The model has no part {sorted(missing)} to train."
            if missing
            else "There is no part to train.",
            "tune.parts",
            f"Use one or more of {', '.join(sorted(parts))}.",
        )
    if not isinstance(tune, Full):
        _check_adaptable(model, tune)


class Reach(NamedTuple):
    """How much of a model's decoder an adapter changes."""

    share: float
    """Weights in adapted layers as a share of the decoder's, without embeddings and head."""
    missed: tuple[str, ...]
    """Other weights of the decoder, the largest first, such as experts.down_proj."""


def reach(model: Any, tune: LowRank) -> Reach:
    """Return what an adapter reaches of the decoder of a model that has none yet.

    Norms and biases don't count: no method here adapts them.
    """
    from torch import nn

    adapted = set(_linear_layers(model, tune))
    part_of = _parts_of(model)
    tables = {id(each.weight) for each in model.modules() if isinstance(each, nn.Embedding)}
    head = model.get_output_embeddings()
    sizes: dict[str, int] = {}
    trained = 0
    for name, weight in model.named_parameters():
        layer = name.rpartition(".")[0]
        if weight.ndim < 2 or id(weight) in tables or part_of(name) != "language_model":
            continue
        if model.get_submodule(layer) is head:
            continue
        size = _full_size(model.get_submodule(layer), weight)
        if layer in adapted:
            trained += size
        else:
            words = name.removesuffix(".weight").split(".")[-2:]
            sizes[".".join(words)] = sizes.get(".".join(words), 0) + size
    whole = trained + sum(sizes.values())
    missed = sorted(sizes, key=lambda name: -sizes[name])
    return Reach(trained / whole if whole else 1.0, tuple(missed))


def _full_size(module: Any, weight: Any) -> int:
    """Return the number of a matrix's values; one in 4 bits has two of them in a byte."""
    from torch import nn

    if isinstance(module, nn.Linear):
        return module.in_features * module.out_features
    return weight.numel()


def check_quantisable(device: str) -> None:
    """Raise UserError if 4-bit weights are not possible: on a CPU, or without bitsandbytes."""
    if device == "cpu":
        raise UserError(
            "QLoRA needs an accelerator, but the device is a CPU.",
            "tune.type",
            "Use tune.type=lora, with a smaller model if it does not fit into memory.",
        )
    if find_spec("bitsandbytes") is None:
        raise UserError(
            "QLoRA needs bitsandbytes, which is not installed.",
            "tune.type",
            'Run pip install "groundtune[qlora]", or use tune.type=lora.',
        )


def checkpoint_activations(model: Any) -> None:
    """Recompute activations in the backward pass: less memory for a third more time."""
    # transformers renamed it in 5.23; a peft model forwards both names.
    new = getattr(model, "activation_checkpointing_enable", None)
    enable = new or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    # It makes all embeddings require gradients, even a frozen tower's. Only the reentrant kind
    # needs that; here the tower would be recomputed and run backward for nothing.
    model.disable_input_require_grads()


def _add_adapter(model: Any, tune: LowRank) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=tune.r,
        lora_alpha=tune.alpha,
        lora_dropout=tune.dropout,
        target_modules=_linear_layers(model, tune),
        task_type="CAUSAL_LM",
    )
    with adapting():
        return get_peft_model(model, config)


def _check_adaptable(model: Any, tune: LowRank) -> None:
    """Raise UserError if a part to adapt has no linear layer."""
    part_of = _parts_of(model)
    adapted = {part_of(f"{name}.weight") for name in _linear_layers(model, tune)}
    if unknown := sorted(set(tune.layers) - _last_names(model, tune)):
        raise UserError(
            f"The parts have no linear layer {', '.join(unknown)}.",
            "tune.layers",
            f"Use one or more of {', '.join(sorted(_last_names(model, tune)))}, or [] for all.",
        )
    if bare := sorted(set(tune.parts) - adapted):
        raise UserError(
            f"The model's {' and '.join(bare)} has no linear layer for an adapter.",
            "tune.parts",
            "Remove the part, or train all its weights with tune.type=full.",
        )


def _last_names(model: Any, tune: LowRank) -> set[str]:
    """Return the last words of the names of the parts' linear layers."""
    names = _linear_layers(model, tune.model_copy(update={"layers": ()}))
    return {name.rpartition(".")[2] for name in names}


def _linear_layers(model: Any, tune: LowRank) -> list[str]:
    from torch import nn

    head = model.get_output_embeddings()
    part_of = _parts_of(model)
    modules = _modules(model)
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and module is not head
        and (not tune.layers or name.rpartition(".")[2] in tune.layers)
        and not _routes(modules, name)
        and part_of(f"{name}.weight") in tune.parts
    ]


def _modules(model: Any) -> dict[str, object]:
    """Return the model and all its modules by name; one with several names is there by each."""
    return dict(model.named_modules(remove_duplicate=False))


def _paths(name: str) -> list[str]:
    """Return the names of a module and of those that it is in, the outermost first."""
    words = name.split(".") if name else []
    return [".".join(words[: n + 1]) for n in range(len(words))]


def _routes(modules: Mapping[str, object], name: str) -> bool:
    """Return whether a layer chooses or weighs experts: a changed route isn't a small change.

    That is a layer of a router, or one directly in a block next to its experts.
    """
    owners = [modules[path] for path in ("", *_paths(name))]
    routers = any("router" in type(owner).__name__.lower() for owner in owners[1:])
    return routers or hasattr(owners[-2], "experts")


def _parts_of(model: Any) -> Callable[[str], Part]:
    """Return what tells the part of a parameter by its name.

    It finds the parts once: a model has thousands of parameters.
    """
    owners: list[tuple[object, Part]] = [
        (model.get_decoder(), "language_model"),
        (model.get_output_embeddings(), "language_model"),
        (model.get_encoder(modality="image"), "tower"),
    ]
    modules = _modules(model)
    places: list[tuple[set[str], Part]] = [
        ({name for name, module in modules.items() if module is owner}, part)
        for owner, part in owners
    ]
    projector = set(family_of(model).projector)

    def part_of(parameter: str) -> Part:
        module = parameter.rpartition(".")[0]
        if projector.intersection(module.split(".")):
            return "projector"
        paths = _paths(module)
        for names, part in places:
            if names.intersection(paths):
                return part
        return "projector"

    return part_of
