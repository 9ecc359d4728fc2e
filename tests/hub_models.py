"""A hub's cache with two revisions of a model, without a network."""

from pathlib import Path
from shutil import copytree

import pytest

NAME = "owner/tiny"
OLD, NEW = "a" * 40, "b" * 40
"""Commits; the branch main is NEW, the tag v1 OLD."""


def hub_of(
    monkeypatch: pytest.MonkeyPatch, cache: Path, old: Path, new: Path, name: str = NAME
) -> str:
    """Put two models into the cache as revisions of one, and return its name."""
    from huggingface_hub import constants

    repository = cache / f"models--{name.replace('/', '--')}"
    for commit, ref, model in ((OLD, "v1", old), (NEW, "main", new)):
        copytree(model, repository / "snapshots" / commit)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / ref).write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return name
