"""The table of model families: complete, in the documentation, and asked by name."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.vlm.family import families
from groundtune.vlm.load import load, outline
from tiny_families import ALONE, PACKED

ROOT = Path(__file__).parents[2]


def test_each_family_in_the_table_has_a_tiny_model_that_is_tested():
    listed = {
        kind: not family.separate_reason for family in families() for kind in family.model_types
    }
    tested = {
        build()[0].config.model_type: can
        for builds, can in ((PACKED, True), (ALONE, False))
        for build in builds
    }
    assert listed == tested


def test_the_page_of_families_is_what_the_table_says():
    made = runpy.run_path(str(ROOT / "tools" / "make_families.py"))["page"]()
    assert (ROOT / "docs" / "families.md").read_text() == made


@pytest.mark.parametrize("name", ["Vision-CAIR/MiniGPT-4", "./models/minigpt4-7b/"])
def test_minigpt4_is_refused_by_name(name: str):
    for read in (load, outline):
        with pytest.raises(UserError, match="MiniGPT-4 is not supported"):
            read(name)


def test_the_table_loads_without_torch():
    script = (
        "import sys; from groundtune.vlm.family import families; families();"
        "print({'torch', 'transformers'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
