"""Select the engine of a model: packed if its family supports it, else separate rows."""

from groundtune.engine.attention import Attention
from groundtune.engine.features import ImageTokenStore
from groundtune.engine.masks import unmaskable
from groundtune.engine.packed import Packed
from groundtune.engine.separate import Separate
from groundtune.vlm.family import family_of
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import plain_model


def engine_of(
    vlm: Vlm,
    *,
    attention: Attention = "dense",
    store: ImageTokenStore | None = None,
    share_starts: int = 0,
) -> Packed | Separate:
    """Return the TokenLogProbs for a model; `why` of a separate engine is the reason for it.

    `attention` and `share_starts` apply to the packed engine; `choose_attention` measures which
    attention is fastest for given rows.
    """
    why = cannot_pack(vlm)
    if why:
        return Separate(store=store, why=why)
    return Packed(attention=attention, store=store, share_starts=share_starts)


def cannot_pack(vlm: Vlm) -> str:
    """Return why answers to a prompt can't share a row on this model; "" if they can."""
    model = plain_model(vlm.model)
    family = family_of(model)
    reason = family.separate_reason or unmaskable(model)
    return f"{family.name}: {reason}" if reason else ""
