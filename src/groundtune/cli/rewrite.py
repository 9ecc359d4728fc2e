"""`groundtune rewrite`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.cli.model_options import ENGINE, EngineOptions
from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from groundtune.pipeline.rewrite.settings import RewriteSummary


def rewrite(
    answers: Path,
    /,
    *settings: Settings,
    labeler: str | None = None,
    second: str | None = None,
    corrector: str | None = None,
    rewriter: str | None = None,
    rewrites: int | None = None,
    reference: str | None = None,
    out: Path = Path("runs/rewrite"),
    running: EngineOptions = ENGINE,
    json: bool = False,
) -> None:
    """Correct, extend and reword answers into preference pairs, verified by two labelers.

    Each answer is split into claims. What both labelers reject is corrected, what both find in the
    image and the answer does not say is added, and both sides are reworded in one style, so that a
    pair differs in truth alone. Every text is verified again; what the labelers disagree on is
    left as it is and counted. A command that was stopped resumes when you run it again.

    For example:

        groundtune rewrite runs/candidates --labeler world:labeler --second world:base
        groundtune rewrite runs/candidates --labeler openai:BIG@http://127.0.0.1:8000/v1

    Args:
        answers: Folder with the answers that `groundtune sample` wrote.
        settings: Settings that have no option: divider, questions, correct, extend, kinds,
            most_added, least_kept, asking.suffix, seed.
        labeler: The first verifier: a model, "self" for the model that answered, or world:truth.
        second: The second verifier, or "none" to believe the first alone (default self).
        corrector: Who corrects and extends: a model, "self", "delete", or "world" for the rules of
            the embedded world, which are the default for its answers.
        rewriter: Who rewords both sides: a model, "self", or "world".
        rewrites: Wordings per side (default 3); 0 leaves the style as it is.
        reference: The model that is to be trained: pairs whose sides differ in style are then
            refused, as by `groundtune style`.
        out: Folder for the texts, the pairs and rewrite.json.
        running: Where the claims are checked.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_pairs
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.rewrite.run import load_settings
    from groundtune.pipeline.rewrite.run import rewrite as run_rewrite

    options = {
        "labeler": labeler,
        "second": second,
        "corrector": corrector,
        "rewriter": rewriter,
        "rewrites": rewrites,
        "reference": reference,
        **running.settings(),
    }
    chosen = load_settings(answers, settings, options)
    with open_progress(silent=json) as progress:
        result = run_rewrite(answers, out, chosen, progress, command=sys.argv)
    output = result.summary.model_dump(mode="json") if json else _shown(result.summary)
    finish(
        output,
        path=result.pairs,
        next_command=after_pairs(out, out),
        json=json,
    )


def _shown(summary: "RewriteSummary") -> dict[str, object]:
    counts = summary.counts.model_dump()
    losses = counts.pop("wordings_lost")
    first = counts.pop("first_sentences_lost")
    steps = {name.replace("_", " "): number for name, number in counts.items() if number}
    return {
        "claims": _listed(summary.claims),
        "proposals": _listed(summary.proposals),
        **steps,
        "wordings left out": _listed(losses) or "none",
        **({"no first sentence": _listed(first)} if first else {}),
        "words": f"chosen {summary.words_chosen}, rejected {summary.words_rejected}",
    }


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())
