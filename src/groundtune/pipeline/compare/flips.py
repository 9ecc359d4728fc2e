"""Items whose verdict changed, as examples of a report: both answers, with marked errors."""

from collections.abc import Callable, Mapping, Sequence

from groundtune.bench.stats.paired import Flip, HeadlineTest
from groundtune.bench.summary import metric_of
from groundtune.bench.text.tool_readings import truth_of
from groundtune.records import Score
from groundtune.report.examples import (
    NO_EXAMPLES,
    Example,
    ExampleAnswer,
    Examples,
    ItemView,
    in_turns,
    tie_break,
)
from groundtune.report.specs import benchmark_spec, model_label

EACH = 4
"""Maximum items per benchmark and model, equally many of either kind."""
MOST = 16


EmbeddedImage = Callable[[Score], ItemView | None]
"""Finds what an item asked, and its images."""


def flip_examples(
    tests: Sequence[HeadlineTest], scores: Sequence[Score], images: EmbeddedImage | None
) -> Examples:
    """Choose examples by a fixed rule; none if nothing changed or there are no answers.

    Per test, the items that got worse and that got better take turns, the largest changes first,
    with ties broken by the hash of the item's name, so that nobody chooses.
    """
    chosen = [(test, flip) for test in tests for flip in _turns(test.flips)][:MOST]
    if not chosen or not scores:
        return NO_EXAMPLES
    keys = {(name, flip.item) for test, flip in chosen for name in (test.against, test.model)}
    answers = {
        (score.model, name, score.item): score
        for score in scores
        if (score.model, score.item) in keys
        for name in names_of(score)
    }
    examples = [
        example for test, flip in chosen if (example := _example(test, flip, answers, images))
    ]
    return Examples(shown=tuple(examples), how=_how(tests))


def names_of(score: Score) -> tuple[str, str]:
    """The names of a score's benchmark in tests: with its part, and as a whole."""
    benchmark, _, part = score.benchmark.partition("/")
    return f"{score.benchmark}/{score.decoding}", f"{benchmark}/{score.decoding}" if part else ""


def _turns(flips: Sequence[Flip]) -> list[Flip]:
    def prominence(flip: Flip) -> tuple[float, str]:
        return -abs(flip.ours - flip.theirs), tie_break(flip.item)

    sides = [
        sorted((flip for flip in flips if flip.better is better), key=prominence)
        for better in (False, True)
    ]
    return in_turns(sides, EACH)


def _example(
    test: HeadlineTest,
    flip: Flip,
    answers: Mapping[tuple[str, str, str], Score],
    images: EmbeddedImage | None,
) -> Example | None:
    both = [answers.get((name, test.benchmark, flip.item)) for name in (test.against, test.model)]
    present = [score for score in both if score is not None]
    if len(present) < len(both):
        return None
    view = (images(present[0]) if images else None) or ItemView()
    group = "Got better" if flip.better else "Got worse"
    return Example(
        images=view.images,
        prompt=view.prompt,
        truth=truth_of(present[0]),
        group=f"{group}: {benchmark_spec(test.benchmark).label}",
        item=view.name or flip.item,
        answers=tuple(
            _answer(test, score, value, truth_of(score))
            for score, value in zip(present, (flip.theirs, flip.ours), strict=True)
        ),
    )


def _answer(test: HeadlineTest, score: Score, value: float, truth: str) -> ExampleAnswer:
    metric = metric_of(test.benchmark, test.verdict)
    bad = (value == 0) == (metric.better == "higher")
    verdict = f"{metric.label}: {metric.scale * value:.{metric.decimals}f}"
    if value in (0, 1) and metric.better == "higher":
        verdict = "wrong" if bad else "right"
    elif value in (0, 1):
        verdict = f"{metric.label}: {'yes' if bad else 'no'}"
    return ExampleAnswer(
        model=score.model,
        text=score.answer,
        spans=score.spans,
        note="" if score.why == truth else score.why,
        verdict=verdict,
        wrong=bad and value in (0, 1),
    )


def _how(tests: Sequence[HeadlineTest]) -> str:
    parts = [
        f"{benchmark_spec(test.benchmark).label}, {model_label(test.model)}: "
        f"{test.improved:,} better, "
        f"{test.worsened:,} worse, {test.unchanged:,} the same"
        for test in tests
        if test.flips
    ]
    text = "; ".join(parts[: MOST // EACH])
    return (
        "Items whose verdict changed, chosen by rule, not by hand: those that got worse and those "
        f"that got better take turns, the largest changes first. Of all items: {text}."
    )
