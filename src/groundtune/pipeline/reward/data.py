"""The examples of a reward model: read, checked, and split into learnt and held out by image."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.reward.settings import FeedbackSettings, Learn, RewardSettings
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.records import Comparison, Correction, Pair, Prompt, Span
from groundtune.store.contents import hashes_of_all
from groundtune.store.keys import key_of, seed_of

SURE_SHARE = 0.75
"""Share of the prompts whose facts must fit their own answers better than another prompt's do."""
DIFFERS = ("answers with more and less wrong", "answers that differ only in what is right")
"""Groups of comparisons, by which answer hallucinates more: one of them, or neither."""
CORRECTED = ("rlhf-v", "corrections")
"""Layouts whose chosen answers are the rejected ones as people corrected them."""
FEWEST = 8
"""Prompts below which that isn't counted."""


class AnswerPair(NamedTuple):
    """Two answers to one prompt."""

    key: str
    prompt: str
    better: str
    worse: str
    tie: bool = False
    differs: str = ""
    """In what the answers differ, as DIFFERS names it; "" if the annotator was not asked."""


class AnswerWithSpans(NamedTuple):
    """An answer and the spans that are wrong in it."""

    key: str
    prompt: str
    text: str
    wrong: tuple[Span, ...]


Example = AnswerPair | AnswerWithSpans


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardData:
    """What a reward model learns from and what is held out."""

    training: list[Example]
    held_out: list[Example]
    prompts: Mapping[str, Prompt]
    """Those of the examples, by key."""
    folder: RunFolder
    left_out: dict[str, int] = field(default_factory=dict[str, int])
    """Examples that are not used, by reason."""
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])


def read_data(settings: RewardSettings) -> RewardData:
    """Return the examples of a folder.

    Raises:
        UserError: there are none, an example can't be used, or nothing is left to learn from or to
            hold out.
    """
    whole = read_held_out(settings, settings.learn)
    usable, prompts, left_out = whole.held_out, whole.prompts, Counter(whole.left_out)
    share = settings.validation.share
    is_held = {each.key: _is_held(prompts[each.prompt], share, settings.seed) for each in usable}
    training = [each for each in usable if not is_held[each.key]]
    held_out = [each for each in usable if is_held[each.key]]
    if not training or not held_out:
        raise UserError(
            f"Of {len(usable)} examples, {len(training)} are left to learn from and "
            f"{len(held_out)} to hold out.",
            str(settings.feedback),
            "Use examples about more images, or change validation.share or seed.",
        )
    training = [each for each in training if not _is_unbalanced(each, settings, left_out)]
    return replace(whole, training=training, held_out=held_out, left_out=dict(left_out))


def read_held_out(settings: FeedbackSettings, learn: Learn) -> RewardData:
    """Return all examples of a folder as held out: comparisons or pairs, or for words corrections.

    Raises:
        UserError: there are none, or an example can't be used.
    """
    folder = RunFolder(settings.feedback)
    prompts = folder.prompts_by_key()
    left_out = Counter[str]()
    examples, hashes = _read(settings, learn, folder, left_out)
    usable = [each for each in examples if not _is_bad(each, prompts, settings, left_out)]
    if not usable:
        reasons = ", ".join(f"{n} {why}" for why, n in left_out.items()) or "there are none"
        raise UserError(
            f"No example can be used: {reasons}.",
            str(settings.feedback),
            "Compare or correct more answers.",
        )
    used_prompts = {each.prompt: prompts[each.prompt] for each in usable}
    return RewardData(
        training=[],
        held_out=usable,
        prompts=used_prompts,
        folder=folder,
        left_out=dict(left_out),
        hashes={**hashes, **hashes_of_all(list(used_prompts.values()), "prompts")},
    )


def _read(
    settings: FeedbackSettings, learn: Learn, folder: RunFolder, left_out: Counter[str]
) -> tuple[list[Example], dict[str, str]]:
    if learn == "words" and _uses_pairs(settings, folder):
        pairs = read_some(folder.pairs)
        return [_changed(pair) for pair in pairs], _hashes(pairs, "pairs")
    if learn == "words":
        corrections = read_some(folder.corrections)
        latest = _latest([each for each in corrections if each.verdict != "unsure"])
        left_out["unsure"] += len(corrections) - len(latest)
        return [_marked(each) for each in latest], _hashes(corrections, "corrections")
    if settings.use == "comparisons" or (settings.use == "auto" and folder.comparisons.keys()):
        comparisons = read_some(folder.comparisons)
        texts = {answer.key: answer.text for answer in read_some(folder.answers)}
        return _compared(comparisons, texts, settings, left_out), _hashes(
            comparisons, "comparisons"
        )
    pairs = read_some(folder.pairs)
    examples: list[Example] = [AnswerPair(p.key, p.prompt, p.chosen, p.rejected) for p in pairs]
    return examples, _hashes(pairs, "pairs")


def _hashes(
    rows: Sequence[Comparison] | Sequence[Pair] | Sequence[Correction], name: str
) -> dict[str, str]:
    return {f"{name}.key": key_of([row.key for row in rows]), **hashes_of_all(rows, name)}


def _latest(corrections: Sequence[Correction]) -> list[Correction]:
    return list({each.key: each for each in corrections}.values())


