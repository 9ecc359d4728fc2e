"""Stage "best-of": choose the answer per prompt that a reward prefers.

By default that is a tuned model's own reward, RLAIF-V's self-feedback (Yu et al. 2024, arXiv
2405.17220, 3.4). The answers may be by any model, or the tuned model draws them for the prompts of
a prompt source.

    OUT/rewards/      the log-ratio of each candidate's text; resumable by key
    OUT/answers/      the chosen answers, with OUT/prompts/ and OUT/images/
    OUT/best-of.json  quality and cost of best of 1, 2, 4, ... N
    OUT/report.html

Rewards with and without length normalisation use the same log-ratios, so both are always reported;
`normalise` selects the one that chooses.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from groundtune.errors import UserError
from groundtune.pipeline.best_of.curve import Candidate, best, curve_of
from groundtune.pipeline.best_of.scores import Ratio, open_scorer, score
from groundtune.pipeline.best_of.settings import BestOf, BestOfSettings
from groundtune.pipeline.models.prompt_sources import names, requested, source_of
from groundtune.pipeline.models.workers.local import open_workers
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.pipeline.sample.run import SampleSettings, answer_prompts
from groundtune.protocols import Progress, Truth, TruthScorer, Workers
from groundtune.records import Answer, Claim, Prompt
from groundtune.store.dataset import RecordSet
from groundtune.store.json_writing import write_object
from groundtune.store.lock import one_writer
from groundtune.store.rows import json_file
from groundtune.store.run_json import read_run, write_run

RESULTS = "best-of.json"
"""In the folder of a choice: what it found."""


class BestOfResult(NamedTuple):
    """The result and the paths of its files."""

    summary: BestOf
    verdict: str
    results: Path
    report: Path
    answers: Path


@one_writer()
def best_of(
    source: Path | None,
    out: Path,
    settings: BestOfSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> BestOfResult:
    """Score the first n answers to each prompt of `source`, and write the best one to `out`.

    Without `source` the tuned model draws answers to `settings.prompts` first: OUT/candidates/.

    Raises:
        UserError: no candidates, a prompt with fewer than n answers or without a reward that is a
            number, a model that can't be loaded, or `out` has the choice of other settings.
    """
    folder = RunFolder(source or out / "candidates")
    _refuse_same(folder, RunFolder(out))
    scorer = open_scorer(settings, folder)
    with open_workers(settings.engine) as workers:
        if source is None:
            _draw(settings, folder, progress, workers)
        candidates = candidates_of(read_some(folder.answers), settings.n, folder.answers.path)
        prompts = folder.prompts_by_key()
        progress.start(f"load {settings.rewarder or settings.model}")
        stored = RecordSet(out / "rewards", Ratio)
        ratios, scored = score(scorer, candidates, prompts, stored, progress, workers)
    claims = folder.claims.read()
    prompt_source = source_of(prompts.values())
    truth_of = prompt_source.truth if prompt_source else None
    beta = 1.0 if settings.rewarder else settings.beta
    rows = _rows(candidates, prompts, ratios, claims, beta, truth_of)
    unrewarded = _refuse_unrewarded(rows, settings)
    checked = [c.values["checked"] for row in rows for c in row] if claims else []
    result = BestOf(
        prompts=len(candidates),
        candidates=sum(map(len, candidates.values())),
        n=settings.n,
        scored_now=scored,
        unrewarded=unrewarded,
        labeler=_labeler_of(folder) if claims else "",
        by_claims=any(claim.status in ("supported", "rejected") for claim in claims),
        unchecked=checked.count(0.0),
        by_truth=truth_of is not None,
        curves=tuple(curve_of(rows, settings.n, normalise=power) for power in settings.powers),
    )
    _keep(folder, RunFolder(out), candidates, rows, settings)
    inputs = {"tuned": scorer.tuned, "reference": scorer.reference}
    write_run(
        out, settings.model_dump(mode="json"), inputs, {"sample": settings.seed}, list(command)
    )
    results = out / RESULTS
    write_object(results, result, indent=1)
    from groundtune.pipeline.best_of.page import write_page

    page = write_page(out, settings, result)
    return BestOfResult(result, page.verdict, results, page.path, out / "answers")


def rewrite_best_of(out: Path) -> Path:
    """Write the report of a finished choice again from its folder.

    Raises:
        UserError: run.json or best-of.json is not what best-of writes.
    """
    from groundtune.pipeline.best_of.page import write_page

    try:
        settings = BestOfSettings.model_validate(read_run(out).recipe)
        result = BestOf.model_validate(json_file(out / RESULTS))
    except ValidationError as error:
        raise UserError(
            f"The files are not those of a finished best-of: {error.errors()[0]['msg']}.",
            f"{out / 'run.json'}, {out / RESULTS}",
            "Choose again: groundtune best-of.",
        ) from error
    return write_page(out, settings, result).path


def _labeler_of(folder: RunFolder) -> str:
    """Return who checked a folder's claims, by the run.json of the stage that did; "" if none."""
    if not (folder.claims.path / "run.json").exists():
        return ""
    labeler = str(read_run(folder.claims.path).recipe.get("labeler", ""))
    return "the model itself" if labeler == "self" else labeler


