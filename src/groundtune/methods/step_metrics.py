"""What a step's log tells of its pairs, whatever the method."""


def step_metrics(means: dict[str, float]) -> dict[str, float]:
    """Means over a step's pairs as its log has them: the mean weight of a changed token for sums.

    `changed_weight` is 0 where no token of the step is changed.
    """
    sides = ("chosen", "rejected")
    changed = sum(means[f"changed_{side}"] for side in sides)
    weight = sum(means[f"weight_on_changed_{side}"] for side in sides)
    kept = {name: value for name, value in means.items() if not name.startswith("weight_on_")}
    return {**kept, "changed_weight": weight / changed if changed else 0.0}
