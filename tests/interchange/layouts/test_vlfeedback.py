from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layout_rows import images, json_file, own_pair, read_all, round_trip, rows_of, write_all

from groundtune.errors import UserError
from groundtune.store.images import ImageStore

ASPECTS = ("Helpfulness", "Ethical Considerations", "Visual Faithfulness")


def rated(*ratings: str) -> dict[str, dict[str, str]]:
    return {
        aspect: {"Rating": rating, "Rationale": f"Why {rating}."}
        for aspect, rating in zip(ASPECTS, ratings, strict=True)
    }


def row(name: str, *answers: tuple[str, tuple[str, ...]], **more: Any) -> dict[str, Any]:
    models = [f"model{number}" for number, _ in enumerate(answers)]
    return {
        "id": name,
        "prompt": "What?",
        "models": models,
        "completions": {
            "annotations": [rated(*ratings) for _, ratings in answers],
            "model": models,
            "response": [text for text, _ in answers],
        },
        "img_path": "imgs/a.jpg",
        **more,
    }


POOR = ("5", "5", "1")
ROWS = [
    row("x-1", ("A dog.", POOR), ("A cat.", ("5", "5", "5")), ("A cow.", POOR)),
    row("x-2", ("Same.", ("3", "3", "3")), ("Even.", ("3", "3", "3"))),
    row("x-3", ("One.", ("N/A", "5", "5")), ("Two.", ("1", "5", "5"))),
]


def objects(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its completions as a list of objects."""
    names = list(row["completions"])
    values = zip(*row["completions"].values(), strict=True)
    return {**row, "completions": [dict(zip(names, each, strict=True)) for each in values]}


def test_two_answers_of_other_mean_ratings_are_a_pair(tmp_path: Path):
    images(tmp_path, "imgs/a.jpg")
    path = json_file(tmp_path / "set.jsonl", ROWS)
    prompts, pairs, _ = read_all("vlfeedback", path, ImageStore(tmp_path / "store"))
    assert [(each.chosen, each.rejected) for each in pairs] == [
        ("A cat.", "A dog."),
        ("A cat.", "A cow."),
    ]
    assert pairs[0].chosen_rating == 5.0
    assert pairs[0].rejected_rating == pytest.approx(11 / 3)
    assert pairs[0].rejected_spans[0].replacement == "cat"
    assert len(prompts) == 3


@pytest.mark.parametrize("form", [lambda row: row, objects])
@pytest.mark.parametrize("ending", [".jsonl", ".json", ".parquet"])
def test_every_row_comes_back_those_without_a_pair_too(tmp_path: Path, form: Any, ending: str):
    images(tmp_path / "in", "imgs/a.jpg")
    rows = [form({**each, "more": 1}) for each in ROWS]
    path = tmp_path / "in" / f"set{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        json_file(path, rows)
    out = round_trip("vlfeedback", path, tmp_path)
    assert rows_of(out) == rows
    assert (out.parent / "imgs/a.jpg").read_bytes() == (path.parent / "imgs/a.jpg").read_bytes()


def test_pairs_of_our_own_and_edited_ones_are_rows_of_two_answers(tmp_path: Path):
    images(tmp_path, "imgs/a.jpg")
    store = ImageStore(tmp_path / "store")
    prompts, pairs, _ = read_all("vlfeedback", json_file(tmp_path / "set.jsonl", ROWS), store)
    own, pair = own_pair(store)
    edited = pairs[0].model_copy(update={"chosen": "A tall cat."})
    for name in ("out.jsonl", "out.parquet"):
        out = tmp_path / name
        write_all("vlfeedback", out, [edited, pairs[1], pair], prompts | own, store)
        rows = rows_of(out)
        assert rows[:3] == ROWS
        assert [each["completions"]["response"] for each in rows[3:]] == [
            ["A tall cat.", "A dog."],
            ["A cat.", "A dog."],
        ]
        _, back, _ = read_all("vlfeedback", out, store)
        assert [each.chosen for each in back] == ["A cat.", "A cat.", "A tall cat.", "A cat."]


def test_scores_where_less_is_better_do_not_turn_the_order_round(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store, chosen_rating=0.0, rejected_rating=2.5)
    write_all("vlfeedback", tmp_path / "out.jsonl", [pair], prompts, store)
    _, (back,), _ = read_all("vlfeedback", tmp_path / "out.jsonl", store)
    assert (back.chosen, back.chosen_rating, back.rejected_rating) == ("A cat.", 2.0, 1.0)


def test_completions_of_other_lengths_are_an_error_that_names_them(tmp_path: Path):
    images(tmp_path, "imgs/a.jpg")
    bad = row("x", ("A.", ("1", "1", "1")))
    bad["completions"]["response"].append("B.")
    path = json_file(tmp_path / "set.jsonl", [bad])
    with pytest.raises(UserError, match="differ in length") as caught:
        read_all("vlfeedback", path, ImageStore(tmp_path / "store"))
    assert caught.value.where == f"{path}:1, column completions"
