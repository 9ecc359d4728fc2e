"""Hidden states of answers' tokens, and values that a head reads from them.

Reward models read the state after a token, value functions the one before it. The engine packs all
answers to a prompt behind it where the family allows it, else it runs a row per answer.

Shapes: T tokens of an answer, D width of the decoder, L tokens of the longest row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from torch import Tensor, nn

from groundtune.engine.attention import Attention
from groundtune.engine.engines import cannot_pack
from groundtune.engine.features import ImageTokenStore, image_arguments
from groundtune.engine.layout import lay_out, merge
from groundtune.engine.packed import run_layout
from groundtune.engine.rows import PromptRow
from groundtune.errors import UserError
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import is_unsharded

Place = Literal["before", "after"]
"""The state that predicts a token, or the one that has read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenStates:
    """The last layer's states of each answer: (T + 1, D), before its first token and after each.

    Rows with the same EncodedPrompt object are merged, and a repeated answer runs once.
    """

    attention: Attention = "dense"
    store: ImageTokenStore | None = None
    pack: bool = True
    """False runs a row per answer, as families that can't be packed do."""

    def __call__(self, vlm: Vlm, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        """Return the states of each row's answers, with a gradient unless it is disabled."""
        if self.pack and not cannot_pack(vlm):
            return self._packed(vlm, rows)
        return self._separate(vlm, rows)

    def _packed(self, vlm: Vlm, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        # An answer's last token isn't run, so each gets one more.
        longer = [
            PromptRow(row.prompt, tuple(replace(a, ids=(*a.ids, vlm.pad_id)) for a in row.answers))
            for row in rows
        ]
        layout = lay_out(merge(longer), vlm.pad_id, one_sequence=self.attention == "segments")
        hidden_ND = run_layout(vlm, layout, self.attention, self.store)
        places = {
            (id(row.prompt), answer): layout.reads(i, answer)
            for i, row in enumerate(layout.rows)
            for answer in row.answers
        }
        return [
            [hidden_ND[places[id(row.prompt), answer.ids]] for answer in row.answers]
            for row in longer
        ]

    def _separate(self, vlm: Vlm, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        prompts = [row.prompt for row in rows for _ in row.answers]
        answers = [answer.ids for row in rows for answer in row.answers]
        inputs: dict[str, Any] = dict(batch_inputs(vlm, prompts, answers, side="right"))
        if is_unsharded(vlm.model):
            times = [len(row.answers) for row in rows]
            inputs |= image_arguments(vlm, [row.prompt for row in rows], times, self.store)
        output = vlm.model(use_cache=False, output_hidden_states=True, **inputs)
        states = getattr(output, "hidden_states", None)
        if not states:
            raise UserError(
                "The model returns no hidden states, which a head reads.",
                vlm.name,
                "Use a family of docs/families.md that packs.",
            )
        starts = [len(prompt.ids) - 1 for prompt in prompts]
        hidden_BLD = cast(Tensor, states[-1])
        each = iter(
            hidden_LD[start : start + len(ids) + 1]
            for hidden_LD, start, ids in zip(hidden_BLD, starts, answers, strict=True)
        )
        return [[next(each) for _ in row.answers] for row in rows]


class TokenValues(nn.Module):
    """What a head makes of the state at each token of each answer, (T,) fp32: a TokenLogProbs.

    The training loop uses it as an engine of log-probabilities; the head's weights
    are its parameters.
    """

    def __init__(self, head: nn.Module, states: HiddenStates, *, place: Place = "after") -> None:
        """`head` maps (N, D) to (N,)."""
        super().__init__()
        self.head = head
        self.states = states
        self.place = place

    def forward(self, vlm: Vlm, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        """Return a value per token of each answer."""
        positions = slice(1, None) if self.place == "after" else slice(None, -1)
        states = self.states(vlm, rows)
        return [[self.head(hidden_TD[positions]) for hidden_TD in answers] for answers in states]
