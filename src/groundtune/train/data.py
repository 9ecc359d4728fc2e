"""Pairs as tokens, checked: what can't be trained on is an error that names it, or a counted drop.

Nothing is ever cut: a pair that is too long is refused, since a cut would take image tokens or the
end of an answer.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from groundtune.engine.rows import Edits, EncodedPair, changed_tokens, counted_tokens
from groundtune.errors import UserError
from groundtune.methods.pairwise import Need, View
from groundtune.protocols import Images, Progress
from groundtune.records import Pair, Prompt, Record
from groundtune.train.views import ViewedImages
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt
from groundtune.vlm.load import Vlm

FEATURE_BYTES = 2 * 1024**3
"""Image features kept in memory, of images and of each view; those beyond are made anew."""

Cost = Callable[[int, Sequence[int]], int]
"""Tokens that an engine runs for a prompt of so many tokens with answers of so many each."""


def packed_cost(prompt: int, answers: Sequence[int]) -> int:
    """Of an engine that runs the prompt once for all its answers.

    An answer's last token predicts nothing and isn't run.
    """
    return prompt + sum(answer - 1 for answer in answers)


def separate_cost(prompt: int, answers: Sequence[int]) -> int:
    """Of an engine that runs the prompt once for each answer, whose last token isn't run either."""
    return sum(prompt + answer - 1 for answer in answers)


class DataRules(Record):
    """What a pair must be, and what of it counts as changed."""

    max_length: int = Field(default=2048, ge=1)
    """Tokens of prompt, image and answer together at the most: RLHF-V's and RLAIF-V's length."""
    edits: Edits = "all"
    """Changed tokens: of all edits; "published", as RLHF-V's released trainer has it, not those of
    pure insertions and deletions; "words", of words that say something of the image
    alone, while those that only came or went along with them don't count at all; "alone", of
    all edits, and nothing else counts."""
    skip_bad: bool = False
    """Leave out pairs that can't be used, counted and listed, instead of stopping at the first."""


class DroppedPair(NamedTuple):
    """A pair that was left out, and why."""

    key: str
    why: str

    @property
    def reason(self) -> str:
        """Why, without the pair's own numbers: what pairs that were left out alike share."""
        return re.sub(r"\d+", "#", self.why)


class TokenPair(NamedTuple):
    """A pair as tokens.

    `*_changed[t]`: whether token t of that answer is changed; `*_counted[t]`: whether it is part of
    the answer's score.
    """

    pair: Pair
    images: tuple[str, ...]
    prompt_ids: tuple[int, ...]
    chosen: EncodedAnswer
    rejected: EncodedAnswer
    chosen_changed: tuple[bool, ...]
    rejected_changed: tuple[bool, ...]
    chosen_counted: tuple[bool, ...]
    rejected_counted: tuple[bool, ...]

    @property
    def severity(self) -> float | None:
        """Mean severity of the rejected answer's spans that carry one; None if none does."""
        known = [s.severity for s in self.pair.rejected_spans if s.severity is not None]
        return sum(known) / len(known) if known else None

    @property
    def chosen_score(self) -> float | None:
        """The chosen answer's score."""
        return self.pair.chosen_score

    @property
    def rejected_score(self) -> float | None:
        """The rejected answer's score."""
        return self.pair.rejected_score


class Views(NamedTuple):
    """Changed images under which the chosen answers are run too, drawn with a seed."""

    views: tuple[View, ...] = ()
    seed: int = 0


NO_VIEWS = Views()


