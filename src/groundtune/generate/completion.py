"""Reads the replies of endpoints: chat completions, complete or streamed.

Servers differ: text is a string or a list of parts; thoughts are between tags, in a field or in a
part; token counts and finish reasons may be missing. All are read into the same records. An
unreadable reply is an error, never an answer.
"""

import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from groundtune.generate.thoughts import ThoughtFilter, split_thoughts

_TRUNCATED = frozenset({"length", "max_tokens", "model_length"})
"""Finish reasons of an answer that reached the limit: OpenAI's, some gateways', Mistral's."""
_THOUGHTS = ("reasoning_content", "reasoning")
"""Fields of a message: vLLM, SGLang and DeepSeek; OpenRouter and newer vLLM."""
_ROUNDING = 1e-3
"""How far above 0 a log-probability may be."""


class UnreadableReply(Exception):
    """A reply can't be read. `passing` is true where a retry may succeed."""

    def __init__(self, why: str, *, passing: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.passing = passing


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTokens:
    """The most likely first tokens of an answer, (text, probability) each."""

    likely: tuple[tuple[str, float], ...]
    valid: bool
    """False where one of them has no probability: it is missing, not a number, or above 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionChoice:
    """One answer of a completion."""

    text: str
    """Without thoughts, and without halves of surrogate pairs. A refusal is an answer."""
    thoughts: str
    refused: bool
    """Whether the API itself says that the text is a refusal."""
    finish: str
    """As the server says: "stop", "length"; empty if it doesn't."""
    first: FirstTokens | None
    """None without log-probabilities."""

    @property
    def finished(self) -> bool:
        """Whether it ended before the limit."""
        return self.finish.lower() not in _TRUNCATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A reply with its answers, in order."""

    choices: tuple[CompletionChoice, ...]
    model: str
    """The model as the server names it; empty if it doesn't."""
    tokens_in: int | None
    tokens_out: int | None
    """Of all answers; None if the server doesn't count."""


class CompletionReader:
    """Reads one reply to a request for `answers` answers: `whole`, or `piece` by piece and `end`.

    Raises:
        UnreadableReply: at any step, if it is no chat completion or has another number of answers.
    """

    def __init__(self, answers: int) -> None:
        self._drafts = [_Draft() for _ in range(answers)]
        self._indices = set[int]()
        self._model = ""
        self._usage: dict[str, Any] = {}

    def whole(self, data: bytes | str) -> Completion:
        """Read the complete reply."""
        reply = _parsed(data)
        choices = reply.get("choices")
        if not isinstance(choices, list) or not choices:
            raise UnreadableReply("the reply is not a chat completion", passing=True)
        self._add(reply, "message")
        if len(self._indices) != len(self._drafts):
            raise self._wrong_number(len(self._indices))
        return self._completion()

    def piece(self, data: bytes | str) -> list[tuple[int, str]]:
        """Read one event of a stream; return the characters that it adds to answers' texts."""
        return self._add(_parsed(data), "delta")

    def end(self) -> Completion:
        """End the stream. An answer without a finish reason counts as unfinished."""
        if any(not draft.finish for draft in self._drafts):
            raise UnreadableReply("the stream broke off before the answer's end", passing=True)
        return self._completion()

    def _completion(self) -> Completion:
        return Completion(
            choices=tuple(draft.choice() for draft in self._drafts),
            model=self._model,
            tokens_in=_count(self._usage.get("prompt_tokens")),
            tokens_out=_count(self._usage.get("completion_tokens")),
        )

    def _add(
        self, reply: dict[str, Any], part: Literal["message", "delta"]
    ) -> list[tuple[int, str]]:
        model = reply.get("model")
        self._model = model if isinstance(model, str) else self._model
        self._usage = _fields(reply.get("usage")) or self._usage
        added: list[tuple[int, str]] = []
        for place, item in enumerate(_items(reply.get("choices"))):
            choice = _fields(item)
            index = choice.get("index")
            if index is None:
                index = place
            if type(index) is not int or not 0 <= index < len(self._drafts):
                raise self._wrong_number(place + 1)
            self._indices.add(index)
            text = self._drafts[index].add(choice, part)
            if text:
                added.append((index, text))
        return added

    def _wrong_number(self, number: int) -> UnreadableReply:
        requested = len(self._drafts)
        return UnreadableReply(f"it has {number} answers where {requested} were requested")


@dataclass(slots=True)
class _Draft:
    """One answer, as far as it has been read."""

    answer_filter: ThoughtFilter = field(default_factory=ThoughtFilter)
    text: str = ""
    thoughts: str = ""
    refused: bool = False
    finish: str = ""
    first: FirstTokens | None = None
    half: str = ""
    """The first half of a surrogate pair, of which the second may come with the next piece."""

    def add(self, choice: dict[str, Any], part: Literal["message", "delta"]) -> str:
        """Add a message, or a piece of one; return the answer's new characters."""
        message = _fields(choice.get(part))
        if not message and part == "message":
            raise UnreadableReply("an answer has no message")
        content = _content(message)
        self.thoughts += content.thoughts
        self.refused = self.refused or bool(content.refusal)
        self.finish = str(choice.get("finish_reason") or self.finish)
        self.first = self.first or _first_tokens(_fields(choice.get("logprobs")))
        if part == "message":
            parts = split_thoughts(_whole(content.text))
            self.thoughts += parts.thoughts
            self.text = parts.answer or _whole(content.refusal)
            return self.text
        return self._add_text(content.text + content.refusal)

    def choice(self) -> CompletionChoice:
        """Return the answer as read so far."""
        self.text += self.answer_filter.feed(_whole(self.half)) + self.answer_filter.end()
        return CompletionChoice(
            text=self.text,
            thoughts=_whole(self.thoughts + self.answer_filter.thoughts).strip(),
            refused=self.refused,
            finish=self.finish,
            first=self.first,
        )

    def _add_text(self, piece: str) -> str:
        piece = self.half + piece
        self.half = piece[-1:] if "\ud800" <= piece[-1:] <= "\udbff" else ""
        new = self.answer_filter.feed(_whole(piece.removesuffix(self.half)))
        self.text += new
        return new


@dataclass(frozen=True, slots=True)
class _Content:
    text: str
    thoughts: str
    refusal: str


def _content(message: dict[str, Any]) -> _Content:
    """Return a message's text, joined from its parts, its separate thoughts, and a refusal."""
    thoughts = next((text for name in _THOUGHTS if (text := _string(message.get(name)))), "")
    refusal = _string(message.get("refusal"))
    content = message.get("content")
    if content is None or isinstance(content, str):
        return _Content(content or "", thoughts, refusal)
    texts: list[str] = []
    for item in _items(content, must=True):
        part = {"type": "text", "text": item} if isinstance(item, str) else _fields(item)
        match part.get("type", "text"):
            case "text" | "output_text":
                texts.append(_text_of(part.get("text")))
            case "thinking" | "reasoning" as kind:
                thoughts += _text_of(part.get(kind, part.get("text")))
            case "refusal":
                refusal += _text_of(part.get("refusal"))
            case other:
                raise UnreadableReply(f"its content has a part of type {other!r}, not text")
    return _Content("".join(texts), thoughts, refusal)


def _text_of(value: object) -> str:
    """Return a part's text: a string, or a list of text parts."""
    if isinstance(value, str):
        return value
    return "".join(_text_of(_fields(each).get("text")) for each in _items(value, must=True))


def _first_tokens(logprobs: dict[str, Any]) -> FirstTokens | None:
    content = _items(logprobs.get("content"))
    top = _items(_fields(content[0]).get("top_logprobs")) if content else []
    tokens = [_fields(each) for each in top]
    candidates = [
        (_string(each.get("token")), _probability(each.get("logprob"))) for each in tokens
    ]
    return (
        FirstTokens(
            likely=tuple((token, p) for token, p in candidates if p is not None),
            valid=all(p is not None for _, p in candidates),
        )
        if candidates
        else None
    )


def _probability(logprob: object) -> float | None:
    if not isinstance(logprob, int | float) or isinstance(logprob, bool):
        return None
    # false for NaN, too
    return math.exp(min(0.0, logprob)) if logprob <= _ROUNDING else None


def error_message(reply: dict[str, Any]) -> str:
    """Return a server's error message in one line of at most 300 characters."""
    inner: object = reply.get("error", reply)
    if isinstance(inner, dict):
        inner = cast("dict[str, Any]", inner).get("message", cast("object", inner))
    return one_line(str(inner))


def one_line(text: str) -> str:
    """Return a server's text in one line of at most 300 characters."""
    return _whole(" ".join(text.split())[:300])


def _parsed(data: bytes | str) -> dict[str, Any]:
    try:
        content: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableReply("the reply is not JSON", passing=True) from error
    if not isinstance(content, dict):
        raise UnreadableReply("the reply is not a JSON object", passing=True)
    reply = cast("dict[str, Any]", content)
    if reply.get("error"):
        raise UnreadableReply(f"error {error_message(reply)}", passing=True)
    return reply


def _whole(text: str) -> str:
    """Replace lone surrogates, which no file can hold, with U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _fields(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _items(value: object, *, must: bool = False) -> list[object]:
    if must and not isinstance(value, list):
        raise UnreadableReply(f"its content is {type(value).__name__}, not text")
    return cast("list[object]", value) if isinstance(value, list) else []


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
