"""Cards of models and pairs: what they say, and that nothing is uploaded unasked."""

import json
from pathlib import Path

import pytest
import yaml

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.pipeline.exchange.run import import_layout
from groundtune.protocols import SilentProgress
from hub_data import corrections_set


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Four pairs under a licence that forbids commercial use."""
    out = tmp_path / "pairs"
    file = corrections_set(tmp_path / "set") / "train.parquet"
    import_layout("rlhf-v", file, out, SilentProgress())
    return out


def head(path: Path) -> dict[str, object]:
    """The YAML at the start of a card."""
    return yaml.safe_load(path.read_text().split("---\n")[1])


def test_a_models_card_has_its_base_its_settings_and_its_scores(
    pairs: Path, tiny_llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, scores = tmp_path / "tuned", tmp_path / "scores"
    words = ["train", "--model", str(tiny_llava), "--pairs", str(pairs), "--out", str(out)]
    assert run([*words, "epochs=1", "batch_size=2", "method.type=dpo", "method.beta=0.3"]) == 0
    scores.mkdir()
    row = {"model": "tuned", "benchmark": "pope/greedy", "metric": "f1"}
    row |= {"value": 0.8123456, "low": 0.79, "high": 0.83, "n": 3000}
    (scores / "summary.json").write_text(json.dumps([row]))
    capsys.readouterr()
    command = ["card", str(out), "--scores", str(scores), "--licence", "apache-2.0", "--json"]
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out)["non_commercial"] == "cc-by-nc-4.0"
    card = out / "model" / "README.md"
    found = head(card)
    assert found["license"] == "apache-2.0"
    assert found["base_model"] == str(tiny_llava)
    assert found["library_name"] == "peft"
    [result] = found["model-index"][0]["results"]  # type: ignore[index]
    assert result["dataset"] == {"name": "pope/greedy", "type": "pope"}
    assert result["metrics"][0]["value"] == 0.812346
    text = card.read_text()
    assert "| method.beta | 0.3 |" in text
    assert "**Not for commercial use**" in text
    assert "| pope/greedy | f1 | 0.8123 | 0.79 to 0.83 | 3000 |" in text


def test_a_card_of_pairs_has_their_number_and_licence(pairs: Path) -> None:
    assert run(["card", str(pairs), "--name", "Ours"]) == 0
    found = head(pairs / "README.md")
    assert found["license"] == "cc-by-nc-4.0"
    assert found["pretty_name"] == "Ours"
    assert found["size_categories"] == ["n<1K"]
    assert "4 preference pairs" in (pairs / "README.md").read_text()


def test_what_has_no_card_and_what_cannot_be_uploaded_is_three_lines(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for words, what in (
        ([str(tmp_path / "empty")], "neither a trained model nor pairs"),
        ([str(pairs), "--scores", str(pairs)], "Pairs have no scores"),
        ([str(pairs), "--public"], "Nothing is uploaded"),
        ([str(pairs), "--upload", "owner/name"], "did not take the upload"),
    ):
        assert run(["card", *words]) == EXIT_INPUT, words
        assert what in capsys.readouterr().err
