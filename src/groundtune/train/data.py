"""Encode and check pairs: one that can't be trained on is an error or a counted drop.

Nothing is truncated: a pair that is too long is refused, since truncation would remove image tokens
or the end of an answer.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from groundtune.engine.changed_tokens import Edits, changed_tokens, counted_tokens
from groundtune.engine.rows import EncodedPair
from groundtune.errors import UserError
from groundtune.feedback.thumbs import PLACEHOLDER, is_thumb
from groundtune.methods.pairwise import Need, View
from groundtune.protocols import Images, Progress
from groundtune.records import Pair, Prompt, Record
from groundtune.train.prompt_encoder import PromptEncoder
from groundtune.train.views import ViewedImages
from groundtune.vlm.dialogue import encode_rounds, opening
from groundtune.vlm.encode import encode_answer
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt
from groundtune.vlm.load import Vlm

Cost = Callable[[int, Sequence[int]], int]
"""Return the tokens that an engine runs, from the lengths of a prompt and of its answers."""


def packed_cost(prompt: int, answers: Sequence[int]) -> int:
    """Return the tokens that the packed engine runs: the prompt once for all its answers.

    An answer's last token predicts nothing and isn't run.
    """
    return prompt + sum(answer - 1 for answer in answers)


def separate_cost(prompt: int, answers: Sequence[int]) -> int:
    """Return the tokens that the separate engine runs: the prompt once per answer."""
    return sum(prompt + answer - 1 for answer in answers)


class DataRules(Record):
    """Limits of a pair, and which of its tokens count as changed."""

    max_length: int = Field(default=2048, ge=1)
    """Maximum tokens of prompt, image and answer together: RLHF-V's and RLAIF-V's length."""
    edits: Edits = "all"
    """Which tokens are changed. "all": those of all edits. "published": without pure insertions and
    deletions, as in RLHF-V's released trainer. "words": only words that describe the image;
    function words that were inserted or deleted with them don't count at all. "alone": those of all
    edits, and no other token counts."""
    rounds: Literal["last", "all"] = "last"
    """Which answers of a dialogue are learnt. "all": those of earlier rounds too, each read after
    the rounds before it, in one row; for the method sft alone."""
    skip_bad: bool = False
    """Drop, count and list pairs that can't be used, instead of stopping at the first."""


class DroppedPair(NamedTuple):
    """A dropped pair and the reason."""

    key: str
    why: str

    @property
    def reason(self) -> str:
        """The reason with # for each number, so that similar drops can be counted."""
        return re.sub(r"\d+", "#", self.why)


class TokenPair(NamedTuple):
    """A pair as tokens.

    `*_changed[t]` is whether token t of that answer is changed; `*_counted[t]` is whether it is
    part of the answer's score.
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
        """Mean severity of the rejected answer's spans that have one; None if none has."""
        severities = [s.severity for s in self.pair.rejected_spans if s.severity is not None]
        return sum(severities) / len(severities) if severities else None


class Views(NamedTuple):
    """Changed images on which the chosen answers also run, and the seed of the changes."""

    views: tuple[View, ...] = ()
    seed: int = 0


NO_VIEWS = Views()


