"""Pairs as tokens, checked: what can't be trained on is an error that names it, or a counted drop.

Nothing is ever cut: a pair that is too long is refused, since a cut would take image tokens or the
end of an answer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from groundtune.engine.rows import Edits, EncodedPair, changed_tokens
from groundtune.errors import UserError
from groundtune.protocols import Images, Progress
from groundtune.records import Pair, Prompt, Record
from groundtune.vlm.encode import EncodedAnswer, EncodedPrompt, encode_answer, encode_prompt
from groundtune.vlm.load import Vlm

FEATURE_BYTES = 2 * 1024**3
"""Image features kept in memory; those beyond are made anew each time."""


class DataRules(Record):
    """What a pair must be, and what of it counts as changed."""

    max_length: int = Field(default=2048, ge=1)
    """Tokens of prompt, image and answer together at the most: RLHF-V's and RLAIF-V's length."""
    edits: Edits = "all"
    """Changed tokens: of all edits, or as RLHF-V's released trainer has it, not those of pure
    insertions and deletions."""
    skip_bad: bool = False
    """Leave out pairs that can't be used, counted and listed, instead of stopping at the first."""


class Dropped(NamedTuple):
    """A pair that was left out, and why."""

    key: str
    why: str


class EncodedPairs:
    """The usable pairs as tokens; features of images are made when a pair is asked for."""

    def __init__(
        self,
        pairs: Sequence["_TokenPair"],
        prompts: Callable[[str], EncodedPrompt],
        dropped: Sequence[Dropped],
    ) -> None:
        self._pairs = pairs
        self._prompts = prompts
        self.dropped = tuple(dropped)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int, /) -> EncodedPair:
        found = self._pairs[index]
        return EncodedPair(
            key=found.pair.key,
            prompt=self._prompts(found.pair.prompt),
            chosen=found.chosen,
            rejected=found.rejected,
            chosen_changed=found.chosen_changed,
            rejected_changed=found.rejected_changed,
        )

    def tokens(self, index: int) -> int:
        """Tokens of the pair's longer sequence, prompt and images included."""
        found = self._pairs[index]
        return len(found.prompt_ids) + max(len(found.chosen.ids), len(found.rejected.ids))

    def answers(self, index: int) -> tuple[EncodedAnswer, EncodedAnswer]:
        """Chosen and rejected."""
        return self._pairs[index].chosen, self._pairs[index].rejected

    def asked(self, index: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """What the prompt is: sha256 of its images, and its token ids."""
        return self._pairs[index].images, self._pairs[index].prompt_ids

    def changed(self, index: int) -> int:
        """How many tokens of both answers are changed."""
        return sum(self._pairs[index].chosen_changed) + sum(self._pairs[index].rejected_changed)


class _TokenPair(NamedTuple):
    pair: Pair
    images: tuple[str, ...]
    prompt_ids: tuple[int, ...]
    chosen: EncodedAnswer
    rejected: EncodedAnswer
    chosen_changed: tuple[bool, ...]
    rejected_changed: tuple[bool, ...]


def check_pair(pair: Pair, prompts: Mapping[str, Prompt]) -> None:
    """Raises UserError, naming the pair, if no model could learn from it. Needs no tokenizer."""
    empty = [side for side in ("chosen", "rejected") if not getattr(pair, side).strip()]
    if empty:
        raise _bad(pair, f"The {empty[0]} answer is empty.")
    if pair.chosen == pair.rejected:
        raise _bad(pair, "Both answers are the same.")
    if pair.prompt not in prompts:
        raise _bad(pair, f"There is no prompt {pair.prompt}.")


def encode_pairs(
    vlm: Vlm,
    pairs: Sequence[Pair],
    prompts: Mapping[str, Prompt],
    images: Images,
    rules: DataRules,
    progress: Progress,
) -> EncodedPairs:
    """The pairs as tokens.

    Raises:
        UserError: a pair can't be used, unless `rules.skip_bad`; or none can.
    """
    encoded = _Prompts(vlm, prompts, images)
    usable: list[_TokenPair] = []
    dropped: list[Dropped] = []
    progress.start("encode pairs", total=len(pairs))
    for pair in pairs:
        try:
            check_pair(pair, prompts)
            usable.append(_encode(vlm, pair, prompts[pair.prompt], encoded, rules))
        except UserError as error:
            if not rules.skip_bad:
                raise
            dropped.append(Dropped(pair.key, error.what))
        progress.advance()
    if not usable:
        raise UserError(
            f"None of the {len(pairs)} pairs can be used.",
            f"pair {pairs[0].key}" if pairs else "the pairs",
            dropped[0].why if dropped else "Make some with groundtune pairs.",
        )
    return EncodedPairs(usable, encoded, dropped)


def _encode(
    vlm: Vlm, pair: Pair, prompt: Prompt, encoded: "_Prompts", rules: DataRules
) -> _TokenPair:
    try:
        prompt_ids = encoded(pair.prompt).ids
        chosen, rejected = encode_answer(vlm, pair.chosen), encode_answer(vlm, pair.rejected)
    except UserError as error:
        raise UserError(error.what, f"pair {pair.key}, {error.where}", error.fix) from error
    image_token = getattr(vlm.model.config, "image_token_id", None)
    if image_token in chosen.ids or image_token in rejected.ids:
        raise _bad(pair, "An answer contains the image token.")
    length = len(prompt_ids) + max(len(chosen.ids), len(rejected.ids))
    if length > rules.max_length:
        raise _bad(pair, f"The pair has {length} tokens, over max_length {rules.max_length}.")
    return _TokenPair(
        pair=pair,
        images=prompt.images,
        prompt_ids=prompt_ids,
        chosen=chosen,
        rejected=rejected,
        chosen_changed=changed_tokens(chosen.offsets, pair.chosen_spans, edits=rules.edits),
        rejected_changed=changed_tokens(rejected.offsets, pair.rejected_spans, edits=rules.edits),
    )


def _bad(pair: Pair, what: str) -> UserError:
    return UserError(
        what, f"pair {pair.key}", "Mend or remove it, or leave out such: skip_bad=true."
    )


class _Prompts:
    """Encoded prompts by key; their features stay in memory as far as FEATURE_BYTES go."""

    def __init__(self, vlm: Vlm, prompts: Mapping[str, Prompt], images: Images) -> None:
        self._vlm = vlm
        self._prompts = prompts
        self._images = images
        self._kept: dict[str, EncodedPrompt] = {}
        self._free = FEATURE_BYTES

    def __call__(self, key: str) -> EncodedPrompt:
        if key in self._kept:
            return self._kept[key]
        encoded = encode_prompt(self._vlm, self._prompts[key], self._images)
        size = sum(value.nbytes for value in encoded.features.values())
        if size <= self._free:
            self._kept[key] = encoded
            self._free -= size
        return encoded
