"""Yes/no pairs from verified claims: a question, and its right and its wrong answer.

HA-DPO (Zhao et al. 2023, arXiv 2311.16839, section 3) turned its description pairs into questions
of POPE's form. As many pairs answer yes as no, so that none of both words is learned as such.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from groundtune.feedback.conquer import question_prompt
from groundtune.feedback.joint_claims import JointClaims
from groundtune.records import Answer, Pair, Prompt
from groundtune.store.keys import key_of

YES, NO = "Yes.", "No."


class YesNoPairs(NamedTuple):
    """The pairs with their prompts, and how many were left out for balance."""

    pairs: list[Pair]
    prompts: list[Prompt]
    unbalanced: int


def yes_no_pairs(
    answers: Sequence[Answer],
    claims: Mapping[str, JointClaims],
    prompts: Mapping[str, Prompt],
    *,
    suffix: str = "",
    seed: int = 0,
) -> YesNoPairs:
    """Pairs of the right and wrong claims' questions, each question about an image once.

    A question that is right in one answer and wrong in another makes none. Of the more frequent
    answer the seed chooses which pairs stay.
    """
    questions: dict[str, Prompt] = {}
    words_of: dict[str, set[str]] = {}
    parent: dict[str, str] = {}
    for answer in answers:
        for claim in claims[answer.key].claims:
            if claim.status not in ("right", "wrong") or not claim.statement.question:
                continue
            prompt = question_prompt(prompts[answer.prompt], claim.statement.question + suffix)
            questions[prompt.key] = prompt
            words_of.setdefault(prompt.key, set()).add(YES if claim.status == "right" else NO)
            parent.setdefault(prompt.key, answer.key)
    sides = {
        word: sorted(
            (key for key, words in words_of.items() if words == {word}),
            key=lambda key: key_of("yes-no", seed, key),
        )
        for word in (YES, NO)
    }
    number = min(map(len, sides.values()))
    word_of_question = {key: word for word, keys in sides.items() for key in keys[:number]}
    pairs = [
        _pair(questions[key], word_of_question[key], parent[key])
        for key in questions
        if key in word_of_question
    ]
    unbalanced = sum(map(len, sides.values())) - 2 * number
    return YesNoPairs(pairs, [questions[pair.prompt] for pair in pairs], unbalanced)


def _pair(prompt: Prompt, right: str, parent: str) -> Pair:
    return Pair(
        key=key_of("pair", "yes-no", prompt.key, right),
        prompt=prompt.key,
        chosen=right,
        rejected=NO if right == YES else YES,
        origin="rewrite",
        parents=(parent,),
        source=prompt.source,
    )
