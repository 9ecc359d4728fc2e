"""How many settings of each compared method were tried, for a page's summary and limits."""

from collections.abc import Mapping

from groundtune.report.specs import model_label


def tried_text(tried: Mapping[str, int | None]) -> str:
    """How many settings of each method were tried, and whether that is a fair contest.

    Args:
        tried: The numbers by the method's name, which is left out where there is one method; None
            where a recipe records none.
    """
    numbers = {name: "not recorded" if tried[name] is None else tried[name] for name in tried}
    counts = [f"{model_label(name)} {number}" for name, number in numbers.items()]
    if len(counts) == 1:
        counts = [f"{number}" for number in numbers.values()]
    text = f"Settings tried before these were chosen: {', '.join(counts)}."
    if len(set(tried.values()) | {None}) > 2:
        text += " More tries flatter a method, so this is not a fair contest between them."
    return text
