"""Annotation projects from Python: fill one, read what people said, and make pairs of it.

    with groundtune.AnnotationProject("farm") as project:
        project.add("runs/candidates")
        pairs = project.pair("runs/farm")

`groundtune annotate farm` opens the same project in the browser.
"""

from pathlib import Path
from typing import Any, Self

from groundtune.interchange.registry import ExportLayoutName
from groundtune.pipeline.annotate.backup import back_up
from groundtune.pipeline.annotate.claim_check import ClaimCheckResult, check_replacements
from groundtune.pipeline.annotate.export import export_project
from groundtune.pipeline.annotate.gate import gated_pairs
from groundtune.pipeline.annotate.given import add_answers
from groundtune.pipeline.annotate.project import open_project
from groundtune.pipeline.annotate.quality.live import LiveQuality, Quality
from groundtune.pipeline.annotate.rates import ModelRates, rates_of
from groundtune.pipeline.annotate.results import (
    ProjectPairSettings,
    finished_work,
)
from groundtune.pipeline.annotate.suggestions import SuggestionCounts
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Progress, SilentProgress
from groundtune.recipe_loading import load as load_recipe
from groundtune.records import Comparison, Correction, Pair, Thumb
from groundtune.store.annotations.records import Task


class AnnotationProject:
    """A project's folder or PostgreSQL URL; `settings` are those of `groundtune annotate`.

    Raises:
        UserError: the folder holds something else, a setting is wrong, or the database can't be
            opened.
    """

    def __init__(
        self, where: str | Path, progress: Progress | None = None, **settings: Any
    ) -> None:
        self._project = open_project(where, settings)
        self._progress = progress or SilentProgress()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._project.close()

    def add(
        self, source: str | Path, *, task: Task = "correct", images: str | Path | None = None
    ) -> int:
        """Add the answers of a run or a file as items; return how many were new.

        Raises:
            UserError: there are no answers, or one can't be read.
        """
        folder = Path(images) if images is not None else None
        return add_answers(self._project, Path(source), task, self._progress, images=folder)

    def add_gold(self, source: str | Path, *, task: Task = "correct") -> int:
        """Add answers of a run whose corrections or comparisons are right, to measure people by.

        Returns how many were taken: those that somebody worked on already aren't.

        Raises:
            UserError: the run has none.
        """
        return self._project.add_gold(Path(source), task)

    @property
    def corrections(self) -> list[Correction]:
        """Everybody's finished corrections and reviews."""
        return list(finished_work(self._project).corrections)

    @property
    def comparisons(self) -> list[Comparison]:
        """Everybody's finished comparisons."""
        return list(finished_work(self._project).comparisons)

    @property
    def evaluations(self) -> list[Correction]:
        """Everybody's finished evaluations: marks without replacements."""
        return list(finished_work(self._project).evaluations)

    @property
    def thumbs(self) -> list[Thumb]:
        """Everybody's finished thumbs."""
        return list(finished_work(self._project).thumbs)

    def rates(self) -> list[ModelRates]:
        """How often each evaluated model is wrong, with 95% intervals."""
        return rates_of(finished_work(self._project))

    def suggestions(self) -> SuggestionCounts:
        """What people made of the machine's suggestions."""
        return finished_work(self._project).suggestions

    def quality(self) -> Quality:
        """How far people agree, and how each of them works, with 95% intervals."""
        return LiveQuality(self._project).now()

    def check_replacements(self, **settings: Any) -> ClaimCheckResult:
        """Ask a labeler which different replacements of two people claim the same.

        `settings` are those of `groundtune project claims`, such as labeler and divider; without
        any, those of the last check hold. `quality` has the share.

        Raises:
            UserError: no labeler is named or it can't be used, or replacements differ nowhere.
        """
        return check_replacements(self._project, [], self._progress, options=settings)

    def pair(self, out: str | Path, **settings: Any) -> list[Pair]:
        """Make pairs of the finished work into a run's folder, and return all of them.

        `settings` are those of `groundtune pairs --from`: people, cap, seed, thumbs,
        min_agreement, min_gold.

        Raises:
            UserError: nothing is finished, the work is below what is asked for, or a setting is
                wrong.
        """
        recipe = load_recipe(None, [], ProjectPairSettings, options=settings)
        gated_pairs(self._project, Path(out), recipe, self._progress)
        return RunFolder(Path(out)).pairs.read()

    def export(self, layout: ExportLayoutName, out: str | Path) -> int:
        """Write the finished work in a published layout; return the number of rows.

        Raises:
            UserError: nothing of the kind is finished, or the file can't be written.
        """
        return export_project(layout, self._project, Path(out), self._progress).rows

    def back_up(self, out: str | Path) -> None:
        """Write the project to one file.

        Raises:
            UserError: the file is there already, or the disk is full.
        """
        back_up(self._project, Path(out))
