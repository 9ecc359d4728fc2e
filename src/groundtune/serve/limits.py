"""Limits of the server."""

from pydantic import Field

from groundtune.records import Record


class Limits(Record):
    """Limits of size, number and time; a request beyond one gets an API error."""

    running: int = Field(default=16, ge=1)
    """Requests that are answered at a time: passed on upstream, or for a model in this process
    candidates for its next batch."""
    waiting: int = Field(default=32, ge=0)
    """Requests that wait for their turn; a further one gets 429 at once."""
    seconds: float = Field(default=300, gt=0)
    """For a whole request, waiting included."""
    header_seconds: float = Field(default=10, gt=0)
    """For a request's headers to arrive."""
    body_seconds: float = Field(default=30, gt=0)
    """For a body to arrive."""
    body_bytes: int = Field(default=20 * 2**20, ge=1)
    """One request's body."""
    bodies_bytes: int = Field(default=256 * 2**20, ge=1)
    """All bodies that are held at a time; a request that would exceed it gets 429."""
    images: int = Field(default=8, ge=0)
    """Images in a request."""
    image_bytes: int = Field(default=14 * 2**20, ge=1)
    """One image's file."""
    image_pixels: int = Field(default=50_000_000, ge=1)
    """All images of a request, decoded: 3 bytes a pixel. More is refused before it is decoded."""
    messages: int = Field(default=200, ge=1)
    """Messages in a request."""
    text_characters: int = Field(default=200_000, ge=1)
    """All texts of a request."""
    max_tokens: int = Field(default=2048, ge=1)
    """The longest answer; a request that asks for a longer one gets this, and its reply says so."""
    default_tokens: int = Field(default=512, ge=1)
    """The longest answer where the request doesn't say."""
    n: int = Field(default=8, ge=1)
    """Answers of a request."""
    candidates: int = Field(default=64, ge=1)
    """Candidates of a request with self-feedback."""
