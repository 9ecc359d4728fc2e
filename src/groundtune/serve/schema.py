"""The request schema of /v1/chat/completions: the OpenAI API with two more fields.

A field without effect is accepted, even if it is for other servers: null, an empty list of tools, a
penalty of 0. Unsupported fields that would change the answer are refused, and so are unknown fields
and wrong types.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

_SEED = 2**63
_MANY = 1000
"""Maximum length of any list, above the server's limits: a short body can have a million items."""

_EMPTY: tuple[Any, ...] = ([], {}, "")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    IGNORED: ClassVar[Collection[str]] = ()
    """Fields that are accepted with any value, since none changes an answer."""
    INERT: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Unsupported fields, with their values that have no effect; empty values have none either."""

    @model_validator(mode="before")
    @classmethod
    def _without_inert(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, object]", value)
        return {
            name: field_value
            for name, field_value in fields.items()
            if not cls._asks_nothing(name, field_value)
        }

    @classmethod
    def _asks_nothing(cls, name: str, value: object) -> bool:
        if value is None or name in cls.IGNORED:
            return True
        return name in cls.INERT and (value in _EMPTY or value in cls.INERT[name])

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema with the fields that pass."""
        core = handler(core_schema)
        schema = handler.resolve_ref_schema(core)
        ignored: dict[str, Any] = {name: {} for name in cls.IGNORED}
        inert = {name: {"enum": [None, *_EMPTY, *values]} for name, values in cls.INERT.items()}
        schema["properties"] = schema.get("properties", {}) | ignored | inert
        return core


_KINDS: dict[type, str] = {
    str: "<string>",
    list: "<list>",
    bool: "<boolean>",
    int: "<number>",
    float: "<number>",
}


def _kind(value: object) -> str | None:
    """Return the branch of a union for a value: its JSON type, or a part's `type`.

    The brackets distinguish branches from fields, see `place_of`.
    """
    if isinstance(value, dict):
        return f"<{cast('dict[str, object]', value).get('type')}>"
    return _KINDS.get(type(value))


def _branches(expected: str) -> Discriminator:
    """Choose the branch of a union by `_kind`, so that an error names the wrong part."""
    return Discriminator(
        _kind, custom_error_type="wrong_kind", custom_error_message=f"Input should be {expected}"
    )


def place_of(loc: Sequence[str | int]) -> list[str]:
    """Return the location of an error in the body, without the names of a union's branches."""
    return [str(part) for part in loc if not str(part).startswith("<")]


class TextIn(_Part):
    """A part of a message that is text."""

    IGNORED = ("cache_control",)

    type: Literal["text"]
    text: str


class RefusalIn(_Part):
    """A part of an assistant's message with its refusal, read as text."""

    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        """The assistant's text."""
        return self.refusal


class ImageUrl(_Part):
    """An image as a URL that contains it."""

    IGNORED = ("format",)
    """The bytes say it."""

    url: str
    """data:image/png;base64,... Other URLs are not fetched."""
    detail: str | None = None
    """Passed on to an upstream server; a model in this process always sees the full image."""


class ImageIn(_Part):
    """A part of a message that is an image."""

    IGNORED = ("cache_control",)

    type: Literal["image_url"]
    image_url: ImageUrl


PartIn = Annotated[
    Annotated[TextIn, Tag("<text>")]
    | Annotated[RefusalIn, Tag("<refusal>")]
    | Annotated[ImageIn, Tag("<image_url>")],
    _branches('a part of type "text" or "image_url"'),
]
ContentIn = Annotated[
    Annotated[str, Tag("<string>")]
    | Annotated[list[PartIn], Field(max_length=_MANY), Tag("<list>")],
    _branches("a string or a list of parts"),
]


StopIn = Annotated[
    Annotated[str, Tag("<string>")] | Annotated[list[str], Field(max_length=4), Tag("<list>")],
    _branches("a string or a list of strings"),
]


class MessageIn(_Part):
    """One turn."""

    IGNORED = ("annotations", "provider_specific_fields", "reasoning", "reasoning_content")
    """Fields that servers add to an assistant's message, as clients send it back."""
    INERT = {"tool_calls": (), "function_call": (), "audio": ()}

    role: Literal["system", "developer", "user", "assistant"]
    content: ContentIn | None = None
    """Optional in an assistant's message."""
    name: str | None = None
    refusal: str | None = None
    """The assistant's text, if it has no content."""

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if self.content is None and self.role != "assistant":
            raise PydanticCustomError("no_content", "its content is missing")
        return self

    @property
    def parts(self) -> str | list[TextIn | RefusalIn | ImageIn]:
        """The content; a refusal if there is none."""
        return self.content or self.refusal or ""


