"""The last step of a round of AI feedback: which checkpoint the next round begins with.

The rule: each checkpoint, and the model that the round began with, answers the prompts in choosing/
greedily. A candidate is allowed if it keeps all but `choose.max_content_loss` of what the first
round began with; the model that the round began with always is. Of those allowed the one with the
least wrong is chosen, of equal ones the earliest. `choose.by` says who decides what is wrong and
kept: the labeler's verdicts on claims, or, for comparison, the truth.

    OUT/round-1/choosing/drawn/NAME/    each candidate's answers
    OUT/round-1/choosing/               all of them, with their claims
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.align.settings import Round, round_name
from groundtune.pipeline.align.steps import answer, claim_scores, with_self, write, write_chosen
from groundtune.pipeline.feedback.claim_settings import ClaimSettings, open_labelling
from groundtune.pipeline.feedback.claims import label_claims
from groundtune.pipeline.feedback.verdicts import require_verdicts, summary_of
from groundtune.pipeline.folder import RunFolder
from groundtune.pipeline.model_settings import LabelledModel, ModelSettings
from groundtune.pipeline.models import model_or_folder, revision_of
from groundtune.pipeline.prompt_sources import source_of, truth_scorer
from groundtune.pipeline.sample.run import by_another_name
from groundtune.protocols import Progress, Truth
from groundtune.records import Claim, Record, Score
from groundtune.store.files import remove_folder
from groundtune.store.sealed import read_sealed

BY_CLAIMS = "Set choose.by=claims"
"""What can be done where no truth is known."""
START = "start"
"""The candidate that is the model with which the round began."""


class Content(NamedTuple):
    """What is wrong and what is right in a candidate's answers, and how many were not checked."""

    wrong: float
    kept: float
    unchecked: int = 0


class CandidateModel(Record):
    """A checkpoint that a round's model may be chosen from."""

    name: str
    step: int
    wrong: float
    kept: float
    unchecked: int = 0
    """Answers with a claim that has no verdict: `wrong` and `kept` are of the others."""
    allowed: bool
    """Whether it keeps enough."""


class Choice(Record):
    """The candidates and the choice of a round's model: ROUND/choice.json."""

    by: str
    prompts: int
    candidates: tuple[CandidateModel, ...]
    chosen: str


def choose_checkpoint(folder: Path, settings: Round, progress: Progress) -> None:
    """Make the checkpoint with the fewest errors that keeps enough the model ROUND/model."""
    from groundtune.train.checkpoint import steps_in

    out = folder / settings.out
    found = {START: Path(model_or_folder(folder, settings.model))}
    found |= {path.name: path for path in steps_in(out / "training/checkpoints")}
    if not (out / "choice.json").exists() or not (out / "model/config.json").exists():
        choice = _choice(folder, settings, found, progress)
        write_chosen(folder, settings, found[choice.chosen], progress)
        write(out / "choice.json", choice)
    for name, path in found.items():
        if name != START:
            remove_folder(path)  # with the optimiser's state several times the model's size


