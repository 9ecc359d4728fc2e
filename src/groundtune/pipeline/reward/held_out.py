"""Stage "reward measure": a reward on feedback that nothing was learnt from.

OUT/run.json evaluation.json report.html    as `reward train` writes them for its held-out examples
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from groundtune.errors import UserError
from groundtune.pipeline.reward.accuracy import RewardAccuracy
from groundtune.pipeline.reward.data import (
    RewardData,
    read_held_out,
    texts_of,
)
from groundtune.pipeline.reward.measure import measure
from groundtune.pipeline.reward.page import PageTexts, write_page
from groundtune.pipeline.reward.rewarders import (
    OpenedRewarder,
    RewarderSettings,
    identity_of,
    open_rewarder,
)
from groundtune.pipeline.reward.settings import FeedbackSettings, Learn
from groundtune.pipeline.reward.spec import NAME, read_spec
from groundtune.pipeline.reward.words import accuracy_of_words
from groundtune.pipeline.runs.overlap import images_of, refuse_common, training_images
from groundtune.protocols import Progress
from groundtune.store.lock import one_writer
from groundtune.store.run_json import write_run
from groundtune.store.sealed import write_sealed


class RewardMeasureSettings(FeedbackSettings, RewarderSettings):
    """Who scores, and the feedback that says what is better or wrong."""

    learn: Literal["auto", "answers", "words"] = "auto"
    """What is measured: rewards of answers, on comparisons or pairs, or which words are wrong, on
    corrections. "auto" is what the reward model learnt, and answers for all other rewards."""
    allow_training_images: bool = False
    """Measure on images that the reward model learnt from; they are counted."""


@one_writer()
def measure_reward(
    settings: RewardMeasureSettings, out: Path, progress: Progress, *, command: Sequence[str] = ()
) -> RewardAccuracy:
    """Measure a reward on all examples of a folder, and write the report.

    Raises:
        UserError: there is no such reward, or it scores no words; an example can't be used, has no
            reward, or is about an image that was learnt from.
    """
    identity, learn = identity_of(settings), _learn(settings)
    data = read_held_out(settings, learn)
    _refuse_learnt(settings, data)
    pool = tuple(data.prompts.values())
    handle = open_rewarder(settings, data.folder.images, pool)
    try:
        handle.check_facts(data.prompts, texts_of(data.held_out), str(settings.feedback))
        result = _measured(handle, learn, data, settings, progress)
    finally:
        handle.close()
    recipe = settings.model_dump(mode="json")
    write_run(out, recipe, {"rewarder": identity, **data.hashes}, {}, list(command))
    summary = f"Measured on {len(data.held_out):,} examples of {settings.feedback}."
    write_page(out, PageTexts(f"Reward of {settings.rewarder}", summary), result)
    write_sealed(out / "evaluation.json", result)
    return result


def _learn(settings: RewardMeasureSettings) -> Learn:
    if settings.learn != "auto":
        return settings.learn
    folder = Path(settings.rewarder)
    return read_spec(folder).reading.learn if (folder / NAME).is_file() else "answers"


def _refuse_learnt(settings: RewardMeasureSettings, data: RewardData) -> None:
    evaluation = images_of(data.prompts.values(), data.folder.images)
    for training in training_images([settings.rewarder]):
        refuse_common(
            training,
            evaluation,
            where=settings.rewarder,
            setting="allow_training_images=true",
            allowed=settings.allow_training_images,
        )


def _measured(
    handle: OpenedRewarder,
    learn: Learn,
    data: RewardData,
    settings: RewardMeasureSettings,
    progress: Progress,
) -> RewardAccuracy:
    if learn == "answers":
        return measure(handle.rewarder, data, progress).evaluation
    if handle.by_words is None:
        raise UserError(
            "The reward scores whole answers, not words.",
            settings.rewarder,
            "Use learn=answers, or a reward model that learnt words.",
        )
    return accuracy_of_words(handle.by_words, data, progress).evaluation
