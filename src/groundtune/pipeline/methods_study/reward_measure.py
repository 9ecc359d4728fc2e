"""Measures reward models, and rules without a model, on comparisons that none has learnt from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundtune.bench.item import ItemSelection
from groundtune.bench.metric import Metric
from groundtune.bench.registry import load
from groundtune.errors import UserError
from groundtune.feedback.claims import by_answer, claim_reward, tally
from groundtune.pipeline.feedback.claim_settings import ClaimSettings, open_labelling
from groundtune.pipeline.feedback.claims import label_claims
from groundtune.pipeline.feedback.comparisons import CompareSettings, compare_answers
from groundtune.pipeline.methods_study.reward_settings import (
    RULES,
    HeldOutSettings,
    RewardStudySettings,
)
from groundtune.pipeline.models.measure import Evaluation, ToMeasure
from groundtune.pipeline.models.names import fingerprint
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.models.workers.local import open_workers
from groundtune.pipeline.reward.rewarders import RewarderSettings, open_rewarder
from groundtune.pipeline.reward.settings import Show
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.jobs import Job
from groundtune.pipeline.sample.run import SampleSettings, answer_prompts
from groundtune.protocols import Progress
from groundtune.recipe_loading import Settings
from groundtune.records import Comparison, Estimate, Score
from groundtune.report.model import LengthControl, MetricRef, Note, Subject
from groundtune.report.specs import metric_specs
from groundtune.store.dataset import RecordSet
from groundtune.store.keys import key_of

NAME = "comparisons"
AT_CHANCE = "{}: at chance. A guess may be as good."


def _share(name: str, label: str, of: str) -> Metric:
    over = "right" if of == "asked" else f"right_{of}"
    return Metric(name=name, label=label, numerator={over: 1}, denominator={of: 1}, better="higher")


METRICS = (
    _share("accuracy", "Comparisons in which the better answer has the higher reward", "asked"),
    _share("accuracy_wrong", "The same, answers with more and less wrong", "wrong"),
    _share("accuracy_right", "The same, answers that differ only in what is right", "only_right"),
    _share("accuracy_length", "The same, answers of equal length", "same_length"),
)
"""Equal rewards count half."""


class HeldOutStep(Settings):
    """Settings of the step that makes held-out comparisons."""

    model: ModelSettings
    held_out: HeldOutSettings
    claims: ClaimSettings | None
    split: str
    out: str


class RewardStep(Settings):
    """Settings of the step that scores held-out comparisons."""

    model: str
    """A reward model's folder under the study's, or a rule's name."""
    facts: Show | None
    device: str
    held_out: str
    out: str
    label: str


def held_out_job(settings: RewardStudySettings, split: str) -> Job:
    """Return the job that makes the comparisons of a split."""
    step = HeldOutStep(
        model=settings.part(ModelSettings),
        held_out=settings.held_out,
        claims=settings.claims,
        split=split,
        out="",
    )
    mark = fingerprint(settings.model)
    out = f"held-out/{split}-{key_of(step.decisive(), mark)[:8]}"
    return Job(
        name=f"held-out-{split}",
        title=f"compare answers about scenes of the {split} split",
        work=make_held_out,
        settings=step.model_copy(update={"out": out}),
        inputs=(mark,),
        cost=5,
        tasks={"sample": 0.5, "compare": 0.2, "check": 0.3},
    )


def make_held_out(folder: Path, settings: HeldOutStep, progress: Progress) -> None:
    """Sample answers about a benchmark's scenes, compare them, and check their claims.

    Raises:
        UserError: the benchmark makes no scenes, or nobody can compare answers about them.
    """
    held_out, target = settings.held_out, RunFolder(folder / settings.out)
    is_test = settings.split == "test"
    selection = ItemSelection(
        split=settings.split,
        n=held_out.test if is_test else held_out.development,
        start=held_out.test_start if is_test else 0,
        seed=0,
    )
    benchmark = load(held_out.benchmark)
    assert benchmark.load is not None
    items = benchmark.load(selection, target.images)
    prompts = [item.prompt for item in items if item.benchmark == benchmark.name]
    target.prompts.add(prompts)
    sampling = settings.model.part(SampleSettings, n=held_out.n, sampling=held_out.sampling, seed=0)
    with open_workers(settings.model.engine) as workers:
        answer_prompts(sampling, prompts, target, progress, workers)
    compare_answers(target.path, target.path, CompareSettings(), progress)
    if settings.claims is not None:
        with open_labelling(settings.claims, target) as labelling:
            label_claims(target.path, target.path, labelling, progress, settings=settings.claims)


