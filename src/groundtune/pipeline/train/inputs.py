"""Everything that determines a training run's result, by name: a checkpoint has it."""

import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from groundtune.pipeline.train.settings import TrainSettings
from groundtune.records import Pair, Prompt
from groundtune.store.contents import hashes_of_all
from groundtune.store.keys import key_of
from groundtune.train.data import EncodedPairs

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm


def hashes_of_data(pairs: Sequence[Pair], prompts: Mapping[str, Prompt]) -> dict[str, str]:
    """Return hashes of the pairs' columns, and of those of the prompts that they name."""
    keys = dict.fromkeys(pair.prompt for pair in pairs)
    named_prompts = [prompts[key] for key in keys if key in prompts]
    rows = {"pairs.key": key_of([pair.key for pair in pairs])}
    return rows | hashes_of_all(pairs, "pairs") | hashes_of_all(named_prompts, "prompts")


def inputs_of(
    settings: TrainSettings,
    vlm: "Vlm",
    data: Mapping[str, str],
    pairs: EncodedPairs,
    captions: EncodedPairs | None = None,
) -> dict[str, str]:
    """Return the value or hash of each setting, and hashes of the model and of what it reads.

    `data` has the hashes of `hashes_of_data`; `captions` are those of the anchor.
    """
    from groundtune.train.precision import resolve_dtype

    decisive = settings.decisive() | {"dtype": resolve_dtype(settings.dtype, vlm.device)}
    for name in ("model", "pairs", "mix", "anchor"):  # their hashes are used instead
        del decisive[name]
    pixels = json.loads(vlm.processor.image_processor.to_json_string())
    return {
        **flat_settings(decisive, ""),
        **data,
        "model": vlm.revision,
        "image processor": key_of(pixels),
        "token ids": _hash_of_tokens(pairs),
        "dropped pairs": key_of([drop.key for drop in pairs.dropped]),
        **({"anchor token ids": _hash_of_tokens(captions)} if captions else {}),
    }


def flat_settings(tree: Mapping[str, Any], before: str) -> dict[str, str]:
    """Return the settings by their dotted names."""
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= flat_settings(cast("dict[str, Any]", value), f"{before}{name}.")
        else:
            flat[before + name] = json.dumps(value, default=str)
    return flat


def _hash_of_tokens(pairs: EncodedPairs) -> str:
    """Return the hash of all token ids, which covers the chat template and the tokenizer."""
    digest = hashlib.sha256()
    for index in range(len(pairs)):
        ids = [pairs.prompt_content(index)[1], *(answer.ids for answer in pairs.answers(index))]
        digest.update(b"".join(array("q", [len(each), *each]).tobytes() for each in ids))
    return digest.hexdigest()[:32]
