"""Texts with a token per image, and messages built from them.

Layouts that mark images in a text write `<image>` for each. White space between the token and the
text before or after it belongs to the layout, not to the prompt.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from groundtune.interchange.layout import Content, LayoutError, Role, Turn
from groundtune.records import ImagePart, Message, Prompt, TextPart
from groundtune.store.numbers import float_of

TOKEN = "<image>"


def split_text(text: str) -> tuple[str | None, ...]:
    """Split a text at its tokens; None is a token. White space between tokens is dropped."""
    if TOKEN not in text:
        return (text,)
    pieces: list[str | None] = []
    for number, piece in enumerate(text.split(TOKEN)):
        pieces += [None] if number else []
        pieces += [piece] if piece.strip() else []
    first = next((n for n, piece in enumerate(pieces) if piece is not None), len(pieces))
    if first == len(pieces):
        return tuple(pieces)
    last = max(n for n, piece in enumerate(pieces) if piece is not None)
    pieces[first] = str(pieces[first]).lstrip() if first else pieces[first]
    pieces[last] = str(pieces[last]).rstrip() if last < len(pieces) - 1 else pieces[last]
    return tuple(pieces)


def join_pieces(pieces: Sequence[str | None]) -> str:
    """Join pieces to a text with a token per None. Raises LayoutError if a piece has the token."""
    if any(piece is not None and TOKEN in piece for piece in pieces):
        raise LayoutError(f"The prompt's text contains {TOKEN}, which the layout reads as an image")
    return "".join(TOKEN if piece is None else piece for piece in pieces)


def read_turns(
    messages: object, column: str, *, role: str, content: str, roles: Mapping[str, Role]
) -> list[Turn]:
    """A column's messages as turns; `role` and `content` are keys. Raises LayoutError."""
    turns: list[Turn] = []
    for item in list_of(messages, column):
        message = object_of(item, column)
        role_name = message.get(role)
        if role_name not in roles:
            raise LayoutError(
                f"A message's {role!r} is {role_name!r}, not one of {', '.join(roles)}", column
            )
        turns.append(Turn(roles[str(role_name)], split_text(text_of(message, content, column))))
    return turns


def with_images_first(turns: Sequence[Turn], images: int) -> tuple[Turn, ...]:
    """The turns, with all images before the first user's text if no text refers to one.

    Raises LayoutError if the texts refer to more or fewer images than there are, or the last turn
    isn't the user's.
    """
    if not turns or turns[-1].role != "user":
        raise LayoutError("The prompt's last message is not the user's")
    tokens = sum(piece is None for turn in turns for piece in turn.pieces)
    if tokens == 0 and images:
        first = next(number for number, turn in enumerate(turns) if turn.role == "user")
        first_turn = Turn("user", ((None,) * images) + turns[first].pieces)
        return (*turns[:first], first_turn, *turns[first + 1 :])
    if tokens != images:
        raise LayoutError(f"The row has {images} images, but its texts refer to {tokens}")
    return tuple(turns)


def check_turns_alternate(turns: Sequence[Turn], title: str) -> None:
    """Raise LayoutError unless user and assistant alternate, after an optional system turn."""
    dialogue = turns[1:] if turns[0].role == "system" else turns
    expected = ("user", "assistant")
    if any(turn.role != expected[number % 2] for number, turn in enumerate(dialogue)):
        raise LayoutError(
            f"The dialogue's turns don't alternate, which the {title} layout requires"
        )


def image_question(question: str, images: int = 1) -> tuple[Turn, ...]:
    """One user turn: the images, then the question."""
    return (Turn("user", (*((None,) * images), question)),)


def only_question(content: Content, title: str, max_images: int = 1) -> str:
    """The question of a prompt like those of `ask`. Raises LayoutError for any other."""
    pieces = content.turns[0].pieces if len(content.turns) == 1 else ()
    number = len(content.images)
    texts = [piece for piece in pieces[number:] if piece is not None]
    if content.turns[-1].role != "user" or not 1 <= number <= max_images or len(texts) > 1:
        raise _wide(title)
    if pieces != (*((None,) * number), *texts):
        raise _wide(title)
    return texts[0] if texts else ""


def messages_of(content: Content, stored: Sequence[str]) -> tuple[Message, ...]:
    """The content as messages, with the stored images' sha256 in order."""
    remaining = iter(stored)
    return tuple(
        Message(
            role=turn.role,
            content=tuple(
                ImagePart(image=next(remaining)) if piece is None else TextPart(text=piece)
                for piece in turn.pieces
            ),
        )
        for turn in content.turns
    )


def turns_of(prompt: Prompt) -> tuple[Turn, ...]:
    """A prompt's messages as turns."""
    return tuple(
        Turn(
            message.role,
            tuple(part.text if isinstance(part, TextPart) else None for part in message.content),
        )
        for message in prompt.messages
    )


def list_of(value: object, column: str) -> list[object]:
    """Check that a value is a list, else raise LayoutError."""
    if not isinstance(value, list):
        raise LayoutError("It is not a list", column)
    return cast("list[object]", value)


def object_of(value: object, column: str) -> Mapping[str, Any]:
    """Check that a value is an object, else raise LayoutError."""
    if not isinstance(value, Mapping):
        raise LayoutError("It is not an object", column)
    return cast("Mapping[str, Any]", value)


def text_of(row: Mapping[str, Any], name: str, column: str = "") -> str:
    """The text under a name. Raises LayoutError for anything else."""
    value = row.get(name)
    if not isinstance(value, str):
        raise LayoutError(f"The field {name!r} is missing or is not text", column or name)
    return value


def number_of(row: Mapping[str, Any], name: str, column: str = "") -> float | None:
    """The number under a name; None if absent. Raises LayoutError for anything else."""
    value = row.get(name)
    if value is None:
        return None
    number = float_of(value)
    if number is None:
        raise LayoutError(f"The {name!r} is not a number", column or name)
    if not math.isfinite(number):
        raise LayoutError(f"The {name!r} is {number}, not a finite number", column or name)
    return number


def _wide(title: str) -> LayoutError:
    return LayoutError(
        f"The prompt isn't images followed by one question, which the {title} layout requires"
    )
