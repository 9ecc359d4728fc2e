"""A labeler's errors on the world's claims about objects, by how usual the object is in its place.

A labeler that sees badly goes by what is usual: it supports a false cup in a kitchen, and rejects a
true one on a beach.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from groundtune.bench.stats.bootstrap import Floats, interval, ratio, resamples
from groundtune.bench.world.images import find_scene
from groundtune.errors import UserError
from groundtune.feedback.claims import by_answer
from groundtune.pipeline.feedback.splitter import Share
from groundtune.records import Answer, Claim, Prompt, Record
from groundtune.world.claim_truth import holds
from groundtune.world.claims import Fact, facts_of
from groundtune.world.scenes import prior

USUAL = 0.4
"""From this chance in its place on, an object is usual there: every third of the catalogue's is."""


class ObjectErrors(Record):
    """A labeler's wrong verdicts on claims that say that an object is there."""

    labeler: str
    usual: bool
    """Whether the object is usual in the scene's place."""
    true: int
    false: int
    """True and false claims, by the world's truth."""
    missed: Share | None
    """Share of the true claims that it rejects; None if there are none."""
    believed: Share | None
    """Share of the false claims that it supports; None if there are none."""


def object_errors(
    labeler: str,
    answers: Sequence[Answer],
    claims: Sequence[Claim],
    prompts: Mapping[str, Prompt],
) -> list[ObjectErrors]:
    """Count wrong verdicts on usual and unusual objects.

    Raises:
        UserError: the claims were not divided by the world's rules of this version.
    """
    place = {prompt: i for i, prompt in enumerate(sorted(prompts))}
    sums = {usual: np.zeros((len(place), 4)) for usual in (True, False)}
    for answer, answer_claims in _with_claims(answers, claims):
        scene = find_scene(prompts[answer.prompt].source.row)
        for claim, fact, is_true in with_truth(answer, answer_claims, prompts[answer.prompt]):
            if fact.aspect == "object" and not fact.negated and is_true is not None:
                wrong = claim.status == ("rejected" if is_true else "supported")
                row = (is_true, is_true and wrong, not is_true, not is_true and wrong)
                usual = prior(scene.context, fact.category) >= USUAL
                sums[usual][place[answer.prompt]] += row
    return [_errors(labeler, usual, table) for usual, table in sums.items() if table.any()]


def with_truth(
    answer: Answer, claims: Sequence[Claim], prompt: Prompt
) -> list[tuple[Claim, Fact, bool | None]]:
    """An answer's claims with a verdict, each with what it says and whether that is true.

    None where the truth doesn't decide, as on the colour of an object without one.

    Raises:
        UserError: the claims were not divided by the world's rules of this version.
    """
    scene = find_scene(prompt.source.row)
    result: list[tuple[Claim, Fact, bool | None]] = []
    for fact, claim in zip(facts_of(answer.text), claims, strict=False):
        if claim.text != fact.text:
            raise UserError(
                "The claims were not divided by this version's world rules.",
                f"claim {claim.key}",
                "Label the answers again with another --out DIR.",
            )
        if claim.status in ("supported", "rejected"):
            result.append((claim, fact, holds(scene, fact)))
    return result


def share_of(draws: Floats, value: float, images: int) -> Share:
    """A share with its interval over images, from resampled values."""
    low, high = interval(draws, value, images=images, share=True)
    return Share(round(value, 4), round(max(0.0, low), 4), round(min(1.0, high), 4))


def _with_claims(
    answers: Sequence[Answer], claims: Sequence[Claim]
) -> Iterator[tuple[Answer, list[Claim]]]:
    groups = by_answer(claims)
    for answer in answers:
        yield answer, groups.get(answer.key, [])


def _errors(labeler: str, usual: bool, sums_I4: Floats) -> ObjectErrors:
    """`sums_I4` an image: true claims, of them rejected, false claims, of them supported."""
    true, false = sums_I4.sum(0)[[0, 2]]
    return ObjectErrors(
        labeler=labeler,
        usual=usual,
        true=int(true),
        false=int(false),
        missed=_share(sums_I4[:, :2]),
        believed=_share(sums_I4[:, 2:]),
    )


def _share(sums_I2: Floats) -> Share | None:
    """The second column as a share of the first."""
    total, part = sums_I2.sum(0)
    if not total:
        return None
    draws = resamples(len(sums_I2)) @ sums_I2
    return share_of(ratio(draws[:, 1], draws[:, 0]), float(part / total), len(sums_I2))
