"""Stage "rewrite": pairs from answers that are corrected, extended and reworded.

What HA-DPO's unreleased pipeline does with GPT-4 (Zhao et al. 2023, arXiv 2311.16839, section 3):
find what is wrong sentence by sentence, correct it, and rewrite both sides three times in one
style, so that a pair differs in truth alone. Here two labelers verify every step, what is missing
is added, and each wording is asked about again.

    OUT/prompts/ answers/ division/ claims/ second/   the answers, verified by both labelers
    OUT/alternatives/ additions/                      proposals, verified by both
    OUT/edited/                                       every text that an editor made
    OUT/texts/                                        those texts, verified by both
    OUT/corrections/                                  each answer with its corrected text
    OUT/pairs/                                        what `groundtune train` takes
    OUT/style/                                        the style gate, before the pairs are written
    OUT/rewrite.json
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.feedback.claim_settings import base_settings, open_labelling
from groundtune.pipeline.feedback.claims import Labelling
from groundtune.pipeline.feedback.oracles import is_oracle
from groundtune.pipeline.models.generators import close
from groundtune.pipeline.models.names import Labeler, fingerprints, is_endpoint
from groundtune.pipeline.models.prompt_sources import source_of
from groundtune.pipeline.rewrite.drafts import Room
from groundtune.pipeline.rewrite.editors import open_editor, refuse_deleting_rewriter
from groundtune.pipeline.rewrite.edits import EditedText
from groundtune.pipeline.rewrite.settings import NONE, RewriteSettings, RewriteSummary
from groundtune.pipeline.rewrite.steps import run_steps
from groundtune.pipeline.rewrite.style import StyleSettings, measure_style
from groundtune.pipeline.rewrite.verify import Remembering, Verifiers
from groundtune.pipeline.runs.folder import RunFolder, hash_of, read_some
from groundtune.pipeline.runs.resume import open_run
from groundtune.protocols import Progress
from groundtune.recipe_loading import load
from groundtune.records import Answer
from groundtune.store.dataset import RecordSet
from groundtune.store.json_writing import write_object
from groundtune.store.lock import hold

SUMMARY = "rewrite.json"


class RewriteResult(NamedTuple):
    """What was made, and where it is."""

    summary: RewriteSummary
    pairs: Path
    results: Path


def load_settings(
    source: Path, overrides: Sequence[str], options: Mapping[str, object], path: Path | None = None
) -> RewriteSettings:
    """Return the settings for a folder of answers; its prompts' source gives defaults.

    Raises:
        UserError: there are no prompts, or a setting can't be used.
    """
    folder = RunFolder(source)
    prompt_source = source_of(read_some(folder.prompts))
    command: dict[str, object] = dict(base_settings(folder))
    if prompt_source is not None and prompt_source.editor is not None:
        command |= {"corrector": prompt_source.name, "rewriter": prompt_source.name}
    return load(path, overrides, RewriteSettings, command=command, options=options)


def rewrite(
    source: Path,
    out: Path,
    settings: RewriteSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> RewriteResult:
    """Make pairs of the answers in `source`, as far as `out` lacks them.

    Raises:
        UserError: there are no answers, a model can't be loaded, both verifiers are one, no pair
            can be made, both sides differ in style, or `out` has a run of other settings.
    """
    with hold(out, whole=True):
        return _rewrite(RunFolder(source), RunFolder(out), settings, progress, command)


def _rewrite(
    folder: RunFolder,
    target: RunFolder,
    settings: RewriteSettings,
    progress: Progress,
    command: Sequence[str],
) -> RewriteResult:
    _refuse_same(folder, target, settings)
    refuse_deleting_rewriter(settings)
    out = target.path
    answers, prompts = read_some(folder.answers), folder.prompts_by_key()
    data = {"answers": hash_of(folder.answers)}
    models = {name: getattr(settings, name) for name in ("labeler", "second")}
    local = {role: name for role, name in models.items() if _is_local(name)}
    seeds = {"rewrite": settings.seed}
    inputs = fingerprints(local) | data
    with open_run(out, settings, inputs=inputs, seeds=seeds, command=command):
        target.take_prompts(folder, {a.prompt: prompts[a.prompt] for a in answers}.values())
        target.take_answers(folder, answers)
        with _opened(settings, target, answers, progress, command) as room:
            summary, pair_sets = run_steps(room, answers)
        write_object(out / SUMMARY, summary, indent=1)
        pairs = [*pair_sets.described, *pair_sets.further]
        if not pairs:
            raise _no_pairs(summary, out)
        if settings.reference and pair_sets.described:
            limits = settings.part(StyleSettings, model=settings.reference, refuse=True)
            measure_style(
                target, pair_sets.described, out / "style", limits, progress, command=command
            )
        target.prompts.add(pair_sets.prompts)
        target.pairs.replace(pairs)
        inputs = {**data, "labeler": settings.labeler, "second": settings.second}
        target.note(
            target.pairs, settings=settings, inputs=inputs, seeds=seeds, command=list(command)
        )
    return RewriteResult(summary, target.pairs.path, out / SUMMARY)


@contextmanager
def _opened(
    settings: RewriteSettings,
    target: RunFolder,
    answers: Sequence[Answer],
    progress: Progress,
    command: Sequence[str],
) -> Generator[Room, None, None]:
    """Everyone who takes part; a model with several parts is loaded once."""
    models: dict[str, Labeler] = {}
    with ExitStack() as stack:
        stack.callback(lambda: close(models.values()))
        progress.start(f"load {settings.labeler}")
        first = _remembering(stack.enter_context(open_labelling(settings, target, models)))
        second = None
        if settings.second != NONE:
            other = settings.model_copy(update={"labeler": settings.second})
            progress.start(f"load {settings.second}")
            second = _remembering(stack.enter_context(open_labelling(other, target, models)))
            if second.by == first.by:
                raise _one_verifier(settings)
        corrector, rewriter = (
            open_editor(name, settings, target, answers, models)
            for name in (settings.corrector, settings.rewriter)
        )
        yield Room(
            target,
            target.prompts_by_key(),
            RecordSet(target.path / "edited", EditedText),
            corrector,
            rewriter,
            Verifiers(first, second, settings, progress, tuple(command)),
            settings,
            progress,
        )


def _remembering(labelling: Labelling) -> Labelling:
    return labelling._replace(labeler=Remembering(labelling.labeler))


def _is_local(name: str) -> bool:
    return name not in ("self", NONE) and not is_oracle(name) and not is_endpoint(name)


def _refuse_same(folder: RunFolder, target: RunFolder, settings: RewriteSettings) -> None:
    if folder.same_as(target):
        raise UserError(
            "The pairs can't be written to the folder of the answers.",
            str(target.path),
            "Choose another folder with --out DIR.",
        )
    if settings.labeler == settings.second:
        raise _one_verifier(settings)


def _one_verifier(settings: RewriteSettings) -> UserError:
    return UserError(
        f"Both verifiers are {settings.labeler}, so they always agree.",
        f"second={settings.second}",
        "Name another model with --second, or --second none to believe the labeler alone.",
    )


def _no_pairs(summary: RewriteSummary, out: Path) -> UserError:
    counts = summary.counts
    remaining = counts.model_dump(exclude={"wordings_lost", "first_sentences_lost", "pairs"})
    why = "; ".join(f"{name.replace('_', ' ')}: {n:,}" for name, n in remaining.items() if n)
    verdicts = ", ".join(f"{n:,} {name}" for name, n in summary.claims.items() if n)
    most = Counter(counts.wordings_lost).most_common(1)
    most_lost = f"; {most[0][0]}: {most[0][1]:,}" if most else ""
    return UserError(
        f"No pair could be made ({why}; claims: {verdicts or 'none'}{most_lost}).",
        str(out / SUMMARY),
        "Sample more answers, or use other verifiers, another corrector or a lower least_kept.",
    )