def _uses_pairs(settings: FeedbackSettings, folder: RunFolder) -> bool:
    """Return whether wrong words come from pairs, since there are no corrections.

    Raises:
        UserError: nobody said so, and the chosen answers may be other answers, not corrected ones.
    """
    if settings.use == "pairs":
        return True
    if settings.use == "comparisons" or folder.corrections.keys() or not folder.pairs.keys():
        return False
    others = sum(
        pair.origin != "correction" and pair.source.extra.get("layout") not in CORRECTED
        for pair in folder.pairs.read()
    )
    if others:
        raise UserError(
            f"The folder holds no corrections, and {others} of its pairs are not known to be some.",
            str(folder.path),
            "Use corrections; or, if the chosen answers are corrected ones, use=pairs: what they "
            "change is wrong.",
        )
    return True


def _changed(pair: Pair) -> AnswerWithSpans:
    wrong = tuple(span for span in pair.rejected_spans if span.end > span.start)
    return AnswerWithSpans(pair.key, pair.prompt, pair.rejected, wrong)


def _marked(correction: Correction) -> AnswerWithSpans:
    wrong = tuple(span for span in correction.wrong if span.end > span.start)
    return AnswerWithSpans(correction.key, correction.prompt, correction.text, wrong)


def _compared(
    comparisons: Sequence[Comparison],
    texts: Mapping[str, str],
    settings: FeedbackSettings,
    left_out: Counter[str],
) -> list[Example]:
    examples: list[Example] = []
    for row in comparisons:
        if row.better == "unsure" or (row.better == "tie" and settings.ties == "drop"):
            left_out["ties" if row.better == "tie" else "unsure"] += 1
            continue
        if row.first not in texts or row.second not in texts:
            raise UserError(
                "The answers of a comparison are missing.",
                f"comparison {row.key}",
                "Use a folder with both comparisons and answers.",
            )
        better, worse = texts[row.first], texts[row.second]
        if row.better == "second":
            better, worse = worse, better
        examples.append(
            AnswerPair(row.key, row.prompt, better, worse, row.better == "tie", _differs(row))
        )
    return examples


def _differs(row: Comparison) -> str:
    if row.hallucinates_more in (None, "unsure"):
        return ""
    return DIFFERS[row.hallucinates_more == "tie"]


def _is_bad(
    example: Example,
    prompts: Mapping[str, Prompt],
    settings: FeedbackSettings,
    left_out: Counter[str],
) -> bool:
    """Return whether an example is left out.

    Raises:
        UserError: it can't be used, unless skip_bad.
    """
    texts = (
        [example.text] if isinstance(example, AnswerWithSpans) else [example.better, example.worse]
    )
    what = ""
    if not all(text.strip() for text in texts):
        what = "An answer is empty"
    elif len(texts) == 2 and texts[0] == texts[1]:
        what = "Both answers are the same text, so there is no difference to learn"
    elif example.prompt not in prompts:
        what = "The prompt is missing"
    if not what:
        return False
    if not settings.skip_bad:
        raise UserError(
            f"{what}.",
            f"example {example.key} in {settings.feedback}",
            "Remove it, or leave such examples out with skip_bad=true.",
        )
    left_out[what[0].lower() + what[1:]] += 1
    return True


def _is_held(prompt: Prompt, share: float, seed: int) -> bool:
    """Return whether a prompt is held out; all prompts about the same images are alike."""
    return seed_of("held out", list(prompt.images) or prompt.key, seed) / 2**63 < share


def _is_unbalanced(example: Example, settings: RewardSettings, left_out: Counter[str]) -> bool:
    if isinstance(example, AnswerWithSpans) or not settings.length_balance or example.tie:
        return False
    longer = len(example.better.split()) > settings.length_balance * len(example.worse.split())
    left_out["better answer much longer"] += longer
    return longer


def texts_of(examples: Sequence[Example]) -> list[tuple[str, str]]:
    """Return the prompt and text of each answer of the examples."""
    return [
        (example.prompt, text)
        for example in examples
        for text in (
            [example.text]
            if isinstance(example, AnswerWithSpans)
            else [example.better, example.worse]
        )
    ]


def refuse_other_facts(
    prompts: Mapping[str, Prompt], answers: Iterable[tuple[str, str]], where: str
) -> float | None:
    """Return the share of prompts whose facts fit their own answers at least as well as others'.

    A prompt's facts fit an answer by the share of their words that the answer has. They are held
    against the answers of the next prompt about another image. None below FEWEST prompts. `answers`
    are prompts' keys and texts.

    Raises:
        UserError: facts seem to be those of other images.
    """
    words_of: dict[str, set[str]] = {}
    for key, text in answers:
        words_of.setdefault(key, set()).update(_words(text))
    keys = sorted(words_of)
    if len({prompts[key].images for key in keys}) < FEWEST:
        return None
    fits = 0
    for place, key in enumerate(keys):
        rotation = keys[place + 1 :] + keys[:place]
        other = next(each for each in rotation if prompts[each].images != prompts[key].images)
        words = {word for fact in prompts[key].facts for word in _words(fact)}
        fits += len(words & words_of[key]) >= len(words & words_of[other])
    if fits < SURE_SHARE * len(keys):
        raise UserError(
            f"The facts of {len(keys) - fits} of {len(keys)} prompts have more words in common "
            "with the answers about another image than with their own: they seem to be of other "
            "images.",
            where,
            "Import the facts again, or use facts.show=other-scene if this is meant as a placebo.",
        )
    return fits / len(keys)


def _words(text: str) -> list[str]:
    return [word.strip(".,;:!?()") for word in text.lower().split()]
