"""The scores that best-of chooses by: the log-ratio of each candidate's text, or its reward.

Resumable: a score's key follows from the answer and the models' revisions.
"""

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from groundtune.feedback.claims import by_answer, claim_reward, tally
from groundtune.pipeline.best_of.settings import CLAIMS, BestOfSettings
from groundtune.pipeline.models.names import refuse_same
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.models.workers.lazy import Lazy, check_folder, for_workers, load_in_worker
from groundtune.pipeline.reward.rewarders import RewarderSettings, identity_of, open_rewarder
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.protocols import Progress, Rewarder, Workers
from groundtune.records import Answer, Prompt, Record
from groundtune.store.dataset import RecordSet
from groundtune.store.inputs import note_inputs
from groundtune.store.keys import key_of

if TYPE_CHECKING:
    from groundtune.generate.own_reward import LogRatio


class Ratio(Record):
    """The log-ratio of an answer, from which its rewards are computed."""

    key: str
    answer: str
    """Key of the answer."""
    total: float | None
    """Sum over its tokens of log pi_tuned - log pi_reference, in nats, or its reward by another
    rewarder; None where that is not a finite number."""
    tokens: int
    """Its tokens by the tuned model's tokenizer, the end token included."""
    seconds: float
    """Its part of the time that scoring took."""


class LogRatios(Protocol):
    """What scores candidates: a tuned model's own reward, or another one undivided."""

    def log_ratios(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> "list[LogRatio]":
        """Return the log-ratio, or the reward, per answer, in order."""
        ...


class Scorer(NamedTuple):
    """The rewarder, opened on first use, and the revisions of its two models."""

    rewarder: Lazy[LogRatios]
    tuned: str
    reference: str


class _CandidateBatch(NamedTuple):
    """A prompt's unscored candidates, each text once; they are scored together."""

    prompt: Prompt
    texts: list[str]
    answers: list[Answer]


def open_scorer(settings: BestOfSettings, folder: RunFolder) -> Scorer:
    """Return the scorer of the settings' models without loading them.

    Raises:
        UserError: there is no such model or rewarder, or both models are the same.
    """
    if settings.rewarder == CLAIMS:
        by_claims = claims_of(folder)
        return Scorer(Lazy(partial(_Rewards, by_claims)), key_of(CLAIMS, by_claims.rewards), "")
    if settings.rewarder:
        chosen = settings.part(RewarderSettings)
        opening = partial(_open_rewarder, chosen, folder.path.absolute())
        return Scorer(Lazy(opening), identity_of(chosen), "")
    models = settings, settings.of(settings.reference)
    tuned, reference = refuse_same(*models)
    there = list(zip(map(for_workers, models), (tuned, reference), strict=True))
    opening = partial(_open, settings, there, folder.path.absolute())
    return Scorer(Lazy(opening), tuned, reference)


def _open(
    settings: BestOfSettings, models: Sequence[tuple[ModelSettings, str]], folder: Path
) -> LogRatios:
    """Load both models, and check that they have the revisions that the keys name."""
    from groundtune.generate.own_reward import OwnReward

    check_folder(folder)
    tuned, reference = (load_in_worker(model, revision) for model, revision in models)
    images = RunFolder(folder).images
    return OwnReward(tuned, reference, images, beta=settings.beta, at_once=settings.at_once)


class ClaimRewarder:
    """A `Rewarder` of answers whose claims were checked: see `claim_reward`."""

    def __init__(self, rewards: Mapping[str, float | None]) -> None:
        """`rewards` by prompt and text; None where a claim has no verdict."""
        self.rewards = rewards

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """Return a reward per answer, in order; NaN where a claim has no verdict."""
        rewards = (
            self.rewards.get(_place(prompt.key, text))
            for prompt, text in zip(prompts, answers, strict=True)
        )
        return [math.nan if each is None else each for each in rewards]


def claims_of(folder: RunFolder) -> ClaimRewarder:
    """Return the rewards of a folder's answers by their checked claims.

    Raises:
        UserError: no claims were checked.
    """
    groups = by_answer(read_some(folder.claims))
    rewards: dict[str, float | None] = {}
    for answer in folder.answers.read():
        counts = tally(groups.get(answer.key, []))
        is_checked = answer.key in groups and counts.unparsed == counts.unanswered == 0
        rewards[_place(answer.prompt, answer.text)] = claim_reward(counts) if is_checked else None
    return ClaimRewarder(rewards)


def _place(prompt: str, text: str) -> str:
    return key_of(prompt, text)


class _Rewards:
    """Rewards in the place of log-ratios: their length is no part of them."""

    def __init__(self, rewarder: Rewarder) -> None:
        self._rewarder = rewarder

    def log_ratios(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> "list[LogRatio]":
        """Return each answer's reward."""
        from groundtune.generate.own_reward import LogRatio

        rewards = self._rewarder.reward(prompts, answers)
        return [
            LogRatio(each, len(text.split()) or 1)
            for each, text in zip(rewards, answers, strict=True)
        ]


def _open_rewarder(settings: RewarderSettings, folder: Path) -> LogRatios:
    check_folder(folder)
    run = RunFolder(folder)
    prompts = {prompt.key: prompt for prompt in run.prompts.read()}
    handle = open_rewarder(settings, run.images, tuple(prompts.values()))
    handle.check_facts(prompts, ((a.prompt, a.text) for a in run.answers.read()), str(folder))
    return _Rewards(handle.rewarder)


def score(
    scorer: Scorer,
    candidates: Mapping[str, Sequence[Answer]],
    prompts: Mapping[str, Prompt],
    stored: RecordSet[Ratio],
    progress: Progress,
    workers: Workers,
) -> tuple[dict[str, Ratio], int]:
    """Return the ratio of each answer by its key, and how many texts were scored now.

    A prompt's candidates form one batch; a repeated text is scored once.
    """
    answers = [answer for group in candidates.values() for answer in group]
    note_inputs(stored.path, {"answers": answers, "prompts": [prompts[key] for key in candidates]})
    models = scorer.tuned, scorer.reference
    keys = {a.key: key_of("ratio", a.key, *models) for group in candidates.values() for a in group}
    missing = set(stored.missing(keys.values()))
    batches = [
        _CandidateBatch(prompts[prompt], list(dict.fromkeys(answer.text for answer in some)), some)
        for prompt, group in candidates.items()
        if (some := [answer for answer in group if keys[answer.key] in missing])
    ]
    progress.start("score answers", total=len(missing))
    for index, (ratios, seconds) in workers.run(partial(_scored, scorer.rewarder), batches):
        batch = batches[index]
        ratio_of = dict(zip(batch.texts, ratios, strict=True))
        stored.append(
            [
                Ratio(
                    key=keys[answer.key],
                    answer=answer.key,
                    total=ratio_of[answer.text].finite,
                    tokens=ratio_of[answer.text].tokens,
                    seconds=seconds / len(batch.answers),
                )
                for answer in batch.answers
            ]
        )
        progress.advance(len(batch.answers))
    stored.compact(order=keys.values())
    current = set(keys.values())
    scored = sum(len(batch.texts) for batch in batches)
    return {row.answer: row for row in stored.read() if row.key in current}, scored


def _scored(rewarder: Lazy[LogRatios], batch: _CandidateBatch) -> tuple[list["LogRatio"], float]:
    """Return the log-ratios of the batch's texts, and the seconds that scoring took."""
    model = rewarder.get()
    start = time.monotonic()
    ratios = model.log_ratios([batch.prompt] * len(batch.texts), batch.texts)
    return ratios, time.monotonic() - start
