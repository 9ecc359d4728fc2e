"""Accuracy of feedback by claims on the embedded world: verdicts and pairs against the truth.

A model describes scenes of the development split, several times each; each labeler checks the
claims of its answers, and rates each answer as a whole besides, which is what RLAIF-V's ablation
has instead of divide and conquer. Intervals resample scenes: answers about one are not independent.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
from pydantic import Field

from groundtune.bench.stats.bootstrap import Floats, resamples
from groundtune.bench.world.images import add_image, ask_about, find_scene, split_scenes
from groundtune.feedback.claim_pairs import ClaimPairRules, distinct, pairs_from_claims
from groundtune.feedback.claims import by_answer, with_verdict
from groundtune.feedback.conquer import Asking
from groundtune.pipeline.feedback.claim_settings import ClaimSettings, open_labelling
from groundtune.pipeline.feedback.claims import label_claims
from groundtune.pipeline.feedback.splitter import Share
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.models.workers.local import open_workers
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.run import SampleSettings, answer_prompts
from groundtune.pipeline.world.claim_errors import (
    ObjectErrors,
    object_errors,
    share_of,
    with_truth,
)
from groundtune.pipeline.world.source import WORLD
from groundtune.protocols import Progress
from groundtune.records import Answer, Claim, Prompt, Record, Sampling, SpanKind
from groundtune.store.lock import one_writer
from groundtune.world.captions import TRAIN_INSTRUCTIONS
from groundtune.world.scenes import Difficulty
from groundtune.world.truth import findings

KINDS: tuple[SpanKind, ...] = ("object", "number", "attribute", "position", "action", "other")
ALL_PAIRS = ClaimPairRules(cap=0, balance="none", near=1)
RULES = {
    "claims": ALL_PAIRS,
    "claims, margin 2": ALL_PAIRS.model_copy(update={"margin": 2}),
    "claims, expected": ALL_PAIRS.model_copy(update={"scoring": "expected"}),
    "claims, expected, margin 2": ALL_PAIRS.model_copy(update={"scoring": "expected", "margin": 2}),
    "claims, resting too": ALL_PAIRS.model_copy(update={"resting": True}),
}
"""How claims make pairs: all of them, before any cap or balancing."""


class ClaimStudy(ModelSettings):
    """Settings of the study."""

    model: str = "world:base"
    labelers: tuple[str, ...] = ("world:labeler", "world:base")
    scenes: int = Field(default=40, ge=2)
    difficulty: Difficulty = "clear"
    n: int = Field(default=5, ge=2)
    """Answers per scene."""
    temperature: float = Field(default=1.0, gt=0)
    setting: bool = False
    """Ask about place and background, too."""
    seed: int = 0
    batch_size: int = Field(default=100, ge=1)


class Verdicts(Record):
    """A labeler's verdicts on the claims of one kind."""

    labeler: str
    kind: SpanKind
    counted: bool
    """Whether only claims count that a score counts: not those that rest on a rejected one."""
    true: int
    false: int
    """True and false claims, by the world's truth."""
    supported: float
    """Share of the true claims that it supports."""
    rejected: float
    """Share of the false claims that it rejects."""
    balanced: Share
    """Mean of both shares: balanced accuracy."""


class PairTruth(Record):
    """How many pairs have a chosen answer with fewer errors by the truth."""

    labeler: str
    by: str
    pairs: int
    right: Share
    """Share of all pairs."""
    equal: float
    """Share of pairs whose answers have equally many errors: neither is better."""
    decided: Share
    """The right pairs as a share of the pairs with a better answer."""


class ClaimStudyResult(Record):
    """Results of the study."""

    answers: int
    scenes: int
    wrong: float
    """Mean errors per answer, by the truth."""
    undecided: int
    """Checked claims that the world's truth doesn't decide, such as the colour of an untinted
    object."""
    verdicts: tuple[Verdicts, ...]
    objects: tuple[ObjectErrors, ...]
    pairs: tuple[PairTruth, ...]


