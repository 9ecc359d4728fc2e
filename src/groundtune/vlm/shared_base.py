"""Several models on one base: each has its adapter, and all have the same weights in memory."""

import copy
from dataclasses import replace
from pathlib import Path

from groundtune.vlm.load import Vlm, check_adapter, load_adapter, quiet
from groundtune.vlm.revision import hash_of_folder


def on_base(base: Vlm, adapter: Path) -> Vlm:
    """Return the model that `load` returns for an adapter of `base`, on the weights of `base`.

    Its modules are its own and only their weights are shared. So an adapter that is later added to
    `base`, trained or switched off, changes nothing here; nor does the mode or a position that a
    module remembers. The weights of `base` must not change, and must have no adapter yet.

    Raises:
        UserError: the folder has no adapter, or it does not fit.
    """
    check_adapter(adapter)
    weights = {id(weight): weight for weight in base.model.parameters()}
    with quiet():
        model = load_adapter(copy.deepcopy(base.model, weights), adapter)
    model.to(base.device).eval()
    return replace(base, model=model, revision=f"{base.revision}+{hash_of_folder(adapter)}")
