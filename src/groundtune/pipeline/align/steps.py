"""The steps of a round of AI feedback, as jobs: sample, label, pair, train, choose, measure.

Each step's settings name folders relative to the run's. A step stores its results by key, so an
interrupted step resumes in the middle.
"""

from functools import partial
from pathlib import Path

from groundtune.feedback.claim_pairs import ClaimPairCounts
from groundtune.pipeline.align.prompts import of_round
from groundtune.pipeline.align.seen import refuse_learning_from_held_back
from groundtune.pipeline.align.settings import AlignSettings, Round
from groundtune.pipeline.feedback.claim_settings import open_labelling, with_self
from groundtune.pipeline.feedback.claims import label_claims
from groundtune.pipeline.feedback.verdicts import ClaimSummary, require_verdicts
from groundtune.pipeline.models.measure import BASE
from groundtune.pipeline.models.names import model_or_folder, resolve
from groundtune.pipeline.models.prompt_sources import requested
from groundtune.pipeline.models.settings import LabelledModel
from groundtune.pipeline.models.workers.local import open_workers
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.pipeline.sample.run import SampleSettings, answer_prompts
from groundtune.pipeline.train.settings import TrainSettings
from groundtune.protocols import Progress
from groundtune.recipe_loading import Settings
from groundtune.records import Prompt, Record, Sampling, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.sealed import write_sealed


class ModelCheck(Settings):
    """Settings of the step that measures a model by its claims on held-out prompts."""

    run: AlignSettings
    model: LabelledModel
    out: str


class FeedbackCounts(Record):
    """Counts of a round's feedback: ROUND/feedback.json."""

    claims: ClaimSummary
    pairs: ClaimPairCounts


def merge_base(folder: Path, settings: AlignSettings, progress: Progress) -> None:
    """Write the model that the first round begins with to base/, its adapter in its weights."""
    progress.start(f"load {settings.model}")
    from groundtune.train.checkpoint import write_model
    from groundtune.vlm.merged import load_merged

    adapter = Path(settings.adapter) if settings.adapter else None
    merged = load_merged(resolve(settings.model), adapter=adapter, revision=settings.revision)
    write_model(merged, folder / BASE)


def sample_round(folder: Path, settings: Round, progress: Progress) -> None:
    """Draw n candidates per prompt by the round's first model; other named models add a share."""
    run, target = settings.run, RunFolder(folder / settings.out)
    prompts = _prompts_of(folder, settings, target, progress)
    models = {settings.name: model_or_folder(folder, settings.model)}
    models |= {name: name for name in run.others}
    share, more = divmod(run.n, len(models))
    with open_workers(run.engine) as workers:
        for i, (name, model) in enumerate(models.items()):
            answer_run = RunFolder(target.path / "drawn" / str(i)) if run.others else target
            answer_run.take_prompts(target, prompts)  # a draw's folder is of one model
            draw = run.of(model).part(SampleSettings, n=share + (i < more), seed=settings.seed)
            answer_prompts(draw, prompts, answer_run, progress, workers, name=name)
            target.take_prompts(answer_run, prompts)
            target.take_answers(answer_run, answer_run.answers.read())


def _prompts_of(
    folder: Path, settings: Round, target: RunFolder, progress: Progress
) -> list[Prompt]:
    """The round's prompts, with their images in `target`."""
    run = settings.run
    if (request := requested(run.prompts)) is not None:
        number = run.prompts_per_round or request.number
        make = request.source.prompts
        new_prompts = make(target.images, number, progress, part="learning", seed=settings.seed)
        refuse_learning_from_held_back(folder, run, new_prompts, target)
        return new_prompts
    source = RunFolder(folder / "learning")
    all_prompts = read_some(source.prompts)
    prompts = of_round(all_prompts, settings.number, run.prompts_per_round, run.seed)
    target.take_prompts(source, prompts)
    return prompts


