"""How often answers are wrong by people's evaluations: the figures of `bench score mhumaneval`."""

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import ItemAnswer
from groundtune.bench.summary import all_estimates
from groundtune.bench.tasks.mhumaneval import MHUMANEVAL, MarkedItems, marks_of
from groundtune.bench.tasks.mhumaneval import score as score_marks
from groundtune.interchange.layouts.marks import image_of, item_id, marked_spans, model_names
from groundtune.pipeline.annotate.project import Project
from groundtune.pipeline.annotate.results import Finished, finished_work
from groundtune.pipeline.annotate.suggestions import SuggestionCounts
from groundtune.records import Correction, Estimate, Record
from groundtune.store.annotations import events


class Rate(Record):
    """A metric as the page shows it."""

    metric: str
    label: str
    scale: float
    """100 for a share that is shown in percent."""
    decimals: int
    value: float
    low: float
    high: float


class ModelRates(Record):
    """What people's marks say of a model."""

    model: str
    answers: int
    """Answers that somebody has judged."""
    unsure: int
    """Of these, answers for which it can't be told."""
    rates: tuple[Rate, ...]


class Live(NamedTuple):
    """What the overview shows of the finished work."""

    models: list[ModelRates]
    suggestions: SuggestionCounts


class LiveFigures:
    """A project's figures as of its newest event; computed anew only after one."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = Lock()
        self._newest = -1
        self._found = Live([], SuggestionCounts())

    def now(self) -> Live:
        """The rates of each model, and the counts of suggestions."""
        with self._lock:
            with self._project.database.reading() as connection:
                newest = events.newest(connection)
            if newest != self._newest:
                work = finished_work(self._project)
                self._found = Live(rates_of(work), work.suggestions)
                self._newest = newest
            return self._found


def rates_of(work: Finished) -> list[ModelRates]:
    """The rates of each model whose answers were evaluated, by name.

    Intervals are those of `groundtune bench score mhumaneval`: bootstrap over images.
    """
    judged = one_each(work)
    answers = {each.key: each for item in work.items.values() for each in item.answers}
    prompts = {item.prompt.key: item.prompt for item in work.items.values()}
    names = model_names(answers[each.answer] for each in judged)
    found: list[ModelRates] = []
    for model in sorted(set(names.values())):
        own = [each for each in judged if names[each.answer] == model]
        rows = [
            ItemAnswer(
                text=each.text,
                item=item_id(answers[each.answer]),
                extra=marks_of(marked_spans(each), image_of(prompts[each.prompt])),
            )
            for each in own
        ]
        estimates = all_estimates(score_marks(MarkedItems(), rows, Scoring(model=model)))
        unsure = sum(each.verdict == "unsure" for each in own)
        rates = tuple(_shown(each) for each in estimates)
        found.append(ModelRates(model=model, answers=len(own), unsure=unsure, rates=rates))
    return found


def one_each(work: Finished) -> Sequence[Correction]:
    """One evaluation per answer: a reviewer's or owner's, or the one that was finished first."""
    chosen: dict[str, Correction] = {}
    for each in work.evaluations:
        before = chosen.setdefault(each.answer, each)
        if _is_reviewer(work, each) and not _is_reviewer(work, before):
            chosen[each.answer] = each
    return list(chosen.values())


def _is_reviewer(work: Finished, evaluation: Correction) -> bool:
    return work.roles[evaluation.by.name] in ("reviewer", "owner")


def _shown(estimate: Estimate) -> Rate:
    metric = next(each for each in MHUMANEVAL.metrics if each.name == estimate.metric)
    return Rate(
        metric=metric.name,
        label=metric.label,
        scale=metric.scale,
        decimals=metric.decimals,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
    )
