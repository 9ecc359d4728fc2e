"""Limits of the server."""

from pydantic import Field

from groundtune.records import Record


class Limits(Record):
    """Limits of size, number and time; a request beyond one gets an API error."""

    running: int = Field(default=16, ge=1)
    """Requests that run at the same time: passed upstream, or candidates for the next batch of a
    model in this process."""
    waiting: int = Field(default=32, ge=0)
    """Requests that wait for their turn; any further one gets 429 at once."""
    seconds: float = Field(default=300, gt=0)
    """Time limit of a whole request, including waiting."""
    header_seconds: float = Field(default=10, gt=0)
    """Time limit for a request's headers to arrive."""
    body_seconds: float = Field(default=30, gt=0)
    """Time limit for a body to arrive."""
    body_bytes: int = Field(default=20 * 2**20, ge=1)
    """Maximum size of a request's body."""
    bodies_bytes: int = Field(default=256 * 2**20, ge=1)
    """Maximum total of all bodies in memory; a request that would exceed it gets 429."""
    images: int = Field(default=8, ge=0)
    """Images per request."""
    image_bytes: int = Field(default=14 * 2**20, ge=1)
    """Maximum size of an image file."""
    image_pixels: int = Field(default=50_000_000, ge=1)
    """Maximum pixels of all images of a request (3 bytes per pixel when decoded), checked before
    decoding."""
    messages: int = Field(default=200, ge=1)
    """Messages per request."""
    text_characters: int = Field(default=200_000, ge=1)
    """Maximum characters of all texts of a request."""
    max_tokens: int = Field(default=2048, ge=1)
    """The longest answer; a longer requested one is lowered to this, and the reply says so."""
    default_tokens: int = Field(default=512, ge=1)
    """The longest answer if the request has no limit."""
    n: int = Field(default=8, ge=1)
    """Answers per request."""
    candidates: int = Field(default=64, ge=1)
    """Candidates of a request with self-feedback or reward, or answers to reward."""