def label_round(folder: Path, settings: Round, progress: Progress) -> None:
    """Check the answers' claims and make pairs of the answers."""
    from groundtune.pipeline.feedback.pairs import make_claim_pairs

    run, out = settings.run, folder / settings.out
    feedback = with_self(run.feedback, model_or_folder(folder, settings.model))
    progress.start(f"load {feedback.labeler}")
    with open_labelling(feedback, RunFolder(out)) as labelling:
        claim_counts = label_claims(out, out, labelling, progress, settings=feedback)
    require_verdicts(claim_counts, feedback.labeler, feedback.divider, out)
    rules = run.pairs.model_copy(update={"seed": run.pairs.seed + run.seed})
    counts = make_claim_pairs(out, out, rules, progress)
    write(out / "feedback.json", FeedbackCounts(claims=claim_counts, pairs=counts))


def train_round(folder: Path, settings: Round, progress: Progress) -> None:
    """Train the next model on the pairs, with the round's first model as reference."""
    from groundtune.pipeline.train.run import train

    train(_training(folder, settings), folder / settings.out / "training", progress)


def _training(folder: Path, settings: Round) -> TrainSettings:
    """Return the settings of a round's training."""
    from groundtune.train.batches import steps_per_epoch

    out, learn = folder / settings.out, settings.run.learn
    pairs = len(RunFolder(out).pairs.keys())
    steps = learn.epochs * steps_per_epoch(pairs, learn.batch_size)
    steps = min(steps, learn.max_steps or steps)
    as_text = "text" in (learn.special_tokens, settings.run.special_tokens)
    return learn.part(
        TrainSettings,
        model=model_or_folder(folder, settings.model),
        pairs=out,
        device=settings.run.device,
        seed=settings.seed,
        special_tokens="text" if as_text else "refuse",
        save_every=max(1, -(-steps // learn.checkpoints)),
        keep=learn.checkpoints + 1,
    )


def write_chosen(folder: Path, settings: Round, chosen: Path, progress: Progress) -> None:
    """Write the chosen checkpoint to ROUND/model; an adapter merged into the round's first model.

    Weights of a checkpoint without an adapter are written as they are.
    """
    from groundtune.pipeline.train.merge import write_merged
    from groundtune.pipeline.train.run import pairs_of
    from groundtune.train.checkpoint import write_model
    from groundtune.vlm.merged import load_merged

    out = folder / settings.out
    if not (chosen / "adapter_config.json").is_file():
        write_model(load_merged(str(chosen)), out / "model")
        return
    training = _training(folder, settings)
    pairs = partial(pairs_of, training, progress)
    write_merged(training, chosen, out / "model", pairs, run=out / "training")


def check_model(folder: Path, settings: ModelCheck, progress: Progress) -> None:
    """Let a model answer the held-out prompts, and check its claims."""
    run, out = settings.run, folder / settings.out
    path = model_or_folder(folder, settings.model.model)
    model = settings.model.model_copy(update={"model": path})
    answer(run, model, folder / "reporting", out, progress)
    feedback = with_self(run.feedback, model_or_folder(folder, run.first))
    progress.start(f"load {feedback.labeler}")
    with open_labelling(feedback, RunFolder(out)) as labelling:
        counts = label_claims(out, out, labelling, progress, settings=feedback)
    require_verdicts(counts, feedback.labeler, feedback.divider, out, silence=True)
    score_set = RecordSet(out / "scores", Score)
    score_set.add(claim_scores(out, settings.model.label))


def claim_scores(folder: Path, label: str = "") -> list[Score]:
    """Return the scores of a folder's answers by their checked claims."""
    from groundtune.pipeline.check.scores import scores_of

    run = RunFolder(folder)
    return scores_of(run.answers.read(), run.claims.read(), run.prompts_by_key(), label)


def answer(
    run: AlignSettings, model: LabelledModel, source: Path, out: Path, progress: Progress
) -> None:
    """A model's greedy answers to a folder's prompts, under its label."""
    target, folder = RunFolder(out), RunFolder(source)
    prompts = read_some(folder.prompts)
    target.take_prompts(folder, prompts)
    greedy = Sampling(temperature=0, max_new_tokens=run.sampling.max_new_tokens)
    settings = model.part(SampleSettings, n=1, sampling=greedy, seed=0)
    with open_workers(model.engine) as workers:
        answer_prompts(settings, prompts, target, progress, workers, name=model.label)


def write(path: Path, record: Record) -> None:
    """Write a record as a JSON file."""
    write_sealed(path, record)
