"""Load any vision-language model of transformers' image-text-to-text classes and its processor.

Weights are read only from safetensors, because a pickled checkpoint can run code. A checkpoint's
own code runs only with `trust_remote_code`.
"""

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from groundtune.errors import UserError
from groundtune.vlm.device import choose_device
from groundtune.vlm.family import family_of, refuse_by_name
from groundtune.vlm.four_bits import four_bits as in_four_bits
from groundtune.vlm.local_path import refuse_missing_folder
from groundtune.vlm.model_files import check_files
from groundtune.vlm.plain import adapting, plain_model
from groundtune.vlm.processor import LOAD_ERRORS, cannot_load, first_line, load_processor
from groundtune.vlm.revision import MAIN, base_revision, commit_of, hash_of_folder
from groundtune.vlm.template import AnswerForm, answer_form

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Vlm:
    """A model in evaluation mode with its processor, name and revision."""

    model: Any
    """A transformers model with `generate`, or a peft model around one."""
    processor: Any
    """With a fast `tokenizer` (padding on the left) and a chat template."""
    name: str
    revision: str
    """The hub's commit, or the hash of weights and settings; with an adapter, of both."""
    device: "torch.device"
    special_tokens: Literal["refuse", "text"] = "refuse"
    """What a special token is that a text spells (vlm/special_tokens.py)."""

    @cached_property
    def eos_ids(self) -> tuple[int, ...]:
        """Tokens at which generation stops."""
        configured: int | list[int] | None = self.model.generation_config.eos_token_id
        default: int | None = self.processor.tokenizer.eos_token_id
        ids = configured if isinstance(configured, list) else [configured]
        return tuple(dict.fromkeys(each for each in (default, *ids) if each is not None))

    @property
    def pad_id(self) -> int:
        """The token that fills shorter rows; attention never sees it."""
        return self.processor.tokenizer.pad_token_id

    @cached_property
    def form(self) -> AnswerForm:
        """What the chat template puts around an answer."""
        end = family_of(plain_model(self.model)).prompt_end
        return answer_form(self.processor, self.eos_ids, self.name, end=end)

    @cached_property
    def image_token(self) -> str:
        """The image placeholder in the template's text, "" if the processor defines none."""
        for owner in (self.processor, self.processor.tokenizer):
            token = getattr(owner, "image_token", None)
            token = getattr(token, "content", token)  # some processors have an AddedToken
            if isinstance(token, str):
                return token
        return ""

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Tokens that are never text."""
        tokenizer = self.processor.tokenizer
        added = tokenizer.added_tokens_decoder.items()
        return frozenset(i for i, token in added if token.special) - {tokenizer.unk_token_id}

    @property
    def max_tokens(self) -> int:
        """Maximum tokens of prompt and answer (`max_position_embeddings`); 0 if there is none."""
        text = plain_model(self.model).config.get_text_config()
        return getattr(text, "max_position_embeddings", None) or 0

    @property
    def shares_prefill(self) -> bool:
        """Whether rows of one prompt may start from one copy of its key-value cache.

        False if the model stores positions of its last batch (multi-axis rotary positions).
        """
        return not any(hasattr(module, "rope_deltas") for module in self.model.modules())


def load(
    name: str,
    *,
    adapter: Path | None = None,
    dtype: str = "auto",
    device: str = "auto",
    revision: str = "main",
    trust_remote_code: bool = False,
    four_bits: bool = False,
) -> Vlm:
    """Load a model from a folder or the hub, with an optional peft adapter.

    A folder that has only an adapter is loaded on the base model that it names. `dtype` is a torch
    dtype's name; "checkpoint" is the checkpoint's dtype, and "auto" the same on an accelerator, but
    float32 on a CPU. `device` "auto" uses an accelerator if there is one. `revision` is a hub
    branch, tag or commit; "main" is the one that the adapter names, if it names one. With
    `four_bits`, linear layers are in NF4 (bitsandbytes), on an accelerator.

    Raises:
        UserError: the model does not exist or its family or architecture is not supported, weights
            are missing, pickled or do not fit, the adapter does not fit, or there is no chat
            template.
    """
    name, adapter = base_of(name, adapter)
    _check_folder(name, revision)
    if adapter is not None:
        check_adapter(adapter)

    revision = base_revision(name, adapter, revision)
    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    config = _config(name, options)
    commit = commit_of(name, revision)
    options |= {} if Path(name).exists() else {"revision": commit}  # all files are of one commit
    place = choose_device(device)
    number = _dtype(dtype, place.type)
    with quiet():
        processor = load_processor(name, config, options)
        quantisation = in_four_bits(place) if four_bits else {}
        model = _model(name, config, number, {**options, **quantisation})
        if adapter is not None:
            model = load_adapter(model, adapter)
    (model if four_bits else model.to(place)).eval()
    commit = _with_adapter(commit, adapter)
    logger.info("loaded %s (%s) on %s", name, commit, place)
    return Vlm(model=model, processor=processor, name=name, revision=commit, device=place)


def revision_of(name: str, *, adapter: Path | None = None, revision: str = "main") -> str:
    """Return the revision that `load` would return, without loading weights.

    Raises:
        UserError: as `load` does for names, folders and configurations.
    """
    name, adapter = base_of(name, adapter)
    _check_folder(name, revision)
    revision = base_revision(name, adapter, revision)
    options = {"revision": revision, "trust_remote_code": False}
    _config(name, options)
    return _with_adapter(commit_of(name, revision), adapter)


def _with_adapter(commit: str, adapter: Path | None) -> str:
    return commit if adapter is None else f"{commit}+{hash_of_folder(adapter)}"


def outline(name: str, *, revision: str = "main", trust_remote_code: bool = False) -> Vlm:
    """Return a model without weights, on torch's meta device, to plan and encode with.

    Raises:
        UserError: as `load` does, except for the weights.
    """
    name, adapter = base_of(name, None)
    _check_folder(name, revision)
    revision = base_revision(name, adapter, revision)
    import torch
    from transformers import AutoModelForImageTextToText, GenerationConfig

    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    config = _config(name, options)
    place = torch.device("meta")
    with quiet():
        processor = load_processor(name, config, options)
        with place:
            model = cast(Any, AutoModelForImageTextToText).from_config(config)
        with suppress(OSError):  # a checkpoint without one uses the values of its config
            generation = cast(Any, GenerationConfig).from_pretrained(name, revision=revision)
            model.generation_config = generation
    return Vlm(model=model, processor=processor, name=name, revision="", device=place)


def base_of(name: str, adapter: Path | None) -> tuple[str, Path | None]:
    """Return the base model and the adapter; `name` may be a folder that has only an adapter."""
    refuse_by_name(name)
    folder = Path(name)
    file = folder / "adapter_config.json"
    if not file.is_file() or (folder / "config.json").is_file():
        return name, adapter
    if adapter is not None:
        raise UserError(
            "Both the model and --adapter are adapters.", name, "Pass the base model's name."
        )
    try:
        base = json.loads(file.read_bytes()).get("base_model_name_or_path")
    except (ValueError, RecursionError, AttributeError) as error:
        raise UserError(
            "The adapter's configuration can't be read.", str(file), "Save it again."
        ) from error
    if not base:
        raise UserError(
            "The adapter does not name its base model.",
            str(file),
            "Pass the base model's name, and this folder as --adapter.",
        )
    return str(base), folder


def _check_folder(name: str, revision: str) -> None:
    refuse_missing_folder(name)
    folder = Path(name)
    if not folder.exists():
        return
    if revision != MAIN:
        raise UserError(
            f"A folder has no revision {revision}: only models on the hub have revisions.",
            name,
            "Leave revision out, or name the model on the hub. world:NAME is a folder, too.",
        )
    if not (folder / "config.json").is_file():
        raise UserError(
            "The folder has no model: config.json is missing.",
            name,
            "Pass a folder that save_pretrained wrote, or a name on the Hugging Face hub.",
        )
    if not any(folder.glob("*.safetensors")):
        pickled = next((each.name for each in folder.glob("*.bin")), "")
        raise UserError(
            f"The weights are pickled ({pickled})." if pickled else "There are no weights.",
            name,
            "Convert them to safetensors with save_pretrained: a pickle can run code.",
        )
    check_files(folder)


def check_adapter(adapter: Path) -> None:
    """Raise UserError unless the folder has an adapter that can be read without a pickle."""
    if not (adapter / "adapter_config.json").is_file():
        raise UserError(
            "The folder has no adapter: adapter_config.json is missing.",
            str(adapter),
            "Pass a folder that peft's save_pretrained wrote.",
        )
    if not (adapter / "adapter_model.safetensors").is_file():
        raise UserError(
            "The adapter has no safetensors weights.",
            str(adapter),
            "Save it with safetensors: a pickle can run code.",
        )
    check_files(adapter)


def _config(name: str, options: dict[str, Any]) -> Any:
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    auto: Any = transformers.AutoConfig
    try:
        config = auto.from_pretrained(name, **options)
    except LOAD_ERRORS as error:
        raise cannot_load("configuration", name, error) from error
    remote = options["trust_remote_code"] and getattr(config, "auto_map", None)
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and not remote:
        raise UserError(
            f"The model's architecture is not supported ({config.model_type}).",
            name,
            "Use a model that AutoModelForImageTextToText loads, for example LLaVA or Qwen-VL.",
        )
    _refuse_encoder_decoder(name, config)
    return config


def _refuse_encoder_decoder(name: str, config: Any) -> None:
    """Raise UserError if an encoder reads the prompt (Florence-2, InstructBLIP with Flan-T5)."""
    text = config.get_text_config()
    if not (config.is_encoder_decoder or text.is_encoder_decoder):
        return
    kinds = dict.fromkeys((config.model_type, text.model_type))
    raise UserError(
        f"Encoder-decoders are not supported ({', '.join(kinds)}): an encoder reads the prompt, "
        "and an answer does not continue it.",
        name,
        "Use a family of docs/families.md; of InstructBLIP, a checkpoint with Vicuna.",
    )


def _model(name: str, config: Any, dtype: Any, options: dict[str, Any]) -> Any:
    import transformers

    auto: Any = transformers.AutoModelForImageTextToText
    stored = config.dtype
    try:
        model, report = auto.from_pretrained(
            name,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    except LOAD_ERRORS as error:
        raise cannot_load("weights", name, error) from error
    if missing := sorted(report["missing_keys"]):
        raise UserError(
            f"The checkpoint lacks {len(missing)} weights, for example {missing[0]}.",
            name,
            "Use a complete checkpoint of the architecture in its config.json.",
        )
    if stored is not None and stored.itemsize > model.dtype.itemsize:
        logger.warning(
            "The weights of %s are %s and are rounded to %s: what training changed by less is "
            "lost. Use dtype=%s to keep it.",
            name,
            _name_of(stored),
            _name_of(model.dtype),
            _name_of(stored),
        )
    return model


def load_adapter(model: Any, adapter: Path) -> Any:
    """Return a model with the adapter of a folder; UserError if it doesn't fit."""
    import peft

    peft_model: Any = peft.PeftModel
    try:
        with adapting():
            return peft_model.from_pretrained(model, str(adapter))
    except LOAD_ERRORS as error:
        raise UserError(
            f"The adapter does not fit the model: {first_line(error)}",
            str(adapter),
            "Use the base model that the adapter was trained on.",
        ) from error


def _dtype(name: str, device: str) -> Any:
    import torch

    if name in ("auto", "checkpoint"):
        return torch.float32 if (name, device) == ("auto", "cpu") else "auto"
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UserError(
            f"{name!r} is not a floating point type.",
            "--dtype",
            "Use float32, bfloat16 or float16.",
        )
    return dtype


def _name_of(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


@contextmanager
def quiet() -> Generator[None]:
    """Keep transformers' progress bars and load reports off the terminal."""
    from transformers.utils import logging as transformers_logging

    progress_bar = transformers_logging.is_progress_bar_enabled()
    level = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if progress_bar:
            transformers_logging.enable_progress_bar()
