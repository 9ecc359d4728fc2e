"""Decodes answers token by token: each prompt is read once, finished rows leave the batch.

Shapes: A position axes, B unfinished rows, V vocabulary, L length so far.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from groundtune.errors import not_finite
from groundtune.generate.draw import draw, uniforms
from groundtune.records import Sampling
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import family_of
from groundtune.vlm.plain import plain_model

if TYPE_CHECKING:
    from torch import Tensor

    from groundtune.vlm.load import Vlm

Watch = Callable[[Sequence[Sequence[int]]], Collection[int]]
"""Receives the rows' tokens after each step; returns which rows end there."""


class DrawnAnswer(NamedTuple):
    """The tokens of one answer as they were drawn."""

    ids: list[int]
    logp: list[float]
    """log p of each token under the model's raw logits (temperature 1, whole vocabulary), nats;
    empty unless they were asked for."""
    banned: float = 0.0
    """Expected number of banned tokens among these, had they been allowed; with `logp`."""


_Notes = list[tuple[float, float]]
"""Of each token log p and the probability of the banned ones, if they are asked for."""


class _Drawing(NamedTuple):
    """How the next tokens are drawn."""

    sampling: Sampling
    banned: tuple[int, ...] = ()
    """Tokens that are never drawn."""
    logp: bool = False
    """Whether log-probabilities are kept."""


_SHRINK_BELOW = 0.8
"""Finished rows are dropped from the batch once less than this share is unfinished: copying the
cache costs, too."""


def decode(
    vlm: "Vlm",
    prompts: Sequence[EncodedPrompt],
    rows: Sequence[int],
    seeds: Sequence[int],
    sampling: Sampling,
    *,
    watch: Watch | None = None,
) -> list[list[int]]:
    """Return one answer's tokens per row, where rows[i] is the index of its prompt.

    An answer ends with an end-of-sequence token, or is truncated after
    `sampling.max_new_tokens`, at the model's maximum of tokens, or where `watch` ends it.

    Raises:
        NotFiniteError: the model's logits are not numbers.
    """
    return [each.ids for each in _decoded(vlm, prompts, rows, seeds, _Drawing(sampling), watch)]


def decode_with_logp(
    vlm: "Vlm",
    prompts: Sequence[EncodedPrompt],
    rows: Sequence[int],
    seeds: Sequence[int],
    sampling: Sampling,
    *,
    banned: Collection[int] = (),
) -> list[DrawnAnswer]:
    """Return one answer's tokens per row with their log-probabilities, as `decode` draws them.

    Tokens of `banned` are never drawn: an image placeholder in an answer would be taken for an
    image when the answer is scored.

    Raises:
        NotFiniteError: the model's logits are not numbers.
    """
    drawing = _Drawing(sampling, tuple(sorted(banned)), logp=True)
    return _decoded(vlm, prompts, rows, seeds, drawing, None)


def _decoded(
    vlm: "Vlm",
    prompts: Sequence[EncodedPrompt],
    rows: Sequence[int],
    seeds: Sequence[int],
    drawing: _Drawing,
    watch: Watch | None,
) -> list[DrawnAnswer]:
    import torch

    watch = _within(vlm, [len(prompts[row].ids) for row in rows], drawing.sampling, watch)
    with torch.inference_mode():
        if shares_prompts(vlm):
            return _shared(vlm, prompts, rows, seeds, drawing, watch)
        return _generic(vlm, [prompts[row] for row in rows], seeds, drawing, watch)


def _within(
    vlm: "Vlm", lengths: Sequence[int], sampling: Sampling, watch: Watch | None
) -> Watch | None:
    """Return a watch that also ends the rows that are as long as the model allows.

    `lengths` are the tokens of each row's prompt. The last token of a row isn't run.
    """
    most = vlm.max_tokens
    if not most or max(lengths) + sampling.max_new_tokens <= most + 1:
        return watch

    def both(tokens: Sequence[Sequence[int]]) -> set[int]:
        pairs = enumerate(zip(lengths, tokens, strict=True))
        full = {row for row, (length, answer_ids) in pairs if length + len(answer_ids) > most}
        return full | set(watch(tokens) if watch else ())

    return both


def shares_prompts(vlm: "Vlm") -> bool:
    """Whether rows of one prompt start from copies of its key-value cache.

    True for families whose answers can share a packed row: keys, values and positions are all
    their state. Others (with recurrent states, or images outside the row) use transformers'
    generation loop, which reads the prompt once per row.
    """
    return not family_of(plain_model(vlm.model)).separate_reason


