"""`groundtune check`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from groundtune.pipeline.check.found import CheckSummary
    from groundtune.pipeline.check.run import CheckResult


def check(
    answers: str,
    /,
    *settings: Settings,
    images: Path | None = None,
    labeler: str | None = None,
    detector: str | None = None,
    ask: str | None = None,
    marks: Path | None = None,
    risk: float | None = None,
    claim_marks: Path | None = None,
    out: Path = Path("runs/check"),
    json: bool = False,
) -> None:
    """Check answers about your own images, without ground truth.

    Each answer is split into claims, and a labeler looks at the image and says yes or no to each.
    The report marks the claims that it rejects. If a person also marks some answers as right or
    wrong, you get the share of wrong answers with an interval that is valid whatever the labeler's
    errors, and an estimate of these. A command that was stopped resumes when you run it again.

    For example:

        groundtune check runs/candidates --labeler world:labeler --out runs/check
        groundtune check llava-hf/llava-1.5-7b-hf --images photos --labeler self --out runs/photos

    Args:
        answers: Folder of a run, a file with one answer per row (image, question, answer), or a
            model to ask about each image in --images.
        settings: Settings that have no option: divider, questions, asking.suffix, max_new_tokens,
            mark.
        images: Folder of the images.
        labeler: Who says yes or no: a folder, a hub name, openai:MODEL@URL, or "self" for the
            model that answered. The folder of a reward model that learnt words marks wrong words.
        detector: An object detector that is asked about the same claims: a folder or a hub name.
        ask: What the model is asked about each image (default "Describe the image.").
        marks: The file to-mark.jsonl, after you set "wrong" to true or false in its rows.
        risk: Largest share of wrong claims among those to keep, such as 0.05: draws claims into
            claims-to-mark.jsonl, and with --claim-marks writes kept-claims.jsonl.
        claim_marks: The file claims-to-mark.jsonl, after you set "true" in its rows.
        out: Folder for the claims, the report and to-mark.jsonl.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.table import print_table
    from groundtune.pipeline.check.run import check as run_check

    with open_progress(silent=json) as progress:
        result = run_check(
            answers,
            out,
            settings,
            progress,
            options={"labeler": labeler, "ask": ask, "risk": risk, "detector": detector},
            images=images,
            marks=marks,
            claim_marks=claim_marks,
            command=sys.argv,
        )
    figures = result.summary.model_dump(mode="json")
    output: dict[str, object] = {"verdict": result.verdict, **figures}
    if not json:
        from groundtune.pipeline.check.page import caveat

        if (first := caveat(result.summary)) is not None:
            print(f"{first.title}. {first.text}\n")
        print_table(_rows(result.summary))
        print()
        output = _shown(result, with_kept=bool(risk))
    options = {"--images": images, "--labeler": labeler, "--ask": ask, "--marks": result.to_mark}
    options |= {"--detector": detector}
    if risk and result.summary.risk is None:
        options |= {"--marks": marks, "--risk": risk, "--claim-marks": result.claims_to_mark}
    again = ["groundtune", "check", answers, *settings]
    again += [word for k, v in options.items() if v is not None for word in (k, str(v))]
    finish(
        output,
        path=result.report,
        next_command=[]
        if result.summary.corrected and "--risk" not in options
        else [*again, "--out", str(out)],
        json=json,
    )


def _shown(result: "CheckResult", *, with_kept: bool) -> dict[str, object]:
    """The closing lines."""
    from groundtune.pipeline.check.page import checked_line
    from groundtune.pipeline.check.second import agreement_text

    summary = result.summary
    lines: dict[str, object] = {
        "verdict": result.verdict,
        "answers": summary.answers,
        "images": summary.images,
        "labeler": summary.labeler,
        "marks": summary.marks,
        "labeler's error": _error(summary),
        "checked": checked_line(summary),
    }
    if summary.second is not None:
        lines["detector"] = agreement_text(summary.second)
    if with_kept:
        lines["claims to keep"] = _kept(summary)
    return lines


def _rows(summary: "CheckSummary") -> list[list[str]]:
    from groundtune.pipeline.check.scores import METRICS

    models = list(dict.fromkeys(each.model for each in summary.estimates))
    estimates = {(each.model, each.metric): each for each in summary.estimates}
    rows = [["", *models]]
    if shares := summary.corrected:
        cells = [_share(*shares[m].share) if m in shares else "-" for m in models]
        rows.append(["Answers with something wrong, corrected", *cells])
    for metric in METRICS:
        cells: list[str] = []
        for model in models:
            estimate = estimates.get((model, metric.name))
            if estimate is None:
                cells.append("-")
            elif metric.is_share:
                cells.append(_share(estimate.value, estimate.low, estimate.high))
            else:
                bounds = f"{estimate.low:.1f} to {estimate.high:.1f}"
                cells.append(f"{estimate.value:.1f} ({bounds})")
        rows.append([metric.label, *cells])
    return rows


def _error(summary: "CheckSummary") -> str:
    from groundtune.pipeline.check.page import corrected_note

    if not summary.corrected:
        return "unknown: mark answers in to-mark.jsonl and pass it as --marks"
    return " ".join(corrected_note(name, each) for name, each in summary.corrected.items())


def _kept(summary: "CheckSummary") -> str:
    from groundtune.pipeline.check.page import kept_text

    if summary.risk is None:
        return 'unknown: set "true" in claims-to-mark.jsonl and pass it as --claim-marks'
    return kept_text(summary.risk)


def _share(value: float, low: float, high: float) -> str:
    return f"{value:.1%} ({low:.1%} to {high:.1%})"
