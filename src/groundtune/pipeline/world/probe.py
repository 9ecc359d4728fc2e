"""Does a model know what it doesn't say: a linear probe on its hidden states, cross-validated.

For each question on whether an object is there, the probe reads the hidden state of the last token
before the answer, one layer at a time, and learns to tell yes from no. All questions about a scene
are in one fold, so that no probe is tested on a scene that it learnt from. The same probe on
shuffled answers shows what fitting alone reaches. Intervals resample scenes.

Shapes: N questions, F features.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from groundtune.bench.world.images import add_image, ask_about, sets_of, split_scenes
from groundtune.bench.world.questions import existence_question
from groundtune.bench.world.sampling import draw
from groundtune.errors import UserError
from groundtune.pipeline.feedback.splitter import Share
from groundtune.pipeline.models.names import is_endpoint, load_vlm
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.world.facts import FactQuestion, share
from groundtune.protocols import Progress
from groundtune.records import Prompt, Record
from groundtune.store.images import ImageStore
from groundtune.store.lock import one_writer
from groundtune.world.scenes import Difficulty

Floats = NDArray[np.float64]
RIDGE = 0.01
"""Penalty of a weight, as a share of its feature's variance."""


class ProbeStudy(ModelSettings):
    """Settings of the probe."""

    scenes: int = Field(default=200, ge=10)
    absent: Literal["random", "popular", "adversarial"] = "random"
    """POPE's way to draw the objects that are not there."""
    difficulty: Difficulty = "clear"
    folds: int = Field(default=5, ge=2)
    seed: int = 0


class Layer(Record):
    """What a probe on one layer's hidden states tells."""

    layer: int
    """1 is the first layer of the language model."""
    right: Share
    shuffled: Share
    """The same where the probe learnt shuffled answers."""


class ProbeResult(Record):
    """A model's own answers, and what a probe reads off its hidden states."""

    questions: int
    scenes: int
    right: Share
    """The model's own answers; a word that is neither yes nor no is a wrong one."""
    yes: Share
    """Share of its answers that are yes; the true answer is yes for half of the questions."""
    layers: tuple[Layer, ...]


@one_writer()
def study(settings: ProbeStudy, out: Path, progress: Progress) -> ProbeResult:
    """Ask the model, and probe each of its layers.

    Raises:
        UserError: the model can't be loaded, or is an endpoint, whose hidden states can't be read.
    """
    if is_endpoint(settings.model):
        raise UserError(
            "An endpoint doesn't give its hidden states.",
            settings.model,
            "Name a model's folder, or one on the hub.",
        )
    fact_questions, prompts = _questions(settings, RunFolder(out).images)
    truth = np.array([each.says_yes for each in fact_questions])
    groups = [each.scene.key for each in fact_questions]
    replies, states = _states(settings, prompts, RunFolder(out).images, progress)
    progress.start("probe each layer", len(states))
    layers: list[Layer] = []
    for number, features_NF in enumerate(states, start=1):
        hits, chance = (
            probe(features_NF, truth, groups, folds=settings.folds, shuffled=shuffled)
            for shuffled in (False, True)
        )
        layers.append(
            Layer(layer=number, right=share(hits, groups), shuffled=share(chance, groups))
        )
        progress.advance(1)
    right = [
        answer == each.question.answer for answer, each in zip(replies, fact_questions, strict=True)
    ]
    return ProbeResult(
        questions=len(fact_questions),
        scenes=len(set(groups)),
        right=share(right, groups),
        yes=share([answer == "yes" for answer in replies], groups),
        layers=tuple(layers),
    )


def probe(
    features_NF: Floats,
    truth: NDArray[np.bool_],
    groups: Sequence[str],
    *,
    folds: int,
    shuffled: bool = False,
) -> list[bool]:
    """Whether a ridge classifier that has not seen the question's group is right, for each.

    `shuffled` learns the answers in another order, and is tested on the true ones.
    """
    names = {name: place for place, name in enumerate(dict.fromkeys(groups))}
    fold = np.array([names[group] % folds for group in groups])
    target = np.random.default_rng(0).permutation(truth) if shuffled else truth
    hits = np.zeros(len(truth), dtype=bool)
    for number in range(folds):
        train, test = fold != number, fold == number
        scores = _ridge(features_NF[train], target[train], features_NF[test])
        hits[test] = (scores > 0) == truth[test]
    return [bool(hit) for hit in hits]


def _ridge(train_NF: Floats, truth_N: NDArray[np.bool_], test_NF: Floats) -> Floats:
    """Scores of the test questions, positive for yes; features are standardised as in training."""
    mean, spread = train_NF.mean(0), train_NF.std(0) + 1e-6
    x, tested = (train_NF - mean) / spread, (test_NF - mean) / spread
    aim = np.where(truth_N, 1.0, -1.0)
    square = x.T @ x + RIDGE * len(x) * np.eye(x.shape[1])
    weights = cast(Floats, np.linalg.solve(square, x.T @ (aim - aim.mean())))
    return tested @ weights + aim.mean()


def _questions(settings: ProbeStudy, images: ImageStore) -> tuple[list[FactQuestion], list[Prompt]]:
    some_scenes = split_scenes("development", settings.scenes, difficulty=settings.difficulty)
    samples = draw(sets_of(some_scenes), seed=settings.seed)
    fact_questions = [
        FactQuestion(scene, existence_question(scene, name, settings.seed))
        for scene in some_scenes
        for name in (*samples[scene.key].present, *samples[scene.key].absent[settings.absent])
    ]
    hashes = {scene.key: add_image(scene, images) for scene in some_scenes}
    prompts = [
        ask_about(each.scene, hashes[each.scene.key], each.question.text) for each in fact_questions
    ]
    return fact_questions, prompts


def _states(
    settings: ProbeStudy, prompts: Sequence[Prompt], images: ImageStore, progress: Progress
) -> tuple[list[str], list[Floats]]:
    """The model's first word to each prompt, and the state before it, (N, F) for each layer."""
    import torch

    from groundtune.generate.yes_no import yes_no_ids
    from groundtune.vlm.batch import batch_inputs
    from groundtune.vlm.encode import encode_prompt

    vlm = load_vlm(settings)
    ids = yes_no_ids(vlm)
    words = dict.fromkeys(ids.yes, "yes") | dict.fromkeys(ids.no, "no")
    progress.start("questions", len(prompts))
    answers: list[str] = []
    batches: list[list[Floats]] = []
    for start in range(0, len(prompts), settings.batch_size):
        batch = prompts[start : start + settings.batch_size]
        encoded = [encode_prompt(vlm, prompt, images) for prompt in batch]
        with_lead = [replace(prompt, ids=(*prompt.ids, *ids.lead)) for prompt in encoded]
        inputs = batch_inputs(vlm, with_lead)
        if vlm.shares_prefill:
            inputs["position_ids"] = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        with torch.inference_mode():
            output = vlm.model(**inputs, output_hidden_states=True, use_cache=False)
        answers += [words.get(int(token), "") for token in output.logits[:, -1].argmax(-1)]
        batches.append([state[:, -1].double().cpu().numpy() for state in output.hidden_states[1:]])
        progress.advance(len(batch))
    return answers, [np.concatenate(layer) for layer in zip(*batches, strict=True)]
