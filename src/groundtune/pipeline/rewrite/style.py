"""The style gate: how far both sides of pairs differ in style, before a model is trained on them.

HA-DPO (Zhao et al. 2023, arXiv 2311.16839, section 3) compares the reference model's
log-probabilities of chosen and rejected answers: where they lie apart, training learns the style
and is unstable. Here they are compared as sums and per token, with the length, and with a
classifier that sees style alone; a threshold refuses.

    OUT/log-probs/    the reference's log-probability of each text; resumable by key
    OUT/style.json
    OUT/report.html   the distributions
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import Field

from groundtune.bench.metric import Floats
from groundtune.bench.stats.means import mean_interval
from groundtune.errors import UserError
from groundtune.pipeline.models.names import load_vlm, revision_of
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.rewrite.style_features import (
    histogram,
    length_auc,
    style_auc,
    unseen_share,
)
from groundtune.pipeline.rewrite.style_page import write_page
from groundtune.pipeline.rewrite.style_summary import StyleGap, StyleSummary
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.protocols import Progress
from groundtune.recipe_loading import Settings
from groundtune.records import Key, Pair, Record
from groundtune.store.dataset import RecordSet
from groundtune.store.json_writing import write_object
from groundtune.store.keys import key_of
from groundtune.store.lock import one_writer
from groundtune.store.run_json import write_run

if TYPE_CHECKING:
    from groundtune.generate.log_probs import LogProbs
    from groundtune.store.images import ImageStore

AT_ONCE = 50
"""Prompts between two writes."""


class StyleLimits(Settings):
    """How far the sides of pairs may differ."""

    most_auc: float = Field(default=0.75, ge=0.5, le=1)
    """Largest AUC of the style classifier: 0.5 is none, 1 every pair."""
    most_distance: float = Field(default=1.0, gt=0)
    """Largest distance of both sides' log-probabilities per token, in standard deviations."""


class StyleSettings(ModelSettings, StyleLimits):
    """The reference model, and the limits."""

    refuse: bool = True
    """End with an error where a limit is passed; else report alone."""


class TextLogProb(Record):
    """The reference's log-probability of one text."""

    key: Key
    total: float
    tokens: int


class StyleResult(NamedTuple):
    """What was found, and where it is."""

    summary: StyleSummary
    results: Path
    report: Path


