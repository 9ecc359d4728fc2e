"""The request schema of /v1/chat/completions: the OpenAI API with two more fields.

Unknown fields and wrong types are refused. API fields that this server doesn't support are refused
if they would change the answer, and ignored otherwise.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_SEED = 2**63
_MANY = 1000
"""No list is longer, whatever the server's own bounds: a short body can hold a million items."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class TextIn(_Part):
    """A part of a message that is text."""

    type: Literal["text"]
    text: str


class ImageUrl(_Part):
    """Where an image is: in the URL itself."""

    url: str
    """data:image/png;base64,... Addresses are not fetched."""
    detail: Literal["auto", "low", "high"] | None = None
    """Accepted and ignored: an image is always seen whole."""


class ImageIn(_Part):
    """A part of a message that is an image."""

    type: Literal["image_url"]
    image_url: ImageUrl


PartIn = Annotated[TextIn | ImageIn, Field(discriminator="type")]


class MessageIn(_Part):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[PartIn], Field(max_length=_MANY)]
    name: str | None = None


class StreamOptions(_Part):
    """What a stream has besides the text."""

    include_usage: bool = False
    include_obfuscation: bool | None = None


class SelfFeedback(_Part):
    """Best of n by the model's own reward, r(y) = beta/T * sum(log pi_tuned - log pi_reference).

    Yu et al. 2024, arXiv 2405.17220, 3.4.
    """

    n: int = Field(default=4, ge=1)
    """Candidates drawn."""
    normalise: bool | Annotated[float, Field(ge=0, le=1)] = True
    """The power of T, the answer's length in tokens, by which the sum is divided: true is 1."""


class ChatRequest(_Part):
    """What a client asks."""

    model: str
    messages: list[MessageIn] = Field(min_length=1, max_length=_MANY)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    """1 if not given, as in the API; 0 is greedy decoding."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    """0 keeps the whole vocabulary. Not in the API; vLLM and SGLang have it, too."""
    n: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=-_SEED, lt=_SEED)
    """Without one every request is drawn anew."""
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    self_feedback: SelfFeedback | None = None
    check: bool | None = None
    """Return each claim of the answer with its characters, p(yes) and a verdict."""

    presence_penalty: float | None = Field(default=None, ge=0, le=0)
    frequency_penalty: float | None = Field(default=None, ge=0, le=0)
    logprobs: Literal[False] | None = None
    response_format: dict[str, Literal["text"]] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts at which an answer ends."""
        found = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in found if text)

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage
