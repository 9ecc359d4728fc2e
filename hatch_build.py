"""Metadata of the package: the README with absolute links, as a package index shows it."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?\[[^\]]*\]\()(?!https?://|#)([^)]+\))")


def absolute(text: str, base: str) -> str:
    """Return Markdown whose relative links and images start at `base`."""
    return LINK.sub(lambda match: f"{match[1]}{base.rstrip('/')}/{match[2]}", text)


class ReadmeHook(MetadataHookInterface):
    """Takes the README's relative links to the address of the source in project.urls."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the package's readme."""
        base = str(metadata["urls"]["Source"])
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, base)}
