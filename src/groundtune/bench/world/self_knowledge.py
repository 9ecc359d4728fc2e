"""Does a model know better than it says? And does it invent usual objects?

Metrics of a model's captions, all with intervals from resampled images:

    knows_better  of the different categories that it invents in a caption, the share that it denies
                  when asked whether they are there
    in_context    the share of them that the scene's context has in its prior
    prior_slope   how fast invention grows with the prior: over each (caption, absent category of
                  its context), invented (0 or 1) regressed on the prior by least squares. 0.5 says
                  that a category with a prior of 0.6 is invented in 20 percentage points more
                  captions than one of 0.2
    prior_logit   the same slope of a logistic regression, in log odds per unit of prior

`control` is the share of rightly named categories for which it says yes: a model that always says
no would have a perfect knows_better.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from groundtune.bench.item import Item
from groundtune.bench.metric import Metric
from groundtune.bench.stats.bootstrap import Floats, interval, ratio, resamples
from groundtune.bench.stats.sums import group
from groundtune.bench.world.captions import NAME as CAPTIONS
from groundtune.bench.world.captions import invented_categories
from groundtune.bench.world.images import ask_about, find_scene
from groundtune.bench.world.questions import existence_question
from groundtune.protocols import Progress, YesNo, YesNoReply
from groundtune.records import Estimate, Prompt, Record, Score
from groundtune.store.keys import key_of
from groundtune.world.catalogue import CONTEXTS
from groundtune.world.scenes import prior

NAME = "world-self-knowledge"
HARD_NAME = "world-hard-self-knowledge"
_NAMES = {CAPTIONS: NAME, "world-hard-captions": HARD_NAME}
"""By the captions' benchmark; of usual scenes alone, not of the strata."""
AT_ONCE = 256
METRICS: tuple[Metric, ...] = (
    Metric(
        name="knows_better",
        label="Invented objects that it denies when asked",
        numerator={"denied": 1},
        denominator={"invented_asked": 1},
        better="neutral",
        explanation="It names them in a caption, and says no when asked whether they are there.",
    ),
    Metric(
        name="control",
        label="Rightly named objects that it affirms when asked",
        numerator={"affirmed": 1},
        denominator={"named": 1},
        better="higher",
    ),
    Metric(
        name="in_context",
        label="Invented objects that belong to the context",
        numerator={"belongs": 1},
        denominator={"invented": 1},
        better="neutral",
    ),
    Metric(
        name="unanswered",
        label="Questions answered with neither yes nor no",
        numerator={"unanswered": 1},
        denominator={"questions": 1},
        better="lower",
        role="cost",
        explanation="Neither share above includes them.",
    ),
)
SLOPES: tuple[Metric, ...] = (
    Metric(
        name="prior_slope",
        label="Growth of invention with the prior",
        unit="",
        scale=1,
        decimals=2,
        range=(None, None),
        explanation="Change of the rate of invention from prior 0 to prior 1, by least squares.",
    ),
    Metric(
        name="prior_logit",
        label="Growth of invention with the prior, in log odds",
        unit="",
        scale=1,
        decimals=2,
        range=(None, None),
    ),
)


class PriorRate(Record):
    """How often missing categories with one prior are invented."""

    prior: float
    value: float
    low: float
    high: float
    n: int
    """Captions in which one could be invented, times the number of such categories."""


class _CategoryQuestion(NamedTuple):
    """A category of a caption, and the question whether it is present."""

    score: Score
    category: str
    is_there: bool
    prompt: Prompt


def knowledge(
    scores: Sequence[Score], items: Sequence[Item], model: YesNo, progress: Progress, seed: int = 0
) -> list[Score]:
    """Ask a model about each category that its captions name; one score per caption.

    `scores` are captions of one model under one decoding, of which those of usual scenes count;
    `items` are their items, with the images. The answer is no if p_no is at least p_yes. A reply
    that is neither yes nor no counts only as "unanswered".
    """
    prompts = {item.key: item.prompt for item in items}
    scores = [score for score in scores if score.benchmark in _NAMES]
    questions = [
        question
        for score in scores
        if score.status == "scored"
        for question in _ask(score, prompts, seed)
    ]
    unique = list({question.prompt.key: question.prompt for question in questions}.values())
    progress.start("ask about what captions name", total=len(unique))
    yes: dict[str, bool | None] = {}
    for first in range(0, len(unique), AT_ONCE):
        chunk = unique[first : first + AT_ONCE]
        replies = model.yes_no(chunk)
        yes |= {p.key: _is_yes(reply) for p, reply in zip(chunk, replies, strict=True)}
        progress.advance(len(chunk))
    by_item: dict[str, list[_CategoryQuestion]] = {}
    for question in questions:
        by_item.setdefault(question.score.item, []).append(question)
    return [
        _score_of(score, by_item.get(score.item, []), yes)
        for score in scores
        if score.status == "scored"
    ]


def _is_yes(reply: YesNoReply) -> bool | None:
    """Whether a reply is yes; None if it is neither yes nor no, or has no probabilities."""
    return reply.p_yes > reply.p_no if reply.is_answer() else None


def _ask(score: Score, prompts: Mapping[str, Prompt], seed: int) -> list[_CategoryQuestion]:
    scene = find_scene(score.image)
    (sha256,) = prompts[score.item].images
    return [
        _CategoryQuestion(
            score,
            name,
            name in scene.categories,
            ask_about(scene, sha256, existence_question(scene, name, seed).text),
        )
        for name in dict.fromkeys(score.extracted)
    ]