def _choice(folder: Path, settings: Round, found: Mapping[str, Path], progress: Progress) -> Choice:
    run, out = settings.run, folder / settings.out
    target = RunFolder(out / "choosing")
    _take_last_answers(folder, settings, str(found[START]))
    for name, path in found.items():
        model = run.of(str(path)).part(LabelledModel, label=name)
        drawn = RunFolder(_drawn(out, name))
        answer(run, model, folder / "choosing", drawn.path, progress)
        target.take_prompts(drawn, drawn.prompts.read())
        target.take_answers(drawn, drawn.answers.read())
    if run.choose.by == "claims":
        contents = _contents_by_claims(target, run.feedback, str(found[START]), progress)
    else:
        contents = _contents_by_truth(target)
    candidates = judged(contents, run.choose.max_content_loss, kept_before(out))
    chosen = min((c for c in candidates if c.allowed), key=lambda c: (c.wrong, c.step))
    return Choice(
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
    equal = [each for each in source.answers.read() if each.producer.revision == revision]
    if not equal or target.answers.parts():
        return
    target.take_prompts(source, source.prompts.read())
    target.answers.append([by_another_name(each, START) for each in equal])


def _contents_by_claims(
    target: RunFolder, feedback: ClaimSettings, first: str, progress: Progress
) -> dict[str, Content]:
    """Return each candidate's content by the labeler's verdicts; "self" is the model `first`.

    All candidates' answers are checked together: they say nearly the same of an image, and a
    question about an image is asked once.

    Raises:
        UserError: of a candidate no claim was checked, or no answer's claims all were.
    """
    feedback = with_self(feedback, first)
    progress.start(f"load {feedback.labeler}")
    with open_labelling(feedback, target) as labelling:
        label_claims(target.path, target.path, labelling, progress, settings=feedback)
    author = {each.key: each.producer.name for each in target.answers.read()}
    claims: dict[str, list[Claim]] = defaultdict(list)
    for claim in target.claims.read():
        claims[author[claim.answer]].append(claim)
    for name, own in claims.items():
        where = _drawn(target.path.parent, name)
        require_verdicts(summary_of(own), feedback.labeler, feedback.divider, where, silence=True)
    scores: dict[str, list[Score]] = defaultdict(list)
    for each in claim_scores(target.path):
        scores[each.model].append(each)
    return {name: _content_of(name, some, target) for name, some in scores.items()}


def _content_of(name: str, scores: Sequence[Score], target: RunFolder) -> Content:
    read = [each.values for each in scores if each.status == "scored"]
    if not read:
        raise UserError(
            f"Of {name} no answer's claims could be read, so no checkpoint can be chosen.",
            str(target.claims.path),
            "Look at the claims there; choose another feedback.divider.",
        )
    return Content(
        wrong=sum(values["rejected"] for values in read) / len(read),
        kept=sum(values["supported_claims"] for values in read) / len(read),
        unchecked=len(scores) - len(read),
    )


def _contents_by_truth(target: RunFolder) -> dict[str, Content]:
    """Return each candidate's content by the truth: for comparison, where a source knows it."""
    prompts = target.prompts_by_key()
    truth_of = truth_scorer(source_of(prompts.values()), str(target.path), BY_CLAIMS)
    truths: dict[str, list[Truth]] = defaultdict(list)
    for each in target.answers.read():
        truths[each.producer.name].append(truth_of(prompts[each.prompt], each.text))
    return {
        name: Content(
            wrong=sum((each.invented > 0) + each.wrong for each in some) / 2 / len(some),
            kept=sum(each.named for each in some) / sum(each.there for each in some),
        )
        for name, some in truths.items()
    }


def kept_before(out: Path) -> float:
    """Return the share of the first model's correct content that the earlier rounds kept."""
    kept = 1.0
    for number in range(1, int(out.name.removeprefix("round-"))):
        choice = read_choice(out.parent / round_name(number))
        values = {candidate.name: candidate.kept for candidate in choice.candidates}
        kept *= values[choice.chosen] / values[START] if values[START] else 1.0
    return kept


def read_choice(out: Path) -> Choice:
    """Return the choice of a finished round by its folder."""
    return read_sealed(out / "choice.json", Choice)


def judged(
    contents: Mapping[str, Content], max_content_loss: float, before: float = 1.0
) -> list[CandidateModel]:
    """Candidates by the names of `contents`, the model that the round began with among them.

    One is allowed if it keeps all but `max_content_loss` of what the first round began with, of
    which `before` is left at the start of this one; that model always is.
    """
    least = contents[START].kept * (1 - max_content_loss) / before if before else 0.0
    return [
        CandidateModel(
            name=name,
            step=0 if name == START else int(name.removeprefix("step-")),
            wrong=content.wrong,
            kept=content.kept,
            unchecked=content.unchecked,
            allowed=name == START or content.kept >= least - 1e-9,
        )
        for name, content in contents.items()
    ]