class StreamOptions(_Part):
    """Options of a stream."""

    IGNORED = ("include_obfuscation",)
    INERT = {"continuous_usage_stats": (False,)}

    include_usage: bool = False


class SelfFeedback(_Part):
    """Best of n by the model's own reward, r(y) = beta/T * sum(log pi_tuned - log pi_reference).

    Yu et al. 2024, arXiv 2405.17220, 3.4.
    """

    n: int = Field(default=4, ge=1)
    """Number of candidates."""
    normalise: Annotated[
        Annotated[bool, Tag("<boolean>")] | Annotated[float, Field(ge=0, le=1), Tag("<number>")],
        _branches("true, false, or a number from 0 to 1"),
    ] = True
    """The sum is divided by the answer's length in tokens to this power: true is 1."""


class BestByReward(_Part):
    """Best of n by the server's reward model."""

    n: int = Field(default=4, ge=1)
    """Number of candidates; 1 only rewards the answer."""


class ChatRequest(_Part):
    """A chat request."""

    IGNORED = (
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    )
    INERT = {
        # OpenAI's
        "audio": (),
        "frequency_penalty": (0,),
        "function_call": ("none", "auto"),
        "functions": (),
        "logit_bias": (),
        "logprobs": (False,),
        "modalities": (["text"],),
        "parallel_tool_calls": (True, False),
        "presence_penalty": (0,),
        "reasoning_effort": ("medium",),
        "response_format": ({"type": "text"},),
        "tool_choice": ("none", "auto"),
        "tools": (),
        "top_logprobs": (0,),
        "verbosity": ("medium",),
        # of vLLM, SGLang and other servers
        "add_generation_prompt": (True,),
        "best_of": (1,),
        "chat_template_kwargs": (),
        "echo": (False,),
        "extra_body": (),
        "ignore_eos": (False,),
        "length_penalty": (1,),
        "min_p": (0,),
        "min_tokens": (0,),
        "repetition_penalty": (1,),
        "skip_special_tokens": (True,),
        "stop_token_ids": (),
        "use_beam_search": (False,),
    }

    model: str
    messages: list[MessageIn] = Field(min_length=1, max_length=_MANY)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    """A value above the server's limit is lowered to it, and the reply says so."""
    max_completion_tokens: int | None = Field(default=None, ge=1)
    """The same under its newer name, which is used if both are given."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """1 by default, as in the API; 0 is greedy decoding."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=-1)
    """0 or -1 keeps the whole vocabulary. Not in the API; vLLM and SGLang have it, too."""
    n: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=-_SEED, lt=_SEED)
    """Without a seed, every request is sampled anew."""
    stop: StopIn | None = None
    self_feedback: SelfFeedback | None = None
    reward: BestByReward | None = None
    check: bool | None = None
    """Return each claim of the answer with its characters, p(yes) and a verdict."""

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts before which an answer ends."""
        texts = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in texts if text)

    @property
    def candidates(self) -> int | None:
        """Number of candidates, of which one is chosen; None if nothing is chosen."""
        chosen = self.self_feedback or self.reward
        return None if chosen is None else chosen.n

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class RewardRequest(_Part):
    """Answers to reward; the form in which `groundtune reward score` asks a server."""

    messages: list[MessageIn] = Field(min_length=1, max_length=_MANY)
    """The conversation up to the answers."""
    facts: list[str] = Field(default=[], max_length=_MANY)
    """True statements about the images, for reward models that read facts."""
    options: list[str] = Field(default=[], max_length=_MANY)
    """The options of a question."""
    answers: list[str] = Field(min_length=1, max_length=_MANY)


class ThumbRequest(_Part):
    """A person's word on one answer."""

    messages: list[MessageIn] = Field(min_length=1, max_length=_MANY)
    """The conversation up to the answer."""
    answer: str
    good: bool
    model: str | None = None
    """Who answered, if it wasn't this server's model."""
    user: str | None = Field(default=None, max_length=200)
    """Who judges it; a second thumb of one person about the same answer replaces the first."""
    note: str | None = None


_CLASSES: tuple[type[_Part], ...] = (MessageIn, StreamOptions, ChatRequest)
UNSUPPORTED = frozenset(name for each in _CLASSES for name in each.INERT)
"""Known fields that are accepted only if they have no effect."""
