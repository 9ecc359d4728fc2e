"""The labeler that knows the truth reads questions, and says of each what the truth says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groundtune.feedback.conquer import question_prompt
from groundtune.protocols import NO_ANSWER
from groundtune.records import ImagePart, Message, Prompt, TextPart
from groundtune.world.captions import MACHINE, VOICES, caption
from groundtune.world.claim_truth import holds
from groundtune.world.claims import facts_of
from groundtune.world.oracle import WorldOracle, fact_of_question
from groundtune.world.scenes import Scene, scene

SCENES = st.builds(scene, st.just("development"), st.integers(0, 10**6))


def about(name: str) -> Prompt:
    content = (ImagePart(image=name), TextPart(text="Describe the image."))
    return Prompt(key=name, messages=(Message(role="user", content=content),))


@given(SCENES, st.integers(0, 2**32), st.sampled_from(VOICES))
def test_every_question_that_rules_make_of_a_caption_is_answered_by_the_truth(
    shown: Scene, seed: int, voice: object
) -> None:
    text = caption(shown, np.random.default_rng(seed), MACHINE, voice)  # pyright: ignore[reportArgumentType]
    oracle = WorldOracle({"a": shown})
    for fact in facts_of(text):
        asked = fact_of_question(fact.question + " Answer yes or no.")
        assert asked is not None
        assert holds(shown, asked) == holds(shown, fact)
        reply = oracle.yes_no([question_prompt(about("a"), fact.question)])[0]
        so = holds(shown, fact)
        assert (reply.p_yes > reply.p_no) is so if so is not None else reply is NO_ANSWER


def test_another_question_or_image_has_no_answer() -> None:
    oracle = WorldOracle({"a": scene("development", 0)})
    prompts = [
        question_prompt(about("a"), "How many cups are there?"),
        question_prompt(about("b"), "Is there a cup in the image?"),
    ]
    assert [reply.is_answer() for reply in oracle.yes_no(prompts)] == [False, False]
