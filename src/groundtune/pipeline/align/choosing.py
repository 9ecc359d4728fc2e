"""The last step of a round of AI feedback: choose the checkpoint for the next round.

The rule: each checkpoint, and the round's first model, answers the prompts in choosing/ greedily. A
candidate is allowed if it keeps all but `choose.max_content_loss` of the very first model's
content; the round's first model always is. Of the allowed candidates, the one with the fewest
errors is chosen; of equal ones, the earliest. `choose.by` selects who decides what is wrong and
kept: the labeler's verdicts on claims, or, for comparison, the truth.

    OUT/round-1/choosing/drawn/NAME/    each candidate's answers
    OUT/round-1/choosing/               all of them, with their claims
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.align.settings import AlignSettings, Round, round_name
from groundtune.pipeline.align.steps import answer, claim_scores, write, write_chosen
from groundtune.pipeline.check.scores import supported_value
from groundtune.pipeline.feedback.claim_settings import open_labelling, with_self
from groundtune.pipeline.feedback.claims import label_claims
from groundtune.pipeline.feedback.verdicts import require_verdicts, summary_of
from groundtune.pipeline.models.names import model_or_folder, revision_of
from groundtune.pipeline.models.prompt_sources import source_of, truth_scorer
from groundtune.pipeline.models.settings import LabelledModel, ModelSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.run import by_another_name
from groundtune.protocols import Progress, Truth
from groundtune.records import Claim, Record, Score, SpanKind
from groundtune.store.files import remove_folder
from groundtune.store.sealed import read_sealed

BY_CLAIMS = "Set choose.by=claims"
"""Fix if there is no ground truth."""
START = "start"
"""The candidate that is the round's first model."""


class AnswerContent(NamedTuple):
    """Errors and right content in a candidate's answers, and the number of unchecked answers."""

    wrong: float
    kept: float
    unchecked: int = 0


class CandidateModel(Record):
    """A candidate for a round's model."""

    name: str
    step: int
    wrong: float
    kept: float
    unchecked: int = 0
    """Answers with a claim without verdict: `wrong` and `kept` are of the others."""
    allowed: bool
    """Whether it keeps enough."""


class RoundChoice(Record):
    """The candidates and the choice of a round's model: ROUND/choice.json."""

    by: str
    prompts: int
    candidates: tuple[CandidateModel, ...]
    chosen: str


def choose_checkpoint(folder: Path, settings: Round, progress: Progress) -> None:
    """Make the checkpoint with the fewest errors that keeps enough the model ROUND/model."""
    from groundtune.train.checkpoint import steps_in

    out = folder / settings.out
    candidates = {START: Path(model_or_folder(folder, settings.model))}
    candidates |= {path.name: path for path in steps_in(out / "training/checkpoints")}
    if not (out / "choice.json").exists() or not (out / "model/config.json").exists():
        choice = _choice(folder, settings, candidates, progress)
        write_chosen(folder, settings, candidates[choice.chosen], progress)
        write(out / "choice.json", choice)
    for name, path in candidates.items():
        if name != START:
            remove_folder(path)  # with the optimiser's state several times the model's size


def _choice(
    folder: Path, settings: Round, models: Mapping[str, Path], progress: Progress
) -> RoundChoice:
    run, out = settings.run, folder / settings.out
    target = RunFolder(out / "choosing")
    _take_last_answers(folder, settings, str(models[START]))
    for name, path in models.items():
        model = run.of(str(path)).part(LabelledModel, label=name)
        candidate_run = RunFolder(_drawn(out, name))
        answer(run, model, folder / "choosing", candidate_run.path, progress)
        target.take_prompts(candidate_run, candidate_run.prompts.read())
        target.take_answers(candidate_run, candidate_run.answers.read())
    if run.choose.by == "claims":
        contents = _contents_by_claims(target, run, str(models[START]), progress)
    else:
        contents = _contents_by_truth(target)
    candidates = judge_candidates(contents, run.choose.max_content_loss, kept_before(out))
    chosen = min((c for c in candidates if c.allowed), key=lambda c: (c.wrong, c.step))
    return RoundChoice(
        by=run.choose.by,
        prompts=len(target.prompts.keys()),
        candidates=tuple(candidates),
        chosen=chosen.name,
    )


def _drawn(out: Path, name: str) -> Path:
    """Return the folder of a candidate's answers: one model's, as every drawing needs it."""
    return out / "choosing/drawn" / name


def _take_last_answers(folder: Path, settings: Round, model: str) -> None:
    """Take the answers of the model that the round began with from the round that chose it.

    Greedy answers of equal weights to equal prompts are equal. A chosen adapter has been merged
    since, so its weights differ and it answers again.
    """
    if settings.number == 1:
        return
    last = folder / round_name(settings.number - 1)
    source = RunFolder(_drawn(last, read_choice(last).chosen))
    target = RunFolder(_drawn(folder / settings.out, START))
    revision = revision_of(settings.run.of(model).part(ModelSettings))
    equal = [answer_ for answer_ in source.answers.read() if answer_.producer.revision == revision]
    if not equal or target.answers.parts():
        return
    target.take_prompts(source, source.prompts.read())
    target.answers.append([by_another_name(answer_, START) for answer_ in equal])


