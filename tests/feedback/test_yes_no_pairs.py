"""Yes/no pairs of verified claims: as many yes as no, each question once."""

from groundtune.feedback.joint_claims import JointClaim, JointClaims, JointStatus
from groundtune.feedback.yes_no_pairs import NO, YES, yes_no_pairs
from groundtune.protocols import Statement
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, TextPart

CONTENT = (ImagePart(image="a"), TextPart(text="Describe the image."))
PROMPT = Prompt(key="p", messages=(Message(role="user", content=CONTENT),))
BY = Producer(kind="model", name="m")


def answers(number: int) -> list[Answer]:
    return [Answer(key=f"a{i}", prompt="p", text="x", producer=BY) for i in range(number)]


def claims(*rows: tuple[str, JointStatus]) -> JointClaims:
    return JointClaims(
        tuple(JointClaim(Statement(0, 1, f"{q}.", question=f"{q}?"), s, 1.0) for q, s in rows)
    )


def test_of_the_more_frequent_answer_only_as_many_stay():
    own = claims(("a", "right"), ("b", "right"), ("c", "right"), ("d", "wrong"), ("e", "unsure"))
    made = yes_no_pairs(answers(1), {"a0": own}, {"p": PROMPT}, suffix=" Yes or no?")
    assert sorted(pair.chosen for pair in made.pairs) == [NO, YES]
    assert all({p.chosen, p.rejected} == {YES, NO} for p in made.pairs)
    assert made.unbalanced == 2
    assert all(prompt.question.endswith("? Yes or no?") for prompt in made.prompts)
    assert [pair.prompt for pair in made.pairs] == [prompt.key for prompt in made.prompts]


def test_another_seed_keeps_other_questions():
    own = claims(*((f"q{i}", "right") for i in range(30)), ("d", "wrong"))
    kept = {
        yes_no_pairs(answers(1), {"a0": own}, {"p": PROMPT}, seed=seed).pairs[0].prompt
        for seed in range(5)
    }
    assert len(kept) > 1


def test_a_question_is_asked_once_and_not_at_all_if_its_answer_differs():
    told = {
        "a0": claims(("a", "right"), ("b", "right"), ("c", "wrong")),
        "a1": claims(("a", "right"), ("b", "wrong")),
    }
    made = yes_no_pairs(answers(2), told, {"p": PROMPT})
    assert [(p.question, q.chosen) for p, q in zip(made.prompts, made.pairs, strict=True)] == [
        ("a?", YES),
        ("c?", NO),
    ]


def test_without_both_answers_there_are_none():
    made = yes_no_pairs(answers(1), {"a0": claims(("a", "right"))}, {"p": PROMPT})
    assert (made.pairs, made.unbalanced) == ([], 1)
