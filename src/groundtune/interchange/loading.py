"""Loads a layout by name; imports its file when it is used."""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

from groundtune.interchange import reading, writing
from groundtune.interchange.columns import ROWS
from groundtune.interchange.layout import Batch, ExportResult, Format, Layout
from groundtune.interchange.registry import TARGETS, LayoutName
from groundtune.records import Pair, Prompt
from groundtune.store.images import ImageStore
from groundtune.store.sheets import is_table

TABLE_ROWS = 512
"""Rows of a table per batch: more than of other files, since a table's rows hold no images."""


def load(name: LayoutName, *, all_rows: bool = False) -> Format:
    """The layout with this name; `all_rows` also reads rows that its own code leaves out."""
    module, _, constant = TARGETS[name].partition(":")
    layout_module = importlib.import_module(f"groundtune.interchange.layouts.{module}")
    if constant:
        layout: Layout = getattr(layout_module, constant)
        return PairRows(replace(layout, leaves_out=None) if all_rows else layout)
    return cast("Format", layout_module)


class PairRows(NamedTuple):
    """Files in a layout whose rows are one pair each; a `Format`."""

    layout: Layout

    def row_count(self, path: Path) -> int | None:
        """As `Format` says."""
        return reading.count(self.layout, path)

    def read(
        self,
        path: Path,
        images: ImageStore,
        *,
        folder: Path | None = None,
        licence: str | None = None,
        skip_bad: bool = False,
        rows: int | None = None,
    ) -> Iterator[Batch]:
        """As `Format` says."""
        return reading.read(
            self.layout,
            path,
            images,
            folder=folder,
            licence=licence,
            skip_bad=skip_bad,
            rows=rows or (TABLE_ROWS if is_table(path) else ROWS),
        )

    def write(
        self,
        path: Path,
        pairs: Iterable[Pair],
        prompts: Mapping[str, Prompt],
        images: ImageStore,
        *,
        models: Mapping[str, str] | None = None,
    ) -> ExportResult:
        """As `Format` says."""
        return writing.write(self.layout, path, pairs, prompts, images, models or {})