def _score_of(
    score: Score, questions: Sequence[_CategoryQuestion], yes: Mapping[str, bool | None]
) -> Score:
    context = find_scene(score.image).context
    ghosts = [question for question in questions if not question.is_there]
    of_ghosts = [yes[question.prompt.key] for question in ghosts]
    of_named = [yes[question.prompt.key] for question in questions if question.is_there]
    values = {
        "invented": len(ghosts),
        "invented_asked": len(ghosts) - of_ghosts.count(None),
        "denied": of_ghosts.count(False),
        "belongs": sum(prior(context, question.category) > 0 for question in ghosts),
        "named": len(of_named) - of_named.count(None),
        "affirmed": of_named.count(True),
        "questions": len(questions),
        "unanswered": of_ghosts.count(None) + of_named.count(None),
    }
    return score.model_copy(
        update={
            "key": key_of(NAME, score.key),
            "benchmark": _NAMES[score.benchmark],
            "values": {name: float(value) for name, value in values.items()},
            "extracted": tuple(question.category for question in ghosts),
            "spans": (),
            "why": "",
        }
    )


def slopes(scores: Sequence[Score], *, seed: int = 0) -> list[Estimate]:
    """The two slopes of `knowledge`'s scores, for each model that has any."""
    estimates: list[Estimate] = []
    for (model, benchmark, decoding), model_scores in group(scores).items():
        possible, invented = _by_prior(model_scores)
        counts = (possible.table_IL.sum(0)[None], invented.sum(0)[None])
        weights = resamples(len(invented), seed)
        resampled_counts = (weights @ possible.table_IL, weights @ invented)
        for metric, fit_slope in zip(SLOPES, (_linear, _logistic), strict=True):
            value = float(fit_slope(possible.priors_L, *counts)[0])
            if np.isfinite(value):
                draws = fit_slope(possible.priors_L, *resampled_counts)
                low, high = interval(draws, value, images=len(invented), share=False)
                estimates.append(
                    Estimate(
                        model=model,
                        benchmark=f"{benchmark}/{decoding}",
                        metric=metric.name,
                        value=value,
                        low=low,
                        high=high,
                        n=int(counts[0].sum()),
                    )
                )
    return estimates


def rates_by_prior(captions: Sequence[Score], *, seed: int = 0) -> list[PriorRate]:
    """The rate of invention at each prior, from captions' scores (or `knowledge`'s)."""
    readable = [score for score in captions if score.status == "scored"]
    if not readable:
        return []
    possible, invented = _by_prior(readable)
    weights = resamples(len(invented), seed)
    draws_RL = ratio(weights @ invented, weights @ possible.table_IL)
    rates: list[PriorRate] = []
    for level, value in enumerate(possible.priors_L):
        n = int(possible.table_IL[:, level].sum())
        rate = float(invented[:, level].sum() / n)
        low, high = interval(draws_RL[:, level], rate, images=min(n, len(invented)), share=True)
        rates.append(
            PriorRate(prior=float(value), value=rate, low=max(0.0, low), high=min(1.0, high), n=n)
        )
    return rates


class _Chances(NamedTuple):
    """How often each prior could have been invented, by image."""

    priors_L: Floats
    """Ascending."""
    table_IL: Floats


def _by_prior(scores: Sequence[Score]) -> tuple[_Chances, Floats]:
    """By image and prior: how many categories could be, and were, invented (I, L)."""
    levels = sorted({chance for context in CONTEXTS.values() for chance in context.prior.values()})
    images = sorted({score.image for score in scores})
    row = {image: i for i, image in enumerate(images)}
    column = {level: i for i, level in enumerate(levels)}
    possible, invented = np.zeros((2, len(images), len(levels)))
    for score in scores:
        scene = find_scene(score.image)
        invented_names = (
            set(score.extracted)
            if score.benchmark in _NAMES.values()
            else set(invented_categories(score))
        )
        for category, chance in CONTEXTS[scene.context].prior.items():
            if category not in scene.categories:
                possible[row[score.image], column[chance]] += 1
                invented[row[score.image], column[chance]] += category in invented_names
    has_cases = possible.sum(0) > 0
    return _Chances(np.array(levels)[has_cases], possible[:, has_cases]), invented[:, has_cases]


def _linear(priors_L: Floats, could_RL: Floats, was_RL: Floats) -> Floats:
    """Slope of the least-squares line of was/could on the prior, weighted by could (R,)."""
    n, x, xx = could_RL.sum(-1), could_RL @ priors_L, could_RL @ priors_L**2
    y, xy = was_RL.sum(-1), was_RL @ priors_L
    return ratio(n * xy - x * y, n * xx - x * x)


def _logistic(priors_L: Floats, could_RL: Floats, was_RL: Floats) -> Floats:
    """Slope of the logistic regression of was/could on the prior, by Newton's method (R,).

    NaN if nothing or everything was invented, or if the priors separate the two.
    """
    y, xy = was_RL.sum(-1), was_RL @ priors_L
    rate = np.clip(ratio(y, could_RL.sum(-1)), 1e-6, 1 - 1e-6)
    level, slope = np.log(rate / (1 - rate)), np.zeros(len(rate))
    for _ in range(25):
        p_RL = 1 / (1 + np.exp(-np.clip(level[:, None] + slope[:, None] * priors_L, -30, 30)))
        gradient = (y - (could_RL * p_RL).sum(-1), xy - (could_RL * p_RL) @ priors_L)
        spread_RL = could_RL * p_RL * (1 - p_RL)
        a, b, c = spread_RL.sum(-1), spread_RL @ priors_L, spread_RL @ priors_L**2
        determinant = a * c - b * b
        level = level + ratio(c * gradient[0] - b * gradient[1], determinant)
        slope = slope + ratio(a * gradient[1] - b * gradient[0], determinant)
    fitted = np.isfinite(slope) & (np.abs(slope) < 100) & (y > 0)
    return np.where(fitted, slope, np.nan)
