"""How many settings of each compared method were tried, for a page's summary and limits."""

from collections.abc import Mapping

from groundtune.report.specs import model_label


def tried_text(trials: Mapping[str, int | None]) -> str:
    """The number of settings tried per method, and whether the comparison is fair.

    Args:
        trials: The numbers by the method's name, which is omitted if all have the same; None if a
            recipe records none.
    """
    numbers = {name: "not recorded" if trials[name] is None else trials[name] for name in trials}
    counts = [f"{model_label(name)} {number}" for name, number in numbers.items()]
    if len(distinct := set(numbers.values())) == 1:
        each = " each" if len(trials) > 1 and None not in trials.values() else ""
        counts = [f"{distinct.pop()}{each}"]
    text = f"Settings tried before these were chosen: {', '.join(counts)}."
    if len(set(trials.values()) | {None}) > 2:
        text += " More tries flatter a method, so this is not a fair contest between them."
    return text
