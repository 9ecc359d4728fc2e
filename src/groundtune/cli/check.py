"""`groundtune check`."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundtune.pipeline.check.found import Checked


def check(
    answers: str,
    *settings: str,
    images: Path | None = None,
    labeler: str | None = None,
    ask: str | None = None,
    marks: Path | None = None,
    out: Path = Path("runs/check"),
    json: bool = False,
) -> None:
    """Check answers on your own pictures, without any truth.

    Each answer is divided into claims, and a labeler says yes or no to each from the picture. The
    report marks what it says no to. With answers that a person has marked, the share of wrong
    answers gets an interval that holds however wrong the labeler is, and its own error is told. Run
    again, it goes on where it stopped.

    Args:
        answers: A run's folder, a file with a row an answer (picture, question, answer), or a model
            that is asked about each picture of --images.
        settings: key=value settings: divider, questions, asking.suffix, max_new_tokens, mark, ...
        images: Folder of the pictures.
        labeler: Who answers the questions: a folder, a hub name, openai:MODEL@URL, or "self" for
            the model that gave the answers.
        ask: What a model is asked about each picture, "Describe the image." without it.
        marks: to-mark.jsonl with "wrong" filled in, true or false.
        out: Folder for the claims, the report and to-mark.jsonl.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.table import print_table
    from groundtune.pipeline.check.run import check as run_check

    with open_progress(silent=json) as progress:
        made = run_check(
            answers,
            out,
            settings,
            progress,
            options={"labeler": labeler, "ask": ask},
            images=images,
            marks=marks,
            command=sys.argv,
        )
    shown: dict[str, object] = made.found.model_dump(mode="json")
    if not json:
        print_table(_rows(made.found))
        print()
        shown = {name: shown[name] for name in ("answers", "images", "labeler", "marks")}
        shown["labeler's error"] = _error(made.found)
    options = {"--images": images, "--labeler": labeler, "--ask": ask, "--marks": made.to_mark}
    again = ["groundtune", "check", answers, *settings]
    again += [word for k, v in options.items() if v is not None for word in (k, str(v))]
    finish(
        shown,
        wrote=made.report,
        next_command="" if made.found.corrected else shlex.join([*again, "--out", str(out)]),
        json=json,
    )


def _rows(found: "Checked") -> list[list[str]]:
    from groundtune.pipeline.check.scores import METRICS

    models = list(dict.fromkeys(each.model for each in found.estimates))
    rows = [["", *models]]
    for name, each in (("Answers with something wrong, corrected", found.corrected),):
        if each:
            rows.append([name, *(_share(*each[m].share) if m in each else "-" for m in models)])
    for metric in METRICS:
        cells: list[str] = []
        for model in models:
            one = [e for e in found.estimates if (e.model, e.metric) == (model, metric.name)]
            if not one:
                cells.append("-")
            elif metric.is_share:
                cells.append(_share(one[0].value, one[0].low, one[0].high))
            else:
                cells.append(f"{one[0].value:.1f} ({one[0].low:.1f} to {one[0].high:.1f})")
        rows.append([metric.label, *cells])
    return rows


def _error(found: "Checked") -> str:
    from groundtune.pipeline.check.page import told

    if not found.corrected:
        return "not known: mark answers in to-mark.jsonl and give them with --marks"
    return " ".join(told(name, each) for name, each in found.corrected.items())


def _share(value: float, low: float, high: float) -> str:
    return f"{value:.1%} ({low:.1%} to {high:.1%})"
