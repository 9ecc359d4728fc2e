"""Texts with a token for each image, and messages made of them.

Layouts that mark images in a text write `<image>` where one stands. White space between the token
and the text that it leads, or follows, is the layout's, not the prompt's.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from groundtune.interchange.layout import Content, Refused, Role, Turn
from groundtune.records import ImagePart, Message, Prompt, TextPart

TOKEN = "<image>"


def split_text(text: str) -> tuple[str | None, ...]:
    """A text's pieces, None for each token. White space alone between tokens is no piece."""
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
    """The text of pieces, a token for each None. Raises Refused if a piece has the token itself."""
    if any(piece is not None and TOKEN in piece for piece in pieces):
        raise Refused(f"The prompt's text contains {TOKEN}, which the layout reads as an image")
    return "".join(TOKEN if piece is None else piece for piece in pieces)


def read_turns(
    given: object, column: str, *, role: str, content: str, roles: Mapping[str, Role]
) -> list[Turn]:
    """Messages of a column as turns; `role` and `content` name their keys. Raises Refused."""
    turns: list[Turn] = []
    for each in list_of(given, column):
        message = object_of(each, column)
        named = message.get(role)
        if named not in roles:
            raise Refused(
                f"A message's {role!r} is {named!r}, not one of {', '.join(roles)}", column
            )
        turns.append(Turn(roles[str(named)], split_text(text_of(message, content, column))))
    return turns


def with_images_first(turns: Sequence[Turn], images: int) -> tuple[Turn, ...]:
    """The turns, with all images before the first user's text if no text names one.

    Raises Refused where the texts name more or fewer images than there are, or the last turn
    isn't the user's.
    """
    if not turns or turns[-1].role != "user":
        raise Refused("The prompt's last message is not the user's")
    named = sum(piece is None for turn in turns for piece in turn.pieces)
    if named == 0 and images:
        first = next(number for number, turn in enumerate(turns) if turn.role == "user")
        led = Turn("user", ((None,) * images) + turns[first].pieces)
        return (*turns[:first], led, *turns[first + 1 :])
    if named != images:
        raise Refused(f"The row has {images} images, but its texts refer to {named}")
    return tuple(turns)


def check_turns_alternate(turns: Sequence[Turn], title: str) -> None:
    """Raises Refused unless user and assistant take turns, after the system's if it has one."""
    spoken = turns[1:] if turns[0].role == "system" else turns
    expected = ("user", "assistant")
    if any(turn.role != expected[number % 2] for number, turn in enumerate(spoken)):
        raise Refused(f"The dialogue's turns don't alternate, which the {title} layout requires")


def ask(question: str, images: int = 1) -> tuple[Turn, ...]:
    """One user turn: the images, then the question."""
    return (Turn("user", (*((None,) * images), question)),)


def only_question(content: Content, title: str, most: int = 1) -> str:
    """The question of a prompt that `ask` could have made. Raises Refused for any other."""
    pieces = content.turns[0].pieces if len(content.turns) == 1 else ()
    number = len(content.images)
    texts = [piece for piece in pieces[number:] if piece is not None]
    if content.turns[-1].role != "user" or not 1 <= number <= most or len(texts) > 1:
        raise _wide(title)
    if pieces != (*((None,) * number), *texts):
        raise _wide(title)
    return texts[0] if texts else ""


def messages_of(content: Content, stored: Sequence[str]) -> tuple[Message, ...]:
    """The records' messages, with the stored images' sha256 in order."""
    left = iter(stored)
    return tuple(
        Message(
            role=turn.role,
            content=tuple(
                ImagePart(image=next(left)) if piece is None else TextPart(text=piece)
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
    """A list. Raises Refused for anything else."""
    if not isinstance(value, list):
        raise Refused("It is not a list", column)
    return cast("list[object]", value)


def object_of(value: object, column: str) -> Mapping[str, Any]:
    """An object. Raises Refused for anything else."""
    if not isinstance(value, Mapping):
        raise Refused("It is not an object", column)
    return cast("Mapping[str, Any]", value)


def text_of(row: Mapping[str, Any], name: str, column: str = "") -> str:
    """A text under a name. Raises Refused for anything else."""
    value = row.get(name)
    if not isinstance(value, str):
        raise Refused(f"The field {name!r} is missing or is not text", column or name)
    return value


def number_of(row: Mapping[str, Any], name: str, column: str = "") -> float | None:
    """A number under a name, None if there is none. Raises Refused for anything else."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"The {name!r} is not a number", column or name)
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        number = math.inf
    if not math.isfinite(number):
        raise Refused(f"The {name!r} is {number}, not a finite number", column or name)
    return number


def _wide(title: str) -> Refused:
    return Refused(
        f"The prompt isn't images followed by one question, which the {title} layout requires"
    )
