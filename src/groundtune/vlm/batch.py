"""Pad encoded rows of different lengths into one batch for a model's forward."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import family_of
from groundtune.vlm.plain import plain_model

if TYPE_CHECKING:
    from torch import Tensor

    from groundtune.vlm.load import Vlm


def batch_inputs(
    vlm: "Vlm",
    prompts: Sequence[EncodedPrompt],
    answers: Sequence[Sequence[int]] | None = None,
    *,
    side: Literal["left", "right"] = "left",
) -> "dict[str, Tensor]":
    """Return prompts, each followed by its answer's tokens, as a batch on the model's device.

    The batch has input_ids and attention_mask (rows, longest), padded on one side, marks of the
    same shape, and the image features of all rows, concatenated in order over dimension 0.
    """
    import torch

    tails = answers if answers is not None else [()] * len(prompts)
    rows = [[*prompt.ids, *tail] for prompt, tail in zip(prompts, tails, strict=True)]
    width = max(len(row) for row in rows)
    inputs = {
        "input_ids": _padded([torch.tensor(row) for row in rows], width, vlm.pad_id, side),
        "attention_mask": _padded(
            [torch.ones(len(row), dtype=torch.long) for row in rows], width, 0, side
        ),
    }
    family = family_of(plain_model(vlm.model))
    answer_marks = dict(family.answer_marks)
    for name in {name for prompt in prompts for name in prompt.marks}:
        answer_mark = answer_marks.get(name, 0)
        marks = [
            _mark(prompt, name, len(row), answer_mark)
            for prompt, row in zip(prompts, rows, strict=True)
        ]
        inputs[name] = _padded(marks, width, 0, side)
    for name in {name for prompt in prompts for name in prompt.features}:
        each = [
            _extend(prompt.features[name], len(row), width, side)
            if name in family.along_tokens
            else prompt.features[name]
            for prompt, row in zip(prompts, rows, strict=True)
            if name in prompt.features
        ]
        inputs[name] = _concatenate(each)
    dtype = plain_model(vlm.model).dtype
    return {
        name: value.to(vlm.device, dtype if value.is_floating_point() else None)
        for name, value in inputs.items()
    }


def _mark(prompt: EncodedPrompt, name: str, length: int, of_answer: int) -> "Tensor":
    """Return the mark of a row's tokens: the prompt's (0 if it has none), then the answer's."""
    import torch

    mark = torch.full((length,), of_answer)
    mark[: len(prompt.ids)] = prompt.marks.get(name, torch.zeros(len(prompt.ids), dtype=torch.long))
    return mark


def _extend(feature: "Tensor", length: int, width: int, side: str) -> "Tensor":
    """Extend a feature of a prompt's tokens, (1, P, ...), to a row by repeating its last entry."""
    import torch

    more = feature[:, -1:].expand(-1, length - feature.shape[1], *feature.shape[2:])
    empty = feature.new_zeros(1, width - length, *feature.shape[2:])
    parts = (empty, feature, more) if side == "left" else (feature, more, empty)
    return torch.cat(parts, 1)


def _padded(rows: "list[Tensor]", width: int, value: int, side: str) -> "Tensor":
    import torch
    from torch.nn.functional import pad

    def widen(row: "Tensor") -> "Tensor":
        missing = width - len(row)
        return pad(row, (missing, 0) if side == "left" else (0, missing), value=value)

    return torch.stack([widen(row) for row in rows])


def _concatenate(features: "list[Tensor]") -> "Tensor":
    """Concatenate over dimension 0; pad other dimensions (tiles) with zeros where they differ."""
    import torch

    if len({each.shape[1:] for each in features}) == 1:
        return torch.cat(features)
    shape = [max(sizes) for sizes in zip(*(each.shape[1:] for each in features), strict=True)]
    rows = sum(each.shape[0] for each in features)
    joined = features[0].new_zeros(rows, *shape)
    row = 0
    for each in features:
        region = (slice(row, row + each.shape[0]), *(slice(size) for size in each.shape[1:]))
        joined[region] = each
        row += each.shape[0]
    return joined
