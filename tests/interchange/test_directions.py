"""Numbers of answers keep their direction: ratings are better if higher, severities worse."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from layout_rows import images, json_file, own_pair, read_all, rows_of, write_all

from groundtune.errors import UserError
from groundtune.store.images import ImageStore

HSA = {"id": "a", "question": "What?", "chosen": "A cat.", "rejected": "A dog."}
OF_CLAIMS = {
    "chosen_rating": -0.0,
    "rejected_rating": -4.0,
    "chosen_severity": 0.0,
    "rejected_severity": 4.0,
}


def severe(folder: Path, **change: Any) -> Path:
    images(folder, "a.jpg")
    scores = {"chosen_score": 0.0, "rejected_score": 2.5}
    return json_file(folder / "hsa.jsonl", [HSA | scores | change])


def numbers(row: dict[str, Any], chosen: str, rejected: str) -> tuple[Any, Any]:
    return row.get(chosen), row.get(rejected)


def test_pairs_of_claims_are_exported_to_hsa_dpo_as_severities_of_at_least_0(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store, **OF_CLAIMS)
    write_all("hsa-dpo", tmp_path / "out.jsonl", [pair], prompts, store)
    (row,) = rows_of(tmp_path / "out.jsonl")
    assert numbers(row, "chosen_score", "rejected_score") == (0.0, 4.0)
    assert "-0.0" not in json.dumps(row)


def test_ratings_alone_are_left_out_of_hsa_dpo_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store, chosen_rating=-0.5, rejected_rating=-4.0)
    with caplog.at_level(logging.WARNING):
        write_all("hsa-dpo", tmp_path / "out.jsonl", [pair], prompts, store)
    (row,) = rows_of(tmp_path / "out.jsonl")
    assert numbers(row, "chosen_score", "rejected_score") == (None, None)
    assert "numbers of 1 of 1 pairs are left out: the layout HSA-DPO has severities" in caplog.text


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("rejected_score", -4.0, "'rejected_score' is -4, but a severity is at least 0"),
        ("chosen_score", float("nan"), "'chosen_score' is nan, not a finite number"),
        ("rejected_score", float("inf"), "'rejected_score' is inf, not a finite number"),
    ],
)
def test_a_severity_below_0_or_not_finite_is_a_bad_row(
    tmp_path: Path, column: str, value: float, complaint: str
):
    path = severe(tmp_path, **{column: value})
    with pytest.raises(UserError, match=complaint) as caught:
        read_all("hsa-dpo", path, ImageStore(tmp_path / "store"))
    assert caught.value.where == f"{path}:1, column {column}"


def test_severities_become_ratings_with_their_sign_turned_in_trl_and_rlaif_v(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    prompts, pairs, _ = read_all("hsa-dpo", severe(tmp_path), store)
    assert numbers(dict(pairs[0]), "chosen_severity", "rejected_severity") == (0.0, 2.5)
    assert numbers(dict(pairs[0]), "chosen_rating", "rejected_rating") == (None, None)
    for suffix in ("jsonl", "parquet"):
        out = tmp_path / f"trl.{suffix}"
        write_all("trl", out, pairs, prompts, store)
        assert numbers(rows_of(out)[0], "score_chosen", "score_rejected") == (0.0, -2.5)
    write_all("rlaif-v-jsonl", tmp_path / "lines.jsonl", pairs, prompts, store)
    scores = rows_of(tmp_path / "lines.jsonl")[0]["org_infos"]["scores"]
    assert (scores["chosen"]["score"], scores["rejected"]["score"]) == (0.0, -2.5)


def test_scores_of_trl_are_ratings_and_go_into_no_severity(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    row = {
        "prompt": "What?",
        "chosen": "A cat.",
        "rejected": "A dog.",
        "score_chosen": 8.5,
        "score_rejected": 3.0,
    }
    prompts, pairs, _ = read_all("trl", json_file(tmp_path / "a.jsonl", [row]), store)
    assert numbers(dict(pairs[0]), "chosen_rating", "rejected_rating") == (8.5, 3.0)
    assert numbers(dict(pairs[0]), "chosen_severity", "rejected_severity") == (None, None)
    write_all("trl", tmp_path / "b.jsonl", pairs, prompts, store)
    assert rows_of(tmp_path / "b.jsonl") == [row]


def test_the_rejected_claims_of_rlaif_v_are_ratings_and_severities(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store, **OF_CLAIMS)
    write_all("rlaif-v-jsonl", tmp_path / "a.jsonl", [pair], prompts, store)
    prompts, (back,), _ = read_all("rlaif-v-jsonl", tmp_path / "a.jsonl", store)
    assert {name: getattr(back, name) for name in OF_CLAIMS} == OF_CLAIMS
    write_all("hsa-dpo", tmp_path / "b.jsonl", [back], prompts, store)
    (row,) = rows_of(tmp_path / "b.jsonl")
    assert numbers(row, "chosen_score", "rejected_score") == (0.0, 4.0)
