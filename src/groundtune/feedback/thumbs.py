"""Pairs of feedback on single answers, for the method kto with thumbs.

An answer with a thumb up is the chosen one of a pair, rated 1; the rejected side is a placeholder
rated 0, which does not count. A thumb down is the reverse, rated -1.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from groundtune.errors import UserError
from groundtune.feedback.corrections import NoPair
from groundtune.feedback.pairs import PairsWithCounts, collect_pairs
from groundtune.records import Answer, Key, Pair, Producer, Prompt, Source, Thumb
from groundtune.store.keys import key_of

PLACEHOLDER = "-"
"""The side that does not count."""


def thumb_of(answer: Answer, *, good: bool, by: Producer, note: str = "") -> Thumb:
    """Return a person's word on an answer; another word has another key."""
    return Thumb(
        key=key_of("thumb", answer.key, by, good, note),
        prompt=answer.prompt,
        answer=answer.key,
        text=answer.text,
        good=good,
        by=by,
        note=note,
    )


def is_thumb(pair: Pair) -> bool:
    """Return whether a pair is about one answer, and its other side a placeholder."""
    sides = (pair.chosen, pair.chosen_rating), (pair.rejected, pair.rejected_rating)
    return (PLACEHOLDER, 0.0) in sides


def pairs_from_thumbs(
    thumbs: Iterable[Thumb], prompts: Mapping[str, Prompt], *, cap: int = 0, seed: int = 0
) -> PairsWithCounts:
    """Return one pair per text and prompt about which more thumbs are up than down, or the reverse.

    As many up as down count as a tie, further thumbs about one text as duplicates. `cap` and `seed`
    are those of `pairs_from_corrections`.

    Raises:
        UserError: a thumb's prompt is missing.
    """
    by_text: dict[tuple[Key, str], list[Thumb]] = defaultdict(list)
    for thumb in thumbs:
        by_text[thumb.prompt, thumb.text].append(thumb)
    results: list[Pair | NoPair] = []
    for group in by_text.values():
        result = _pair(group, _source(group[0], prompts))
        results.extend(result for _ in group)
    return collect_pairs(results, cap=cap, seed=seed)


def _pair(thumbs: list[Thumb], source: Source) -> Pair | NoPair:
    """Return the pair of all thumbs about one text."""
    votes = sum(1 if thumb.good else -1 for thumb in thumbs)
    first = thumbs[0]
    if votes == 0:
        return "tie"
    good = votes > 0
    if not first.text.strip():
        return "empty_chosen" if good else "empty_rejected"
    return Pair(
        key=key_of("pair", "thumb", first.prompt, first.text, good),
        prompt=first.prompt,
        chosen=first.text if good else PLACEHOLDER,
        rejected=PLACEHOLDER if good else first.text,
        chosen_rating=1.0 if good else 0.0,
        rejected_rating=0.0 if good else -1.0,
        origin="thumb",
        parents=(first.answer,),
        source=source,
    )


def _source(thumb: Thumb, prompts: Mapping[str, Prompt]) -> Source:
    prompt = prompts.get(thumb.prompt)
    if prompt is None:
        raise UserError(
            f"The prompt {thumb.prompt} of a thumb is missing.",
            f"thumb {thumb.key}",
            "Use a folder with both the thumbs and their prompts.",
        )
    return prompt.source
