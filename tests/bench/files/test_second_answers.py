"""A second answer to one item is refused with its row, or scored where the official code does."""

import json
from pathlib import Path

import pytest
from small_data import SMALL

from groundtune.bench.benchmark import Scoring
from groundtune.bench.registry import load
from groundtune.errors import UserError


def answer_again(path: Path) -> None:
    """Adds the first answer of a file, or of a folder's first file, once more at its end."""
    if path.is_dir():
        file = path / "existence.txt"
        first = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join([*first, *first[:2]]), encoding="utf-8")
    elif path.suffix == ".jsonl":
        text = path.read_text(encoding="utf-8")
        path.write_text(text + text.splitlines()[0] + "\n", encoding="utf-8")
    else:
        found = json.loads(path.read_bytes())
        if isinstance(found, list):
            path.write_text(json.dumps([*found, found[0]]), encoding="utf-8")
        else:
            name, said = next(iter(found.items()))
            again = f", {json.dumps(name)}: {json.dumps(said)}}}"
            path.write_text(json.dumps(found)[:-1] + again, encoding="utf-8")


SCORED = [
    name
    for name in SMALL
    if name.split()[0] in ("amber", "chair", "object_halbench", "overgeneral")
]
"""Of these, the official code scores each of several answers."""


@pytest.mark.parametrize("case", [name for name in SMALL if name not in SCORED])
def test_a_second_answer_is_refused_with_its_row(case: str, tmp_path: Path):
    benchmark, small = load(case.partition(" ")[0]), SMALL[case](tmp_path)
    assert benchmark.read_data is not None
    assert benchmark.read_answers is not None
    data = benchmark.read_data(small.data)
    number = len(benchmark.read_answers(small.answers, data))
    answer_again(small.answers)
    with pytest.raises(UserError, match=r"again: row|answers to") as error:
        benchmark.read_answers(small.answers, data)
    row = int(error.value.where.rpartition(":")[2])
    assert row == (number + 1 if small.answers.is_file() else 7)


@pytest.mark.parametrize("case", SCORED)
def test_a_second_answer_is_scored_where_the_official_code_scores_each(case: str, tmp_path: Path):
    benchmark, small = load(case.partition(" ")[0]), SMALL[case](tmp_path)
    assert benchmark.read_data is not None
    assert benchmark.read_answers is not None
    assert benchmark.score is not None
    data = benchmark.read_data(small.data)
    number = len(benchmark.read_answers(small.answers, data))
    answer_again(small.answers)
    answers = benchmark.read_answers(small.answers, data)
    scores = benchmark.score(data, answers, Scoring())
    assert len(scores) == number + 1
    again = [score for score in scores if score.item.endswith("/2")]
    first = [score for score in scores if f"{score.item}/2" == again[0].item]
    assert len(again) == len(first) == 1
    assert (again[0].image, again[0].values) == (first[0].image, first[0].values)
    assert len({score.key for score in scores}) == len({score.item for score in scores})
