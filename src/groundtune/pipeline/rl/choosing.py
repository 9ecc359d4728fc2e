"""Chooses the step whose model is the result of a run, by claims about held-out prompts.

The rule is align's: of the model before training and the evaluated steps that keep enough of what
it said rightly, the one with the fewest answers with a rejected claim; of equal ones the earliest.

    OUT/best/step-000012/    model of the best step so far; at the end it becomes OUT/model
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.check.scores import supported_value
from groundtune.pipeline.rl.metrics import scores_of, step_of
from groundtune.pipeline.rl.settings import RLSettings, StepChoice
from groundtune.records import Score
from groundtune.store.files import remove_folder
from groundtune.train.checkpoint import Checkpoints, steps_in, write_model
from groundtune.train.parallel import Parallel, WrappedModel
from groundtune.vlm.load import Vlm


class EvaluatedStep(NamedTuple):
    """What the labeler says of a step's answers to the held-out prompts."""

    step: int
    wrong: float
    """Share of the answers with a rejected claim."""
    content: float
    """Different supported claims per answer, of the kinds that count."""


def evaluated_steps(scores: Sequence[Score], choice: StepChoice) -> list[EvaluatedStep]:
    """Return the evaluated steps in their order, the model before training first.

    Raises:
        UserError: the labeler supports nothing that the model said before training.
    """
    names = [supported_value(kind) for kind in choice.kinds] or ["supported_claims"]
    values: dict[int, list[tuple[float, float]]] = {}
    for score in scores:
        content = sum(score.values.get(name, 0.0) for name in names)
        values.setdefault(step_of(score.model), []).append((score.values["rejected"], content))
    steps = [
        EvaluatedStep(step, *(sum(column) / len(column) for column in zip(*rows, strict=True)))
        for step, rows in sorted(values.items())
    ]
    if steps and not steps[0].content:
        raise UserError(
            "The labeler supports no claim of the model before training, so any loss would pass.",
            f"choose.kinds={', '.join(choice.kinds) or 'all'}",
            "Name kinds that the divider gives, use another feedback.labeler, or set "
            "choose.by=last.",
        )
    return steps


def best_step(steps: Sequence[EvaluatedStep], max_content_loss: float) -> int:
    """Return the step with the least wrong of those that keep enough of the first one's content."""
    least = steps[0].content * (1 - max_content_loss) - 1e-9
    allowed = [steps[0], *(each for each in steps if each.content >= least)]
    return min(allowed, key=lambda each: (each.wrong, each.step)).step


def chosen_step(out: Path, settings: RLSettings, upto: int | None = None) -> int | None:
    """Return the step whose model a run's result is, of the steps up to one.

    None stands for the last step: nothing is chosen by `choose`, or nothing is evaluated.
    """
    if not settings.chooses:
        return None
    scores = scores_of(out).read()
    scores = [each for each in scores if upto is None or step_of(each.model) <= upto]
    steps = evaluated_steps(scores, settings.choose)
    return best_step(steps, settings.choose.max_content_loss) if steps else None


def why_unchanged(out: Path, settings: RLSettings) -> str:
    """Return how near the evaluated steps came, where none was better than the model before."""
    first, *others = evaluated_steps(scores_of(out).read(), settings.choose)
    if not others:
        return "No step was evaluated."
    nearest = max(others, key=lambda each: each.content)
    kinds = f" about {', '.join(settings.choose.kinds)}" if settings.choose.kinds else ""
    return (
        f"Step {nearest.step} keeps the most, {nearest.content / first.content:.1%} of the "
        f"supported claims{kinds}, with a rejected claim in {nearest.wrong:.1%} of the answers; "
        f"before training these were {first.wrong:.1%}. choose.max_content_loss="
        f"{settings.choose.max_content_loss:g} asks for {1 - settings.choose.max_content_loss:.1%}."
    )


@dataclass(frozen=True, slots=True)
class BestModels:
    """Keeps the model of the best step so far, and makes it the result."""

    settings: RLSettings
    out: Path
    vlm: Vlm
    parallel: Parallel
    checkpoints: Checkpoints

    def keep(self, ready: WrappedModel, step: int) -> None:
        """Save the model if an evaluated step is the best so far; all processes must call it."""
        best = chosen_step(self.out, self.settings, step) if self.parallel.main else None
        if self.parallel.gather(best)[0] != step:
            return
        weights = self.parallel.full_state(ready).weights
        if self.parallel.main:
            write_model(self.vlm, self._folder(step), weights=weights)
            self._remove_others(step)
        self.parallel.wait()

    def _remove_others(self, step: int) -> None:
        """Remove what neither this step nor a resumed run could choose."""
        resumed = [int(path.name[5:]) for path in self.checkpoints.paths()] or [0]
        choosable = {chosen_step(self.out, self.settings, each) for each in resumed} | {step}
        for path in steps_in(self.out / "best"):
            if int(path.name[5:]) not in choosable:
                remove_folder(path)

    def take(self) -> None:
        """Make the chosen step's model OUT/model; a finished run's stays. The main process's.

        Raises:
            UserError: it was removed.
        """
        step, model = chosen_step(self.out, self.settings), self.out / "model"
        if step is None:
            write_model(self.vlm, model)
            return
        source = self._folder(step)
        if source.exists():
            remove_folder(model)
            os.replace(source, model)
        if not model.exists():
            raise UserError(
                "The model of the chosen step is missing.",
                str(source),
                f"Remove {self.out / 'checkpoints'} and run again: the run starts again.",
            )
        remove_folder(self.out / "best")

    def _folder(self, step: int) -> Path:
        return self.out / "best" / f"step-{step:06d}"