def _contents_by_claims(
    target: RunFolder, run: AlignSettings, first: str, progress: Progress
) -> dict[str, AnswerContent]:
    """Return each candidate's content by the labeler's verdicts; "self" is the model `first`.

    All candidates' answers are checked together: they say nearly the same of an image, and a
    question about an image is asked once.

    Raises:
        UserError: of a candidate no claim was checked, or no answer's claims all were; or no claim
            is of `choose.kinds`.
    """
    feedback = with_self(run.feedback, first)
    progress.start(f"load {feedback.labeler}")
    with open_labelling(feedback, target) as labelling:
        label_claims(target.path, target.path, labelling, progress, settings=feedback)
    author = {row.key: row.producer.name for row in target.answers.read()}
    claims: dict[str, list[Claim]] = defaultdict(list)
    for claim in target.claims.read():
        claims[author[claim.answer]].append(claim)
    for name, own_claims in claims.items():
        where = _drawn(target.path.parent, name)
        require_verdicts(
            summary_of(own_claims), feedback.labeler, feedback.divider, where, silence=True
        )
    scores: dict[str, list[Score]] = defaultdict(list)
    for row in claim_scores(target.path):
        scores[row.model].append(row)
    kinds = run.choose.kinds
    claim_kinds = {claim.kind for rows in claims.values() for claim in rows}
    if kinds and not claim_kinds.intersection(kinds):
        raise UserError(
            "No claim is of a kind that counts as kept, so any loss would pass.",
            f"choose.kinds={', '.join(kinds)}; the claims are of: {', '.join(sorted(claim_kinds))}",
            "Name kinds that the divider gives, or set choose.kinds=[].",
        )
    return {name: _content_of(name, rows, kinds, target) for name, rows in scores.items()}


def _content_of(
    name: str, scores: Sequence[Score], kinds: Sequence[SpanKind], target: RunFolder
) -> AnswerContent:
    scored = [score.values for score in scores if score.status == "scored"]
    if not scored:
        raise UserError(
            f"Of {name} no answer's claims could be read, so no checkpoint can be chosen.",
            str(target.claims.path),
            "Look at the claims there; choose another feedback.divider.",
        )
    names = [supported_value(kind) for kind in kinds] or ["supported_claims"]
    return AnswerContent(
        wrong=sum(values["rejected"] for values in scored) / len(scored),
        kept=sum(values.get(each, 0.0) for values in scored for each in names) / len(scored),
        unchecked=len(scores) - len(scored),
    )


def _contents_by_truth(target: RunFolder) -> dict[str, AnswerContent]:
    """Return each candidate's content by the truth: for comparison, if a source knows it."""
    prompts = target.prompts_by_key()
    truth_of = truth_scorer(source_of(prompts.values()), str(target.path), BY_CLAIMS)
    truths: dict[str, list[Truth]] = defaultdict(list)
    for row in target.answers.read():
        truths[row.producer.name].append(truth_of(prompts[row.prompt], row.text))
    return {
        name: AnswerContent(
            wrong=sum((row.invented > 0) + row.wrong for row in model_truths)
            / 2
            / len(model_truths),
            kept=sum(row.named for row in model_truths) / sum(row.there for row in model_truths),
        )
        for name, model_truths in truths.items()
    }


def kept_before(out: Path) -> float:
    """Return the share of the first model's correct content that the earlier rounds kept."""
    share = 1.0
    for number in range(1, int(out.name.removeprefix("round-"))):
        choice = read_choice(out.parent / round_name(number))
        values = {candidate.name: candidate.kept for candidate in choice.candidates}
        share *= values[choice.chosen] / values[START] if values[START] else 1.0
    return share


def read_choice(out: Path) -> RoundChoice:
    """Return the choice of a finished round by its folder."""
    return read_sealed(out / "choice.json", RoundChoice)


def judge_candidates(
    contents: Mapping[str, AnswerContent], max_content_loss: float, before: float = 1.0
) -> list[CandidateModel]:
    """Candidates by the names of `contents`, the model that the round began with among them.

    One is allowed if it keeps all but `max_content_loss` of what the first round began with, of
    which `before` is left at the start of this one; that model always is.
    """
    least_content = contents[START].kept * (1 - max_content_loss) / before if before else 0.0
    return [
        CandidateModel(
            name=name,
            step=0 if name == START else int(name.removeprefix("step-")),
            wrong=content.wrong,
            kept=content.kept,
            unchecked=content.unchecked,
            allowed=name == START or content.kept >= least_content - 1e-9,
        )
        for name, content in contents.items()
    ]