@one_writer()
def study(settings: ClaimStudy, out: Path, progress: Progress) -> ClaimStudyResult:
    """Generate the answers, check them, and compare the verdicts with the truth; resumable.

    Raises:
        UserError: a model can't be loaded, or `out` has another study's answers or claims.
    """
    folder = RunFolder(out)
    _draw(settings, folder, progress)
    answers, prompts = folder.answers.read(), folder.prompts_by_key()
    truth = _Truth(answers, prompts)
    verdicts: list[Verdicts] = []
    objects: list[ObjectErrors] = []
    pairs: list[PairTruth] = []
    undecided = 0
    divider = "world-setting" if settings.setting else "world"
    for labeler in settings.labelers:
        claims = _label(settings, folder, labeler, divider, progress)
        rows, undecided_count = verdicts_of(labeler, answers, claims, prompts)
        verdicts, undecided = verdicts + rows, undecided + undecided_count
        objects += object_errors(labeler, answers, claims, prompts)
        pairs += [truth.of_claims(labeler, name, claims, r) for name, r in RULES.items()]
        whole_claims = _label(settings, folder, labeler, "whole", progress)
        pairs.append(truth.of_claims(labeler, "one verdict", whole_claims, ALL_PAIRS))
        pairs.append(truth.of_probabilities(labeler, "one probability", whole_claims))
    return ClaimStudyResult(
        answers=len(answers),
        scenes=len(prompts),
        wrong=round(sum(truth.wrong.values()) / len(answers), 3),
        undecided=undecided,
        verdicts=tuple(verdicts),
        objects=tuple(objects),
        pairs=tuple(pairs),
    )


def verdicts_of(
    labeler: str,
    answers: Sequence[Answer],
    claims: Sequence[Claim],
    prompts: Mapping[str, Prompt],
) -> tuple[list[Verdicts], int]:
    """Compare verdicts by kind with the truth, and count those that the truth doesn't decide.

    Raises:
        UserError: the claims were not divided by the world's rules of this version.
    """
    groups = by_answer(claims)
    place = {prompt: i for i, prompt in enumerate(sorted(prompts))}
    sums = {key: np.zeros((len(place), 4)) for key in product((True, False), KINDS)}
    undecided = 0
    for answer in answers:
        answer_claims = groups.get(answer.key, [])
        in_score = {claim.key for claim in with_verdict(answer_claims)}
        for claim, _, is_true in with_truth(answer, answer_claims, prompts[answer.prompt]):
            undecided += is_true is None
            if is_true is None:
                continue
            agrees = claim.status == ("supported" if is_true else "rejected")
            row = np.array(
                [is_true, is_true and agrees, not is_true, not is_true and agrees], dtype=float
            )
            sums[False, claim.kind][place[answer.prompt]] += row
            if claim.key in in_score:
                sums[True, claim.kind][place[answer.prompt]] += row
    rows = [_verdicts(labeler, *key, table) for key, table in sums.items() if table.any()]
    return rows, undecided


def _verdicts(labeler: str, only_counted: bool, kind: SpanKind, sums_I4: Floats) -> Verdicts:
    """`sums_I4` an image: true claims, of them supported, false claims, of them rejected."""
    true, supported, false, rejected = sums_I4.sum(0)
    draws = resamples(len(sums_I4)) @ sums_I4
    with np.errstate(divide="ignore", invalid="ignore"):
        balanced_draws = (draws[:, 1] / draws[:, 0] + draws[:, 3] / draws[:, 2]) / 2
    shares = supported / max(true, 1), rejected / max(false, 1)
    value = sum(shares) / 2
    return Verdicts(
        labeler=labeler,
        kind=kind,
        counted=only_counted,
        true=int(true),
        false=int(false),
        supported=round(shares[0], 4),
        rejected=round(shares[1], 4),
        balanced=share_of(balanced_draws, value, len(sums_I4)),
    )


