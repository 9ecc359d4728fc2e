"""Special tokens that a user's text spells: `</s>`, `<|im_end|>`, the image placeholder.

A tokenizer reads them as control tokens wherever they are, so that a text could end a turn or
stand for an image. `Vlm.special_tokens` decides: "refuse" is an error; with "text" they are encoded
as the characters that they are. For that, each is replaced by a stand-in, a special token that is
not in the prompt otherwise, and the stand-in's token by those of the characters.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

from groundtune.errors import UnfitError, UserError
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import family_of
from groundtune.vlm.plain import plain_model

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

FIX = "Remove it from the text, or read it as characters: special_tokens=text."
_MEDIA = re.compile(r"\w*(image|video|vision|visual)\w*token_(ids?|index)")
"""Names in a configuration of tokens that a model replaces, or borders images with."""
_LEADS = ("a", "1", "\n")
"""What the characters are tokenised after: the first that doesn't merge with them."""


Encode = Callable[[str], tuple[list[int], list[tuple[int, int]]]]
"""Returns the tokens of a text after the generation prompt, with offsets into the text."""


class Characters(NamedTuple):
    """A special token's characters as ordinary tokens, with their offsets."""

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    length: int


def control_ids(vlm: "Vlm", role: str) -> frozenset[int]:
    """Return the tokens that the texts of a role must not spell.

    An assistant's texts may have what only the template makes a control token: its thoughts' tags.
    """
    return vlm.special_ids if role == "assistant" else vlm.special_ids | vlm.form.added


def special_in(vlm: "Vlm", texts: Sequence[str], role: str) -> str:
    """Return a special token that the texts of one message spell, "" if there is none.

    Templates join a message's texts, and may strip them: the joined texts are looked at.
    """
    tokenizer, control = vlm.processor.tokenizer, control_ids(vlm, role)
    for joined in dict.fromkeys(("".join(texts), "".join(text.strip() for text in texts))):
        ids: list[int] = tokenizer(joined, add_special_tokens=False)["input_ids"]
        if matches := control.intersection(ids):
            return str(tokenizer.convert_ids_to_tokens(min(matches)))
        if matches := [name for name in placeholders(vlm) if name in joined]:
            return max(matches, key=len)  # one may be the beginning of another
    return ""


def placeholders(vlm: "Vlm") -> tuple[str, ...]:
    """Return the texts that the processor replaces: of images, videos and their borders."""
    attributes = cast("dict[str, object]", vars(vlm.processor))
    processor_tokens = {
        name: value for name, value in attributes.items() if name.endswith("_token")
    }
    values: list[object] = [
        vlm.image_token,
        *processor_tokens.values(),
        getattr(vlm.processor, "video_token", ""),
    ]
    return tuple(dict.fromkeys(each for each in values if isinstance(each, str) and each.strip()))


def placeholder_ids(vlm: "Vlm") -> frozenset[int]:
    """Return the tokens that stand for images and videos, or border them; never an end token."""
    tokenizer, config = vlm.processor.tokenizer, plain_model(vlm.model).config
    ids = {tokenizer.convert_tokens_to_ids(text) for text in placeholders(vlm)}
    for name, value in cast("dict[str, object]", config.to_dict()).items():
        if _MEDIA.fullmatch(name):  # Ovis2 borders images by visual_indicator_token_ids
            ids.update(cast("list[object]", value) if isinstance(value, list) else [value])
    return frozenset(ids & vlm.special_ids - {tokenizer.unk_token_id, *vlm.eos_ids})


def characters(vlm: "Vlm", text: str) -> Characters:
    """Return the tokens of a special token's characters, none of them special.

    Raises:
        UserError: the tokenizer has no other tokens for them.
    """
    whole = _plain_tokens(vlm, text)
    if whole is not None:
        return whole
    # a token that isn't marked as special is split by no option: its first character goes apart
    first, rest = _plain_tokens(vlm, text[:1]), _plain_tokens(vlm, text[1:])
    if first is None or rest is None:
        raise UserError(
            f"The tokenizer can't encode {text!r} as characters.",
            vlm.name,
            "Remove it from the text.",
        )
    shifted = tuple((start + 1, end + 1) for start, end in rest.offsets)
    return Characters((*first.ids, *rest.ids), (*first.offsets, *shifted), len(text))


def _plain_tokens(vlm: "Vlm", text: str) -> Characters | None:
    """Return the tokens of a text without special ones; None if there are no such tokens."""
    tokenizer = vlm.processor.tokenizer
    for lead in _LEADS:
        encoded = tokenizer(
            lead + text,
            add_special_tokens=False,
            split_special_tokens=True,
            return_offsets_mapping=True,
        )
        pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        text_tokens = [(i, (start, end)) for i, (start, end) in pairs if end > len(lead)]
        ids = [i for i, _ in text_tokens]
        whole = all(start >= len(lead) for _, (start, _) in text_tokens)
        is_plain = control_ids(vlm, "user").isdisjoint(ids) and tokenizer.unk_token_id not in ids
        if whole and is_plain and tokenizer.decode(ids).strip() == text.strip():
            offsets = tuple((start - len(lead), end - len(lead)) for _, (start, end) in text_tokens)
            return Characters(tuple(ids), offsets, len(text))
    return None