class EncodedPairs:
    """The usable pairs as tokens; image features are computed on access."""

    def __init__(
        self,
        pairs: Sequence[TokenPair],
        prompts: Mapping[str, Callable[[str], EncodedPrompt]],
        dropped: Sequence[DroppedPair],
        cost: Cost,
    ) -> None:
        """`prompts` maps a view's name, "" for the original image, to an encoder of prompts."""
        self._pairs = pairs
        self._prompts = prompts
        self._cost = cost
        self.dropped = tuple(dropped)
        self.views = tuple(name for name in prompts if name)
        self._group_of = _number([(pair.images, pair.prompt_ids) for pair in pairs])
        members: dict[int, list[int]] = {}
        for index, group in enumerate(self._group_of):
            members.setdefault(group, []).append(index)
        self.groups = tuple(tuple(each) for each in members.values())
        """Indices of each prompt's pairs; a prompt is equal images and tokens."""

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int, /) -> EncodedPair:
        pair = self._pairs[index]
        return EncodedPair(
            key=pair.pair.key,
            prompt=self.prompt(index),
            chosen=pair.chosen,
            rejected=pair.rejected,
            chosen_changed=pair.chosen_changed,
            rejected_changed=pair.rejected_changed,
        )

    def pair(self, index: int) -> TokenPair:
        """Return a pair, without its prompt's features."""
        return self._pairs[index]

    def prompt(self, index: int, view: str = "") -> EncodedPrompt:
        """Return the pair's prompt with its features; pairs of one group share the object."""
        first = self.groups[self._group_of[index]][0]
        return self._prompts[view](self._pairs[first].pair.prompt)

    def group_of(self, index: int) -> int:
        """Return the index of the pair's group."""
        return self._group_of[index]

    def tokens(self, index: int) -> int:
        """Return the tokens of the pair's longer sequence, prompt and images included."""
        pair = self._pairs[index]
        return len(pair.prompt_ids) + max(len(pair.chosen.ids), len(pair.rejected.ids))

    def row_tokens(self, members: Sequence[int]) -> int:
        """Return the tokens of a row of pairs of one prompt, its views included."""
        return row_tokens([self._pairs[index] for index in members], len(self.views), self._cost)

    def answers(self, index: int) -> tuple[EncodedAnswer, EncodedAnswer]:
        """Return the chosen and the rejected answer."""
        return self._pairs[index].chosen, self._pairs[index].rejected

    def prompt_content(self, index: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return the sha256 of the prompt's images, and its token ids."""
        return self._pairs[index].images, self._pairs[index].prompt_ids

    def changed(self, index: int) -> int:
        """Return the number of changed tokens in both answers."""
        return sum(self._pairs[index].chosen_changed) + sum(self._pairs[index].rejected_changed)


def row_tokens(pairs: Sequence[TokenPair], views: int, cost: Cost) -> int:
    """Return the tokens that pairs of one prompt need, each distinct answer once."""
    prompt = len(pairs[0].prompt_ids)
    chosen = {pair.chosen.ids for pair in pairs}
    answers = chosen | {pair.rejected.ids for pair in pairs}
    tokens = cost(prompt, [len(ids) for ids in answers])
    return tokens + views * cost(prompt, [len(ids) for ids in chosen])


def _number(keys: Sequence[object]) -> list[int]:
    """Number the distinct keys in order of appearance; return the number of each key."""
    numbers: dict[object, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def check_pair(
    pair: Pair,
    prompts: Mapping[str, Prompt],
    needs: Collection[Need] = frozenset(),
    *,
    compares: bool = True,
) -> None:
    """Check a pair as far as possible without a tokenizer.

    `needs` are what the method requires, such as severities or scores; `compares` whether it
    compares two answers.

    Raises:
        UserError: no model can learn from the pair.
    """
    sides = ("chosen", "rejected") if compares else ("chosen",)
    empty = [side for side in sides if not getattr(pair, side).strip()]
    if empty:
        raise _bad(pair, f"The {empty[0]} answer is empty.")
    if "ratings" not in needs and is_thumb(pair) and (compares or pair.chosen == PLACEHOLDER):
        what = "It is a thumb about one answer, which this method can't learn from."
        fix = "Train with method.type=kto method.thumbs=true, or drop it with data.skip_bad=true."
        raise _bad(pair, what, fix)
    if compares and pair.chosen == pair.rejected:
        raise _bad(pair, "Both answers are the same.")
    if pair.prompt not in prompts:
        raise _bad(pair, f"There is no prompt {pair.prompt}.")
    _check_numbers(pair, needs)


def _check_numbers(pair: Pair, needs: Collection[Need]) -> None:
    """Raise UserError unless the pair has the numbers that a method needs, in their range."""
    ratings = [pair.chosen_rating, pair.rejected_rating]
    severities = [pair.chosen_severity, pair.rejected_severity]
    spans = [span.severity for span in pair.rejected_spans if span.severity is not None]
    if "severity" in needs and not spans:
        raise _bad(pair, "The method needs severities, but no span of the rejected answer has one.")
    if "ratings" in needs and None in ratings:
        raise _bad(pair, "The method needs ratings of both answers, but one is missing.")
    if "severities" in needs and None in severities:
        raise _bad(pair, "The method needs severities of both answers, but one is missing.")
    weights = [*(spans if "severity" in needs else ())]
    weights += [each for each in severities if each is not None and "severities" in needs]
    if bad := [each for each in weights if not 0 <= each < math.inf]:
        raise _bad(pair, f"A severity is {bad[0]}, but must be a finite number of at least 0.")
    if "ratings" in needs and not all(each is not None and math.isfinite(each) for each in ratings):
        raise _bad(pair, "A rating is not a finite number.")


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
    next_to: int = 0,
    compares: bool = True,
) -> EncodedPairs:
    """Return the pairs as tokens.

    A pair that needs more than `micro_tokens` tokens, with the `next_to` tokens of what runs next
    to it, is refused; 0 sets no limit. Of a method that doesn't compare, the rejected answers'
    tokens are those of the chosen ones, which run once.

    Raises:
        UserError: a pair can't be used, unless `rules.skip_bad`; or none can.
    """
    by_key = dict(prompts)
    encoders = {"": PromptEncoder(vlm, by_key, images)}
    for view in views.views:
        view_images = ViewedImages(images, view, views.seed)
        encoders[view.name] = PromptEncoder(vlm, by_key, view_images)
    usable: list[TokenPair] = []
    dropped: list[DroppedPair] = []
    progress.start("encode pairs", total=len(pairs))
    for pair in pairs:
        try:
            check_pair(pair, prompts, needs, compares=compares)
            tokens = _encode(vlm, pair, by_key, encoders[""], rules, compares=compares)
            _check_fits(row_tokens([tokens], len(views.views), cost) + next_to, pair, micro_tokens)
            usable.append(tokens)
        except UserError as error:
            if not rules.skip_bad:
                raise
            dropped.append(DroppedPair(pair.key, error.what))
        progress.advance()
    if not usable:
        raise UserError(
            f"None of the {len(pairs)} pairs can be used.",
            f"pair {pairs[0].key}" if pairs else "the pairs",
            f"Fix the pairs. The first problem: {dropped[0].why}"
            if dropped
            else "Make some with groundtune pairs.",
        )
    return EncodedPairs(usable, encoders, dropped, cost)


def _check_fits(tokens: int, pair: Pair, limit: int) -> None:
    if limit and tokens > limit:
        raise UserError(
            f"The pair needs {tokens} tokens in one forward pass, over micro_tokens {limit}.",
            f"pair {pair.key}",
            "Raise micro_tokens, or drop such pairs with data.skip_bad=true.",
        )


def _encode(
    vlm: Vlm,
    pair: Pair,
    prompts: dict[str, Prompt],
    encoder: PromptEncoder,
    rules: DataRules,
    *,
    compares: bool,
) -> TokenPair:
    """Encode a pair; of a dialogue whose rounds are all learnt, `prompts` gets the opening."""
    prompt = prompts[pair.prompt]
    first = opening(prompt) if rules.rounds == "all" else None
    rounds = None
    try:
        if first is not None:
            prompts[first.key] = first
            pair = pair.model_copy(update={"prompt": first.key})
            rounds = encode_rounds(vlm, prompt, pair.chosen)
        prompt_ids = encoder(pair.prompt).ids
        chosen = rounds.answer if rounds else encode_answer(vlm, pair.chosen)
        rejected = encode_answer(vlm, pair.rejected) if compares else chosen
    except UserError as error:
        raise UserError(error.what, f"pair {pair.key}, {error.where}", error.fix) from error
    image_token = getattr(vlm.model.config, "image_token_id", None)
    if image_token in chosen.ids or image_token in rejected.ids:
        raise _bad(pair, "An answer contains the image token.")
    length = len(prompt_ids) + max(len(chosen.ids), len(rejected.ids))
    if length > rules.max_length:
        raise _bad(pair, f"The pair has {length} tokens, over max_length {rules.max_length}.")
    if 0 < vlm.max_tokens < length:
        raise _bad(
            pair,
            f"The pair has {length} tokens, over the model's maximum of {vlm.max_tokens} "
            "(max_position_embeddings).",
        )
    marks = chosen.offsets, pair.chosen_spans, pair.chosen
    changed = changed_tokens(*marks, edits=rules.edits)
    counted = rounds.counted if rounds else counted_tokens(*marks, edits=rules.edits)
    tokens = TokenPair(
        pair=pair,
        images=prompt.images,
        prompt_ids=prompt_ids,
        chosen=chosen,
        rejected=rejected,
        chosen_changed=changed,
        rejected_changed=changed,
        chosen_counted=counted,
        rejected_counted=counted,
    )
    if not compares:
        return tokens
    marks = rejected.offsets, pair.rejected_spans, pair.rejected
    return tokens._replace(
        rejected_changed=changed_tokens(*marks, edits=rules.edits),
        rejected_counted=counted_tokens(*marks, edits=rules.edits),
    )


def _bad(pair: Pair, what: str, fix: str = "") -> UserError:
    usual = "Fix or remove the pair, or drop such pairs with data.skip_bad=true."
    return UserError(what, f"pair {pair.key}", fix or usual)
