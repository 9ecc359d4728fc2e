"""Metrics of a training step for the log, whatever the method.

A step logs `loss` and its method's metrics as means over the batch's pairs, and what the loop adds:
`gradient_norm`, `lr`, `tokens_per_second`, `seconds`. The log's file is `log.py`'s.
"""


def step_metrics(means: dict[str, float]) -> dict[str, float]:
    """Replace the summed weights in a step's means by the mean weight of a changed token.

    `changed_weight` is 0 if no token of the step is changed. A loss that weighs no tokens keeps its
    metrics.
    """
    sides = [side for side in ("chosen", "rejected") if f"changed_{side}" in means]
    if "weight_on_changed_chosen" not in means:
        return means
    changed = sum(means[f"changed_{side}"] for side in sides)
    weight = sum(means[f"weight_on_changed_{side}"] for side in sides)
    others = {name: value for name, value in means.items() if not name.startswith("weight_on_")}
    return {**others, "changed_weight": weight / changed if changed else 0.0}