def pattern(vlm: "Vlm", role: str) -> re.Pattern[str]:
    """Return the pattern of all special tokens and placeholders, longer ones first."""
    ids = sorted(control_ids(vlm, role))
    tokens: list[str] = vlm.processor.tokenizer.convert_ids_to_tokens(ids)
    names = sorted({*tokens, *placeholders(vlm)}, key=lambda name: (-len(name), name))
    return re.compile("|".join(map(re.escape, names)))


def stand_ins(vlm: "Vlm", rendered: str) -> Iterator[tuple[int, str]]:
    """Yield special tokens that a rendered prompt doesn't have, and their texts."""
    placeholder_texts = placeholders(vlm)
    for i, token in sorted(vlm.processor.tokenizer.added_tokens_decoder.items()):
        plain = not (token.lstrip or token.rstrip or token.single_word or token.normalized)
        text: str = token.content
        if (
            i in vlm.special_ids
            and plain
            and text not in placeholder_texts
            and text not in rendered
        ):
            yield i, text


class MarkedTexts(NamedTuple):
    """A prompt's texts whose special tokens are numbered sentinels, and the special tokens."""

    texts: tuple[tuple[str, ...], ...]
    special: tuple[str, ...]
    stem: str
    """How each sentinel begins: letters that no text has."""

    def order(self, rendered: str) -> list[int]:
        """Return the numbers of the sentinels in a rendered prompt, in its order."""
        return [int(number) for number in re.findall(rf"{self.stem}(\d+)q", rendered)]

    def with_stand_in(self, stand_in: str) -> tuple[tuple[str, ...], ...]:
        """Return the texts with the stand-in for each sentinel."""
        each = re.compile(rf"{self.stem}\d+q")
        return tuple(
            tuple(each.sub(lambda _: stand_in, text) for text in message_texts)
            for message_texts in self.texts
        )


def mark_special(vlm: "Vlm", texts: Sequence[Sequence[str]], roles: Sequence[str]) -> MarkedTexts:
    """Replace the special tokens of all messages' texts by numbered sentinels."""
    specials: list[str] = []
    stem = "Qfxq"
    while any(stem in text for message_texts in texts for text in message_texts):
        stem += "x"

    def mark(match: re.Match[str]) -> str:
        specials.append(match[0])
        return f"{stem}{len(specials) - 1}q"

    replaced = tuple(
        tuple(pattern(vlm, role).sub(mark, text) for text in message_texts)
        for message_texts, role in zip(texts, roles, strict=True)
    )
    return MarkedTexts(replaced, tuple(specials), stem)


def expand_prompt(
    vlm: "Vlm", prompt: EncodedPrompt, stand_in: int, tokens: Sequence[Characters]
) -> EncodedPrompt:
    """Return the prompt with the tokens of characters for each stand-in, in order."""
    import torch

    each = iter(tokens)
    ids: list[int] = []
    source: list[int] = []
    for place, i in enumerate(prompt.ids):
        more = next(each).ids if i == stand_in else (i,)
        ids += more
        source += [place] * len(more)
    index = torch.tensor(source)
    along = family_of(plain_model(vlm.model)).along_tokens
    return replace(
        prompt,
        ids=tuple(ids),
        marks={name: mark.index_select(0, index) for name, mark in prompt.marks.items()},
        features={
            name: value.index_select(1, index) if name in along else value
            for name, value in prompt.features.items()
        },
    )


def encode_characters(
    vlm: "Vlm", text: str, encode: Encode
) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the tokens of an answer's text whose special tokens are characters, with offsets.

    Raises:
        UserError: the tokenizer has no other tokens for them, or no stand-in.
    """
    marked_texts = mark_special(vlm, [[text]], ["assistant"])
    tokens = [characters(vlm, name) for name in marked_texts.special]
    for stand_in, name in stand_ins(vlm, text):
        ids, offsets = encode(marked_texts.with_stand_in(name)[0][0])
        if ids.count(stand_in) == len(tokens):
            return _expand_answer(ids, offsets, stand_in, tokens)
    raise no_stand_in(f"answer {text[:60]!r}")


def _expand_answer(
    ids: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    stand_in: int,
    tokens: Sequence[Characters],
) -> tuple[list[int], list[tuple[int, int]]]:
    each = iter(tokens)
    longer = 0
    new: list[tuple[int, tuple[int, int]]] = []
    for i, (start, end) in zip(ids, offsets, strict=True):
        if i != stand_in:
            new.append((i, (start + longer, end + longer)))
            continue
        token_characters = next(each)
        first = start + longer
        new += [
            (n, (first + a, first + b))
            for n, (a, b) in zip(token_characters.ids, token_characters.offsets, strict=True)
        ]
        longer += token_characters.length - (end - start)
    return [i for i, _ in new], [offset for _, offset in new]


def refusal(vlm: "Vlm", name: str, what: str, where: str) -> UnfitError:
    """Return the error of a text that spells a special token."""
    kind = "image placeholder" if name == vlm.image_token else "special token"
    return UnfitError(f"{what} contains the {kind} {name!r}.", where, FIX)


def no_stand_in(where: str) -> UnfitError:
    """Return the error of a tokenizer by which no special token can be read as characters."""
    return UnfitError(
        "The text contains special tokens that can't be read as characters with this tokenizer.",
        where,
        "Remove them from the text.",
    )
