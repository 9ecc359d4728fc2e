"""The first tokens of yes and no, for a tokenizer or in an endpoint's reply.

RLAIF-V's labeler reads the probabilities of yes, Yes, no and No at the first token of its reply
(arXiv 2405.17220). Here they are raw, without its code's repetition penalty: "yes" and "no" are
in the question, so a penalty would change them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from groundtune.errors import UserError, not_finite
from groundtune.protocols import LEAST_MASS, NO_ANSWER, ROUNDING, Generator, YesNo, YesNoReply
from groundtune.records import ImagePart, Message, Part, Prompt, Sampling, TextPart
from groundtune.store.keys import key_of
from groundtune.vlm.encode import first_tokens, lead_tokens

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

YES, NO = ("yes", "Yes", "YES"), ("no", "No", "NO")
"""The words that answer a yes/no question: RLAIF-V's, and capitals."""
CONTROL = "Is there a dog in the image? Answer yes or no."
_AROUND = r"[\W_\u0120\u010a]*"
"""White space and punctuation, also as SentencePiece and byte-level tokenizers write it."""
_SAYS = {word: re.compile(f"{_AROUND}{word}{_AROUND}", re.IGNORECASE) for word in ("yes", "no")}
_SHOWN_TOKENS, _SHOWN_CHARACTERS = 8, 60
"""How much of another answer an error shows."""


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

    A token says yes or no if it is that word: letter case, and white space and punctuation around
    it, don't count ("YES", "yes."). Words of other languages do not. Spellings are summed. What
    sums to more than 1 is no probability.
    """
    p_yes, p_no = (
        sum(p for text, p in likely if _SAYS[word].fullmatch(text)) for word in ("yes", "no")
    )
    if p_yes + p_no > 1 + ROUNDING:
        return NO_ANSWER
    return YesNoReply(min(1.0, p_yes), min(1.0, p_no))


def control_prompt(image: str = "") -> Prompt:
    """Return the control question, about an image if its sha256 is given."""
    image_parts: tuple[Part, ...] = (ImagePart(image=image),) if image else ()
    messages = (Message(role="user", content=(*image_parts, TextPart(text=CONTROL))),)
    return Prompt(key=key_of("control", messages), messages=messages)


class AnsweringLabeler(YesNo, Generator, Protocol):
    """A labeler that can also answer in words."""


def check_labeler(labeler: AnsweringLabeler, image: str, name: str) -> YesNoReply:
    """Check with the control question that a labeler answers yes or no.

    `image` is an image that the labeler can open, "" for none. What it answers doesn't matter,
    only that its next word is yes or no.

    Raises:
        UserError: it says neither yes nor no, or its probabilities are not numbers; `name` says
            which labeler, and the error what it says instead.
    """
    prompt = control_prompt(image)
    reply = labeler.yes_no([prompt])[0]
    if not reply.are_probabilities():
        raise not_finite("probabilities of yes and no", name)
    if not reply.is_answer():
        words = Sampling(max_new_tokens=_SHOWN_TOKENS, temperature=0)
        control_reply = labeler.generate([prompt], words, [0])[0]
        raise UserError(
            f"The labeler can't answer yes and no: asked {CONTROL!r} it gives both together "
            f"a probability of {reply.p_yes + reply.p_no:.3f}, not {LEAST_MASS:g} to 1. "
            f"It says {(control_reply.thoughts or control_reply.text)[:_SHOWN_CHARACTERS]!r}.",
            name,
            "Use a labeler that answers yes or no in English, or fix its chat template.",
        )
    return reply
