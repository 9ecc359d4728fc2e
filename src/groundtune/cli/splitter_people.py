"""`groundtune splitter people`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from groundtune.bench.stats.means import Mean


def people(
    marks: Path,
    /,
    *settings: Settings,
    divider: str | None = None,
    out: Path = Path("runs/people"),
    json: bool = False,
) -> None:
    """Compare claims and spans with what people marked.

    With FaithScore's annotation.jsonl, a divider splits its answers, and its claims are compared
    with people's. With one of MHALO's processed_*.json, people's spans are compared with the
    differences between each answer and its corrected text; rows whose tags are of another text are
    left out and counted. Neither needs an image.

    For example:

        groundtune splitter people annotation.jsonl --divider openai:BIG@http://127.0.0.1:8000/v1

    Args:
        marks: The file of people's marks.
        settings: Settings that have no option: questions, instruction, batch_size, device, dtype.
        divider: Who splits the answers: a model, "sentences", or the rules of a prompt source.
        out: Folder for the claims and people.json.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.claim_settings import ClaimSettings
    from groundtune.pipeline.feedback.people import agree_with_people
    from groundtune.recipe_loading import load

    chosen = load(None, settings, ClaimSettings, options={"divider": divider})
    with open_progress(silent=json) as progress:
        agreement = agree_with_people(marks, out, chosen, progress, command=sys.argv)
    output: dict[str, object] = agreement.model_dump(mode="json")
    if not json:
        shares = {"recall": agreement.recall, "precision": agreement.precision}
        shares |= {
            "facts covered": agreement.facts_covered,
            "opinions left out": agreement.opinions_left,
        }
        output = {name: output[name] for name in ("answers", "refused", "unread", "marks", "found")}
        output |= {name: _share(value) for name, value in shares.items() if value is not None}
    finish(output, path=out / "people.json", json=json)


def _share(mean: "Mean") -> str:
    return f"{mean.value:.1%} ({mean.low:.1%} to {mean.high:.1%})"
