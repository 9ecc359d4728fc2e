"""Prompts as tokens with their images' features, kept in memory up to a limit."""

from collections.abc import Mapping

from groundtune.protocols import Images
from groundtune.records import Prompt
from groundtune.vlm.encode import encode_prompt
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.load import Vlm

FEATURE_BYTES = 2 * 1024**3
"""Memory for image features, of the images and of each view; further ones are recomputed."""


class PromptEncoder:
    """Encode prompts by key; keep their features in memory up to FEATURE_BYTES."""

    def __init__(self, vlm: Vlm, prompts: Mapping[str, Prompt], images: Images) -> None:
        self._vlm = vlm
        self._prompts = prompts
        self._images = images
        self._cache: dict[str, EncodedPrompt] = {}
        self._free = FEATURE_BYTES

    def __call__(self, key: str) -> EncodedPrompt:
        """Return the prompt of a key, the same object while it is kept."""
        if key in self._cache:
            return self._cache[key]
        encoded = encode_prompt(self._vlm, self._prompts[key], self._images)
        size = sum(value.nbytes for value in encoded.features.values())
        if size <= self._free:
            self._cache[key] = encoded
            self._free -= size
        return encoded