class _Truth:
    """Errors in each answer, and pairs compared with them."""

    def __init__(self, answers: Sequence[Answer], prompts: Mapping[str, Prompt]) -> None:
        self.answers = answers
        self.prompts = prompts
        self.wrong = {
            a.key: len(findings(find_scene(prompts[a.prompt].source.row), a.text)) for a in answers
        }

    def of_claims(
        self, labeler: str, by: str, claims: Sequence[Claim], rules: ClaimPairRules
    ) -> PairTruth:
        """The pairs that the claims give."""
        pairs = pairs_from_claims(self.answers, claims, self.prompts, rules).pairs
        return self._truth_of(labeler, by, [(p.prompt, p.parents[0], p.parents[1]) for p in pairs])

    def of_probabilities(self, labeler: str, by: str, claims: Sequence[Claim]) -> PairTruth:
        """All pairs of answers whose one claim has another p(yes): the higher one is chosen."""
        p_yes = {claim.answer: claim.p_yes for claim in claims if claim.p_yes is not None}
        groups: dict[str, list[str]] = {}
        for answer in distinct(self.answers):
            if answer.key in p_yes:
                groups.setdefault(answer.prompt, []).append(answer.key)
        pairs: list[tuple[str, str, str]] = []
        for prompt, keys in groups.items():
            for pair in combinations(keys, 2):
                worse, better = sorted(pair, key=lambda key: p_yes[key])
                pairs += [(prompt, better, worse)] if p_yes[better] > p_yes[worse] else []
        return self._truth_of(labeler, by, pairs)

    def _truth_of(
        self, labeler: str, by: str, text_pairs: Sequence[tuple[str, str, str]]
    ) -> PairTruth:
        place = {prompt: i for i, prompt in enumerate(sorted(self.prompts))}
        sums_I3 = np.zeros((len(place), 3))  # pairs, right, equal
        for prompt, chosen, rejected in text_pairs:
            gap = self.wrong[rejected] - self.wrong[chosen]
            sums_I3[place[prompt]] += (1, gap > 0, gap == 0)
        pairs, right, equal = sums_I3.sum(0)
        draws = resamples(len(sums_I3)) @ sums_I3
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = draws[:, 1] / draws[:, 0]
            of_decided = draws[:, 1] / (draws[:, 0] - draws[:, 2])
        return PairTruth(
            labeler=labeler,
            by=by,
            pairs=int(pairs),
            right=share_of(shares, right / max(pairs, 1), len(sums_I3)),
            equal=round(equal / max(pairs, 1), 4),
            decided=share_of(of_decided, right / max(pairs - equal, 1), len(sums_I3)),
        )


def _draw(settings: ClaimStudy, folder: RunFolder, progress: Progress) -> None:
    """The model's answers about the first scenes of the development split."""
    choice = np.random.default_rng(settings.seed).integers(
        len(TRAIN_INSTRUCTIONS), size=settings.scenes
    )
    some_scenes = split_scenes("development", settings.scenes, difficulty=settings.difficulty)
    prompts = [
        ask_about(scene, add_image(scene, folder.images), TRAIN_INSTRUCTIONS[int(chosen)])
        for scene, chosen in zip(some_scenes, choice, strict=True)
    ]
    sampling = Sampling(temperature=settings.temperature, max_new_tokens=128)
    drawing = settings.part(SampleSettings, sampling=sampling)
    with open_workers(drawing.engine) as workers:
        answer_prompts(drawing, prompts, folder, progress, workers)


def _label(
    settings: ClaimStudy, folder: RunFolder, labeler: str, divider: str, progress: Progress
) -> list[Claim]:
    """The checked claims of all answers, in a folder of their own.

    Without division any verdict counts: the world's models say yes or no to few such questions.
    """
    rules = Asking.model_validate(WORLD.claim_settings["asking"])
    if divider == "whole":
        rules = rules.model_copy(update={"least_mass": 0.0})
    checking = settings.part(ClaimSettings, labeler=labeler, divider=divider, asking=rules)
    out = folder.path / f"{labeler.replace(':', '-').replace('/', '-')}-{divider}"
    progress.start(f"load {labeler}")
    with open_labelling(checking, folder) as labelling:
        label_claims(folder.path, out, labelling, progress, settings=checking)
    return RunFolder(out).claims.read()