class EncodedPairs:
    """The usable pairs as tokens; features of images are made when a pair is asked for."""

    def __init__(
        self,
        pairs: Sequence[TokenPair],
        prompts: Mapping[str, Callable[[str], EncodedPrompt]],
        dropped: Sequence[DroppedPair],
        cost: Cost,
    ) -> None:
        """`prompts` encodes a prompt by its key: under "" as it is, else under the view's name."""
        self._pairs = pairs
        self._prompts = prompts
        self._cost = cost
        self.dropped = tuple(dropped)
        self.views = tuple(name for name in prompts if name)
        self._group_of = _numbered([(pair.images, pair.prompt_ids) for pair in pairs])
        members: dict[int, list[int]] = {}
        for index, group in enumerate(self._group_of):
            members.setdefault(group, []).append(index)
        self.groups = tuple(tuple(each) for each in members.values())
        """Indices of the pairs of each prompt: of the same images and tokens."""

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int, /) -> EncodedPair:
        found = self._pairs[index]
        return EncodedPair(
            key=found.pair.key,
            prompt=self.prompt(index),
            chosen=found.chosen,
            rejected=found.rejected,
            chosen_changed=found.chosen_changed,
            rejected_changed=found.rejected_changed,
        )

    def pair(self, index: int) -> TokenPair:
        """A pair, without its prompt's features."""
        return self._pairs[index]

    def prompt(self, index: int, view: str = "") -> EncodedPrompt:
        """The pair's prompt with its features; those of one group get the same object."""
        first = self.groups[self._group_of[index]][0]
        return self._prompts[view](self._pairs[first].pair.prompt)

    def group_of(self, index: int) -> int:
        """Which group the pair belongs to."""
        return self._group_of[index]

    def tokens(self, index: int) -> int:
        """Tokens of the pair's longer sequence, prompt and images included."""
        found = self._pairs[index]
        return len(found.prompt_ids) + max(len(found.chosen.ids), len(found.rejected.ids))

    def row_tokens(self, members: Sequence[int]) -> int:
        """Tokens that are run for some pairs of one prompt: as it is, and under each view."""
        return row_tokens([self._pairs[index] for index in members], len(self.views), self._cost)

    def answers(self, index: int) -> tuple[EncodedAnswer, EncodedAnswer]:
        """Chosen and rejected."""
        return self._pairs[index].chosen, self._pairs[index].rejected

    def prompt_content(self, index: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """What the prompt is: sha256 of its images, and its token ids."""
        return self._pairs[index].images, self._pairs[index].prompt_ids

    def changed(self, index: int) -> int:
        """How many tokens of both answers are changed."""
        return sum(self._pairs[index].chosen_changed) + sum(self._pairs[index].rejected_changed)


def row_tokens(pairs: Sequence[TokenPair], views: int, cost: Cost) -> int:
    """Tokens that are run for pairs of one prompt, each distinct answer once."""
    prompt = len(pairs[0].prompt_ids)
    chosen = {pair.chosen.ids for pair in pairs}
    answers = chosen | {pair.rejected.ids for pair in pairs}
    run = cost(prompt, [len(ids) for ids in answers])
    return run + views * cost(prompt, [len(ids) for ids in chosen])


def _numbered(keys: Sequence[object]) -> list[int]:
    """The number of each key, equal ones having the same, in order of appearance."""
    numbers: dict[object, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def check_pair(
    pair: Pair, prompts: Mapping[str, Prompt], needs: Collection[Need] = frozenset()
) -> None:
    """Raises UserError, naming the pair, if no model could learn from it. Needs no tokenizer.

    `needs` are the method's: severities or scores that it can't do without.
    """
    empty = [side for side in ("chosen", "rejected") if not getattr(pair, side).strip()]
    if empty:
        raise _bad(pair, f"The {empty[0]} answer is empty.")
    if pair.chosen == pair.rejected:
        raise _bad(pair, "Both answers are the same.")
    if pair.prompt not in prompts:
        raise _bad(pair, f"There is no prompt {pair.prompt}.")
    if "severity" in needs and all(span.severity is None for span in pair.rejected_spans):
        raise _bad(pair, "The method needs severities, and no span of the rejected answer has one.")
    if "scores" in needs and (pair.chosen_score is None or pair.rejected_score is None):
        raise _bad(pair, "The method needs scores of both answers, and one is missing.")


def encode_pairs(
    vlm: Vlm,
    pairs: Sequence[Pair],
    prompts: Mapping[str, Prompt],
    images: Images,
    rules: DataRules,
    progress: Progress,
    *,
    needs: Collection[Need] = frozenset(),
    views: Views = NO_VIEWS,
    cost: Cost = packed_cost,
    micro_tokens: int = 0,
) -> EncodedPairs:
    """The pairs as tokens.

    A pair of which the engine would run more than `micro_tokens` is refused; 0 sets no limit.

    Raises:
        UserError: a pair can't be used, unless `rules.skip_bad`; or none can.
    """
    encoded = {"": _Prompts(vlm, prompts, images)}
    for view in views.views:
        encoded[view.name] = _Prompts(vlm, prompts, ViewedImages(images, view, views.seed))
    usable: list[TokenPair] = []
    dropped: list[DroppedPair] = []
    progress.start("encode pairs", total=len(pairs))
    for pair in pairs:
        try:
            check_pair(pair, prompts, needs)
            found = _encode(vlm, pair, prompts[pair.prompt], encoded[""], rules)
            _check_fits(found, len(views.views), cost, micro_tokens)
            usable.append(found)
        except UserError as error:
            if not rules.skip_bad:
                raise
            dropped.append(DroppedPair(pair.key, error.what))
        progress.advance()
    if not usable:
        raise UserError(
            f"None of the {len(pairs)} pairs can be used.",
            f"pair {pairs[0].key}" if pairs else "the pairs",
            dropped[0].why if dropped else "Make some with groundtune pairs.",
        )
    return EncodedPairs(usable, encoded, dropped, cost)


def _check_fits(pair: TokenPair, views: int, cost: Cost, limit: int) -> None:
    tokens = row_tokens([pair], views, cost)
    if limit and tokens > limit:
        raise UserError(
            f"The pair takes {tokens} tokens in one forward pass, over micro_tokens {limit}.",
            f"pair {pair.pair.key}",
            "Raise micro_tokens, or leave out such: skip_bad=true.",
        )


def _encode(
    vlm: Vlm, pair: Pair, prompt: Prompt, encoded: "_Prompts", rules: DataRules
) -> TokenPair:
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
    chosen_marks = chosen.offsets, pair.chosen_spans, pair.chosen
    rejected_marks = rejected.offsets, pair.rejected_spans, pair.rejected
    return TokenPair(
        pair=pair,
        images=prompt.images,
        prompt_ids=prompt_ids,
        chosen=chosen,
        rejected=rejected,
        chosen_changed=changed_tokens(*chosen_marks, edits=rules.edits),
        rejected_changed=changed_tokens(*rejected_marks, edits=rules.edits),
        chosen_counted=counted_tokens(*chosen_marks, edits=rules.edits),
        rejected_counted=counted_tokens(*rejected_marks, edits=rules.edits),
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
