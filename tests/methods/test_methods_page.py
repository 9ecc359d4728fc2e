"""docs/methods.md says what the code says."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import get_args

from groundtune.pipeline.train.run import Method

ROOT = Path(__file__).parents[2]


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("page", ROOT / "tools/make_methods_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_docstrings_give() -> None:
    made = maker().page()
    assert made == (ROOT / "docs/methods.md").read_text(), "run tools/make_methods_page.py"


def test_the_page_has_every_method_and_every_parameter_of_it() -> None:
    text = (ROOT / "docs/methods.md").read_text()
    for method in get_args(get_args(Method)[0]):
        _, _, after = text.partition(f"## `{method.model_fields['type'].default}`")
        part = after.partition("\n## ")[0]
        assert "arXiv" in part, method
        for field in method.model_fields:
            assert field == "type" or f"| `{field}` | `" in part, (method, field)
