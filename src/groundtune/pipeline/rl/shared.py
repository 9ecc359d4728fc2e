"""What runs of one model on the same prompts share: what the model says before training.

    FOLDER/KEY/prompts images answers division claims     to the prompts to learn from, checked
    FOLDER/KEY/scores                                     to the held-out prompts

A key has all that the answers and verdicts follow from, so a run that uses them has the results of
one that made them itself.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from groundtune.pipeline.feedback.claims import Labelling, labeler_producer
from groundtune.pipeline.rl.prepare import ask_reference, check_reference
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.protocols import Progress
from groundtune.records import Prompt, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.keys import key_of
from groundtune.store.lock import hold

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm


class BeforeTraining(NamedTuple):
    """Who answers before training, who checks it, and where runs share it."""

    settings: RLSettings
    vlm: "Vlm"
    labelling: Labelling | None
    folder: Path | None
    """None shares nothing."""

    def prepare(self, out: Path, progress: Progress) -> None:
        """Put the reference's answers to the prompts of `out` and their checked claims there.

        A second run waits while the first makes them.

        Raises:
            UserError: as `ask_reference` and `check_reference`.
        """
        assert self.labelling is not None
        run = RunFolder(out)
        place = run
        if self.folder is not None:
            place = RunFolder(self.folder / self._key("answers", run.prompts.read()))
        with nullcontext() if place is run else hold(place.path, wait=True):
            place.take_prompts(run, read_some(run.prompts))
            ask_reference(self.settings, self.vlm, place.path, progress)
            check_reference(self.settings, place, self.labelling, progress)
            if place is not run:
                run.take_answers(place, place.answers.read())
                run.division.add(place.division.read())
                run.claims.add(place.claims.read())

    def scores(
        self, prompts: Sequence[Prompt], make: Callable[[], Sequence[Score]]
    ) -> Sequence[Score]:
        """Return the scores of the answers to held-out prompts, which `make` makes.

        Raises:
            UserError: as `make`.
        """
        if self.folder is None:
            return make()
        rewards = self.settings.rewards
        parts = bool(rewards.found), bool(rewards.symbolic), rewards.symbolic_rule
        place = self.folder / self._key("scores", prompts, self.settings.tune.type, parts)
        with hold(place, wait=True):
            stored = RecordSet(place / "scores", Score)
            if not stored.parts():
                stored.append(make())
            return stored.read()

    def _key(self, what: str, prompts: Sequence[Prompt], *more: object) -> str:
        settings, labelling = self.settings, self.labelling
        checked_by = labelling and (labelling.divider.producer(), labeler_producer(labelling))
        feedback = settings.feedback
        return key_of(
            what,
            (self.vlm.revision, settings.model, settings.task),
            [prompt.key for prompt in prompts],
            (settings.sampling, settings.seed),
            # how rows are padded and rounded
            (settings.batch_size, settings.dtype, str(self.vlm.device), settings.special_tokens),
            checked_by,
            (feedback.batch_size, feedback.dtype, feedback.device),
            more,
        )
