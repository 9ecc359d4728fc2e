"""The Python API: what it exports, what it costs to import, and the documentation's example."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import groundtune
from groundtune.errors import UserError
from groundtune.feedback.conquer import Asking

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_every_name_that_is_exported_exists() -> None:
    assert all(getattr(groundtune, name) is not None for name in groundtune.__all__)
    assert set(groundtune.__all__) <= set(dir(groundtune))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        groundtune.no_such_name  # noqa: B018


def test_the_api_is_imported_without_torch() -> None:
    program = (
        "import sys, groundtune; [getattr(groundtune, name) for name in groundtune.__all__]; "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_record_and_verb_that_is_exported_is_documented() -> None:
    page = PAGE.read_text()
    names = [name for name in groundtune.__all__ if not name.startswith("_")]
    assert [name for name in names if not re.search(rf"`{name}[`(]", page)] == []


def test_the_example_of_the_documentation_runs(
    tiny_llava: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    assert example[1].startswith('import groundtune\n\nrun = groundtune.Run("runs/by-hand")')
    program = example[1].replace("world:base", str(tiny_llava))
    program = program.replace('overrides=["', f'overrides=["model={tiny_llava}", "')
    program = program.replace("n=1)", "n=1, sampling={'max_new_tokens': 30, 'temperature': 1})")
    monkeypatch.chdir(tmp_path)
    exec(compile(program, str(PAGE), "exec"), {})
    said = capsys.readouterr().out
    assert re.search(r"60 answers, \d+ with something wrong, \d+ pairs", said)
    assert re.search(r"[+-]\d\.\d{3} \[[+-]\d\.\d{3}, [+-]\d\.\d{3}\], n = 6", said)


def test_a_run_is_labelled_by_claims_and_paired_by_the_rejected_ones(tmp_path: Path) -> None:
    run = groundtune.Run(tmp_path / "run")
    run.sample(model="world:base", prompts="world:2", n=3, sampling={"temperature": 1.2})
    claims = run.label(by="claims", labeler="world:labeler", asking={"ties": "rejected"})
    assert claims == run.claims
    assert {claim.status for claim in claims} >= {"supported", "rejected"}
    asked = json.loads((run.folder / "claims/run.json").read_text())["recipe"]
    assert asked["divider"] == "world"
    assert asked["asking"] == Asking(suffix=" Answer yes or no.", ties="rejected").model_dump()
    assert run.label(by="claims", labeler="world:labeler", asking=Asking(ties="rejected")) == claims
    pairs = run.pair(by="claims", spans="both", cap=1, balance="none")
    assert pairs
    assert {pair.origin for pair in pairs} == {"claims"}
    assert len({pair.prompt for pair in pairs}) == len(pairs)
    rejected = Counter(claim.answer for claim in claims if claim.status == "rejected")
    for pair in pairs:
        chosen, other = (rejected[parent] for parent in pair.parents[:2])
        assert chosen < other
    with pytest.raises(UserError, match="labeler"):
        run.label(by="claims", labler="world:labeler")
    with pytest.raises(UserError, match="margin"):
        run.pair(by="claims", margn=2)