def candidates_of(answers: Sequence[Answer], n: int, where: Path) -> dict[str, list[Answer]]:
    """Return the first n answers per prompt, by index and then in file order.

    Raises:
        UserError: a prompt has fewer.
    """
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.prompt, []).append(answer)
    fewest = min(map(len, groups.values()))
    if fewest < n:
        raise UserError(
            f"A prompt has {fewest} answers, fewer than {n}.",
            str(where),
            f"Choose among --n {fewest}, or draw more: groundtune sample --n {n}.",
        )
    return {
        key: sorted(group, key=lambda answer: answer.index)[:n] for key, group in groups.items()
    }


def _draw(
    settings: BestOfSettings, folder: RunFolder, progress: Progress, workers: Workers
) -> None:
    """Draw the tuned model's answers to a source's reporting prompts."""
    request = requested(settings.prompts)
    if request is None:
        raise UserError(
            "There is nothing to choose among.",
            settings.prompts or "ANSWERS",
            f"Give a folder of answers, or a prompt source and a number: prompts={names()[0]}:40.",
        )
    last = settings.first_prompt + request.number
    source_prompts = request.source.prompts(
        folder.images, last, progress, part="reporting", seed=settings.seed
    )
    sampling = settings.part(SampleSettings)
    answer_prompts(sampling, source_prompts[settings.first_prompt :], folder, progress, workers)


def _rows(
    candidates: Mapping[str, Sequence[Answer]],
    prompts: Mapping[str, Prompt],
    ratios: Mapping[str, Ratio],
    claims: Sequence[Claim],
    beta: float,
    truth_of: TruthScorer | None,
) -> list[list[Candidate]]:
    """Return the candidates per prompt with their rewards and quantities."""
    from groundtune.feedback.claims import by_answer, tally

    groups = by_answer(claims)
    rows: list[list[Candidate]] = []
    for key, group in candidates.items():
        prompt, row = prompts[key], list[Candidate]()
        for answer in group:
            ratio = ratios[answer.key]
            values = {"words": float(len(answer.text.split())), "seconds": ratio.seconds}
            values |= {"drawn": float(answer.tokens or ratio.tokens), "scored": 2.0 * ratio.tokens}
            if claims:
                counts = tally(groups.get(answer.key, []))
                is_checked = answer.key in groups and counts.unparsed == counts.unanswered == 0
                counts = counts if is_checked else tally([])
                values |= {"claims": counts.checked, "rejected_claims": counts.rejected}
                values |= {"checked": float(is_checked), "rejected": float(counts.rejected > 0)}
            if truth_of is not None:
                values |= _columns(truth_of(prompt, answer.text))
            row.append(
                Candidate(
                    answer=answer.key,
                    image="+".join(prompt.images) or key,
                    empty=not answer.text,
                    total=None if ratio.total is None else beta * ratio.total,
                    tokens=ratio.tokens,
                    values=values,
                )
            )
        rows.append(row)
    return rows


def _refuse_unrewarded(
    rows: Sequence[Sequence[Candidate]], settings: BestOfSettings
) -> tuple[str, ...]:
    """Return the candidates without a reward.

    Raises:
        UserError: a prompt has no other candidates.
    """
    unrewarded = [[candidate for candidate in row if candidate.total is None] for row in rows]
    lost_prompts = [
        row_unrewarded
        for row_unrewarded, row in zip(unrewarded, rows, strict=True)
        if len(row_unrewarded) == len(row)
    ]
    if lost_prompts:
        raise UserError(
            f"No answer can be chosen for {len(lost_prompts)} of {len(rows)} prompts: the models' "
            "log-probabilities of all their answers have no finite sum.",
            f"answer {lost_prompts[0][0].answer}, model {settings.model}, "
            f"reference {settings.reference}",
            "Score with dtype=float32 or bfloat16 into another --out DIR; if it stays, a model's "
            "weights are not numbers.",
        )
    return tuple(candidate.answer for row_unrewarded in unrewarded for candidate in row_unrewarded)


def _columns(truth: Truth) -> dict[str, float]:
    """Return correct and wrong content of the answers as columns of `QUANTITIES`."""
    return {
        "invented": float(truth.invented > 0),
        "wrong": float(truth.wrong),
        "invented_mentions": float(truth.invented),
        "mentions": float(truth.mentions),
        "classes": float(truth.named),
        "truth_classes": float(truth.there),
    }


def _keep(
    folder: RunFolder,
    target: RunFolder,
    candidates: Mapping[str, Sequence[Answer]],
    rows: Sequence[Sequence[Candidate]],
    settings: BestOfSettings,
) -> None:
    """Write the chosen answers with their prompts."""
    chosen = {best(row, normalise=settings.powers[0]).answer for row in rows}
    others = target.answers.keys() - chosen
    if others:
        raise UserError(
            f"The folder has {len(others)} answers that these settings don't choose.",
            str(target.answers.path),
            "Choose another folder with --out DIR, or the settings of the first time.",
        )
    prompts = folder.prompts_by_key()
    target.take_prompts(folder, [prompts[key] for key in candidates])
    every = [answer for group in candidates.values() for answer in group]
    target.take_answers(folder, [answer for answer in every if answer.key in chosen])


def _refuse_same(folder: RunFolder, target: RunFolder) -> None:
    if folder.same_as(target):
        raise UserError(
            "The chosen answers can't stand among all of them.",
            str(target.path),
            "Choose another folder with --out DIR.",
        )
