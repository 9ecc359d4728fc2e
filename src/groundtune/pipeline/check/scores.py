"""Answers as their checked claims score them: what `check` reports and `align` may choose by.

Nothing here knows what is true: a claim is rejected where the labeler says no to it (RLAIF-V, Yu et
al. 2024, arXiv 2405.17220, 3.2). How much of that is the labeler's error, people tell
(`check_people.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from groundtune.bench.metric import Metric, unparsed_metric
from groundtune.feedback.claim_spans import rejected_spans
from groundtune.feedback.claims import by_answer, facts_of, tally, with_verdict
from groundtune.feedback.repeats import repeated_claims
from groundtune.records import Answer, Claim, Prompt, Score, SpanKind
from groundtune.store.keys import key_of

BENCHMARK = "claims"
WHERE = f"{BENCHMARK}/greedy"
"""The benchmark's name in estimates."""
BY = "claims"
"""Who says that a span is wrong."""


def _per_answer(name: str, label: str, **more: str) -> Metric:
    share = more.get("unit", "%") == "%"
    return Metric(
        name=name,
        label=label,
        numerator={more.get("value", name): 1},
        denominator={"scored": 1},
        better="lower" if share else "neutral",
        role="cost" if "cost" in more else "quality",
        unit=more.get("unit", "%"),
        scale=100 if share else 1,
        explanation=more.get("explanation", ""),
    )


METRICS: tuple[Metric, ...] = (
    _per_answer(
        "rejected_answers",
        "Answers with a rejected claim",
        value="rejected",
        explanation="The labeler says no to at least one of the answer's claims.",
    ),
    Metric(
        name="rejected_claims",
        label="Rejected claims among all checked",
        numerator={"rejected_claims": 1},
        denominator={"claims": 1},
        better="lower",
        explanation="What rests on a rejected claim isn't counted again.",
    ),
    _per_answer(
        "supported_claims",
        "Different supported claims per answer",
        unit="claims",
        cost="yes",
        explanation="What an answer says again isn't counted again.",
    ),
    _per_answer(
        "repeated_claims",
        "Claims made again per answer",
        unit="claims",
        cost="yes",
        explanation='As if they were new: "a cup, a bowl and a cup".',
    ),
    _per_answer("words", "Words per answer", unit="words", cost="yes"),
    _per_answer("silent", "Answers that claim nothing", cost="yes"),
    unparsed_metric(),
)


def supported_value(kind: SpanKind) -> str:
    """Return under which name a score has its different supported claims of a kind."""
    return f"supported_{kind}"


def scores_of(
    answers: Sequence[Answer],
    claims: Sequence[Claim],
    prompts: Mapping[str, Prompt],
    label: str = "",
) -> list[Score]:
    """A score an answer, the spans of its rejected claims in it, in the answers' order.

    An answer of which a claim couldn't be read, or that was never divided, is "unparsed". `label`
    stands for the model's name, each answer's own without it.
    """
    groups = by_answer(claims)
    return [
        _score(answer, groups.get(answer.key, []), prompts[answer.prompt], label)
        for answer in answers
    ]


def _score(answer: Answer, claims: Sequence[Claim], prompt: Prompt, label: str) -> Score:
    model = label or answer.producer.name
    blank = Score(
        key=key_of("claim score", answer.key, model, [claim.key for claim in claims]),
        benchmark=BENCHMARK,
        item=f"{prompt.key}/{answer.index}",
        image="+".join(prompt.images) or prompt.key,
        model=model,
        answer=answer.text,
    )
    counts = tally(claims)
    facts = facts_of(with_verdict(claims)).values()
    if not claims or counts.unparsed or counts.unanswered:
        why = "its claims could not be read" if counts.unparsed else "it was not divided"
        why = "the labeler said neither yes nor no to a claim" if counts.unanswered else why
        return blank.model_copy(update={"status": "unparsed", "why": why})
    wrong = [claim for claim in with_verdict(claims) if claim.status == "rejected"]
    values = {
        "claims": counts.checked,
        "rejected_claims": counts.rejected,
        "rejected": counts.rejected > 0,
        "supported_claims": len(facts),
        "repeated_claims": len(repeated_claims(answer.text, claims)),
        "silent": counts.checked == 0,
        "words": len(answer.text.split()),
        **Counter(supported_value(fact.kind) for fact in facts),
    }
    return blank.model_copy(
        update={
            "values": {name: float(value) for name, value in values.items()},
            "spans": rejected_spans(claims, BY),
            "why": "; ".join(f"no: {claim.question or claim.text}" for claim in wrong),
        }
    )
