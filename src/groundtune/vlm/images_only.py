"""Build processors of families that also read videos without their video part."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast


@contextmanager
def images_only() -> Generator[None]:
    """Build processors without their video part inside the block.

    Only the video part needs torchvision. Without torchvision, a processor of Qwen-VL or
    LLaVA-OneVision could not be built at all. The processor classes used here stay without the
    video part until the program ends, because processors are also called and saved without it.
    """
    from transformers import ProcessorMixin

    original = cast(Any, ProcessorMixin).get_attributes.__func__

    def without_videos(cls: Any) -> list[str]:
        names = [name for name in original(cls) if name != "video_processor"]
        cls.get_attributes = classmethod(lambda _: names)
        return names

    cast(Any, ProcessorMixin).get_attributes = classmethod(without_videos)
    try:
        yield
    finally:
        cast(Any, ProcessorMixin).get_attributes = classmethod(original)
