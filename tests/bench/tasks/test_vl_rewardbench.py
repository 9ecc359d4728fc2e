"""VL-RewardBench as its own script counts it, and strictly: both orders, ties and places told."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import ItemAnswer, Mode
from groundtune.bench.results import results_of
from groundtune.bench.tasks.vl_rewardbench.judgements import verdict
from groundtune.bench.tasks.vl_rewardbench.pairs import group_of, items, read_data
from groundtune.bench.tasks.vl_rewardbench.vl_rewardbench import (
    VL_REWARDBENCH,
    read_answers,
    score,
)
from groundtune.errors import UserError
from groundtune.store.images import ImageStore

IDS = (
    *(f"RLAIF-{i}" for i in range(12)),
    *(f"RLHF-V_{i}" for i in range(12)),
    *(f"hallucination_pair-{i}" for i in range(13)),
    *(f"mathverse_{i}" for i in range(9)),
    *(f"mmmu-{i}" for i in range(9)),
    *(f"wildvision-battle_{i}" for i in range(12)),
    *(f"{i}{i}" for i in range(12)),
)
SAYINGS = (
    "Both are fine.\n**Overall Judgment:** Answer {n} is better.",
    "Overall judgment - Answer {n} is slightly\nbetter than the other",
    "Answer 1 is vague. Therefore, Answer {n} is the better one; Answer {n} is better.",
    "I can't say which Answer is better.",
    "Overall Judgment: Answer {n} is the best.",
    "Overall Judgment: Answer 3 is better.",
)


def rows() -> list[dict[str, Any]]:
    chance = random.Random(5)
    return [
        {
            "id": name,
            "query": f"<image>\nWhat is {name}?",
            "response": [f"A {name}.", f"No {name}."],
            "human_ranking": [0, 1] if chance.random() < 0.5 else [1, 0],
        }
        for name in IDS
    ]


def calls(k: int = 10) -> list[dict[str, Any]]:
    """Lines as inference_hf.py writes them: each pair is judged k times."""
    chance = random.Random(6)
    return [
        {
            **{name: row[name] for name in ("id", "query", "response")},
            "ranking": row["human_ranking"],
            "meta": {
                "filter_choice": chance.choice(SAYINGS).format(n=chance.choice((1, 2, 2))),
                "random_number": chance.choice((0, 1)),
                "flag_status": "agree",
            },
        }
        for row in rows()
        for _ in range(k)
    ]


def lines(path: Path, told: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in told), "utf-8")
    return path


def metrics_of(told: list[dict[str, Any]], mode: Mode, folder: Path) -> dict[str, float | None]:
    data = read_data([lines(folder / "data.jsonl", rows())])
    answers = read_answers(lines(folder / "answers.jsonl", told), data)
    scores = score(data, answers, Scoring(mode=mode))
    assert len(scores) == len(data) == 2 * len(IDS)
    return dict(results_of(VL_REWARDBENCH, scores).metrics)


# What cal.py at 9b10abd prints for these lines, with six decimals.
OFFICIAL = {1: 65.337995, 3: 69.264069, 5: 79.365079, 7: 77.248677, 9: 83.760684}
OFFICIAL_GROUPS = {"general": 91.666667, "hallucination": 84.615385, "reasoning": 74.999981}
OFFICIAL_OVERALL = 86.206897


def test_the_figures_are_those_of_the_official_script(tmp_path: Path):
    found = metrics_of(calls(), "official", tmp_path)
    for k, macro in OFFICIAL.items():
        assert found[f"macro_accuracy_{k}"] == pytest.approx(macro / 100, abs=1e-7)
    for group, share in OFFICIAL_GROUPS.items():
        assert found[f"accuracy_{group}"] == pytest.approx(share / 100, abs=1e-6)
    assert found["accuracy"] == pytest.approx(OFFICIAL_OVERALL / 100, abs=1e-7)
    assert found["macro_accuracy"] == found["macro_accuracy_9"]


def test_lines_may_be_wrapped_as_one_version_of_the_script_wraps_them(tmp_path: Path):
    wrapped = [{"0": row} for row in calls()]
    assert metrics_of(wrapped, "official", tmp_path) == metrics_of(calls(), "official", tmp_path)


def judged(better: dict[str, str]) -> list[dict[str, Any]]:
    """Two items per pair; `better` maps an id to what both orders say."""
    told: list[dict[str, Any]] = []
    for row in rows():
        right = row["human_ranking"].index(0)
        for number in (1, 2):
            place = 1 + (right ^ (number - 1))
            saying = better.get(row["id"], "Overall Judgment: Answer {right} is better.")
            text = saying.format(right=place, wrong=3 - place)
            told.append({"item": f"{row['id']}/{number}", "answer": text})
    return told


def test_strictly_a_pair_is_right_in_both_orders_or_wrong(tmp_path: Path):
    wrong = {
        "RLHF-V_0": "Overall Judgment: Answer {wrong} is better.",
        "RLHF-V_1": "Overall Judgment: Answer 1 is better.",
        "RLHF-V_2": "I can't tell.",
        "RLHF-V_3": "Overall Judgment: Answer 3 is better.",
    }
    found = metrics_of(judged(wrong), "strict", tmp_path)
    pairs = sum(group_of(name) == "hallucination" for name in IDS)
    assert found["accuracy_hallucination"] == pytest.approx((pairs - 4) / pairs)
    assert found["accuracy_general"] == found["accuracy_reasoning"] == 1
    assert found["by_place"] == pytest.approx(1 / len(IDS))
    assert found["unread_pairs"] == pytest.approx(2 / len(IDS))
    assert metrics_of(judged({}), "strict", tmp_path)["macro_accuracy"] == 1


@pytest.mark.parametrize("mode", ["official", "strict"])
def test_scores_of_a_reward_model_prefer_the_higher_and_a_tie_is_in_no_official_rate(
    mode: Mode, tmp_path: Path
):
    told = [
        {"id": row["id"], "scores": [float(rank == 0) for rank in row["human_ranking"]]}
        for row in rows()
    ]
    told[0]["scores"] = [0.5, 0.5]
    told[1]["scores"].reverse()
    found = metrics_of(told, mode, tmp_path)
    pairs = sum(group_of(name) == "hallucination" for name in IDS)
    rest = pairs if mode == "strict" else pairs - 1
    right = pairs - 2
    assert found["accuracy_hallucination"] == pytest.approx(right / rest)
    assert found["unread_pairs"] == pytest.approx(1 / len(IDS))


@pytest.mark.parametrize("reply", ['{"scores": []}', '{"scores": [9, 1]}', '{"scores": "high"}'])
def test_a_judge_that_replies_with_scores_of_its_own_is_not_read_as_a_reward_model(
    reply: str, tmp_path: Path
):
    data = read_data([lines(tmp_path / "data.jsonl", rows()[:1])])
    answers = [ItemAnswer(text=reply, item=each.item) for each in data]
    scores = score(data, answers, Scoring(mode="strict"))
    assert [each.status for each in scores] == ["unparsed", "unparsed"]


@pytest.mark.parametrize("scores", [[1.0], [1.0, float("nan")], ["a", "b"], None, [True, False]])
def test_scores_that_are_not_two_numbers_name_their_row(scores: object, tmp_path: Path):
    data = read_data([lines(tmp_path / "data.jsonl", rows()[:1])])
    answers = lines(tmp_path / "scores.jsonl", [{"id": IDS[0], "scores": scores}])
    with pytest.raises(UserError) as caught:
        read_answers(answers, data)
    assert "scores.jsonl" in caught.value.where


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Overall Judgment: Answer 2 is better.", 2),
        ("**overall judgment**: Answer 1 is the slightly better", 1),
        ("Therefore\nAnswer 1 is better. Answer 2 is better", 2),
        ("Answer 1 is better.", None),
        ("", None),
        (f"Therefore Answer {'9' * 5000} is better", 0),
        ('{"scores": []}', None),
    ],
)
def test_a_judgement_is_read_as_the_script_reads_it(text: str, number: int | None):
    assert verdict(text) == number


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"human_ranking": [0, 0]}, "ranks"),
        ({"human_ranking": [0, 1, 2]}, "ranks"),
        ({"human_ranking": [0, 10**400]}, "ranks"),
        ({"response": ["one"]}, "ranks"),
        ({"id": ""}, "no id"),
    ],
)
def test_a_bad_row_of_the_data_is_named(change: dict[str, Any], says: str, tmp_path: Path):
    told = rows()[:2]
    told[1] |= change
    with pytest.raises(UserError, match=says) as caught:
        read_data([lines(tmp_path / "data.jsonl", told)])
    assert caught.value.where.endswith(":2")


def test_a_pair_without_a_judgement_and_one_of_other_data_are_refused(tmp_path: Path):
    data = read_data([lines(tmp_path / "data.jsonl", rows())])
    with pytest.raises(UserError, match="1 pairs have no judgement"):
        read_answers(lines(tmp_path / "few.jsonl", calls()[10:]), data)
    other = [{**calls()[0], "id": "other"}]
    with pytest.raises(UserError, match="lacks: 'other'"):
        read_answers(lines(tmp_path / "other.jsonl", other), data)


def test_two_questions_of_one_id_are_two_pairs_and_one_pair_twice_is_refused(tmp_path: Path):
    first = rows()[0]
    second = {**first, "query": "Another question?"}
    data = read_data([lines(tmp_path / "two.jsonl", [first, second])])
    assert [each.item for each in data] == [
        f"{IDS[0]} ({n})/{order}" for n in "12" for order in "12"
    ]
    swapped = {**first, "response": first["response"][::-1]}
    with pytest.raises(UserError, match="there twice"):
        read_data([lines(tmp_path / "same.jsonl", [first, swapped])])


def test_a_judge_is_asked_in_both_orders_with_the_image_of_the_parquet(tmp_path: Path):
    image = tmp_path / "image.png"
    Image.new("RGB", (9, 7), "red").save(image)
    told = [{**row, "image": {"bytes": image.read_bytes(), "path": None}} for row in rows()[:2]]
    pq.write_table(pa.Table.from_pylist(told), tmp_path / "data.parquet")
    store = ImageStore(tmp_path / "images")
    data = read_data([tmp_path / "data.parquet"])
    asked = items(data, tmp_path, store)
    assert [each.key for each in asked] == [f"{name}/{n}" for name in IDS[:2] for n in (1, 2)]
    texts = [each.prompt.messages[0].content[1].text for each in asked[:2]]
    assert all("<image>" not in text for text in texts)
    first, second = told[0]["response"]
    assert f"Answer 1: {first}" in texts[0]
    assert f"Answer 1: {second}" in texts[1]
    answers = [
        ItemAnswer(text=f"Overall Judgment: Answer {each.target} is better.", item=each.key)
        for each in asked
    ]
    for mode in VL_REWARDBENCH.modes:
        found = results_of(VL_REWARDBENCH, score(data, answers, Scoring(mode=mode))).metrics
        assert found["accuracy"] == 1
