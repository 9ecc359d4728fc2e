"""Build processors of families that also read videos without their video part."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

_VIDEOS = "video_processor"


@contextmanager
def images_only() -> Generator[None]:
    """Build processors without their video part inside the block.

    Only the video part needs torchvision. Without torchvision, a processor of Qwen-VL or
    LLaVA-OneVision could not be built at all. The processor classes used here stay without the
    video part until the program ends, because processors are also called and saved without it.
    """
    from transformers import ProcessorMixin

    mixin = cast(Any, ProcessorMixin)
    get_attributes, init = mixin.get_attributes.__func__, mixin.__init__

    def without_videos(cls: Any) -> list[str]:
        names = [name for name in get_attributes(cls) if name != _VIDEOS]
        cls.get_attributes = classmethod(lambda _: names)
        _make_videos_optional(cls.__init__)
        return names

    def init_without_videos(self: Any, *parts: Any, **options: Any) -> None:
        if options.get(_VIDEOS, self) is None:  # Gemma 4 passes it by name
            del options[_VIDEOS]
        init(self, *parts, **options)

    mixin.get_attributes, mixin.__init__ = classmethod(without_videos), init_without_videos
    try:
        yield
    finally:
        mixin.get_attributes, mixin.__init__ = classmethod(get_attributes), init


def _make_videos_optional(init: Any) -> None:
    """Give a video part that is the last required parameter the default None."""
    code, defaults = init.__code__, init.__defaults__ or ()
    required = code.co_varnames[: code.co_argcount - len(defaults)]
    if required[-1] == _VIDEOS:
        init.__defaults__ = (None, *defaults)