class _FirstStep(NamedTuple):
    """Rows whose prompts have been read."""

    cache: Any
    logits_BV: "Tensor"
    mask_BL: "Tensor"
    padded: bool
    """Whether a mask is needed. One row's mask a step costs a fifth of a small model."""
    position_B: "Tensor"
    """The largest position of each row so far, on any axis."""
    axes: int


def _begin(vlm: "Vlm", prompts: Sequence[EncodedPrompt], rows: Sequence[int]) -> _FirstStep:
    """Read each prompt once and copy its state to its rows."""
    import torch

    from groundtune.generate.roomy_cache import make_room

    inputs = batch_inputs(vlm, prompts)
    mask_BL = inputs["attention_mask"]
    position_ABL = _positions(vlm, prompts)
    padded = not bool(mask_BL.all())
    if not padded:
        del inputs["attention_mask"]
    axes = len(position_ABL)
    answer_ids = position_ABL if axes > 1 else position_ABL[0]
    output: Any = vlm.model(**inputs, position_ids=answer_ids, use_cache=True, logits_to_keep=1)
    pick = torch.tensor(rows, device=vlm.device)
    output.past_key_values.batch_select_indices(pick)
    make_room(output.past_key_values)
    return _FirstStep(
        cache=output.past_key_values,
        logits_BV=output.logits[pick, -1],
        mask_BL=mask_BL[pick],
        padded=padded,
        position_B=position_ABL.amax((0, 2))[pick],
        axes=axes,
    )


def _positions(vlm: "Vlm", prompts: Sequence[EncodedPrompt]) -> "Tensor":
    """Return the prompts' rotary positions as their family counts them, left-padded with 0."""
    import torch
    from torch.nn.functional import pad

    model = plain_model(vlm.model)
    count = family_of(model).positions
    width = max(len(prompt.ids) for prompt in prompts)
    answer_ids = [pad(count(model, prompt), (width - len(prompt.ids), 0)) for prompt in prompts]
    return torch.stack(answer_ids, 1).to(vlm.device)


def _shared(
    vlm: "Vlm",
    prompts: Sequence[EncodedPrompt],
    rows: Sequence[int],
    seeds: Sequence[int],
    drawing: _Drawing,
    watch: Watch | None = None,
) -> list[DrawnAnswer]:
    """Read each prompt once and start its rows from copies of the key-value cache."""
    import torch

    cache, logits_BV, mask_BL, padded, position_B, axes = _begin(vlm, prompts, rows)
    most = drawing.sampling.max_new_tokens
    uniform_BT = uniforms(seeds, most)
    eos = torch.tensor(vlm.eos_ids, device=vlm.device)
    going_B = torch.arange(len(rows))  # which row each place of the batch is
    tokens: list[list[int]] = [[] for _ in rows]
    notes: list[_Notes] = [[] for _ in rows]
    done_B = torch.zeros(len(rows), dtype=torch.bool, device=vlm.device)
    for step in range(most):
        next_B, note_B = _drawn(vlm, logits_BV, uniform_BT[going_B, step], drawing)
        places = zip(_ints(going_B), _ints(next_B), note_B, _ints(done_B), strict=True)
        for row, token, note, over in places:
            if not over:
                tokens[row].append(token)
                notes[row] += note
        done_B = done_B | torch.isin(next_B, eos)
        if watch is not None and (ended_rows := watch(tokens)):
            done_B = done_B | torch.isin(going_B, torch.tensor(list(ended_rows))).to(vlm.device)
        remaining = int((~done_B).sum())
        if remaining == 0 or step + 1 == most:
            break
        if remaining < _SHRINK_BELOW * len(done_B):
            keep = (~done_B).nonzero()[:, 0]
            cache.batch_select_indices(keep)
            mask_BL, position_B, next_B, done_B = (
                each[keep] for each in (mask_BL, position_B, next_B, done_B)
            )
            going_B = going_B[keep.cpu()]
        mask_BL = torch.cat([mask_BL, mask_BL.new_ones(len(mask_BL), 1)], dim=-1)
        position_B = position_B + 1
        position_B1 = position_B[:, None]
        output: Any = vlm.model(
            input_ids=next_B[:, None],
            attention_mask=mask_BL if padded else None,
            position_ids=position_B1.expand(axes, -1, -1) if axes > 1 else position_B1,
            past_key_values=cache,
            use_cache=True,
        )
        logits_BV = output.logits[:, -1]
    return [_answer(*each) for each in zip(tokens, notes, strict=True)]


