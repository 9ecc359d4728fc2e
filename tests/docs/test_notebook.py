"""The notebook in examples/ works from its first cell to its last."""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "check_my_images.ipynb"


def cells(kind: str) -> list[str]:
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def test_the_cells_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for code in cells("code"):
        exec(compile(code, str(NOTEBOOK), "exec"), names)
    assert len(names["answers"]) == 2
    assert names["claims"]
    assert names["rows"][0].startswith('<p><img src="data:image/png;base64,')
    if names["rejected"]:
        assert any("<mark>" in row for row in names["rows"])


@pytest.mark.docs
def test_the_cells_run_in_a_kernel_as_in_an_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # of the extra docs, with ipykernel; without them this test fails
    nbformat: Any = importlib.import_module("nbformat")
    nbclient: Any = importlib.import_module("nbclient")
    paths = [str(NOTEBOOK.parents[1] / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("JUPYTER_PATH", str(_kernel_of_this_python(tmp_path / "jupyter")))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    work = tmp_path / "work"
    work.mkdir()
    resources = {"metadata": {"path": str(work)}}
    client = nbclient.NotebookClient(notebook, timeout=900, kernel_name="here", resources=resources)
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [each for each in outputs if each.output_type == "error"] == []
    assert any("claims fail the check" in str(each.get("data")) for each in outputs)
    assert any("<img src=" in str(each.get("data", {}).get("text/html")) for each in outputs)
    assert (work / "runs" / "my-images" / "claims").exists()


def _kernel_of_this_python(folder: Path) -> Path:
    """A folder that names a kernel `here`: the Python that runs this test."""
    words = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": words, "display_name": "here", "language": "python"}
    place = folder / "kernels" / "here"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    return folder


def test_the_notebook_is_stored_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
