"""The first tokens of yes and no, for a tokenizer or in an endpoint's reply.

RLAIF-V's labeler reads the probabilities of yes, Yes, no and No at the first token of its reply
(arXiv 2405.17220). Here they are raw, without its code's repetition penalty: "yes" and "no" are
in the question, so a penalty would change them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from groundtune.errors import UserError, not_finite
from groundtune.protocols import LEAST_MASS, NO_ANSWER, ROUNDING, YesNo, YesNoReply
from groundtune.records import ImagePart, Message, Part, Prompt, TextPart
from groundtune.store.keys import key_of
from groundtune.vlm.encode import first_tokens, lead_tokens

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

YES, NO = ("yes", "Yes"), ("no", "No")
"""The words that answer a yes/no question."""
CONTROL = "Is there a dog in the image? Answer yes or no."
_SPACE = " \t\r\n\u2581\u0120\u010a"
"""White space, and how SentencePiece and byte-level tokenizers write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YesNoIds:
    """A model's token ids for yes and for no."""

    yes: frozenset[int]
    no: frozenset[int]
    lead: tuple[int, ...]
    """Tokens that every answer has before its first word, to be put after the prompt."""


def yes_no_ids(vlm: "Vlm") -> YesNoIds:
    """Return the tokens of yes and no after the generation prompt of the model's chat template.

    Yes, yes, " Yes", " yes" and so on, as `first_tokens` finds them. Pieces ("n", "o") count only
    where every spelling is in pieces, for they begin other words, too.

    Raises:
        UserError: yes and no begin with the same token.
    """
    yes, no = first_tokens(vlm, YES), first_tokens(vlm, NO)
    if not yes or not no or yes & no:
        raise UserError(
            "The tokenizer begins yes and no with the same token.",
            vlm.name,
            "Use another labeler: its probabilities of yes and no can't be separated.",
        )
    return YesNoIds(yes=frozenset(yes), no=frozenset(no), lead=tuple(lead_tokens(vlm)))


def mass_of(likely: Sequence[tuple[str, float]]) -> YesNoReply:
    """Return p(yes) and p(no) from the most likely first tokens, (text, probability) each.

    Spellings are summed; white space around them doesn't count. What sums to more than 1 is no
    probability.
    """
    p_yes = sum(p for text, p in likely if text.strip(_SPACE) in YES)
    p_no = sum(p for text, p in likely if text.strip(_SPACE) in NO)
    if p_yes + p_no > 1 + ROUNDING:
        return NO_ANSWER
    return YesNoReply(min(1.0, p_yes), min(1.0, p_no))


def control_prompt(image: str = "") -> Prompt:
    """Return the control question, about an image if its sha256 is given."""
    image_parts: tuple[Part, ...] = (ImagePart(image=image),) if image else ()
    messages = (Message(role="user", content=(*image_parts, TextPart(text=CONTROL))),)
    return Prompt(key=key_of("control", messages), messages=messages)


def check_labeler(labeler: YesNo, image: str, name: str) -> YesNoReply:
    """Check with the control question that a labeler answers yes or no.

    `image` is an image that the labeler can open, "" for none. What it answers doesn't matter,
    only that its next word is yes or no.

    Raises:
        UserError: it says neither yes nor no, or its probabilities are not numbers; `name` says
            which labeler.
    """
    reply = labeler.yes_no([control_prompt(image)])[0]
    if not reply.are_probabilities():
        raise not_finite("probabilities of yes and no", name)
    if not reply.is_answer():
        raise UserError(
            f"The labeler can't answer yes and no: asked {CONTROL!r} it gives both together "
            f"a probability of {reply.p_yes + reply.p_no:.3f}, not {LEAST_MASS:g} to 1.",
            name,
            "Use a labeler that follows instructions, or fix its chat template.",
        )
    return reply
