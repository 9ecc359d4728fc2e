"""LLaVA-Bench: the official scores review by review, and the mended reading."""

# pyright: reportOptionalCall=false
# Reason: a benchmark may lack a hook; those of these tests have them.

import json
from pathlib import Path
from typing import Any

import pytest
from official_figures import OfficialFigures
from PIL import Image

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import Mode
from groundtune.bench.judge.judge import Judging
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.bench.results import item_lines, results_of
from groundtune.bench.tasks.llava_bench import llava_bench
from groundtune.bench.tasks.llava_bench.llava_bench import LLAVA_BENCH
from groundtune.errors import UserError
from groundtune.store.images import ImageStore

GOLDEN = json.loads((Path(__file__).parent / "golden" / "llava_bench.json").read_text())
CATEGORIES = ("conv", "detail", "complex")


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def data_folder(folder: Path, n: int = 90) -> Path:
    folder.mkdir()
    wild = n != 90
    prefix = "llava_bench_" if wild else ""
    rules = {f"{prefix}{c}": {"role": "Assistant", "prompt": f"Judge {c}."} for c in CATEGORIES}
    (folder / "rule.json").write_text(json.dumps(rules, indent=1))
    asked = [
        {
            "question_id": i,
            "image": f"{i // 3:012d}.jpg",
            "text": f"What is {i}?",
            "category": CATEGORIES[i % 3],
        }
        for i in range(n)
    ]
    lines(folder / "questions.jsonl", asked)
    reference = [{"question_id": i, "text": f"GPT-4 says {i}."} for i in range(n)]
    lines(folder / "answers_gpt4.jsonl", reference)
    lines(folder / "answers_bard.jsonl", reference)
    told: dict[str, Any] = (
        {"caption": "A cat."}
        if wild
        else {
            "captions": ["A cat.", "A sofa."],
            "instances": [{"category": "cat", "bbox": [0.1, 0.25, 0.5, 1]}],
        }
    )
    context = [{"id": str(i), "image": f"{i:012d}.jpg", **told} for i in range(n // 3)]
    lines(folder / "context.jsonl", context)
    return folder


def reviews(path: Path, scores: list[list[float]], replies: list[str]) -> RecordedJudge:
    rows = [
        {"question_id": i, "category": CATEGORIES[i % 3], "content": reply, "tuple": pair}
        for i, (reply, pair) in enumerate(zip(replies, scores, strict=True))
    ]
    return RecordedJudge(lines(path, rows))


def scored(folder: Path, judge: Any, mode: Mode = "official"):
    data = LLAVA_BENCH.read_data([folder])
    n = len(data.questions)
    file = lines(
        folder.parent / "mine.jsonl", [{"question_id": i, "text": f"I say {i}."} for i in range(n)]
    )
    answers = LLAVA_BENCH.read_answers(file, data)
    return LLAVA_BENCH.score(data, answers, Scoring(mode=mode, judge=judge))


@pytest.mark.official
@pytest.mark.parametrize("which", ["", "_mended"])
def test_official_scores_are_those_of_the_official_code(
    which: str, tmp_path: Path, official: OfficialFigures
):
    folder = data_folder(tmp_path / "data")
    pairs = GOLDEN["mended" if which else "scores"]
    scores = scored(folder, reviews(tmp_path / "review.jsonl", pairs, GOLDEN["replies"]))
    read = [[s.values["reference"], s.values["model"]] for s in scores]
    official.answers("llava_bench", read, pairs)
    results = results_of(LLAVA_BENCH, scores)
    for part, printed in GOLDEN["printed" + which].items():
        told = results.metrics if part == "all" else results.strata[f"category/{part}"]
        names = ("relative_score", "reference_score", "model_score")
        own = [round(float(told[name] or 0), 1) for name in names]
        official.figures("llava_bench", own, printed)


def test_official_scores_are_read_from_replies_alone(tmp_path: Path):
    rows = [{"id": i, "reply": reply} for i, reply in enumerate(GOLDEN["replies"])]
    judge = RecordedJudge(lines(tmp_path / "replies.jsonl", rows))
    scores = scored(data_folder(tmp_path / "data"), judge)
    told = [[s.values["reference"], s.values["model"]] for s in scores]
    assert told == GOLDEN["scores"]
    assert sum(s.status == "unparsed" for s in scores) == GOLDEN["scores"].count([-1, -1]) > 0


@pytest.mark.parametrize(
    ("reply", "official", "strict"),
    [
        ("8 9\nGood.", (8, 9), (8, 9)),
        ("8,9", (8, 9), (8, 9)),
        ("8, 9", None, (8, 9)),
        ("8 and 9", None, (8, 9)),
        ("\n8 9", None, (8, 9)),
        ("**8 9**", None, (8, 9)),
        ("7.5 10\n", (7.5, 10), (7.5, 10)),
        ("11 12", (11, 12), None),
        ("-3 4", (-3, 4), None),
        ("8/10 9/10", None, None),
        ("8", None, None),
        ("eight nine", None, None),
        ("", None, None),
    ],
)
def test_a_review_is_read_officially_and_strictly(reply: str, official: Any, strict: Any):
    assert llava_bench.official_pair(reply) == official
    assert llava_bench.strict_pair(reply) == strict


@pytest.mark.parametrize(
    ("reply", "relative", "reference", "model"),
    [
        ("nan 8", None, None, 80),
        ("8 nan", None, 80, None),
        ("inf 8", 0, None, 80),
        ("8 -inf", None, 80, None),
        ("inf inf", None, None, None),
    ],
)
def test_scores_that_are_no_finite_numbers_spoil_the_figures_they_officially_do(
    tmp_path: Path, reply: str, relative: Any, reference: Any, model: Any
):
    # as np.asarray(scores).mean(0) and stats[1] / stats[0] of summarize_gpt_review.py give them
    rows = [{"id": i, "reply": reply if i == 7 else "8 8"} for i in range(90)]
    judge = RecordedJudge(lines(tmp_path / "replies.jsonl", rows))
    folder = data_folder(tmp_path / "data")
    scores = scored(folder, judge)
    made = results_of(LLAVA_BENCH, scores)
    names = ("relative_score", "reference_score", "model_score")
    assert [made.metrics[name] for name in names] == [relative, reference, model]
    assert (made.unparsed, made.metrics["unparsed"]) == (1, 1 / 90)
    assert "not a finite number" in scores[7].why
    for line in item_lines(scores):
        json.loads(line, parse_constant=pytest.fail)
    strict = results_of(LLAVA_BENCH, scored(folder, judge, "strict"))
    assert (strict.metrics["relative_score"], strict.unparsed) == (100, 1)


@pytest.mark.parametrize("pair", [[8, float("nan")], [float("inf"), 8]])
def test_a_kept_score_that_is_no_finite_number_is_unread_in_mode_strict(
    tmp_path: Path, pair: list[float]
):
    kept = [pair if i == 7 else [8.0, 8.0] for i in range(90)]
    judge = reviews(tmp_path / "review.jsonl", kept, ["no scores"] * 90)
    scores = scored(data_folder(tmp_path / "data"), judge, "strict")
    assert [score.item for score in scores if score.status == "unparsed"] == ["7"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"conv": ' + "1" * 5000 + "}"])
def test_rules_that_json_cant_be_read_to_are_the_users_error(tmp_path: Path, text: str):
    folder = data_folder(tmp_path / "data")
    (folder / "rule.json").write_text(text)
    with pytest.raises(UserError, match="file is not JSON"):
        LLAVA_BENCH.read_data([folder])


def test_missing_reviews_are_left_out_and_strict_leaves_out_unread_ones(tmp_path: Path):
    rows = [{"id": 0, "reply": "8 4"}, {"id": 1, "reply": "8, 8"}]
    judge = RecordedJudge(lines(tmp_path / "replies.jsonl", rows))
    folder = data_folder(tmp_path / "data")
    official = results_of(LLAVA_BENCH, scored(folder, judge))
    # (8, 4) and (-1, -1): means 3.5 and 1.5
    assert official.metrics["relative_score"] == pytest.approx(100 * 1.5 / 3.5)
    strict = results_of(LLAVA_BENCH, scored(folder, judge, "strict"))
    assert strict.metrics["relative_score"] == 75
    assert (official.unparsed, strict.unparsed) == (89, 88)


def test_both_orders_are_asked_and_averaged(tmp_path: Path):
    rows = [{"id": i, "reply": "8 6"} for i in range(90)]
    rows += [{"id": i, "part": "swapped", "reply": "9 7"} for i in range(89)]
    judge = RecordedJudge(lines(tmp_path / "replies.jsonl", rows))
    scores = scored(data_folder(tmp_path / "data"), Judging(source=judge, swap=True), "strict")
    assert scores[0].values["reference"] == 7.5  # 8 first, 7 second
    assert scores[0].values["model"] == 7.5  # 6 second, 9 first
    assert scores[89].status == "unparsed"


def test_the_judge_sees_description_boxes_both_answers_and_the_rule(tmp_path: Path):
    data = LLAVA_BENCH.read_data([data_folder(tmp_path / "data")])
    answers = LLAVA_BENCH.read_answers(
        lines(tmp_path / "mine.jsonl", [{"text": f"I say {i}."} for i in range(90)]), data
    )
    asked = llava_bench.requests(data, answers, Judging(source=RecordedJudge(), swap=True))
    first, swapped = asked[4].text, asked[94].text
    wanted = ("A cat.\nA sofa.", "cat: [0.1, 0.25, 0.5, 1]", "What is 4?", "Judge detail.")
    assert all(part in first for part in wanted)
    assert first.index("GPT-4 says 4.") < first.index("I say 4.")
    assert swapped.index("GPT-4 says 4.") > swapped.index("I say 4.")


def test_the_set_in_the_wild_is_told_apart(tmp_path: Path):
    folder = data_folder(tmp_path / "data", 60)
    data = LLAVA_BENCH.read_data([folder])
    assert (data.name, data.is_coco, data.questions[0].rule) == (
        "in the wild",
        False,
        "Judge conv.",
    )
    rows = [{"id": i, "reply": "10 9"} for i in range(60)]
    judge = RecordedJudge(lines(tmp_path / "replies.jsonl", rows))
    assert results_of(LLAVA_BENCH, scored(folder, judge)).metrics["relative_score"] == 90


def test_answers_are_never_truncated_to_the_shorter_nor_used_in_another_order(tmp_path: Path):
    folder = data_folder(tmp_path / "data")
    data = LLAVA_BENCH.read_data([folder])
    rows = [{"question_id": i, "text": "x"} for i in range(90)]
    with pytest.raises(UserError, match="89 answers to 90 questions"):
        LLAVA_BENCH.read_answers(lines(tmp_path / "a.jsonl", rows[:-1]), data)
    with pytest.raises(UserError, match="is to question 1, not 0"):
        LLAVA_BENCH.read_answers(lines(tmp_path / "a.jsonl", [rows[1], rows[0], *rows[2:]]), data)
    (folder / "context.jsonl").unlink()
    with pytest.raises(UserError, match="the descriptions"):
        LLAVA_BENCH.read_data([folder])


def test_its_images_may_be_named_as_in_coco(tmp_path: Path):
    data = LLAVA_BENCH.read_data([data_folder(tmp_path / "data")])
    for i in range(30):
        prefix = "COCO_val2014_" if i else ""
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{prefix}{i:012d}.jpg")
    assert LLAVA_BENCH.items is not None
    made = LLAVA_BENCH.items(data, tmp_path, ImageStore(tmp_path / "store"))
    assert (made[0].image, made[3].image) == ("000000000000.jpg", "COCO_val2014_000000000001.jpg")


def test_the_real_set_is_read(test_data: Path):
    data = LLAVA_BENCH.read_data([test_data / "llava_bench"])
    assert (len(data.questions), data.name) == (90, "COCO")
    assert data.questions[0].text == "What is the color of the two suitcases in the image?"
    assert data.questions[0].role == "Assistant"
