"""The demo as a function of the Python API."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.protocols import Progress, SilentProgress

if TYPE_CHECKING:
    from groundtune.pipeline.world.demo_settings import DemoResult


def demo(
    out: str | Path,
    *,
    recipe: str | Path = "world-demo",
    overrides: Sequence[str] = (),
    workers: int = 1,
    progress: Progress | None = None,
) -> "DemoResult":
    """Run the whole loop on the embedded world.

    With more than one of `workers`, processes import the calling script again, so it needs the
    usual `if __name__ == "__main__":`.

    Raises:
        UserError: `out` holds a run with other settings.
    """
    from groundtune.pipeline.recipes.registry import find
    from groundtune.pipeline.world.demo import demo as run_demo
    from groundtune.pipeline.world.demo_settings import DemoSettings
    from groundtune.recipe_loading import load

    settings = load(find(str(recipe)), overrides, DemoSettings)
    return run_demo(settings, Path(out), progress or SilentProgress(), workers=workers)
