"""Several models on one base: each has an adapter or none, and all have the same weights."""

import copy
from dataclasses import replace
from pathlib import Path

from groundtune.vlm.load import Vlm, check_adapter, load_adapter, quiet
from groundtune.vlm.revision import hash_of_folder


def on_base(base: Vlm, adapter: Path | None) -> Vlm:
    """Return the model that `load` returns for `base` with an adapter or none, on its weights.

    Its modules are its own and only their weights are shared. So an adapter that is later added to
    `base`, trained or switched off, changes nothing here; nor does the mode or a position that a
    module remembers. The weights of `base` must not change, and must have no adapter yet.

    Raises:
        UserError: the folder has no adapter, or it does not fit.
    """
    if adapter is not None:
        check_adapter(adapter)
    weights = {id(weight): weight for weight in base.model.parameters()}
    model = copy.deepcopy(base.model, weights)
    if adapter is None:
        return replace(base, model=model.eval())
    with quiet():
        model = load_adapter(model, adapter)
    model.to(base.device).eval()
    return replace(base, model=model, revision=f"{base.revision}+{hash_of_folder(adapter)}")
