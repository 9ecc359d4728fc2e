"""The steps of a round of AI feedback, as jobs: sample, label, pair, train, choose, measure.

Each step's settings name folders relative to the run's. What a step hands on is kept by key, so a
step that was stopped goes on inside itself.
"""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.feedback.claim_pairs import ClaimPairCounts, ClaimPairRules
from groundtune.pipeline.align.prompts import of_round
from groundtune.pipeline.align.settings import Choosing, RoundLearning, round_name
from groundtune.pipeline.feedback.claim_settings import SELF, ClaimSettings, open_labelling
from groundtune.pipeline.feedback.claims import ClaimSummary, label_claims
from groundtune.pipeline.folder import RunFolder, read_some
from groundtune.pipeline.models import model_or_folder
from groundtune.pipeline.prompt_sources import requested, source_of, truth_scorer
from groundtune.pipeline.sample.run import SampleParams, draw_answers
from groundtune.protocols import Progress
from groundtune.recipe import Settings
from groundtune.records import Prompt, Record, Sampling, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.files import write_atomic

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

BY_CLAIMS = "Set choose.by=claims"
"""What can be done where no truth is known."""
START = "start"
"""The candidate that is the model with which the round began."""


class Sampled(Settings):
    """Settings of the step that draws a round's candidates."""

    model: str
    name: str
    """What the answers say they are by."""
    out: str
    prompts: str
    a_round: int
    round: int
    n: int
    others: tuple[str, ...]
    sampling: Sampling
    batch_size: int
    seed: int


class Labelled(Settings):
    """Settings of the step that checks claims and makes pairs of the answers."""

    model: str
    out: str
    feedback: ClaimSettings
    rules: ClaimPairRules


class TrainedRound(Settings):
    """Settings of the step that trains a round's model."""

    model: str
    out: str
    learn: RoundLearning
    seed: int


class Chosen(Settings):
    """Settings of the step that chooses a round's checkpoint."""

    model: str
    out: str
    choose: Choosing
    feedback: ClaimSettings
    max_new_tokens: int
    batch_size: int


class Checked(Settings):
    """Settings of the step that measures a model by its claims on prompts that were held back."""

    model: str
    label: str
    out: str
    feedback: ClaimSettings
    max_new_tokens: int
    batch_size: int


class Feedback(Record):
    """What a round's feedback was: ROUND/feedback.json."""

    claims: ClaimSummary
    pairs: ClaimPairCounts


class CandidateModel(Record):
    """A checkpoint, as the choice sees it."""

    name: str
    step: int
    wrong: float
    kept: float
    allowed: bool
    """Whether it keeps enough."""


class Choice(Record):
    """What a round's model was chosen among: ROUND/choice.json."""

    by: str
    prompts: int
    candidates: tuple[CandidateModel, ...]
    chosen: str


def sample_round(folder: Path, settings: Sampled, progress: Progress) -> None:
    """The round's first model draws n candidates a prompt; others their share of them, if named."""
    target = RunFolder(folder / settings.out)
    if (request := requested(settings.prompts)) is not None:
        prompts = request.source.prompts(
            target.images,
            settings.a_round or request.number,
            progress,
            part="learning",
            seed=settings.seed * 100 + settings.round,
        )
    else:
        source = RunFolder(folder / "learning")
        prompts = of_round(
            read_some(source.prompts), settings.round, settings.a_round, settings.seed
        )
        target.take_prompts(source, prompts)
    if not settings.others:
        _draw(folder, settings, settings.name, settings.model, prompts, target, progress)
        return
    models = {settings.name: settings.model, **{name: name for name in settings.others}}
    share, more = divmod(settings.n, len(models))
    for i, (name, model) in enumerate(models.items()):
        own = RunFolder(target.path / "drawn" / str(i))  # a draw's folder is of one model
        own.take_prompts(target, prompts)
        part = settings.model_copy(update={"n": share + (i < more)})
        _draw(folder, part, name, model, prompts, own, progress)
        target.take_prompts(own, prompts)
        target.take_answers(own, own.answers.read())


def _draw(
    folder: Path,
    settings: Sampled,
    name: str,
    model: str,
    prompts: list[Prompt],
    target: RunFolder,
    progress: Progress,
) -> None:
    """A model's n answers to each prompt, under a name."""
    from groundtune.generate.hf import HfGenerator
    from groundtune.vlm.load import load

    progress.start(f"load {name}")
    vlm = load(model_or_folder(folder, model))
    generator = HfGenerator(vlm, target.images, settings.batch_size, name=name)
    seed = settings.seed * 100 + settings.round
    own = settings.part(SampleParams, model=model, prompts="", seed=seed)
    draw_answers(generator, prompts, target, progress, own)