def score_comparisons(folder: Path, settings: RewardStep, progress: Progress) -> None:
    """Write a score per held-out comparison that isn't a tie.

    Raises:
        UserError: the reward model can't be loaded, or reads facts that are not there; or all
            comparisons are ties.
    """
    source = RunFolder(folder / settings.held_out)
    prompts = source.prompts_by_key()
    answers = {answer.key: answer for answer in source.answers.read()}
    rewards = _rewards(folder, settings, source)
    rows = [
        _score(settings.label, row, rewards, (len(_words(a)), len(_words(b))), image)
        for row in source.comparisons.read()
        if row.better in ("first", "second")
        for a, b in [(answers[row.first].text, answers[row.second].text)]
        for image in ["+".join(prompts[row.prompt].images)]
    ]
    if not rows:
        raise UserError(
            "No held-out comparison has a better answer.",
            str(source.comparisons.path),
            "Use more scenes (held_out.development, held_out.test) or a model that describes them.",
        )
    RecordSet(folder / settings.out / "scores", Score).add(rows)


def _words(text: str) -> list[str]:
    return text.split()


def _rewards(folder: Path, settings: RewardStep, source: RunFolder) -> Mapping[str, float]:
    """Return the reward of each answer, by its key."""
    answers = source.answers.read()
    if settings.model == "shorter":
        return {answer.key: -len(_words(answer.text)) for answer in answers}
    if settings.model == "claims":
        checked = by_answer(source.claims.read())
        return {key: claim_reward(tally(claims)) for key, claims in checked.items()}
    handle = open_rewarder(
        RewarderSettings(
            rewarder=str(folder / settings.model),
            facts=settings.facts,
            device=settings.device,
            allow_chance=True,
        ),
        source.images,
        tuple(source.prompts.read()),
    )
    prompts = source.prompts_by_key()
    values = handle.rewarder.reward(
        [prompts[answer.prompt] for answer in answers], [answer.text for answer in answers]
    )
    return {answer.key: value for answer, value in zip(answers, values, strict=True)}


def _score(
    label: str, row: Comparison, rewards: Mapping[str, float], words: tuple[int, int], image: str
) -> Score:
    """Return the score of a comparison; unparsed if an answer has no reward."""
    better, worse = (row.first, row.second) if row.better == "first" else (row.second, row.first)
    margin = rewards.get(better, math.nan) - rewards.get(worse, math.nan)
    key = key_of(NAME, label, row.key)
    common = {"key": key, "benchmark": NAME, "item": row.key, "image": image, "model": label}
    if math.isnan(margin):
        return Score.model_validate({**common, "status": "unparsed"})
    right = 0.5 if margin == 0 else float(margin > 0)
    groups = {
        "wrong": row.hallucinates_more in ("first", "second"),
        "only_right": row.hallucinates_more == "tie",
        "same_length": words[0] == words[1],
    }
    values = {"right": right}
    for name, member in groups.items():
        values |= {name: float(member), f"right_{name}": right * member}
    return Score.model_validate({**common, "values": values})


@dataclass(frozen=True, slots=True)
class RewardMeasure:
    """Measures by the accuracy on held-out comparisons."""

    settings: RewardStudySettings
    facts: Show | None = None
    """Facts that are read instead of those of the training."""

    def job(self, target: ToMeasure, evaluation: Evaluation) -> Job:
        """Return the job that scores the comparisons; they are made before."""
        held_out = held_out_job(self.settings, evaluation.split)
        assert isinstance(held_out.settings, HeldOutStep)
        step = RewardStep(
            model=target.model.model,
            facts=self.facts,
            device=target.model.device,
            held_out=held_out.settings.out,
            out=target.out,
            label=target.model.label,
        )
        return Job(
            name=target.job_name,
            title=f"measure {target.model.label}",
            work=score_comparisons,
            settings=step,
            needs=target.needs,
            inputs=target.inputs,
            cost=3,
        )

    def metrics(self, benchmark: str) -> Sequence[Metric]:
        """Return the accuracy, overall and by what answers differ in."""
        del benchmark
        return METRICS

    @property
    def columns(self) -> tuple[MetricRef, ...]:
        """All of them."""
        return tuple(MetricRef(benchmark=f"{NAME}/greedy", metric=each.name) for each in METRICS)

    def subject(self, estimates: Sequence[Estimate], seeds: int) -> Subject:
        """Return how a page shows them, with a warning for each model that is at chance."""
        del seeds
        chance = [
            e.model
            for e in estimates
            if e.metric == "accuracy" and e.low <= 0.5 and e.model not in RULES
        ]
        return Subject(
            metrics=metric_specs(METRICS),
            headline=self.columns[0],
            companions=self.columns[1:],
            notes=tuple(Note(kind="warning", text=AT_CHANCE.format(name)) for name in chance),
        )

    def equal_length(self, ours: Sequence[Score], theirs: Sequence[Score]) -> LengthControl | None:
        """Return nothing: a metric is of answers of equal length."""
        del ours, theirs
        return None
