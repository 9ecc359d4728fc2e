"""Processors of families that also read videos, made without what reads videos."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast


@contextmanager
def images_only() -> Generator[None]:
    """Processors are made without their part for videos.

    That part is the only one that needs torchvision (image processors have a form without); where
    it is missing, a processor of Qwen-VL or LLaVA-OneVision couldn't be made at all. Classes of
    processors made here stay so to the end of the program: they are called and saved without it.
    """
    from transformers import ProcessorMixin

    whole = cast(Any, ProcessorMixin).get_attributes.__func__

    def without_videos(cls: Any) -> list[str]:
        kept = [name for name in whole(cls) if name != "video_processor"]
        cls.get_attributes = classmethod(lambda own: kept)
        return kept

    cast(Any, ProcessorMixin).get_attributes = classmethod(without_videos)
    try:
        yield
    finally:
        cast(Any, ProcessorMixin).get_attributes = classmethod(whole)