def label_round(folder: Path, settings: Labelled, progress: Progress) -> None:
    """The answers' claims are checked, and pairs are made of them."""
    from groundtune.pipeline.feedback.pairs import make_claim_pairs

    out = folder / settings.out
    feedback = with_self(settings.feedback, model_or_folder(folder, settings.model))
    progress.start(f"load {feedback.labeler}")
    with open_labelling(feedback, RunFolder(out)) as labelling:
        checked = label_claims(out, out, labelling, progress, settings=feedback)
    counts = make_claim_pairs(out, out, settings.rules, progress)
    if not counts.made:
        raise UserError(
            f"The labeler's verdicts on {checked.claims} claims give no pair: "
            f"{checked.statuses.get('rejected', 0)} were rejected.",
            str(out),
            "Ask about more prompts, draw warmer (sampling.temperature=1), or take a smaller "
            "pairs.margin.",
        )
    write(out / "feedback.json", Feedback(claims=checked, pairs=counts))


def train_round(folder: Path, settings: TrainedRound, progress: Progress) -> None:
    """The next model learns from the pairs, against the round's first model as its reference."""
    from groundtune.pipeline.train.run import TrainParams, train
    from groundtune.train.batches import steps_per_epoch

    out, learn = folder / settings.out, settings.learn
    pairs = len(RunFolder(out).pairs.keys())
    steps = learn.epochs * steps_per_epoch(pairs, learn.batch_size)
    steps = min(steps, learn.max_steps or steps)
    params = learn.part(
        TrainParams,
        model=model_or_folder(folder, settings.model),
        pairs=out,
        seed=settings.seed,
        save_every=max(1, -(-steps // learn.checkpoints)),
        keep=learn.checkpoints + 1,
    )
    train(params, out / "training", progress)


def choose_checkpoint(folder: Path, settings: Chosen, progress: Progress) -> None:
    """The checkpoint that is wrong least and keeps enough becomes ROUND/model."""
    from groundtune.train.checkpoint import write_model
    from groundtune.vlm.load import load

    out = folder / settings.out
    found = {START: Path(model_or_folder(folder, settings.model))}
    found |= {path.name: path for path in sorted((out / "training/checkpoints").glob("step-*"))}
    if not (out / "choice.json").exists() or not (out / "model/config.json").exists():
        choice = _choice(folder, settings, found, progress)
        chosen = _merged(load(str(found[choice.chosen])))
        write_model(chosen, out / "model")
        write(out / "choice.json", choice)
    for name, path in found.items():
        if name != START:
            shutil.rmtree(path)  # with the optimiser's state several times the model's size


def _choice(
    folder: Path, settings: Chosen, found: Mapping[str, Path], progress: Progress
) -> Choice:
    out, prompts = folder / settings.out, read_some(RunFolder(folder / "choosing").prompts)
    for name, path in found.items():
        answer(str(path), name, folder / "choosing", out / "choosing" / name, settings, progress)
    with ExitStack() as stack:
        if settings.choose.by == "claims":
            feedback = with_self(settings.feedback, model_or_folder(folder, settings.model))
            first = RunFolder(out / "choosing" / START)
            labelling = stack.enter_context(open_labelling(feedback, first))
            for name in found:
                own = out / "choosing" / name
                label_claims(own, own, labelling, progress, settings=feedback)
    rows = {name: _values(out / "choosing" / name, settings.choose.by) for name in found}
    candidates = judged(rows, settings.choose.most_lost, kept_before(out))
    chosen = min((c for c in candidates if c.allowed), key=lambda c: (c.wrong, c.step))
    return Choice(
        by=settings.choose.by,
        prompts=len(prompts),
        candidates=tuple(candidates),
        chosen=chosen.name,
    )


def kept_before(out: Path) -> float:
    """What the rounds before this one's folder kept, as a share of what the first began with."""
    kept = 1.0
    for number in range(1, int(out.name.removeprefix("round-"))):
        file = out.parent / round_name(number) / "choice.json"
        choice = Choice.model_validate_json(file.read_bytes())
        values = {candidate.name: candidate.kept for candidate in choice.candidates}
        kept *= values[choice.chosen] / values[START] if values[START] else 1.0
    return kept


def judged(
    rows: Mapping[str, tuple[float, float]], most_lost: float, before: float = 1.0
) -> list[CandidateModel]:
    """Candidates of what is (wrong, kept) by name, the model that the round began with among them.

    One is allowed if it keeps all but `most_lost` of what the first round began with, of which
    `before` is left at the start of this one; that model always is.
    """
    least = rows[START][1] * (1 - most_lost) / before if before else 0.0
    return [
        CandidateModel(
            name=name,
            step=0 if name == START else int(name.removeprefix("step-")),
            wrong=wrong,
            kept=kept,
            allowed=name == START or kept >= least - 1e-9,
        )
        for name, (wrong, kept) in rows.items()
    ]


def _values(folder: Path, by: str) -> tuple[float, float]:
    """What is wrong in a candidate's answers, and what they keep."""
    if by == "claims":
        scored = [s.values for s in claim_scores(folder) if s.status == "scored"]
        if not scored:
            raise UserError(
                "No answer's claims could be read, so no checkpoint can be chosen.",
                str(folder),
                "Look at the claims there; choose another feedback.divider.",
            )
        wrong = sum(values["rejected"] for values in scored) / len(scored)
        return wrong, sum(values["supported_claims"] for values in scored) / len(scored)
    prompts = RunFolder(folder).prompts_by_key()
    truth_of = truth_scorer(source_of(prompts.values()), str(folder), BY_CLAIMS)
    answers = RunFolder(folder).answers.read()
    found = [truth_of(prompts[answer.prompt], answer.text) for answer in answers]
    wrong = sum((each.invented > 0) + each.wrong for each in found) / 2 / len(found)
    return wrong, sum(each.named for each in found) / sum(each.there for each in found)


def _merged(vlm: "Vlm") -> "Vlm":
    """A model with its adapter, if it has one, in its weights."""
    from dataclasses import replace

    if not hasattr(vlm.model, "merge_and_unload"):
        return vlm
    return replace(vlm, model=vlm.model.merge_and_unload())


def check_model(folder: Path, settings: Checked, progress: Progress) -> None:
    """A model answers the prompts that were held back for the report; its claims are checked."""
    out = folder / settings.out
    path = model_or_folder(folder, settings.model)
    answer(path, settings.label, folder / "reporting", out, settings, progress)
    progress.start(f"load {settings.feedback.labeler}")
    with open_labelling(settings.feedback, RunFolder(out)) as labelling:
        label_claims(out, out, labelling, progress, settings=settings.feedback)
    kept = RecordSet(out / "scores", Score)
    scores = claim_scores(out, settings.label)
    missing = set(kept.missing(score.key for score in scores))
    kept.append([score for score in scores if score.key in missing])


def claim_scores(folder: Path, label: str = "") -> list[Score]:
    """The scores of a folder's answers by their checked claims."""
    from groundtune.pipeline.check.scores import scores_of

    own = RunFolder(folder)
    return scores_of(own.answers.read(), own.claims.read(), own.prompts_by_key(), label)


def answer(
    model: str, name: str, source: Path, out: Path, settings: Chosen | Checked, progress: Progress
) -> None:
    """A model's greedy answers to a folder's prompts, under a name."""
    from groundtune.generate.hf import HfGenerator
    from groundtune.vlm.load import load

    target, folder = RunFolder(out), RunFolder(source)
    prompts = read_some(folder.prompts)
    target.take_prompts(folder, prompts)
    progress.start(f"load {name}")
    vlm = load(model)
    generator = HfGenerator(vlm, target.images, settings.batch_size, name=name)
    sampling = Sampling(temperature=0, max_new_tokens=settings.max_new_tokens)
    own = settings.part(SampleParams, n=1, sampling=sampling, seed=0)
    draw_answers(generator, prompts, target, progress, own)


def with_self(feedback: ClaimSettings, model: str) -> ClaimSettings:
    """The settings with a model's own name where they say self."""
    names = {"labeler": feedback.labeler, "divider": feedback.divider}
    return feedback.model_copy(update={role: model for role, name in names.items() if name == SELF})


def write(path: Path, record: Record) -> None:
    """Writes a record as a JSON file."""
    write_atomic(path, record.model_dump_json(indent=1).encode() + b"\n")
