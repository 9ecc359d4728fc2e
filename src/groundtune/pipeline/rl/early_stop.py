"""Ends a run whose reward is being hacked, by signals that need no truth."""

from collections.abc import Mapping, Sequence

from groundtune.pipeline.rl.settings import EarlyStop


def why_stop(lines: Sequence[Mapping[str, float]], settings: EarlyStop) -> str:
    """Return why a run should end by the lines of its log, "" if it should not.

    Compares the newest evaluation of held-out prompts with the first.
    """
    measured = [line for line in lines if "held_out/words" in line]
    if len(measured) < 2:
        return ""
    first, last = (
        {name.removeprefix("held_out/"): value for name, value in line.items()}
        for line in (measured[0], measured[-1])
    )

    def grew(name: str) -> float:
        before = first.get(name, 0.0)
        return last[name] / before - 1 if before and name in last else 0.0

    if settings.content_loss and -grew("supported_claims") > settings.content_loss:
        return f"supported claims per answer fell by {-grew('supported_claims'):.0%}"
    if settings.fewer_words and -grew("words") > settings.fewer_words:
        return f"words per answer fell by {-grew('words'):.0%}"
    if settings.more_words and grew("words") > settings.more_words:
        return f"words per answer grew by {grew('words'):.0%}"
    repeated = last.get("repeated_claims", 0.0) - first.get("repeated_claims", 0.0)
    if settings.repeated and repeated > settings.repeated:
        return f"claims made again as new grew by {repeated:.1f} per answer"
    looped = last.get("repeated_phrases", 0.0) - first.get("repeated_phrases", 0.0)
    if settings.repeated_phrases and looped > settings.repeated_phrases:
        return f"phrases said before grew to {last['repeated_phrases']:.0%} of an answer's"
    truncated = last.get("truncated", 0.0) - first.get("truncated", 0.0)
    if settings.truncated and truncated > settings.truncated:
        return f"truncated answers grew to {last['truncated']:.0%}"
    return ""