def _generic(
    vlm: "Vlm",
    prompts: Sequence[EncodedPrompt],
    seeds: Sequence[int],
    drawing: _Drawing,
    watch: Watch | None = None,
) -> list[DrawnAnswer]:
    """Use transformers' loop, for models that need more than tokens and positions."""
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

    inputs = batch_inputs(vlm, prompts)
    width = inputs["input_ids"].shape[1]
    most = drawing.sampling.max_new_tokens
    uniform_BT = uniforms(seeds, most)
    notes: list[_Notes] = [[] for _ in prompts]

    def pick(ids_BL: "Tensor", logits_BV: "Tensor") -> "Tensor":
        numbers_B = uniform_BT[:, ids_BL.shape[1] - width]
        next_B, note_B = _drawn(vlm, logits_BV, numbers_B, drawing)
        for row, note in zip(notes, note_B, strict=True):
            row += note
        only_BV = logits_BV.new_full(logits_BV.shape, float("-inf"))
        return only_BV.scatter(-1, next_B[:, None], 0.0)

    cuts: dict[int, int] = {}
    """Tokens of the rows that `watch` ended: padding follows."""

    def answer_ids(ids_BL: "Tensor") -> list[list[int]]:
        rows = (_until_end(_ints(row), vlm.eos_ids) for row in ids_BL[:, width:])
        return [row[: cuts.get(place)] for place, row in enumerate(rows)]

    def stop(ids_BL: "Tensor", scores: object) -> "Tensor":
        rows = answer_ids(ids_BL)
        for place in watch(rows) if watch else ():
            cuts.setdefault(place, len(rows[place]))
        return torch.tensor([place in cuts for place in range(len(rows))], device=ids_BL.device)

    settings = GenerationConfig(
        max_new_tokens=most,
        do_sample=False,
        eos_token_id=list(vlm.eos_ids),
        pad_token_id=vlm.pad_id,
    )
    before, vlm.model.generation_config = vlm.model.generation_config, settings
    try:
        ids_BL: Tensor = vlm.model.generate(
            **inputs,
            generation_config=settings,
            logits_processor=LogitsProcessorList([pick]),
            stopping_criteria=StoppingCriteriaList([stop] if watch else []),
        )
    finally:
        vlm.model.generation_config = before
    tokens = answer_ids(ids_BL)
    return [_answer(ids, note[: len(ids)]) for ids, note in zip(tokens, notes, strict=True)]


def _answer(ids: list[int], notes: _Notes) -> DrawnAnswer:
    return DrawnAnswer(ids, [logp for logp, _ in notes], sum(banned for _, banned in notes))


def _drawn(
    vlm: "Vlm", logits_BV: "Tensor", uniform_B: "Tensor", drawing: _Drawing
) -> "tuple[Tensor, list[_Notes]]":
    """Draw the next tokens; single tokens may have a probability of 0, a logit of -inf.

    Return them with a note each, in a list that is empty unless notes were asked for.
    """
    from groundtune.engine.logprobs import token_logp

    if not bool(logits_BV.amax(-1).isfinite().all()):
        raise not_finite("next-token probabilities", vlm.name)
    scores_BV = logits_BV
    if drawing.banned:
        scores_BV = logits_BV.clone()
        scores_BV[:, list(drawing.banned)] = float("-inf")
    next_B = draw(scores_BV, uniform_B, drawing.sampling)
    if not drawing.logp:
        return next_B, [[] for _ in range(len(next_B))]
    logp_B = token_logp(logits_BV, next_B)
    banned_B = logp_B.new_zeros(len(logp_B))
    if drawing.banned:
        normaliser_B = logits_BV.float().gather(-1, next_B[:, None])[:, 0] - logp_B
        banned_BV = logits_BV[:, list(drawing.banned)].float()
        banned_B = (banned_BV.logsumexp(-1) - normaliser_B).exp()
    return next_B, [[note] for note in zip(_floats(logp_B), _floats(banned_B), strict=True)]


def _until_end(ids: list[int], eos_ids: tuple[int, ...]) -> list[int]:
    end = next((i + 1 for i, token in enumerate(ids) if token in eos_ids), len(ids))
    return ids[:end]


def _floats(values: "Tensor") -> list[float]:
    plain: Any = values
    return plain.tolist()


def _ints(values: "Tensor") -> list[int]:
    plain: Any = values
    return plain.tolist()
