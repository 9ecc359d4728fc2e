"""How often answers are wrong by people's evaluations: the figures of `bench score mhumaneval`."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import NamedTuple

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import ItemAnswer
from groundtune.bench.summary import all_estimates
from groundtune.bench.tasks.mhumaneval import MHUMANEVAL, MarkedItems, marks_of
from groundtune.bench.tasks.mhumaneval import score as score_marks
from groundtune.interchange.layouts.marks import identity_of, image_of, item_id, marked_spans
from groundtune.pipeline.annotate.project import Project
from groundtune.pipeline.annotate.results import FinishedWork, finished_work
from groundtune.pipeline.annotate.suggestions import SuggestionCounts, count_suggestions
from groundtune.records import Correction, Estimate, Record, Score
from groundtune.store.annotations import events, items

_AT_ONCE = 500
"""Items whose work is in memory at a time."""


class ProjectRate(Record):
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
    """Of these, answers for which nobody knows it."""
    rates: tuple[ProjectRate, ...]


class Live(NamedTuple):
    """What the overview shows of the finished work."""

    models: list[ModelRates]
    suggestions: SuggestionCounts


class _Verdicts(NamedTuple):
    """What one evaluation says, without the texts of its item."""

    model: str
    """Tells models apart: name and revision."""
    name: str
    unsure: bool
    score: Score


class LiveFigures:
    """A project's figures as of its newest event; only what that changed is computed anew."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = Lock()
        self._arrivals = events.Arrivals()
        self._judged: dict[str, list[_Verdicts]] = {}
        self._suggestions: dict[str, SuggestionCounts] = {}
        self._rates: dict[str, ModelRates] = {}

    def now(self) -> Live:
        """The rates of each model, and the counts of suggestions."""
        with self._lock:
            with self._project.database.reading() as connection:
                changed, anew = self._arrivals.look(connection)
            if anew:
                self._judged, self._suggestions, self._rates = {}, {}, {}
            models: set[str] = set()
            for start in range(0, len(changed), _AT_ONCE):
                models |= self._read(changed[start : start + _AT_ONCE])
            for model in models:
                verdicts = [
                    each for one in self._judged.values() for each in one if each.model == model
                ]
                self._rates.pop(model, None)
                if verdicts:
                    self._rates[model] = _rates_of_model(verdicts)
            return Live(_by_name(self._rates), sum(self._suggestions.values(), SuggestionCounts()))

    def _read(self, keys: Sequence[str]) -> set[str]:
        """Read work on items again; return the models whose rates it may change."""
        before = {each.model for key in keys for each in self._judged.get(key, ())}
        with self._project.database.reading() as connection:
            new_items = items.items_of(connection, keys)
        # Nothing else has figures: its events are not read.
        of_interest = [
            each.key for each in new_items if each.task == "evaluate" or each.suggestions
        ]
        work = finished_work(self._project, of_interest)
        for key in keys:
            self._judged.pop(key, None)
            self._suggestions.pop(key, None)
        by_answer = {answer.key: key for key, item in work.items.items() for answer in item.answers}
        judged = _judgements(work)
        for answer, each in judged.items():
            self._judged.setdefault(by_answer[answer], []).append(each)
        for item, state in work.results:
            before_it = self._suggestions.get(item.key, SuggestionCounts())
            self._suggestions[item.key] = before_it + count_suggestions([(item, state)])
        return before | {each.model for each in judged.values()}


def rates_of(work: FinishedWork) -> list[ModelRates]:
    """The rates of each model whose answers were evaluated, by name.

    Intervals are those of `groundtune bench score mhumaneval`: bootstrap over images.
    """
    by_model: dict[str, list[_Verdicts]] = defaultdict(list)
    for each in _judgements(work).values():
        by_model[each.model].append(each)
    return _by_name({model: _rates_of_model(verdicts) for model, verdicts in by_model.items()})


def _judgements(work: FinishedWork) -> dict[str, _Verdicts]:
    """By answer."""
    answers = {each.key: each for item in work.items.values() for each in item.answers}
    prompts = {item.prompt.key: item.prompt for item in work.items.values()}
    verdicts: dict[str, _Verdicts] = {}
    for each in one_each(work):
        answer = answers[each.answer]
        row = ItemAnswer(
            text=each.text,
            item=item_id(answer),
            extra=marks_of(marked_spans(each), image_of(prompts[each.prompt])),
        )
        model = answer.producer.name
        (score,) = score_marks(MarkedItems(), [row], Scoring(model=model))
        unsure = each.verdict == "unsure"
        verdicts[answer.key] = _Verdicts(identity_of(answer.producer), model, unsure, score)
    return verdicts


def _rates_of_model(verdicts: Sequence[_Verdicts]) -> ModelRates:
    estimates = all_estimates([each.score for each in verdicts])
    return ModelRates(
        model=verdicts[0].name,
        answers=len(verdicts),
        unsure=sum(each.unsure for each in verdicts),
        rates=tuple(_shown(each) for each in estimates),
    )


def _by_name(rates: Mapping[str, ModelRates]) -> list[ModelRates]:
    """In order; models of one name are distinguished by their revision."""
    names = Counter(each.model for each in rates.values())
    named_rates = [
        each if names[each.model] == 1 else each.model_copy(update={"model": model})
        for model, each in rates.items()
    ]
    return sorted(named_rates, key=lambda each: each.model)


def one_each(work: FinishedWork) -> Sequence[Correction]:
    """One evaluation per answer.

    That which settled a conflict, else a reviewer's or owner's, else the one that was finished
    first.
    """
    chosen: dict[str, Correction] = {}
    for each in work.evaluations:
        before = chosen.setdefault(each.answer, each)
        if _weight(work, each) > _weight(work, before):
            chosen[each.answer] = each
    return list(chosen.values())


def _weight(work: FinishedWork, evaluation: Correction) -> int:
    if work.settled.get((evaluation.answer,)) == evaluation.by.name:
        return 2
    return int(work.roles[evaluation.by.name] in ("reviewer", "owner"))


def _shown(estimate: Estimate) -> ProjectRate:
    metric = next(each for each in MHUMANEVAL.metrics if each.name == estimate.metric)
    return ProjectRate(
        metric=metric.name,
        label=metric.label,
        scale=metric.scale,
        decimals=metric.decimals,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
    )