@one_writer()
def check_style(
    source: Path,
    out: Path,
    settings: StyleSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> StyleResult:
    """Measure the style of the pairs in `source`, into `out`.

    Raises:
        UserError: there are no pairs, the model can't be loaded, or a limit is passed.
    """
    folder = RunFolder(source)
    pairs = read_some(folder.pairs)
    return measure_style(folder, pairs, out, settings, progress, command=command)


def measure_style(
    folder: RunFolder,
    pairs: Sequence[Pair],
    out: Path,
    settings: StyleSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> StyleResult:
    """Measure the style of pairs about a folder's prompts, into `out`.

    Raises:
        UserError: the model can't be loaded, or a limit is passed.
    """
    stored = RecordSet(out / "log-probs", TextLogProb)
    log_probs = _log_probs(pairs, folder, settings, stored, progress)
    summary = summary_of(pairs, log_probs, settings)
    write_run(
        out,
        {"command": "style", **settings.model_dump(mode="json")},
        {"pairs": key_of([pair.key for pair in pairs]), "reference": revision_of(settings)},
        {},
        list(command),
    )
    results = write_object(out / "style.json", summary, indent=1)
    page = write_page(out, summary, values_of(pairs, log_probs))
    if settings.refuse and not summary.passed:
        raise _refusal(summary, results)
    return StyleResult(summary, results, page)


def summary_of(
    pairs: Sequence[Pair], log_probs: Mapping[tuple[str, str], TextLogProb], settings: StyleSettings
) -> StyleSummary:
    """The gaps and AUCs of pairs; `log_probs` by prompt and text."""
    values = values_of(pairs, log_probs)
    gaps = {name: _gap(*sides, [p.prompt for p in pairs]) for name, sides in values.items()}
    auc = style_auc(pairs)
    why: list[str] = []
    if auc.value > settings.most_auc:
        why.append(f"style alone tells {auc.value:.0%} of the pairs, over {settings.most_auc:.0%}")
    if abs(gaps["mean"].distance) > settings.most_distance:
        away = f"{abs(gaps['mean'].distance):.2f}"
        why.append(
            f"log-probabilities per token lie {away} standard deviations apart, over "
            f"{settings.most_distance:g}"
        )
    return StyleSummary(
        pairs=len(pairs),
        prompts=len({pair.prompt for pair in pairs}),
        reference=settings.model,
        style_auc=auc,
        length_auc=length_auc(pairs),
        unseen=round(unseen_share(pairs), 4),
        passed=not why,
        why=tuple(why),
        **gaps,
    )


def values_of(
    pairs: Sequence[Pair], log_probs: Mapping[tuple[str, str], TextLogProb]
) -> dict[str, tuple[Floats, Floats]]:
    """Chosen and rejected values of each quantity, by its name in `StyleSummary`."""
    sides = [
        [log_probs[pair.prompt, text] for pair, text in zip(pairs, texts, strict=True)]
        for texts in ([p.chosen for p in pairs], [p.rejected for p in pairs])
    ]
    sums = [np.array([row.total for row in side]) for side in sides]
    tokens = [np.array([row.tokens for row in side], dtype=float) for side in sides]
    words = [
        np.array([float(len(text.split())) for text in texts])
        for texts in ([p.chosen for p in pairs], [p.rejected for p in pairs])
    ]
    return {
        "sum": (sums[0], sums[1]),
        "mean": (sums[0] / tokens[0], sums[1] / tokens[1]),
        "words": (words[0], words[1]),
    }


def _gap(chosen: Floats, rejected: Floats, groups: Sequence[str]) -> StyleGap:
    difference, low, high = mean_interval(chosen - rejected, groups)
    spread = float(np.sqrt((chosen.var() + rejected.var()) / 2))
    _, one, other = histogram(chosen, rejected)
    return StyleGap(
        chosen=round(float(chosen.mean()), 4),
        rejected=round(float(rejected.mean()), 4),
        difference=round(difference, 4),
        low=round(low, 4),
        high=round(high, 4),
        distance=round(difference / spread, 4) if spread else 0.0,
        overlap=round(float(np.minimum(one, other).sum()), 4),
    )


def _log_probs(
    pairs: Sequence[Pair],
    folder: RunFolder,
    settings: StyleSettings,
    stored: RecordSet[TextLogProb],
    progress: Progress,
) -> dict[tuple[str, str], TextLogProb]:
    """The reference's log-probability of each side, by prompt and text."""
    revision, prompts = revision_of(settings), folder.prompts_by_key()
    texts = dict.fromkeys((p.prompt, text) for p in pairs for text in (p.chosen, p.rejected))
    keys = {key_of("log-prob", revision, settings.dtype, *text): text for text in texts}
    missing = stored.missing(keys)
    progress.start("log-probabilities", total=len(missing))
    if missing:
        scorer = _open(settings, folder.images)
        for first in range(0, len(missing), AT_ONCE):
            some = missing[first : first + AT_ONCE]
            prompts_of_keys = [prompts[keys[key][0]] for key in some]
            log_probs = scorer.of(prompts_of_keys, [keys[key][1] for key in some])
            stored.append(
                [
                    TextLogProb(key=key, total=each.total, tokens=each.tokens)
                    for key, each in zip(some, log_probs, strict=True)
                ]
            )
            progress.advance(len(some))
    rows = {row.key: row for row in stored.read()}
    return {text: rows[key] for key, text in keys.items()}


def _open(settings: StyleSettings, images: "ImageStore") -> "LogProbs":
    from groundtune.generate.log_probs import LogProbs

    return LogProbs(load_vlm(settings), images)


def _refusal(summary: StyleSummary, results: Path) -> UserError:
    return UserError(
        f"Both sides of the pairs differ in style: {'; '.join(summary.why)}.",
        str(results),
        "Reword both sides by one model (groundtune rewrite), or accept it with refuse=false.",
    )
