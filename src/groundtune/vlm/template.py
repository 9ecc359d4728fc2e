"""How a model's chat template formats an answer: the tokens before and after its text."""

from dataclasses import dataclass
from typing import Any

from groundtune.errors import UserError

_MARK = "Qfxq"
"""A placeholder that no template contains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """The text around an answer in the rendered conversation."""

    context: str
    """A rendered conversation that ends where a model starts to generate; answers are encoded after
    it."""
    lead: str
    """Text between the generation prompt and the answer's text, for example a space."""
    eos: int
    """The token that ends an answer."""
    added: frozenset[int] = frozenset()
    """Tokens that the template writes although they aren't marked as special."""


def answer_form(
    processor: Any, eos_ids: tuple[int, ...], where: str, *, end: str = ""
) -> AnswerForm:
    """Return the form of answers in the processor's chat template.

    `eos_ids` are all tokens at which generation stops; the form uses the one that the template
    writes, else the first. `where` names the model in errors. `end` is what the processor adds to
    the rendered prompt.

    Raises:
        UserError: the template does not continue its generation prompt with the answer.
    """
    context = render(processor, [_turn("user", "Hello")], generate=True)
    full = render(processor, [_turn("user", "Hello"), _turn("assistant", _MARK)], generate=False)
    if not full.startswith(context) or _MARK not in full[len(context) :]:
        raise UserError(
            "The chat template does not continue its generation prompt with the answer.",
            where,
            "Use a chat_template.jinja whose assistant turns begin with the generation prompt.",
        )
    lead, tail = full[len(context) :].split(_MARK, 1)
    closing: list[int] = processor.tokenizer.encode(tail, add_special_tokens=False)
    template_eos = [token for token in closing if token in eos_ids]
    tokens = processor.tokenizer.added_tokens_decoder.items()
    added = frozenset(i for i, token in tokens if not token.special and token.content in full)
    return AnswerForm(
        context=context + end, lead=lead, eos=(template_eos or list(eos_ids))[0], added=added
    )


def render(processor: Any, messages: list[dict[str, Any]], *, generate: bool) -> str:
    """Return the rendered conversation, with the generation prompt if `generate`.

    Raises:
        UserError: the chat template has a mistake, or refuses the conversation.
    """
    from jinja2 import TemplateError

    try:
        return processor.apply_chat_template(
            messages, add_generation_prompt=generate, tokenize=False
        )
    except TemplateError as error:
        raise UserError(
            f"The chat template can't be rendered: {error}",
            str(processor.tokenizer.name_or_path),
            "Copy chat_template.jinja again, or fix it.",
        ) from error


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}
