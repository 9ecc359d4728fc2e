"""The command line's verbs as methods of a run's folder, with the same records: the Python API.

    run = groundtune.Run("runs/mine")
    run.sample(model="world:base", images="images", ask="Describe the image.", n=2)

Every verb is resumable, and can be called again: it does what is missing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Annotator, Progress, SilentProgress
from groundtune.recipe_loading import load as load_recipe
from groundtune.records import (
    Answer,
    Claim,
    Correction,
    Estimate,
    Pair,
    Producer,
    Prompt,
    Score,
)

if TYPE_CHECKING:
    from groundtune.pipeline.compare.run import Comparisons
    from groundtune.pipeline.rewrite.settings import RewriteSummary
    from groundtune.vlm.load import Vlm


class Run:
    """A run's folder, and the verbs that fill it.

    `progress` receives how far each verb is; nothing is shown without one.
    """

    def __init__(self, folder: str | Path, progress: Progress | None = None) -> None:
        self.folder = Path(folder)
        self.progress = progress or SilentProgress()
        self._sets = RunFolder(self.folder)

    def sample(self, *, model: str, **settings: Any) -> list[Answer]:
        """Has a model answer prompts.

        `settings` are those of `SampleSettings`: prompts, images, ask, n, sampling, seed and so on.

        Raises:
            UserError: bad rows, a model that can't be loaded, or answers of another one in the
                folder.
        """
        from groundtune.pipeline.sample.run import SampleSettings, run_sample

        loaded = load_recipe(None, [], SampleSettings, options={"model": model, **settings})
        run_sample(loaded, self.folder, self.progress)
        return self.answers

    @overload
    def label(self, *, by: Literal["claims"], **settings: Any) -> list[Claim]: ...

    @overload
    def label(
        self, annotator: Annotator | None = None, by: Producer | None = None, **settings: Any
    ) -> list[Correction]: ...

    def label(
        self,
        annotator: Annotator | None = None,
        by: Producer | Literal["claims"] | None = None,
        **settings: Any,
    ) -> list[Correction] | list[Claim]:
        """Has every answer corrected, or with `by="claims"` divided into claims and checked.

        Corrections are by the simulated person of the prompts' source, `settings` being those of
        `LabelSettings` (error_rate, seed, order, enough); or by your own annotator, and then `by`
        names all that changes what it does. For claims `settings` are those of `ClaimSettings`
        (labeler, divider, asking and so on); where all prompts are from one source, its defaults
        are used.

        Raises:
            UserError: there are no answers, no simulated person knows their prompts, a model
                can't be loaded or doesn't answer yes or no, or the folder has another's feedback.
        """
        if by == "claims":
            self._check(settings)
            return self.claims
        from groundtune.pipeline.feedback.corrections import (
            LabelSettings,
            label_answers,
            open_annotator,
        )

        recipe = load_recipe(None, [], LabelSettings, options=settings)
        if annotator is None or by is None:
            annotator, by = open_annotator(recipe, self._sets)
        label_answers(self.folder, self.folder, annotator, by, self.progress, settings=recipe)
        return self.corrections

    def _check(self, settings: Mapping[str, Any]) -> None:
        from groundtune.pipeline.feedback.claim_settings import (
            ClaimSettings,
            base_settings,
            open_labelling,
        )
        from groundtune.pipeline.feedback.claims import label_claims
        from groundtune.pipeline.feedback.verdicts import require_verdicts

        command = base_settings(self._sets)
        recipe = load_recipe(None, [], ClaimSettings, command=command, options=settings)
        with open_labelling(recipe, self._sets) as labelling:
            summary = label_claims(
                self.folder, self.folder, labelling, self.progress, settings=recipe
            )
        require_verdicts(summary, recipe.labeler, recipe.divider, self.folder)

    def pair(
        self, *, by: Literal["corrections", "claims"] = "corrections", **settings: Any
    ) -> list[Pair]:
        """Makes pairs of the corrections, or with `by="claims"` of answers by their claims.

        `settings` are those of `PairSettings` (cap, seed), for claims those of `ClaimPairRules`
        (scoring, margin, cap, balance, spans and so on).

        Raises:
            UserError: there are no corrections or claims, or the folder has other pairs.
        """
        if by == "claims":
            from groundtune.feedback.claim_pairs import ClaimPairRules
            from groundtune.pipeline.feedback.pairs import make_claim_pairs

            rules = load_recipe(None, [], ClaimPairRules, options=settings)
            make_claim_pairs(self.folder, self.folder, rules, self.progress)
            return self.pairs
        from groundtune.pipeline.feedback.pairs import PairSettings, make_pairs

        chosen = load_recipe(None, [], PairSettings, options=settings)
        make_pairs(self.folder, self.folder, chosen, self.progress)
        return self.pairs

    def rewrite(self, *, out: str | Path, **settings: Any) -> "RewriteSummary":
        """Makes pairs by correcting, extending and rewording the answers, into the folder `out`.

        `settings` are those of `RewriteSettings`: labeler, second, corrector, rewriter, rewrites
        and so on; where all prompts are from one source, its defaults are used. The pairs are those
        of `Run(out)`.

        Raises:
            UserError: there are no answers, a model can't be loaded, no pair can be made, or `out`
                has a run of other settings.
        """
        from groundtune.pipeline.rewrite.run import load_settings
        from groundtune.pipeline.rewrite.run import rewrite as run_rewrite

        recipe = load_settings(self.folder, [], settings)
        return run_rewrite(self.folder, Path(out), recipe, self.progress).summary

    def train(
        self,
        recipe: str | Path | Mapping[str, Any] | None = None,
        *,
        name: str = "model",
        overrides: Sequence[str] = (),
    ) -> Path:
        """Trains on the pairs and returns the folder of the model, in the folder training/`name`.

        `recipe` is a shipped recipe's name, a YAML file, or settings as `TrainSettings` has them;
        `overrides` are key=value texts as on the command line.

        Raises:
            UserError: settings or pairs that can't be used.
        """
        from groundtune.pipeline.recipes.registry import find
        from groundtune.pipeline.train.run import TrainSettings, train

        path = find(str(recipe)) if isinstance(recipe, str | Path) else None
        command = recipe if isinstance(recipe, Mapping) else None
        options = {"pairs": self.folder}
        loaded = load_recipe(path, overrides, TrainSettings, command=command, options=options)
        return train(loaded, self.folder / "training" / name, self.progress)

    def evaluate(
        self,
        *,
        model: str | Path,
        label: str = "",
        data: Sequence[str | Path] = (),
        images: Sequence[str | Path] = (),
        **settings: Any,
    ) -> list[Estimate]:
        """Runs benchmarks on a model, into the folder evaluation/`label`.

        `settings` are those of `BenchSettings`: benchmarks, split, n, seed, self_knowledge, ...;
        `data` and `images` are as --data and --images of `groundtune bench run`. The test split
        stays closed here: it opens on the command line, with --final.

        Raises:
            UserError: no such benchmark, data or images that are missing, a model that can't be
                loaded, or another model's scores in that folder.
        """
        from groundtune.pipeline.bench.data_paths import data_paths
        from groundtune.pipeline.bench.run import BenchSettings, run_bench

        options = {"model": model, "label": label or Path(model).name, **settings}
        loaded = load_recipe(None, [], BenchSettings, options=options)
        paths = data_paths([str(path) for path in data], [str(path) for path in images])
        out = self.folder / "evaluation" / loaded.label
        return run_bench(loaded, out, self.progress, data_paths=paths).estimates

    def report(self) -> Path:
        """Writes the folder's report.html and returns its path.

        Raises:
            UserError: there is nothing to report on.
        """
        from groundtune.pipeline.report import write_run_report

        return write_run_report(self.folder)

    @property
    def prompts(self) -> list[Prompt]:
        """What was asked."""
        return self._sets.prompts.read()

    @property
    def answers(self) -> list[Answer]:
        """What was answered."""
        return self._sets.answers.read()

    @property
    def corrections(self) -> list[Correction]:
        """What was found wrong."""
        return self._sets.corrections.read()

    @property
    def claims(self) -> list[Claim]:
        """What was stated, with the labeler's verdicts."""
        return self._sets.claims.read()

    @property
    def pairs(self) -> list[Pair]:
        """Chosen and rejected answers."""
        return self._sets.pairs.read()

    @property
    def scores(self) -> list[Score]:
        """The benchmarks' scores of every model.

        Raises:
            UserError: nothing was evaluated.
        """
        from groundtune.pipeline.compare.run import scores_in

        return scores_in(self.folder)


def compare(*folders: str | Path) -> "Comparisons":
    """Compares every model in these folders with the first one, item by item.

    Raises:
        UserError: fewer than two models, or models that have not answered the same items.
    """
    from groundtune.pipeline.compare.run import compare as compare_folders

    return compare_folders([Path(folder) for folder in folders])


def load(name: str, **options: Any) -> "Vlm":
    """A model with its processor: a folder, a hub name, or world:base.

    `options` are those of `groundtune.vlm.load.load`: adapter, dtype, device, revision.

    Raises:
        UserError: it can't be loaded.
    """
    from groundtune.pipeline.models.names import resolve
    from groundtune.vlm.load import load as load_model

    return load_model(resolve(name), **options)
